"""How large a region of a raid1's bitmap is to be."""

import pytest

from lunmirror.layers.volume import region

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40


@pytest.mark.parametrize(
    ("declared", "size", "wanted"),
    [
        (0, 1 * MIB, 1 * MIB),  # never more than the volume
        (0, 48 * MIB, 2 * MIB),  # LVM's default
        (0, 512 * MIB, 8 * MIB),
        (0, 1 * GIB, 16 * MIB),
        (0, 1000 * GIB, 16 * MIB),
        (0, 32 * TIB, 16 * MIB),
        (0, 33 * TIB, 32 * MIB),  # more regions than md's bitmap can count
        (64 * MIB, 1 * TIB, 64 * MIB),
        (512 << 10, 4 * TIB, 2 * MIB),
        (1 * GIB, 48 * MIB, 32 * MIB),
    ],
)
def test_the_wanted_region(declared: int, size: int, wanted: int) -> None:
    assert region.wanted(declared, size) == wanted
