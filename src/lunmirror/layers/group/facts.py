"""What can be known of a volume group."""

from typing import NamedTuple

from lunmirror.desired import Desired, Disk

HOST_TAG = "lunmirror.host="  # followed by /etc/machine-id of the host that made the group


PLACE_TAG = "lunmirror.lun="  # followed by server, target and LUN of the disk that carries the physical volume


def place_tag(disk: Disk) -> str:
    """What is noted of a physical volume whose UUID does not follow from its disk: adopted, or made under a former name of
    the disk. Out of sight, nothing else tells on which disk it is."""
    return f"{PLACE_TAG}{disk.server}/{disk.target}/{disk.lun}"


class Member(NamedTuple):
    """One physical volume of a group. `disk` is the declared disk it is on, or was made for if it is out of
    sight; '' for one that no declared disk explains. Sizes are bytes; `room`: what its device has for extents, 0 if
    that cannot be told; `places`: our tags that say on which LUN it is."""

    uuid: str
    device: str  # /dev path, '' if LVM does not see it
    disk: str
    size: int
    free: int
    missing: bool  # flagged MISSING in the metadata, or not visible at all
    strayed_from: str = ""  # the disk it was made for, where it turned up on another one
    room: int = 0
    places: tuple[str, ...] = ()


class VolumeGroup(NamedTuple):
    """Sizes are bytes. `members` includes those that cannot be seen now. `host` is the machine id in our tag, ''
    if the group carries none; `here` this machine's own; `system_id` LVM's owner mark.
    `lock_type`: of a group that several hosts share. `autoactivation`: LVM's own events start the group as soon as all of it is there; None where LVM does not tell.
    `others`: volumes in it that are not declared."""

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

    def member(self, disk: str) -> Member | None:
        return next((m for m in self.members if m.disk == disk), None)

    def anothers(self, take_from: str) -> str:
        """Why the group is not this host's to use, '' if it is. `take_from`: the machine id that the configuration
        consents to take it from."""
        if self.exported:
            return "it was given away with `vgexport`"
        if self.lock_type:
            return f"several hosts share it (lock type {self.lock_type})"
        if self.system_id and self.system_id != self.system:
            return f"it has LVM's system ID {self.system_id!r}; this machine's is {self.system or 'none'}"
        if self.elsewhere(take_from):
            return f"it was made by the host with machine id {self.host}; this one is {self.here}"
        if self.stranger:
            return "it only has the same name: none of its physical volumes lies on a declared disk"
        return ""

    def elsewhere(self, take_from: str) -> bool:
        """Another host made it, and the configuration does not consent to take it from that one."""
        return bool(self.host) and self.host not in (self.here, take_from)

    @property
    def stranger(self) -> bool:
        """No declared disk explains any of its members: a group of this machine's own disks, say, that happens to
        have the declared name. A name alone is no reason to extend a group or to build in it."""
        return not any(m.disk for m in self.members)

    @property
    def strayed(self) -> tuple[Member, ...]:
        """Members that turned up behind another disk's name: swapped or cloned LUNs. Nothing is built upon them."""
        return tuple(m for m in self.members if m.strayed_from)

    @property
    def whole(self) -> bool:
        """Every member is visible and none is flagged: only then may the metadata be written."""
        return not any(m.missing for m in self.members)


class Homonyms(NamedTuple):
    """Several volume groups carry the declared name; `uuids` tells them apart."""

    uuids: tuple[str, ...]


class NoGroup(NamedTuple):
    """All of the group's disks were looked at, and it is not there. `here` is this machine's id."""

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
