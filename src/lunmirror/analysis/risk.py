"""What would be lost if one server were lost now. Pure: from what was seen to an answer with reasons.

Law: a server can be lost only if, for every declared volume with a copy on it, another copy is known to hold all that
was ever written and can be reached. What cannot be seen, or is not certain, is no such copy: a wrong "no" costs a
second question, a wrong "yes" costs data.

| the other copies                                         | losing the server would cost |
|----------------------------------------------------------|------------------------------|
| one is in sync and can be reached                        | nothing                      |
| one is in sync, its server cannot be reached             | access                       |
| none: linear, all legs here, dead, behind, being rebuilt | access and data              |
| a split brain                                            | data, whichever side is lost |
| unknown                                                  | unknown                      |
"""

from collections.abc import Mapping
from typing import NamedTuple

from lunmirror.engine import journal
from lunmirror.engine.desired import Desired, Volume
from lunmirror.engine.journal import Entry
from lunmirror.engine.model import ABSENT, Absent, Present, Seen, Unknown, World
from lunmirror.engine.plain import named
from lunmirror.layers.disk.facts import Gone, Lun, NoDisk, Spanning
from lunmirror.layers.group.facts import Member, NoGroup, VolumeGroup
from lunmirror.layers.volume import trust, undeclared
from lunmirror.layers.volume.facts import Leg, LogicalVolume

ACCESS = "access"  # the data stay safe, but cannot be used until another server is back
DATA = "access and data"
UNSURE = "unknown"

KINDS = ("linear", "raid1", "mirror")
LETTERS = {  # device-mapper's own words: dm-raid.rst and dm-raid1.c
    "raid1": {"A": "in sync", "a": "being rebuilt", "D": "dead", "-": "split off, without what was written since"},
    "mirror": {
        "A": "in sync",
        "D": "dead: a write failed",
        "F": "dead: a flush failed",
        "S": "out of sync",
        "R": "dead: a read failed",
        "U": "in an unknown state",
    },
}


class Copy(NamedTuple):
    """One leg, seen for what it is worth. `servers` holds '' for a part that lies on no declared disk; `lack` is ''
    if it holds all that was written, `away` is '' if it can be reached: else why not. `pvs` are PV UUIDs."""

    name: str
    disks: tuple[str, ...]
    servers: tuple[str, ...]
    pvs: tuple[str, ...]
    lack: str
    away: str

    @property
    def good(self) -> bool:
        return not self.lack and not self.away

    @property
    def place(self) -> str:
        return f"the leg on server {', '.join(s or 'unknown' for s in dict.fromkeys(self.servers)) or 'unknown'}"


class Loss(NamedTuple):
    """What one volume would lose with one server: `loses` is ACCESS, DATA or UNSURE, `why` a clause."""

    server: str
    volume: str
    loses: str
    why: str

    def __str__(self) -> str:
        if self.loses == UNSURE:
            return f"volume {self.volume} might lose access or data: {self.why}"
        return f"volume {self.volume} would lose {self.loses}: {self.why}"


def losses(server: str, seen: World, desired: Desired, silent: Mapping[str, str] | None = None) -> tuple[Loss, ...]:
    """Every volume that would lose something with this server; none: it may be rebooted.

    silent: servers that were asked just now and do not answer, with the reason: for some seconds after a death the
    kernel still believes in their sessions (docs/facts/lvm.md#grey-seconds).
    """
    everything = (*desired.volumes.values(), *undeclared.volumes(desired, seen))
    found = (_loss(volume, server, seen, desired, silent or {}) for volume in everything)
    return tuple(loss for loss in found if loss)


def copies(
    volume: Volume, seen: World, desired: Desired, silent: Mapping[str, str] | None = None
) -> tuple[Copy, ...]:
    """The volume's legs; none while it cannot be seen."""
    facts = facts_of(volume, seen)
    if facts is None:
        return ()
    whole = whole_legs(facts)
    members = _members(volume, seen)
    return tuple(_copy(leg, facts, whole, members, seen, desired, silent or {}) for leg in facts.legs)


