"""The volume group over the declared disks: made once, extended, never reduced.

| found                                       | what is done                                                          | where        |
|---------------------------------------------|-----------------------------------------------------------------------|--------------|
| two of the name; another's; exported        | refused, or blocked while a member is away                            | here         |
| this host's by `take_from`                  | the mark moved, and nothing else in this round                        | ownership.py |
| this host's                                 | mark, autoactivation off, places noted, disks added: all of it there  | here         |
| a member out of sight, or not declared      | degraded; a note                                                      | here         |
| none, every disk ready                      | vgcreate, with mark and autoactivation off                            | here         |
| none, a disk not ready; unknown             | blocked                                                               | here         |

LVM flags a member as missing, for good, when metadata is written while it is out of sight
(docs/facts/lvm.md#missing-members): so a group is changed only while all of it is there.

Nobody but lunmirror may start what is in it: LVM's event activation starts a group as soon as all of its disks are
there, whatever the journal knows of its legs. So the group is made with autoactivation off, and one that has it on gets
it off (lvm2 2.03.12, docs/facts/lvm.md#event-activation).
"""

import json

from lunmirror.engine.desired import Desired, Disk
from lunmirror.engine.model import Drift, Kind, Plan, Present, Ref, Risk, Run, Unknown, World
from lunmirror.engine.plain import named
from lunmirror.layers.context import joined
from lunmirror.layers.group import ownership
from lunmirror.layers.group.context import GroupContext
from lunmirror.layers.group.facts import (
    DuplicateNames,
    NoGroup,
    VolumeGroup,
    place_tag,
    successors,
    whole_but_for,
)
from lunmirror.layers.group.owner import read
from lunmirror.lvm.command import change


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    return joined(_plan(GroupContext(group, desired, seen, pending)) for group in desired.groups.values())


def _plan(ctx: GroupContext) -> Plan:
    match ctx.state:
        case Present(DuplicateNames(uuids)):
            return _two_of_the_name(ctx, uuids)
        case Present(VolumeGroup() as facts) if stopped := _foreign(ctx, facts):
            return stopped
        case Present(VolumeGroup() as facts) if facts.misplaced:
            return Plan()  # the disk layer says what is wrong; nothing is done to this group meanwhile
        case Present(VolumeGroup() as facts) if facts.elsewhere:
            return ownership.take(ctx, facts)
        case Present(VolumeGroup() as facts):
            return _keep(ctx, facts)
        case Present(NoGroup(here)):
            return _make(ctx, here)
        case Unknown(reason) if not ctx.coming:
            next = "see the findings for its disks; the next pass goes on from here"
            return ctx.blocked(f"group {ctx.group.name} cannot be seen", reason, next)
    return _make(ctx, "<this host>")


def _two_of_the_name(ctx: GroupContext, uuids: tuple[str, ...]) -> Plan:
    return ctx.refused(
        f"there are {len(uuids)} volume groups named {ctx.group.name}",
        f"their UUIDs are {', '.join(uuids)}; a name that means two things cannot be worked with",
        f"rename the one that is not meant: `vgrename UUID NEWNAME` with one of {', '.join(uuids)}",
    )


def _make(ctx: GroupContext, here: str) -> Plan:
    disks = ctx.group.disks
    lacking = [d for d in disks if d not in ctx.ready and Ref("disk", d) not in ctx.pending]
    if lacking:
        why = f"there is no physical volume that may be used on {named('disk', lacking)}"
        next = "see the findings for the disk; the next pass goes on from here"
        return ctx.blocked(f"group {ctx.group.name} cannot be made yet", why, next)
    places = ctx.places(list(disks))
    words = ("--setautoactivation", "n", "--addtag", read(here).tag, ctx.group.name, *places)
    run = Run(change(tuple(places), "vgcreate", *words))
    drift = Drift(ctx.key, f"a volume group over {', '.join(disks)}", "none")
    title = f"make volume group {ctx.group.name} over {', '.join(disks)}"
    return Plan((ctx.change(title, run, drift, after=ctx.coming),))


