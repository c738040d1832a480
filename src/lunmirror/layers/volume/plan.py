"""The logical volume: made once, with one leg on each declared disk; grown and given legs while in use; activated.

| found                                    | what is done                                                    |
|------------------------------------------|-----------------------------------------------------------------|
| absent, the whole group in view          | lvcreate, tagged "made by us, not yet formatted" in one commit  |
| linear, raid1 or mirror declared         | lvconvert onto the declared disk                                |
| mirror in sync, raid1 declared           | lvconvert (takeover)                                            |
| a leg fewer than declared                | lvconvert adds it on the declared disk                          |
| smaller than declared                    | tagged, then lvextend; the file system follows                  |
| larger than declared                     | refused: nothing is ever shrunk                                 |
| a leg where none is declared             | refused                                                         |
| inactive                                 | activated                                                       |

While legs are not in sync, nothing but activation is done to a volume.
"""

from lunmirror.desired import Desired, Volume
from lunmirror.layers.disk.facts import Lun
from lunmirror.layers.group.facts import VolumeGroup
from lunmirror.layers.volume.facts import GROW, UNFORMATTED, Leg, LogicalVolume
from lunmirror.lvm.command import change, place_of
from lunmirror.model import (
    Absent,
    Drift,
    Finding,
    Kind,
    Plan,
    Present,
    Ref,
    Risk,
    Run,
    Step,
    Unknown,
    World,
)

LONG = 180.0  # seconds: LVM commands that also start copying, under emulation and load


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    plans = [_Planner(v, desired, seen, pending).plan() for v in desired.volumes.values()]
    return Plan(tuple(s for p in plans for s in p.steps), tuple(f for p in plans for f in p.findings))