def facts_of(volume: Volume, seen: World) -> LogicalVolume | None:
    state = seen.get("volume", {}).get(volume.id)
    return state.facts if isinstance(state, Present) else None


def past_of(facts: LogicalVolume) -> Entry | None:
    return facts.past.facts if isinstance(facts.past, Present) else None


def whole_legs(facts: LogicalVolume) -> frozenset[str]:
    """PV UUIDs of the legs that hold all that was ever written, as far as that is certain."""
    past = past_of(facts)
    if not facts.active:
        return _whole_at_rest(facts, past)
    whole = set(facts.running)
    if not whole and facts.active and facts.type == "mirror" and past:
        # It copies, and its letters do not say from which leg. If only one was in sync before, it is from that one.
        alive = [leg for leg in facts.legs if leg.letter == "A" and facts.is_in_place(leg)]
        known = [leg for leg in alive if set(leg.pvs) <= set(past.running)]
        whole = set(known[0].pvs) if len(known) == 1 and set(past.running) <= set(known[0].pvs) else set()
    return frozenset(whole - {*facts.adrift, *facts.misled} - set(past.rebuild if past else ()))


def _whole_at_rest(facts: LogicalVolume, past: Entry | None) -> frozenset[str]:
    """A volume that is not active does not change: what the journal noted last holds, but for what the legs of a raid1
    say of each other on their own disks."""
    if facts.type == "linear":
        return frozenset(facts.legs[0].pvs)
    if past is None or past.diverged or past.layout:
        return frozenset()
    whole = set(past.running) - set(past.rebuild) - set(trust.judge(facts).older)
    if facts.type == "raid1":
        return (
            frozenset(whole - facts.superblocks.facts.marked_failed())
            if isinstance(facts.superblocks, Present)
            else frozenset()
        )
    return frozenset(whole) if facts.type == "mirror" else frozenset()


def noted(facts: LogicalVolume, pvs: tuple[str, ...]) -> str:
    """When the pass that saw this leg fall behind took place (ISO 8601), '' if no pass has noted it."""
    past = past_of(facts)
    return min((past.last[pv] for pv in pvs if pv in past.last), default="") if past else ""


def _loss(volume: Volume, server: str, seen: World, desired: Desired, silent: Mapping[str, str]) -> Loss | None:
    state = seen.get("volume", {}).get(volume.id, Unknown("it was not looked at"))
    if not isinstance(state, Present):
        reason = _unseen(state, seen.get("group", {}).get(volume.group))
        return Loss(server, volume.id, UNSURE, reason) if reason and server in _near(volume, desired) else None
    facts: LogicalVolume = state.facts
    mine = copies(volume, seen, desired, silent)
    here = [c for c in mine if server in c.servers or "" in c.servers]
    there = [c for c in mine if c not in here]
    if mine and not here:
        return None
    if not mine:
        why = f"it is a {facts.type or 'volume without segments'}, whose legs lunmirror does not know"
        return Loss(server, volume.id, UNSURE, why) if server in _near(volume, desired) else None
    loses, why = _weigh(volume, facts, here, there, desired, seen)
    return Loss(server, volume.id, loses, why) if loses else None


def _unseen(state: Seen[object], group: Seen[object] | None) -> str:
    """Why a volume that cannot be seen may hold data; '' if it is certain that there is none."""
    if isinstance(state, Unknown):
        return state.reason
    if isinstance(group, Present) and isinstance(group.facts, VolumeGroup | NoGroup):
        return ""
    return (
        group.reason
        if isinstance(group, Unknown)
        else "its group cannot be distinguished from another of the same name"
    )


def _near(volume: Volume, desired: Desired) -> set[str]:
    """The servers on which a volume that cannot be seen may have a leg."""
    disks = (*desired.groups[volume.group].disks, *volume.legs)
    return {desired.disks[d].server for d in disks}