def _keep(ctx: GroupContext, facts: VolumeGroup) -> Plan:
    leaving = successors(ctx.desired, ctx.group.name, facts)
    return joined(
        (
            _missing(ctx, facts, leaving),
            _replaced(ctx, facts),
            ownership.mark(ctx, facts),
            _events_off(ctx, facts),
            _noted_places(ctx, facts),
            _extend(ctx, facts, leaving) or _undeclared(ctx, facts, leaving),
        )
    )


def _extend(ctx: GroupContext, facts: VolumeGroup, leaving: dict[str, Disk]) -> Plan | None:
    joining = [d for d in ctx.group.disks if not facts.member(d) and (d in ctx.ready or Ref("disk", d) in ctx.coming)]
    if not joining:
        return None
    if not whole_but_for(facts, leaving):
        why = "the group misses a member, and changing it now would flag that member as lost"
        what = f"{named('disk', joining)} cannot join group {ctx.group.name} yet"
        blocked = ctx.blocked(what, why, "bring the missing server back first", "disks")
        return joined((blocked, _undeclared(ctx, facts, leaving)))
    places = ctx.places(joining)
    devices = tuple(m.device for m in facts.members if m.device) + tuple(places)
    run = Run(change(devices, "vgextend", ctx.group.name, *places))
    drift = (Drift(f"{ctx.key}.disks", f"{d} in the group", "not in it") for d in joining)
    title = f"add {', '.join(joining)} to volume group {ctx.group.name}"
    return Plan((ctx.change(title, run, *drift, risk=Risk.ONLINE, after=ctx.coming),))


def _undeclared(ctx: GroupContext, facts: VolumeGroup, leaving: dict[str, Disk]) -> Plan:
    declared = {m.uuid for m in facts.members if m.disk in ctx.group.disks} | leaving.keys()
    return joined(
        ctx.noted(
            f"group {ctx.group.name} also has {member.device}, which is not declared",
            next="nothing is done to it",
            key="disks",
        )
        for member in facts.members
        if member.uuid not in declared and member.device
    )


def _noted_places(ctx: GroupContext, facts: VolumeGroup) -> Plan:
    """Steps that note, in the group's metadata, on which LUN each member is whose UUID does not show it."""
    devices = tuple(m.device for m in facts.members)
    steps = []
    for member in facts.members if facts.whole else ():
        disk = ctx.desired.disks.get(member.disk)
        if disk is None or disk.pv_uuid in ("", member.uuid) or member.places == (place_tag(disk),):
            continue
        old = tuple(word for tag in member.places if tag != place_tag(disk) for word in ("--deltag", tag))
        run = Run(change(devices, "pvchange", "--addtag", place_tag(disk), *old, member.device))
        title = f"note that the physical volume {member.uuid} is the one of disk {disk.name}"
        drift = Drift(
            f"disks.{disk.name}", "known by its LUN when it is out of sight", "a UUID that does not show its disk"
        )
        steps.append(ctx.change(title, run, drift))
    return Plan(tuple(steps))


def _events_off(ctx: GroupContext, facts: VolumeGroup) -> Plan:
    """The step that keeps LVM's events off the group. It writes metadata, so it waits until the whole group is there;
    and it is an administrator's where it would also keep somebody else's volume from being started at boot."""
    name = ctx.group.name
    if facts.autoactivation and facts.others:
        return ctx.noted(
            f"LVM's own events may start {name} before lunmirror has looked at its legs",
            f"autoactivation is on for the group, and stays on, since {', '.join(facts.others)} in it is not declared"
            " and might then not be started at boot",
            f"`lvchange --setautoactivation n {name}/NAME` for each declared volume; or, if nothing else relies"
            f" on it, `vgchange --setautoactivation n {name}`",
        )
    if not facts.autoactivation or not facts.whole:
        return Plan()
    run = Run(change(tuple(m.device for m in facts.members), "vgchange", "--setautoactivation", "n", name))
    drift = Drift(
        ctx.key, "started by lunmirror, which knows its legs", "LVM starts it as soon as its disks are there"
    )
    return Plan((ctx.change(f"switch off event activation of volume group {name}", run, drift),))