class _Planner:
    """Plans one volume. Holds what every question about it needs."""

    def __init__(self, volume: Volume, desired: Desired, seen: World, pending: frozenset[Ref]) -> None:
        self.volume, self.desired, self.seen = volume, desired, seen
        self.ref = Ref("volume", volume.id)
        group = Ref("group", volume.group)
        self.after = (group,) if group in pending else ()
        state = seen["group"][volume.group]
        facts = state.facts if isinstance(state, Present) else None
        self.group = facts if isinstance(facts, VolumeGroup) else None

    def plan(self) -> Plan:
        match self.seen["volume"][self.volume.id]:
            case Present(LogicalVolume() as facts):
                return self._keep(facts)
            case Unknown(reason) if not self.after:
                return self._find(Kind.BLOCKED, "cannot be seen", reason, "the next pass looks again")
            case Absent() | Unknown() if self.after or self.group:
                return self._make()
            case _:
                why = f"its group {self.volume.group} is not there"
                return self._find(Kind.BLOCKED, "cannot be made yet", why, "see what is said of the group")

    # -- making ---------------------------------------------------------------------------------------------------

    def _make(self) -> Plan:
        volume = self.volume
        if not self.after:
            unfit = self._unfit(volume.legs, self._wanted_extents())
            if unfit:
                return unfit
        shape = {
            "raid1": ("--type", "raid1", "-m", str(len(volume.legs) - 1)),
            "mirror": ("--type", "mirror", "-m", str(len(volume.legs) - 1), "--mirrorlog", volume.log),
            "linear": ("--type", "linear"),
        }[volume.type]
        tag = ("--addtag", UNFORMATTED) if volume.filesystem else ()
        # -y answers only "wipe the old signature in these free extents?": the group is ours, they are free.
        words = (
            *shape,
            "-n",
            volume.name,
            "-l",
            self._extents_word(),
            *tag,
            "-y",
            "-W",
            "y",
            "-Z",
            "y",
            volume.group,
        )
        return self._steps(
            f"make {volume.type} volume {volume.id} with a leg on {', '.join(volume.legs)}",
            Run(change(self._devices(), "lvcreate", *words, *self._places(volume.legs)), LONG),
            Drift(volume.key, f"{volume.type}, {self._size_text()}", "none"),
        )

    def _unfit(self, legs: tuple[str, ...], extents: int) -> Plan | None:
        """Why these disks cannot take that many more extents each; None if they can."""
        assert self.group
        if not self.group.whole:
            why = f"group {self.volume.group} misses a member, and writing its metadata now would flag that as lost"
            return self._find(Kind.BLOCKED, "cannot be changed yet", why, "bring the missing server back first")
        for disk in legs:
            member = self.group.member(disk)
            if member is None:
                why = f"disk {disk} has no physical volume in group {self.volume.group}"
                return self._find(Kind.BLOCKED, "cannot be changed yet", why, f"see what is said of disk {disk}")
            free = member.free // self.group.extent_size
            if free < extents:
                why = f"disk {disk} has {free} free extents of {self.group.extent_size} bytes, {extents} are needed"
                return self._find(Kind.REFUSED, "does not fit", why, f"enlarge disk {disk} or declare less", "size")
        return None

    # -- keeping --------------------------------------------------------------------------------------------------

    def _keep(self, facts: LogicalVolume) -> Plan:
        if not facts.active:
            return self._activate(facts)
        refusal = self._misplaced(facts)
        if refusal:
            return refusal
        unfull = self._unfull(facts)
        if unfull:
            return unfull
        for step in (self._reshape, self._add_leg, self._grow):
            planned = step(facts)
            if planned:
                return planned
        return Plan()

    def _activate(self, facts: LogicalVolume) -> Plan:
        missing = [d for d in self.volume.legs if not self._in_view(d)]
        if missing:
            why = f"disk {', '.join(missing)} cannot be seen"
            return self._find(Kind.BLOCKED, "is not active", why, "bring its server back; the next pass activates it")
        return self._steps(
            f"activate volume {self.volume.id}",
            Run(change(self._devices(), "lvchange", "-a", "y", self.volume.id), LONG),
            Drift(self.volume.key, "active", "inactive"),
        )

    def _misplaced(self, facts: LogicalVolume) -> Plan | None:
        """A leg on a disk that is not declared for it, or two legs on one server."""
        if facts.type not in ("linear", "raid1", "mirror"):
            why = f"it is a {facts.type or 'volume without segments'}, which lunmirror does not work with"
            return self._find(
                Kind.REFUSED, "is not what is declared", why, "declare another name, or convert it", "type"
            )
        if facts.health not in ("", "partial", "refresh needed", "mismatches exist"):
            why = f"LVM reports its health as {facts.health!r}, which lunmirror does not know"
            return self._find(Kind.BLOCKED, "is left alone", why, "see `lvs -a -o+lv_health_status`")
        servers: dict[str, str] = {}
        for leg in facts.legs:
            for disk in self._disks_of(leg):
                server = self.desired.disks[disk].server if disk else ""
                if disk and disk not in self.volume.legs:
                    why = f"its leg {leg.name} lies on disk {disk}"
                    next = f"declare {disk} among its legs, or move the leg yourself"
                    return self._find(Kind.REFUSED, "has a leg where none is declared", why, next, "legs")
                if server and servers.get(server, leg.name) != leg.name:
                    why = f"its legs {servers[server]} and {leg.name} both lie on server {server}"
                    next = "that is no redundancy: one of them has to be moved to another server by hand"
                    return self._find(Kind.REFUSED, "has two legs on one server", why, next, "legs")
                servers[server] = leg.name
        return None

    def _unfull(self, facts: LogicalVolume) -> Plan | None:
        """Legs dead or copying: said, and nothing else is done to the volume meanwhile."""
        if facts.synced:
            return None
        dead = [leg for leg in facts.legs if leg.letter not in ("A", "a")]
        percent = f"{100 * facts.done / facts.total:.1f} %" if facts.total else "an unknown part"
        letters = "".join(leg.letter or "?" for leg in facts.legs)
        if dead:
            names = ", ".join(
                f"{leg.name} on disk {'/'.join(filter(None, self._disks_of(leg))) or 'unknown'}" for leg in dead
            )
            why = f"device-mapper shows {letters}: {names} does not work"
            return self._find(Kind.DEGRADED, "runs without full redundancy", why, "bring the server of that leg back")
        why = f"device-mapper shows {letters}, {percent} in sync"
        return self._find(
            Kind.DEGRADED, "is being copied: redundancy is not full yet", why, "nothing: it goes on by itself"
        )

    def _reshape(self, facts: LogicalVolume) -> Plan | None:
        volume = self.volume
        if facts.type == "mirror" and volume.type == "raid1":
            unfit = self._unfit(tuple(self._disks(facts)), 1)  # a leg of raid1 needs one extent for its own metadata
            run = Run(change(self._devices(), "lvconvert", "-y", "--type", "raid1", volume.id), LONG)
            drift = Drift(f"{volume.key}.type", "raid1", "mirror")
            return unfit or self._steps(f"turn mirror {volume.id} into raid1", run, drift, Risk.ONLINE)
        if facts.type == "mirror" == volume.type and facts.log != volume.log:
            run = Run(change(self._devices(), "lvconvert", "-y", "--mirrorlog", volume.log, volume.id), LONG)
            drift = Drift(f"{volume.key}.log", volume.log, facts.log)
            return self._steps(f"give {volume.id} a {volume.log} log", run, drift, Risk.ONLINE)
        if facts.type != volume.type and facts.type != "linear":
            why = f"it is {facts.type}, {volume.type} is declared, and going there would lower its redundancy"
            return self._find(Kind.REFUSED, "is not converted", why, f'declare type = "{facts.type}"', "type")
        return None

    def _add_leg(self, facts: LogicalVolume) -> Plan | None:
        volume = self.volume
        has = self._disks(facts)
        lacking = [d for d in volume.legs if d not in has]
        if not lacking or len(facts.legs) >= len(volume.legs):
            if len(facts.legs) > len(volume.legs) or (lacking and self.group and self.group.whole):
                why = f"it has {len(facts.legs)} legs on {', '.join(has) or 'unknown disks'}; declared: {', '.join(volume.legs)}"
                return self._find(Kind.REFUSED, "has other legs than declared", why, "correct `legs`", "legs")
            return None
        pending = [d for d in lacking if Ref("group", volume.group) in self.after]
        disk = lacking[0]
        if not pending:
            unfit = self._unfit((disk,), facts.extents + (1 if volume.type == "raid1" else 0))
            if unfit:
                return unfit
        kind = ("--type", volume.type, "-m", "1") if facts.type == "linear" else ("-m", "+1")
        log = ("--mirrorlog", volume.log) if volume.type == "mirror" and facts.type == "linear" else ()
        # -b: a mirror's conversion would wait in the foreground for the whole copy.
        background = ("-b",) if volume.type == "mirror" else ()
        words = ("-y", *kind, *log, *background, volume.id, *self._places((disk,)))
        return self._steps(
            f"add a leg of {volume.id} on disk {disk}",
            Run(change(self._devices(), "lvconvert", *words), LONG),
            Drift(f"{volume.key}.legs", ", ".join(volume.legs), ", ".join(has) or "none known"),
            Risk.ONLINE,
        )

    def _grow(self, facts: LogicalVolume) -> Plan | None:
        wanted = self._wanted_extents()
        if facts.extents == wanted:
            return None
        volume = self.volume
        if facts.extents > wanted:
            why = f"it has {facts.extents} extents, {wanted} are declared, and nothing is ever shrunk"
            return self._find(
                Kind.REFUSED, "is larger than declared", why, "declare at least its present size", "size"
            )
        unfit = self._unfit(volume.legs, wanted - facts.extents)
        if unfit:
            return unfit
        drift = (Drift(f"{volume.key}.size", f"{wanted} extents", f"{facts.extents} extents"),)
        steps = []
        if volume.filesystem and GROW not in facts.tags:
            tag = Run(change(self._devices(), "lvchange", "--addtag", GROW, volume.id))
            steps.append(Step(self.ref, f"note on {volume.id} that its file system is to grow", tag, drift))
        extend = Run(
            change(self._devices(), "lvextend", "-l", str(wanted), volume.id, *self._places(volume.legs)), LONG
        )
        steps.append(Step(self.ref, f"extend {volume.id} to {self._size_text()}", extend, drift, Risk.ONLINE))
        return Plan(tuple(steps))

    # -- words ----------------------------------------------------------------------------------------------------

    def _wanted_extents(self) -> int:
        assert self.group
        return self.volume.size.in_extents(self.group.extent_size)

    def _extents_word(self) -> str:
        return str(self._wanted_extents()) if self.group else f"<{self._size_text()}>"

    def _size_text(self) -> str:
        size = self.volume.size
        return f"{size.extents} extents" if size.extents is not None else f"{size.bytes} bytes"

    def _places(self, disks: tuple[str, ...]) -> tuple[str, ...]:
        """Each disk's physical volume, as a device; a placeholder where it cannot be seen yet."""
        members = {d: self.group.member(d) for d in disks} if self.group else {}
        return tuple(m.device if (m := members.get(d)) else place_of(self.desired.disks[d]) for d in disks)

    def _devices(self) -> tuple[str, ...]:
        if self.group:
            return tuple(m.device for m in self.group.members if m.device)
        return self._places(self.desired.groups[self.volume.group].disks)

    def _disks_of(self, leg: Leg) -> list[str]:
        """The declared disks this leg lies on; '' for a physical volume on none of them."""
        by_uuid = {m.uuid: m.disk for m in self.group.members} if self.group else {}
        return [by_uuid.get(pv, "") for pv in leg.pvs]

    def _disks(self, facts: LogicalVolume) -> list[str]:
        return [d for leg in facts.legs for d in self._disks_of(leg) if d]

    def _in_view(self, disk: str) -> bool:
        state = self.seen["disk"][disk]
        return isinstance(state, Present) and isinstance(state.facts, Lun) and bool(state.facts.pv)

    def _steps(self, title: str, action: Run, drift: Drift, risk: Risk = Risk.NONE) -> Plan:
        return Plan((Step(self.ref, title, action, (drift,), risk, after=self.after),))

    def _find(self, kind: Kind, what: str, why: str, next: str, word: str = "") -> Plan:
        key = f"{self.volume.key}.{word}" if word else self.volume.key
        return Plan(findings=(Finding(self.ref, kind, f"volume {self.volume.id} {what}", why, next, key),))