def _weigh(
    volume: Volume, facts: LogicalVolume, here: list[Copy], there: list[Copy], desired: Desired, seen: World
) -> tuple[str, str]:
    """(what is lost, why); ('', '') for nothing."""
    lost = next((c for c in here if "" in c.servers), None)
    if lost:
        return UNSURE, f"its leg {lost.name} lies on no declared disk, so its server is not known"
    past = past_of(facts)
    split = facts.split_brain(past.rebuild if past else ()) or trust.judge(facts).split_brain
    if split or (past and past.diverged):
        return DATA, "its legs each ran without the other, and each holds writes that the other lacks"
    if not there:
        return DATA, _only_here(volume, facts, here, desired)
    doubt = _doubt(facts) or _duplicated(facts, seen)
    if doubt:
        return UNSURE, doubt
    if facts.active and facts.type == "mirror" and facts.watch == "not monitored":
        return ACCESS, "dmeventd does not watch it, so whoever writes to it would wait for ever when a leg dies"
    if any(c.good for c in there):
        return "", ""
    idle = [f"{c.place} is in sync, but cannot be reached: {c.away}" for c in there if not c.lack]
    behind = [f"{c.place} is {c.lack}{_since(facts, c)}" for c in there if c.lack]
    reasons = "; ".join((*idle, *behind))
    if idle:
        return ACCESS, reasons
    if all(c.lack for c in here):
        return UNSURE, f"no leg is known to be whole: {reasons}"
    return DATA, reasons


def _only_here(volume: Volume, facts: LogicalVolume, here: list[Copy], desired: Desired) -> str:
    place = named("disk", [d for c in here for d in c.disks])
    if facts.type != "linear":
        return f"all its legs are there, on {place}"
    if len(volume.legs) < 2:
        as_declared = ", as declared" if volume.legs else ""
        return f"it is linear{as_declared}: its only copy is there, on {place}"
    gone = ", ".join(desired.disks[d].server for d in volume.legs if d not in here[0].disks)
    past = past_of(facts)
    since = f" since {past.since}" if past and past.last else ""
    return f"its only copy is there, on {place}: it is linear, without its leg on server {gone}{since}"


def _doubt(facts: LogicalVolume) -> str:
    """Why device-mapper's letters are not enough here; '' if they are."""
    if facts.type not in KINDS or facts.altered:
        return f"its layout ({facts.altered or facts.type}) is none that lunmirror works with"
    if facts.active and facts.type == "mirror" and facts.snapshots:
        return (
            f"it has snapshots ({', '.join(facts.snapshots)}), and LVM warns that a mirror under one may stand still"
        )
    if not facts.active and facts.type == "raid1" and not isinstance(facts.superblocks, Present):
        reason_ = f": {facts.superblocks.reason}" if isinstance(facts.superblocks, Unknown) else ""
        return f"it is not active, and the superblocks of its legs cannot be read{reason_}"
    if facts.suspended:
        return "it is suspended: something is changing it right now"
    if isinstance(facts.past, Unknown):
        return f"what its legs ran without cannot be known: {facts.past.reason}"
    if isinstance(facts.past, Absent):
        if facts.done < facts.total:
            return "it is being copied, and nothing is noted of its legs yet"
        return "only the next pass notes which of its legs are in sync (`lunmirror apply` does it now)"
    if facts.past.facts.scrub in ("compare", "comparing"):
        return (
            "servers with a volatile write cache were restarted, or may have been, and its legs are not compared yet"
        )
    if facts.mismatches:
        return f"its legs differ: the last comparison counted {facts.mismatches} sectors"
    letters = {leg.letter for leg in facts.legs}
    if facts.type == "raid1" and letters == {"A"} and not facts._replace(adrift=(), misled=(), past=ABSENT).synced:
        # Letters and ratio, since either alone lies (docs/facts/lvm.md#letters-and-ratio).
        return f"device-mapper says that every leg is in sync, but counts only {facts.done} of {facts.total}"
    return ""