def _foreign(ctx: GroupContext, facts: VolumeGroup) -> Plan | None:
    """What stands against using the group, unless a consent takes it over."""
    why, name = facts.foreign_reason(), ctx.group.name
    if not why:
        return None
    if facts.exported:
        return ctx.refused(f"group {name} is exported", why, f"`vgimport {name}` if this host is to own it")
    if facts.lock_type:
        next = "leave it to the cluster; or make it this host's alone: `vgchange --lock-type none`, once no other host uses it"
        return ctx.refused(f"group {name} is shared", why, next)
    if facts.system_id and facts.system_id != facts.system:
        # LVM lets a host without a system ID of its own in under no other (seen: 2.03.16).
        let_in = (
            f'local{{extra_system_ids=["{facts.system_id}"]}}'
            if facts.system
            else f'global{{system_id_source="lvmlocal"}} local{{system_id="{facts.system_id}"}}'
        )
        next = (
            "if that is this machine's former name, or the other host is off it for good:"
            f" `vgchange -y --systemid \"{facts.system}\" --config '{let_in}' {name}`"
        )
        return ctx.refused(f"group {name} belongs to another host, as LVM sees it", why, next)
    if facts.elsewhere:
        return None if ownership.consented(ctx, facts) else ownership.refusal(ctx, facts)
    places = ", ".join(m.device or m.uuid for m in facts.members)
    # Adopted members have UUIDs of their own: out of sight, nothing shows on which disk they are.
    answer = ctx.blocked if any(not m.device for m in facts.members) else ctx.refused
    return answer(
        f"there is another volume group named {name}, on {places}",
        why,
        f"declare the group under another name, or rename that one: `vgrename {facts.uuid} NEWNAME`; if its disks"
        " are the declared ones, bring their servers back",
    )


def _missing(ctx: GroupContext, facts: VolumeGroup, leaving: dict[str, Disk]) -> Plan:
    """Members out of sight. One that is back but still flagged is the volumes' to admit (volume/repair.py)."""
    found = []
    states = ctx.seen.get("unrelated", {}).items()
    unrelated = {s.facts.uuid: f"/dev/{k} ({s.facts.reached})" for k, s in states if isinstance(s, Present)}
    for member in (m for m in facts.members if not m.device):
        what = f"group {ctx.group.name} misses the physical volume {member.uuid}"
        why, next = "its server is away, or its disk is gone", "bring its server back"
        if member.uuid in unrelated and not member.disk:
            why = f"{unrelated[member.uuid]} carries it, and is no declared disk"
            next = "if it belongs to the group, declare it under [disks] and in the group's disks"
        if new := leaving.get(member.uuid):
            why, next = f"it was made for disk {new.replaces}", f"nothing: disk {new.name} takes its place"
        found.append(ctx.degraded(what, why, next, "disks"))
    return joined(found)


def _replaced(ctx: GroupContext, facts: VolumeGroup) -> Plan:
    """Disks that have taken over: what the configuration says of their predecessors has done its work."""
    if not all(m.disk for m in facts.members):
        return Plan()  # one of them may be the old one, adopted with a UUID of its own and out of sight
    disks = ctx.desired.disks
    pairs = [(name, old) for name in ctx.group.disks if (old := disks[name].replaces) and facts.member(name)]
    found = (
        ctx.finding(
            Kind.NOTE,
            f"disk {name} has taken the place of {old}",
            f"{old} is no member of group {ctx.group.name} any more, and is only looked at because it is declared",
            f"remove [disks.{old}], and replaces = {json.dumps(old)} under [disks.{name}]; also the server of"
            f" {old}, if nothing else is on it",
        )._replace(key=f"disks.{name}.replaces")
        for name, old in pairs
        if not facts.member(old)
    )
    return Plan(findings=tuple(found))
