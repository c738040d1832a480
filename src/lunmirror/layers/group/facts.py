"""What can be known of a volume group."""

from typing import NamedTuple


class Member(NamedTuple):
    """One physical volume of a group. `disk` is the declared disk it was proven to be on, '' if none is visible
    for it; sizes are bytes."""

    uuid: str
    device: str  # /dev path, '' if LVM does not see it
    disk: str
    size: int
    free: int
    missing: bool  # flagged MISSING in the metadata, or not visible at all


class VolumeGroup(NamedTuple):
    """Sizes are bytes. `members` includes those that cannot be seen now. `host` is the machine id in our tag, ''
    if the group carries none; `system_id` LVM's own owner mark."""

    uuid: str
    extent_size: int
    free: int
    seqno: int
    members: tuple[Member, ...]
    tags: tuple[str, ...]
    host: str
    system_id: str
    exported: bool

    def member(self, disk: str) -> Member | None:
        return next((m for m in self.members if m.disk == disk), None)
