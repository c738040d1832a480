"""What is asked on the command line."""

import pytest

from lunmirror.cli.parser import parse
from lunmirror.engine.errors import UsageError
from lunmirror.speed import verb

MIB = 1 << 20


def test_the_defaults() -> None:
    args = parse(["speed"])
    assert verb.bounds(args.seconds, args.most) == verb.Bounds(2.0, 512 * MIB)
    assert args.volume == ""


def test_every_option() -> None:
    args = parse(["speed", "vg0/lv", "--seconds", "5", "--most", "1GiB", "--json"])
    assert verb.bounds(args.seconds, args.most) == verb.Bounds(5.0, 1024 * MIB)
    assert (args.volume, args.json) == ("vg0/lv", True)


@pytest.mark.parametrize("seconds", ["0", "31", "-1", "soon", "2s", "²"])
def test_seconds_are_bounded(seconds: str) -> None:
    with pytest.raises(UsageError, match="--seconds"):
        parse(["speed", f"--seconds={seconds}"])


@pytest.mark.parametrize("most", ["1MiB", "17GiB", "many", "12 extents", "512MB"])
def test_bytes_are_bounded(most: str) -> None:
    with pytest.raises(UsageError, match="--most"):
        verb.bounds(None, most)


def test_who_knows_hdparm_finds_it() -> None:
    with pytest.raises(UsageError) as wrong:
        parse(["hdparm"])
    assert "lunmirror speed" in wrong.value.next
