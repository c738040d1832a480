"""What can be known of a volume group."""

from typing import NamedTuple

from lunmirror.engine.desired import Desired, Disk
from lunmirror.layers.group.owner import Bond, bond, consents, read

PLACE_TAG = "lunmirror.lun="  # followed by server, target and LUN of the disk that carries the physical volume


def place_tag(disk: Disk) -> str:
    """What is noted of a physical volume whose UUID does not follow from its disk: adopted, or made under a former name of
    the disk. Out of sight, nothing else shows on which disk it is."""
    return f"{PLACE_TAG}{disk.server}/{disk.target}/{disk.lun}"


class Member(NamedTuple):
    """One physical volume of a group. `disk` is the declared disk it is on, or was made for if it is out of
    sight; '' for one that no declared disk explains. Sizes are bytes; `room`: what its device has for extents, 0 if
    that is not known; `places`: our tags that say on which LUN it is."""

    uuid: str
    device: str  # /dev path, '' if LVM does not see it
    disk: str
    size: int
    free: int
    missing: bool  # flagged MISSING in the metadata, or not visible at all
    misplaced_from: str = ""  # the disk it was made for, where it turned up on another one
    room: int = 0
    places: tuple[str, ...] = ()


class VolumeGroup(NamedTuple):
    """Sizes are bytes. `members` includes those that cannot be seen now. `host` is the owner's mark (owner.py), '' if the
    group carries none, and of several one that is not this host's; `here` this host as a mark; `system_id` LVM's owner mark.
    `lock_type`: of a group that several hosts share. `autoactivation`: LVM's own events start the group as soon as all of it is
    there; None where LVM does not show it.
    `others`: volumes in it that are not declared. `active`: all volumes of it that are active on this host."""

    uuid: str
    extent_size: int
    free: int
    seqno: int
    members: tuple[Member, ...]
    tags: tuple[str, ...]
    host: str
    here: str
    system_id: str
    exported: bool
    autoactivation: bool | None = None
    others: tuple[str, ...] = ()
    lock_type: str = ""
    system: str = ""  # this machine's own system ID in LVM; only asked for where the group has one
    active: tuple[str, ...] = ()

    def member(self, disk: str) -> Member | None:
        return next((m for m in self.members if m.disk == disk), None)

    def foreign_reason(self) -> str:
        """Why the group is not this host's to use, '' if it is. A consent to take it over does not make it so: only the
        mark on the disks does."""
        if self.exported:
            return "it was given away with `vgexport`"
        if self.lock_type:
            return f"several hosts share it (lock type {self.lock_type})"
        if self.system_id and self.system_id != self.system:
            return f"it has LVM's system ID {self.system_id!r}; this machine's is {self.system or 'none'}"
        if self.elsewhere:
            return f"it belongs to {read(self.host).words}; this one is {read(self.here).words}"
        if self.unrelated:
            return "it only has the same name: none of its physical volumes lies on a declared disk"
        return ""

    @property
    def taken(self) -> int:
        """How often it has changed hands."""
        return read(self.host).taken

    @property
    def bond(self) -> Bond:
        return bond(self.host, self.here)

    @property
    def elsewhere(self) -> bool:
        """It carries the mark of another host."""
        return self.bond in (Bond.OTHER, Bond.NAMESAKE)

    def can_be_taken(self, take_from: str) -> bool:
        """Another host's, with a consent to take it over, and every member in view: the group layer's plan does it."""
        barred = (
            self.exported or self.lock_type or (self.system_id and self.system_id != self.system) or self.unrelated
        )
        consent = self.elsewhere and consents(take_from, self.host, self.here)
        return consent and not barred and all(m.device for m in self.members)

    @property
    def unrelated(self) -> bool:
        """No declared disk explains any of its members: a group of this machine's own disks, say, that happens to
        have the declared name. A name alone is no reason to extend a group or to build in it."""
        return not any(m.disk for m in self.members)

    @property
    def misplaced(self) -> tuple[Member, ...]:
        """Members that turned up behind another disk's name: swapped or cloned LUNs. Nothing is built upon them."""
        return tuple(m for m in self.members if m.misplaced_from)

    @property
    def whole(self) -> bool:
        """Every member is visible and none is flagged: only then may the metadata be written."""
        return not any(m.missing for m in self.members)


class DuplicateNames(NamedTuple):
    """Several volume groups carry the declared name; `uuids` distinguishes them."""

    uuids: tuple[str, ...]


class NoGroup(NamedTuple):
    """All of the group's disks were looked at, and it is not there. `here` is this host as a mark."""

    here: str


def successors(desired: Desired, group: str, facts: VolumeGroup) -> dict[str, Disk]:
    """UUID of the member that leaves -> the disk that takes its place, by the `replaces` of the configuration: a
    consent, named, and for one disk; nothing else ever lets a member go. The predecessor is declared too, so its member
    is known by its UUID, which follows from server, target, LUN and name, whether or not it can still be seen."""
    found: dict[str, Disk] = {}
    for name in desired.groups[group].disks:
        disk = desired.disks[name]
        member = facts.member(disk.replaces) if disk.replaces else None
        if member:
            found[member.uuid] = disk
    return found


def whole_but_for(facts: VolumeGroup, leaving: dict[str, Disk]) -> bool:
    """Every member that stays is there: the metadata may be written, since only what leaves can be flagged by it."""
    return not any(m.missing for m in facts.members if m.uuid not in leaving)
