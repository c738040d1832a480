"""One volume while it is planned: what every question about it needs, and the words all answers share."""

from lunmirror.engine import journal
from lunmirror.engine.desired import Desired, Volume
from lunmirror.engine.model import (
    Drift,
    Finding,
    Kind,
    MakeDirectory,
    Plan,
    Present,
    Ref,
    Risk,
    Run,
    Seen,
    Step,
    World,
    WriteFile,
    facts_of,
)
from lunmirror.engine.plain import exactly
from lunmirror.host import paths
from lunmirror.layers.context import NOT_LOOKED_AT, Context
from lunmirror.layers.disk.facts import devices_guarded
from lunmirror.layers.group.facts import Member, VolumeGroup, successors, whole_but_for
from lunmirror.layers.volume.facts import Leg, LogicalVolume
from lunmirror.layers.volume.standing import vouched
from lunmirror.lvm.command import change, place_of

LONG = 180.0  # seconds: LVM commands that also start copying, under emulation and load


class VolumeContext(Context):
    """`after` is set in predictions: the group is not there yet. `group` is None while it cannot be seen."""

    def __init__(self, volume: Volume, desired: Desired, seen: World, pending: frozenset[Ref]) -> None:
        super().__init__(Ref("volume", volume.id), volume.key, desired, seen, pending)
        self.volume = volume
        self.after = self.waits_for(Ref("group", volume.group))
        self.group = facts_of(self.below("group", volume.group), VolumeGroup)
        self.leaving = successors(desired, volume.group, self.group) if self.group else {}

    # -- where things are -----------------------------------------------------------------------------------------

    def devices(self) -> tuple[str, ...]:
        """Every visible member of the group, and in a prediction those to come: what an LVM command about this
        volume may look at."""
        declared = self.desired.groups[self.volume.group].disks
        if self.group is None:
            return self.places(declared)
        joining = tuple(d for d in declared if not self.group.member(d)) if self.after else ()
        return (*(m.device for m in self.group.members if m.device), *self.places(joining))

    def places(self, disks: tuple[str, ...]) -> tuple[str, ...]:
        """Each disk's physical volume, as a device; a placeholder where it cannot be seen yet."""
        members = {d: self.group.member(d) for d in disks} if self.group else {}
        return tuple(m.device if (m := members.get(d)) else place_of(self.desired.disks[d]) for d in disks)

    def member(self, pv: str) -> Member | None:
        """The group's member with this UUID."""
        return next((m for m in self.group.members if m.uuid == pv), None) if self.group else None

    def device_of(self, pv: str) -> str:
        """The device of this physical volume, '' if it is out of view."""
        return member.device if (member := self.member(pv)) else ""

    def disks_of(self, leg: Leg) -> list[str]:
        """The declared disks this leg lies on; '' for a physical volume on none of them."""
        return [m.disk if (m := self.member(pv)) else "" for pv in leg.pvs]

    def disks(self, facts: LogicalVolume) -> list[str]:
        return [d for leg in facts.legs for d in self.disks_of(leg) if d]

    def server_of(self, pv: str) -> str:
        """For an administrator: the server behind a physical volume, or its UUID."""
        member = self.member(pv)
        return self.desired.disks[member.disk].server if member and member.disk else f"physical volume {pv}"

    def sessions(self, pv: str) -> tuple[Seen[object], ...]:
        """What is known of the sessions to the disk of this physical volume; none if it is on no declared disk."""
        member = self.member(pv)
        disk = self.desired.disks.get(member.disk) if member else None
        known = self.seen.get("session", {})
        return tuple(known.get(p.name, NOT_LOOKED_AT) for p in self.desired.paths_to(disk)) if disk else ()

    def in_view(self, leg: Leg) -> bool:
        """Every physical volume of the leg is visible, flagged as missing or not."""
        return bool(leg.pvs) and all((m := self.member(pv)) and m.device for pv in leg.pvs)

    def foreign_reason(self) -> str:
        """Why the volume's group is not this host's to use; '' if it is, or will be in a prediction."""
        return self.group.foreign_reason() if self.group and not self.after else ""

    def whole(self) -> bool:
        """Every member of the group that stays is in view and unflagged: metadata may be written, and a leg that goes
        is not the last that can be reached."""
        return self.group is not None and whole_but_for(self.group, self.leaving)

    def flagged(self) -> list[Member]:
        """Members that are back, but still marked as missing in the metadata."""
        return [m for m in self.group.members if m.device and m.missing] if self.group else []

    def gone(self) -> list[Member]:
        """Members that cannot be seen, but for those that are being replaced."""
        return [m for m in self.group.members if not m.device and m.uuid not in self.leaving] if self.group else []

    def leaves(self, leg: Leg) -> bool:
        """Another disk takes this leg's place."""
        return any(pv in self.leaving for pv in leg.pvs)

    @property
    def at_rest(self) -> bool:
        """A server with a leg of it is in maintenance."""
        return self.desired.resting in {self.desired.disks[disk].server for disk in self.volume.legs}

    @property
    def seqno(self) -> int:
        """The metadata sequence number of the group, for the journal; 0 while the group cannot be seen."""
        return self.group.seqno if self.group else 0

    @property
    def term(self) -> int:
        """How often the group has changed hands."""
        return self.group.taken if self.group else 0

    # -- sizes ----------------------------------------------------------------------------------------------------

    def wanted_extents(self) -> int:
        assert self.group
        return self.volume.size.in_extents(self.group.extent_size)

    def size_text(self) -> str:
        size = self.volume.size
        return f"{size.extents} extents" if size.bytes is None else exactly(size.bytes)

    def unfit(self, legs: tuple[str, ...], extents: int) -> Plan | None:
        """Why these disks cannot take that many more extents each; None if they can."""
        assert self.group
        if not whole_but_for(self.group, self.leaving):
            why = f"group {self.volume.group} misses a member, and writing its metadata now would flag that as lost"
            return self.blocked("cannot be changed yet", why, "bring the missing server back first")
        for disk in legs:
            member = self.group.member(disk)
            if member is None:
                why = f"disk {disk} has no physical volume in group {self.volume.group}"
                return self.blocked("cannot be changed yet", why, f"see the findings for disk {disk}")
            free = (member.free + self._unused(member)) // self.group.extent_size
            if free < extents:
                why = (
                    f"disk {disk} has {free} free extents of {exactly(self.group.extent_size)}, {extents} are needed"
                )
                return self.refused("does not fit", why, self._how_to_enlarge(disk), "size")
        return None

    def _unused(self, member: Member) -> int:
        """Bytes that the device has and the physical volume does not use yet, in whole extents: its LUN was enlarged."""
        assert self.group
        beyond = member.room - member.size
        return beyond - beyond % self.group.extent_size if member.room and beyond > 0 else 0

    def _how_to_enlarge(self, disk: str) -> str:
        declared, state = self.desired.disks[disk], self.seen.get("disk", {}).get(disk)
        facts = getattr(state, "facts", None)
        whole, place = getattr(facts, "whole", None), getattr(facts, "place", None)
        if (
            self.group
            and whole
            and place
            and declared.partition
            and whole.size - place.size > 4 * self.group.extent_size
        ):
            return (
                f"{whole.node} is larger than its partition: have partition 1 reach to its end (`growpart {whole.node} 1`);"
                " the next pass goes on from there"
            )
        return (
            f"enlarge LUN {declared.lun} on server {declared.server}, and have this machine see it (`iscsiadm -m session"
            " -R`); or declare less"
        )

    def enlarge(self, disks: tuple[str, ...], extents: int) -> tuple[Step, ...]:
        """Steps that let physical volumes use all of their devices, where that many more extents need it."""
        if not self.group:
            return ()
        members = [(d, m) for d in disks if (m := self.group.member(d)) and m.free < extents * self.group.extent_size]
        return tuple(
            self.change(
                f"let the physical volume of disk {disk} use all of {member.device}",
                self.lvm("pvresize", member.device),
                Drift(
                    f"{self.volume.key}.size",
                    f"{exactly(member.room)} of {member.device} in use",
                    exactly(member.size),
                ),
                risk=Risk.ONLINE,
            )
            for disk, member in members
            if member.device and self._unused(member)
        )

    # -- answers --------------------------------------------------------------------------------------------------

    def lvm(self, verb: str, *words: str, devices: tuple[str, ...] = ()) -> Run:
        return Run(change(devices or self.devices(), verb, *words), LONG)

    def change(self, title: str, action: Run, *drift: Drift, risk: Risk = Risk.NONE, proof: str = "") -> Step:
        """A step with guards on the devices that it is pointed at."""
        guards = devices_guarded(self.seen, action)
        return self.step(title, action, *drift, risk=risk, proof=proof, guards=guards, after=self.after)

    def steps(self, title: str, action: Run, drift: Drift, risk: Risk = Risk.NONE, proof: str = "") -> Plan:
        """The same, as a plan."""
        return Plan((self.change(title, action, drift, risk=risk, proof=proof),))

    def finding(self, kind: Kind, what: str, why: str = "", next: str = "", key: str = "") -> Finding:
        """As all contexts have it; `what` goes on after the volume's name."""
        return super().finding(kind, f"volume {self.volume.id} {what}", why, next, key)

    def first_entry(self, facts: LogicalVolume, good: tuple[str, ...]) -> journal.Entry:
        """What the journal begins with, of a volume that it knew nothing of. A mark of ours on a leg's LUN proves that its server
        has not been restarted since somebody left it there."""
        good, servers = tuple(sorted(good)), vouched(facts.servers)
        return journal.Entry(self.volume.id, good, facts.today, self.seqno, {}, term=self.term, servers=servers)

    def note_legs(self, facts: LogicalVolume, entry: journal.Entry) -> tuple[Step, ...]:
        """Steps that write this into the journal; none if it says so already."""
        content = journal.render(entry._replace(term=self.term) if facts.active else entry)
        if content == facts.past_raw:
            return ()
        names = self._noted(entry)
        known = self._noted(past) if (past := self.past(facts)) else "nothing"
        drift = (Drift(self.volume.key, f"the journal knows that it runs on {names}", f"it knows {known}"),)
        directory = self.step("make the journal's directory", MakeDirectory(paths.JOURNAL_DIR, 0o700), *drift)
        write = WriteFile(journal.path_of(facts.uuid), content, facts.past_raw, 0o600)
        note = self.step(f"note that {self.volume.id} runs on {names}", write, *drift)
        return (note,) if facts.past_raw is not None else (directory, note)

    def _noted(self, entry: journal.Entry) -> str:
        names = ", ".join(self.server_of(pv) for pv in entry.running)
        if entry.copying:
            names += f", from which {', '.join(map(self.server_of, entry.copying))} is brought up to date"
        return names + (f" ({journal.SCRUBS[entry.scrub]})" if entry.scrub else "")

    @staticmethod
    def past(facts: LogicalVolume) -> journal.Entry | None:
        return facts.past.facts if isinstance(facts.past, Present) else None
