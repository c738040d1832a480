"""A disk that does not hold the physical volume that it should: what it holds instead decides what is said, and nothing
is taken. Blank, replaced or emptied is said only of what was read as blank."""

from lunmirror.desired import Disk
from lunmirror.layers.disk.facts import Blank, Holds, Lun, Unreadable
from lunmirror.model import Finding, Kind, Ref


def unlike(ref: Ref, disk: Disk, lun: Lun) -> Finding | None:
    """Why nothing is done to the disk, if its group misses its physical volume; None if it does not, or if what the
    disk holds could not be read."""
    if not lun.expected or isinstance(lun.content, Unreadable):
        return None
    is_what = "is blank" if isinstance(lun.content, Blank) else "is not the disk that it was"
    held = f"; it holds {lun.content.what}" if isinstance(lun.content, Holds) else ""
    new = f"{disk.name}2"
    return Finding(
        ref,
        Kind.REFUSED,
        f"disk {disk.name} {is_what}, but its group still expects the physical volume {lun.expected} here",
        why=f"LUN {disk.lun} on server {disk.server} was replaced or emptied, or the server shows another one by that"
        f" number{held}; another disk under an old name is never silently adopted",
        next=f"look on the server which LUN that is; if the old disk will never return, keep the table [disks.{disk.name}],"
        f" add one [disks.{new}] with the same server, target and lun and the line"
        f' replaces = "{disk.name}", and write "{new}" for "{disk.name}" in the group\'s disks, and in `legs` where they'
        " are declared",
        key=f"disks.{disk.name}",
    )
