"""What can be known of our file of udev rules, and what udev calls a disk."""

from typing import NamedTuple

from lunmirror.engine.desired import Disk, Path
from lunmirror.lvm.luns import numbers

NAME = "rules"  # the layer has this one resource


class Rules(NamedTuple):
    """`raw` is the file's content, None if there is none; `directory`: its directory is there."""

    raw: bytes | None
    directory: bool


def id_paths(address: str, path: Path, disk: Disk) -> tuple[str, ...]:
    """ID_PATH of the disk; two for a LUN that the kernel may number in two ways. `address` as its record spells it."""
    head = f"ip-{address}:{path.portal.port}-iscsi-{path.target}-lun-"
    if disk.lun < 256:
        return (f"{head}{disk.lun}",)
    # format_lun_number of udev-builtin-path_id.c: other ways of addressing are written as the eight bytes of the LUN.
    return tuple(f"{head}0x{number:04x}000000000000" for number in reversed(numbers(disk.lun)))


UNUSED = ".unused"  # how the name ends of what the rule leaves of a disk that was not in use: one that just logged in


def attention(address: str, path: Path, disk: Disk) -> tuple[str, ...]:
    """The names of what the rule leaves behind of the disk (rules.py: NOTICE), in paths.ATTENTION_DIR: one for each way in
    which the kernel may number it. Two lines: the id of the boot, the local port of the connection."""
    return tuple(f"{address}-{path.target}-{number}" for number in numbers(disk.lun))
