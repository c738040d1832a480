"""What can be known of a mount: its line in fstab, and the kernel's mount table."""

from collections.abc import Mapping
from typing import NamedTuple


class Mounted(NamedTuple):
    """One line of mountinfo: `number` is the device's "major:minor". `options` are those of the mount, then those
    of the file system; `flags` of them are the mount's own."""

    path: str
    number: str
    type: str
    source: str
    options: tuple[str, ...]
    readonly: bool
    flags: tuple[str, ...] = ()


class Undeclared(NamedTuple):
    """Of a volume that lunmirror managed, and that is not declared any more: where it is mounted, and which lines of fstab
    name it."""

    paths: tuple[str, ...]
    lines: tuple[int, ...] = ()


class MountState(NamedTuple):
    """fstab:   the whole file's bytes; `line` our line in it (without its end), '' if there is none.
    mounted: what the kernel has at the declared path, topmost; None if nothing.
    elsewhere: other paths where the volume is mounted.
    directory:  "" if the mount point can be used, "missing", or why it cannot.
    absent:  there is no fstab at all (its bytes are then empty).
    aliases: numbers of the lines in fstab, from 1, that name our device in another way (UUID=…, a link); doubts and
             leads: of the others, why that is not known, and what the name leads to instead.
    files:   the mount point, with nothing mounted on it, holds files or directories.
    systemd: this machine was started by systemd; `stale`: the unit that it made from fstab for our path is not there
             or names another device.
    below:   what is mounted at paths below it, while nothing is mounted at the path itself."""

    fstab: bytes
    line: str
    mounted: Mounted | None
    elsewhere: tuple[str, ...]
    directory: str
    absent: bool = False
    aliases: tuple[int, ...] = ()
    files: bool = False
    systemd: bool = False
    stale: bool = False
    below: tuple[str, ...] = ()
    doubts: Mapping[int, str] = {}
    leads: Mapping[int, str] = {}
