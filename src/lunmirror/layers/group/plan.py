"""The volume group over the declared disks: made once, extended, never reduced.

LVM flags a member as missing, for good, when metadata is written while it is out of sight
(docs/facts/lvm.md#missing-members): so a group is changed only while all of it is there.

Nobody but lunmirror may start what is in it: LVM's event activation starts a group as soon as all of its disks are
there, whatever the journal knows of its legs. So the group is made with autoactivation off, and one that has it on gets
it off (lvm2 2.03.12, docs/facts/lvm.md#event-activation).
"""

import json

from lunmirror.engine.desired import Desired, Disk, Group
from lunmirror.engine.model import Drift, Finding, Kind, Plan, Present, Ref, Risk, Run, Step, Unknown, World
from lunmirror.layers.disk.facts import Lun, devices_guarded
from lunmirror.layers.group import ownership
from lunmirror.layers.group.facts import (
    DuplicateNames,
    NoGroup,
    VolumeGroup,
    place_tag,
    successors,
    whole_but_for,
)
from lunmirror.layers.group.owner import read
from lunmirror.lvm.command import change, place_of


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    plans = [_plan_group(g, desired, seen, pending) for g in desired.groups.values()]
    return Plan(tuple(s for p in plans for s in p.steps), tuple(f for p in plans for f in p.findings))


