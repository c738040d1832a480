"""What can be known of a mount: its line in fstab, and the kernel's mount table."""

from typing import NamedTuple


class Mounted(NamedTuple):
    """One line of mountinfo: `number` is the device's "major:minor"."""

    path: str
    number: str
    type: str
    source: str
    options: tuple[str, ...]
    readonly: bool


class MountState(NamedTuple):
    """fstab:   the whole file's bytes; `line` our line in it (without its end), '' if there is none.
    mounted: what the kernel has at the declared path, topmost; None if nothing.
    elsewhere: other paths where the volume is mounted.
    folder:  "" if the mount point can be used, "missing", or why it cannot."""

    fstab: bytes
    line: str
    mounted: Mounted | None
    elsewhere: tuple[str, ...]
    folder: str