def _duplicated(facts: LogicalVolume, seen: World) -> str:
    """Of a segtype mirror, which LVM's own monitor has to repair before anybody can write again: why it may not."""
    if facts.type != "mirror":
        return ""
    mine = {pv for leg in facts.legs for pv in leg.pvs}
    states = seen.get("unrelated", {}).items()
    found = [k for k, s in states if isinstance(s, Present) and s.facts.uuid in mine]
    if not found:
        return ""
    return (
        f"/dev/{', /dev/'.join(found)} carries the UUID of one of its legs: LVM's monitor may take that for the leg, repair"
        " nothing, and whoever writes would wait"
    )


def _since(facts: LogicalVolume, copy: Copy) -> str:
    when = noted(facts, copy.pvs)
    return f" (noted {when})" if when else ""


# One leg


def _members(volume: Volume, seen: World) -> dict[str, Member]:
    group = seen.get("group", {}).get(volume.group)
    facts = group.facts if isinstance(group, Present) else None
    return {m.uuid: m for m in facts.members} if isinstance(facts, VolumeGroup) else {}


def _copy(
    leg: Leg,
    facts: LogicalVolume,
    whole: frozenset[str],
    members: Mapping[str, Member],
    seen: World,
    desired: Desired,
    silent: Mapping[str, str],
) -> Copy:
    disks = tuple(members[pv].disk if pv in members else "" for pv in leg.pvs)
    known = [desired.disks.get(d) for d in disks]
    away = (_away(pv, members.get(pv), seen, desired, silent) for pv in leg.pvs)
    return Copy(
        name=leg.name,
        disks=disks,
        servers=tuple(disk.server if disk else "" for disk in known) or ("",),
        pvs=leg.pvs,
        lack="" if leg.pvs and set(leg.pvs) <= whole else _lack(leg, facts),
        away=next((why for why in away if why), ""),
    )


def _lack(leg: Leg, facts: LogicalVolume) -> str:
    past = past_of(facts)
    if facts.is_misled(leg):
        return "on a disk that is not the declared one"
    if past and (why := next((journal.reason(past, pv) for pv in leg.pvs if pv in past.rebuild), "")):
        return f"to be copied again in full: {why}"
    if why := next(filter(None, (trust.evidence(trust.judge(facts), pv) for pv in leg.pvs)), ""):
        return f"not trusted: {why}"
    if facts.is_adrift(leg):
        return "on a table that leads to a disk that is gone"
    if not facts.active:
        return "behind, or not known to be whole"
    if facts.type == "mirror" and leg.letter == "A":
        return "being rebuilt, or what the other is rebuilt from"
    if leg.letter == "A":  # by the kernel's word alone, which is not enough here
        return "not known to hold all that was written"
    return LETTERS.get(facts.type, {}).get(leg.letter, "in an unknown state")


def _away(pv: str, member: Member | None, seen: World, desired: Desired, silent: Mapping[str, str]) -> str:
    """Why the physical volume behind a leg cannot be reached now; '' if it can."""
    if member is None:
        return f"physical volume {pv} is not in its group"
    disk = desired.disks.get(member.disk)
    if disk is None:
        return f"physical volume {pv} is on no declared disk"
    if disk.server in silent:
        return f"server {disk.server} does not answer ({silent[disk.server]})"
    match seen.get("disk", {}).get(disk.name):
        case Present(Lun(pv=on, whole=whole)):
            if on is None or on.uuid != pv:
                return f"disk {disk.name} does not hold its physical volume"
            if whole.readonly:
                return f"disk {disk.name} is write-protected"
        case Present(NoDisk()):
            return f"server {disk.server} shows no LUN {disk.lun}"
        case Present(Gone(by)):
            return f"its LUN is disk {by}'s by now"
        case Present(Spanning(map)):
            return f"multipath map {map} joins disk {disk.name} with disks of other servers"
        case Unknown(reason):
            return f"disk {disk.name}: {reason}"
        case _:
            return f"there is no session to server {disk.server}"
    return "its physical volume is flagged missing in its group" if member.missing else ""