def _plan_group(group: Group, desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    ref = Ref("group", group.name)
    key = f"groups.{group.name}"
    waits_for = tuple(r for r in (Ref("disk", d) for d in group.disks) if r in pending)
    ready = {d: place for d in group.disks if (place := _ours(d, group, desired, seen))}
    match seen["group"][group.name]:
        case Present(DuplicateNames(uuids)):
            return _refuse(
                ref,
                f"there are {len(uuids)} volume groups named {group.name}",
                f"their UUIDs are {', '.join(uuids)}; a name that means two things cannot be worked with",
                f"rename the one that is not meant: `vgrename UUID NEWNAME` with one of {', '.join(uuids)}",
                key,
            )
        case Present(VolumeGroup() as facts):
            return _keep(group, ref, key, facts, ready, waits_for, desired, seen)
        case Present(NoGroup(here)):
            pass
        case Unknown(reason) if not waits_for:
            next = "see the findings for its disks; the next pass goes on from here"
            return Plan(
                findings=(Finding(ref, Kind.BLOCKED, f"group {group.name} cannot be seen", reason, next, key),)
            )
        case _:
            here = "<this host>"
    lacking = [d for d in group.disks if d not in ready and Ref("disk", d) not in pending]
    if lacking:
        why = f"disk {', '.join(lacking)} has no physical volume that may be used"
        next = "see the findings for the disk; the next pass goes on from here"
        return Plan(findings=(Finding(ref, Kind.BLOCKED, f"group {group.name} cannot be made yet", why, next, key),))
    places = [ready.get(d, place_of(desired.disks[d])) for d in group.disks]
    words = ("--setautoactivation", "n", "--addtag", read(here).tag, group.name, *places)
    run = Run(change(tuple(places), "vgcreate", *words))
    step = Step(
        ref,
        f"make volume group {group.name} over {', '.join(group.disks)}",
        run,
        (Drift(key, f"a volume group over {', '.join(group.disks)}", "none"),),
        guards=devices_guarded(seen, run),
        after=waits_for,
    )
    return Plan((step,))


def _ours(disk: str, group: Group, desired: Desired, seen: World) -> str:
    """The device of an orphan physical volume that is proven ours; '' otherwise."""
    state = seen["disk"][disk]
    if not (isinstance(state, Present) and isinstance(state.facts, Lun)):
        return ""
    lun: Lun = state.facts
    if not lun.pv or not lun.place or lun.pv.group or lun.pv.duplicate:
        return ""
    return lun.place.node if lun.pv.uuid == desired.disks[disk].pv_uuid else ""


def _keep(
    group: Group,
    ref: Ref,
    key: str,
    facts: VolumeGroup,
    ready: dict[str, str],
    waits_for: tuple[Ref, ...],
    desired: Desired,
    seen: World,
) -> Plan:
    owner = _foreign(group, ref, key, facts)
    if owner:
        return owner
    if facts.misplaced:
        return Plan()  # the disk layer says what is wrong; nothing is done to this group meanwhile
    if facts.elsewhere:
        return ownership.take(group, ref, key, facts, seen)
    leaving = successors(desired, group.name, facts)
    findings = [*_missing(ref, key, facts, leaving, seen), *_replaced(ref, facts, group, desired)]
    marked, spent = ownership.mark(group, ref, key, facts, seen)
    events, notes = _events_off(ref, key, facts, seen)
    steps = (*marked, *events, *_noted_places(ref, facts, desired, seen))
    findings += (*spent, *notes)
    joining = [d for d in group.disks if not facts.member(d) and (d in ready or Ref("disk", d) in waits_for)]
    if joining and whole_but_for(facts, leaving):
        places = [ready.get(d, place_of(desired.disks[d])) for d in joining]
        devices = tuple(m.device for m in facts.members if m.device) + tuple(places)
        run = Run(change(devices, "vgextend", group.name, *places))
        step = Step(
            ref,
            f"add {', '.join(joining)} to volume group {group.name}",
            run,
            tuple(Drift(f"{key}.disks", f"{d} in the group", "not in it") for d in joining),
            Risk.ONLINE,
            guards=devices_guarded(seen, run),
            after=waits_for,
        )
        return Plan((*steps, step), tuple(findings))
    if joining:
        why = "the group misses a member, and changing it now would flag that member as lost"
        next = "bring the missing server back first"
        what = f"disk {', '.join(joining)} cannot join group {group.name} yet"
        findings.append(Finding(ref, Kind.BLOCKED, what, why, next, f"{key}.disks"))
    declared = {m.uuid for m in facts.members if m.disk in group.disks} | leaving.keys()
    for member in facts.members:
        if member.uuid not in declared and member.device:
            what = f"group {group.name} also has {member.device}, which is not declared"
            findings.append(Finding(ref, Kind.NOTE, what, next="nothing is done to it", key=f"{key}.disks"))
    return Plan(steps, tuple(findings))


def _noted_places(ref: Ref, facts: VolumeGroup, desired: Desired, seen: World) -> tuple[Step, ...]:
    """Steps that note, in the group's metadata, on which LUN each member is whose UUID does not show it."""
    if not facts.whole:
        return ()
    devices = tuple(m.device for m in facts.members)
    steps = []
    for member in facts.members:
        disk = desired.disks.get(member.disk)
        if disk is None or disk.pv_uuid in ("", member.uuid) or member.places == (place_tag(disk),):
            continue
        old = tuple(word for tag in member.places if tag != place_tag(disk) for word in ("--deltag", tag))
        run = Run(change(devices, "pvchange", "--addtag", place_tag(disk), *old, member.device))
        title = f"note that the physical volume {member.uuid} is the one of disk {disk.name}"
        drift = Drift(
            f"disks.{disk.name}", "known by its LUN when it is out of sight", "a UUID that does not show its disk"
        )
        steps.append(Step(ref, title, run, (drift,), guards=devices_guarded(seen, run)))
    return tuple(steps)


def _events_off(ref: Ref, key: str, facts: VolumeGroup, seen: World) -> tuple[tuple[Step, ...], tuple[Finding, ...]]:
    """The step that keeps LVM's events off the group. It writes metadata, so it waits until the whole group is there;
    and it is an administrator's where it would also keep somebody else's volume from being started at boot."""
    if not facts.autoactivation:
        return (), ()
    if facts.others:
        note = Finding(
            ref,
            Kind.NOTE,
            f"LVM's own events may start {ref.name} before lunmirror has looked at its legs",
            why=f"autoactivation is on for the group, and stays on, since {', '.join(facts.others)} in it is not declared"
            " and might then not be started at boot",
            next=f"`lvchange --setautoactivation n {ref.name}/NAME` for each declared volume; or, if nothing else relies"
            f" on it, `vgchange --setautoactivation n {ref.name}`",
            key=key,
        )
        return (), (note,)
    if not facts.whole:
        return (), ()
    run = Run(change(tuple(m.device for m in facts.members), "vgchange", "--setautoactivation", "n", ref.name))
    step = Step(
        ref,
        f"switch off event activation of volume group {ref.name}",
        run,
        (Drift(key, "started by lunmirror, which knows its legs", "LVM starts it as soon as its disks are there"),),
        guards=devices_guarded(seen, run),
    )
    return (step,), ()


def _foreign(group: Group, ref: Ref, key: str, facts: VolumeGroup) -> Plan | None:
    why = facts.foreign_reason()
    if not why:
        return None
    if facts.exported:
        return _refuse(
            ref, f"group {group.name} is exported", why, f"`vgimport {group.name}` if this host is to own it", key
        )
    if facts.lock_type:
        next = "leave it to the cluster; or make it this host's alone: `vgchange --lock-type none`, once no other host uses it"
        return _refuse(ref, f"group {group.name} is shared", why, next, key)
    if facts.system_id and facts.system_id != facts.system:
        next = (
            f"if that is this machine's former name, or the other host is off it for good: `vgchange --systemid"
            f' "{facts.system}" --config \'local{{extra_system_ids=["{facts.system_id}"]}}\' {group.name}`'
        )
        return _refuse(ref, f"group {group.name} belongs to another host, as LVM sees it", why, next, key)
    if facts.elsewhere:
        return (
            None if ownership.consented(group, facts) else Plan(findings=(ownership.refusal(group, ref, key, facts),))
        )
    places = ", ".join(m.device or m.uuid for m in facts.members)
    finding = Finding(
        ref,
        # Adopted members have UUIDs of their own: out of sight, nothing shows on which disk they are.
        Kind.BLOCKED if any(not m.device for m in facts.members) else Kind.REFUSED,
        f"there is another volume group named {group.name}, on {places}",
        why,
        f"declare the group under another name, or rename that one: `vgrename {facts.uuid} NEWNAME`; if its disks"
        " are the declared ones, bring their servers back",
        key,
    )
    return Plan(findings=(finding,))


def _missing(ref: Ref, key: str, facts: VolumeGroup, leaving: dict[str, Disk], seen: World) -> list[Finding]:
    """Members out of sight. One that is back but still flagged is the volumes' to admit (volume/repair.py)."""
    found = []
    states = seen.get("unrelated", {}).items()
    unrelated = {s.facts.uuid: f"/dev/{k} ({s.facts.reached})" for k, s in states if isinstance(s, Present)}
    for member in (m for m in facts.members if not m.device):
        what = f"group {ref.name} misses the physical volume {member.uuid}"
        why, next = "its server is away, or its disk is gone", "bring its server back"
        if member.uuid in unrelated and not member.disk:
            why = f"{unrelated[member.uuid]} carries it, and is no declared disk"
            next = "if it belongs to the group, declare it under [disks] and in the group's disks"
        if new := leaving.get(member.uuid):
            why, next = f"it was made for disk {new.replaces}", f"nothing: disk {new.name} takes its place"
        found.append(Finding(ref, Kind.DEGRADED, what, why, next, f"{key}.disks"))
    return found


def _replaced(ref: Ref, facts: VolumeGroup, group: Group, desired: Desired) -> list[Finding]:
    """Disks that have taken over: what the configuration says of their predecessors has done its work."""
    if not all(m.disk for m in facts.members):
        return []  # one of them may be the old one, adopted with a UUID of its own and out of sight
    pairs = [(name, old) for name in group.disks if (old := desired.disks[name].replaces) and facts.member(name)]
    return [
        Finding(
            ref,
            Kind.NOTE,
            f"disk {name} has taken the place of {old}",
            why=f"{old} is no member of group {ref.name} any more, and is only looked at because it is declared",
            next=f"remove [disks.{old}], and replaces = {json.dumps(old)} under [disks.{name}]; also the server of"
            f" {old}, if nothing else is on it",
            key=f"disks.{name}.replaces",
        )
        for name, old in pairs
        if not facts.member(old)
    ]


def _refuse(ref: Ref, what: str, why: str, next: str, key: str) -> Plan:
    return Plan(findings=(Finding(ref, Kind.REFUSED, what, why, next, key),))
