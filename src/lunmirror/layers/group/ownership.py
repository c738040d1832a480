"""Whose a group is, as plans: the mark set, renewed, or moved to this host, always in one metadata write.

| mark                                   | what is done                                                           |
|----------------------------------------|------------------------------------------------------------------------|
| this host's                            | nothing                                                                |
| none (adopted), or of an older version | set, while the whole group is in view                                  |
| another's, and no consent              | refused: nothing of the group is started, mounted, repaired or written   |
| another's, and `take_from` names it    | moved, before anything is started; while a member is away: blocked     |

LVM would write a mark with a member away: it does not refuse, and flags that member as missing (docs/facts/hosts.md). The
copy of the metadata on that member keeps the old mark, and a host that sees only that one would start from it. So it is
an administrator's to do. A member that is there, but flagged as missing, gets the mark like the others.
"""

from lunmirror.engine.desired import Group
from lunmirror.engine.model import Drift, Finding, Kind, Plan, Ref, Run, Step, World
from lunmirror.layers.disk.facts import devices_guarded
from lunmirror.layers.group.facts import VolumeGroup
from lunmirror.layers.group.owner import Bond, Mark, consents, read, renewed, taken_over
from lunmirror.lvm.command import change


def consented(group: Group, facts: VolumeGroup) -> bool:
    return consents(group.take_from, facts.host, facts.here)


def take(group: Group, ref: Ref, key: str, facts: VolumeGroup, seen: World) -> Plan:
    """The mark moves to this host. Only with a consent."""
    assert facts.elsewhere
    assert consented(group, facts)
    away = [m for m in facts.members if not m.device]
    if away:
        names = ", ".join(m.disk or m.uuid for m in away)
        old, new = read(facts.host), taken_over(facts.host, facts.here)
        finding = Finding(
            ref,
            Kind.BLOCKED,
            f"group {group.name} cannot be taken over yet: {names} is away",
            why=f"the copy of the mark that is on {names} would go on naming {old.words}, and that host, once it sees that"
            " disk alone, would start from it",
            next=f"bring {names} back. If it is lost for good and that host too:"
            f" `vgchange --deltag '{old.tag}' --addtag '{new.tag}' {group.name}`; LVM then flags {names} as missing, and the"
            " next pass goes on from there",
            key=f"{key}.take_from",
        )
        return Plan(findings=(finding,))
    drift = Drift(f"{key}.take_from", f"the mark of {read(facts.here).words}", f"that of {read(facts.host).words}")
    title = f"take volume group {group.name} over from {read(facts.host).words}"
    return Plan((_write(ref, title, facts, taken_over(facts.host, facts.here), drift, seen),))


def mark(
    group: Group, ref: Ref, key: str, facts: VolumeGroup, seen: World
) -> tuple[tuple[Step, ...], tuple[Finding, ...]]:
    """What a group that is this host's wants of its mark, and what is to be reported of it."""
    wanted = renewed(facts.host, facts.here)
    match facts.bond:
        case Bond.NONE if facts.whole:
            drift = Drift(key, f"marked as {wanted.words}'s", "no mark: any host would start it")
            return (_write(ref, f"mark volume group {group.name} as this host's", facts, wanted, drift, seen),), ()
        case Bond.NONE:
            note = Finding(
                ref,
                Kind.NOTE,
                f"group {group.name} carries no mark of its owner yet",
                why="a member is missing, and the mark is set only while the whole group is there",
                next="until then, let no other host with these disks run lunmirror",
                key=key,
            )
            return (), (note,)
        case Bond.OLDER if facts.whole and wanted.initiator:
            drift = Drift(key, f"the mark names initiator {wanted.initiator}", "it names the machine-id alone")
            return (
                _write(ref, f"put the initiator's name into the mark of {group.name}", facts, wanted, drift, seen),
            ), ()
        case Bond.OURS if group.take_from:
            note = Finding(
                ref,
                Kind.NOTE,
                f"group {group.name} is this host's",
                why="take_from has done its work, or was never needed",
                next=f"remove take_from under [{key}]",
                key=f"{key}.take_from",
            )
            return (), (note,)
    return (), ()


def refusal(group: Group, ref: Ref, key: str, facts: VolumeGroup) -> Finding:
    """Another host's, and no consent. What of it is active here is reported first: both hosts may be writing."""
    theirs, ours = read(facts.host), read(facts.here)
    consent = f'take_from = "{theirs.text}" under [{key}]'
    named = facts.bond is Bond.NAMESAKE
    if named:
        what = f"group {group.name} belongs to this machine-id under another initiator name"
        why = (
            f"its mark names initiator {theirs.initiator}, this host's is {ours.initiator}: either the name was changed"
            " here, or one of two machines is a copy of the other. Two hosts writing one group destroy it"
        )
        next = (
            f"if the name was changed here, and no other machine runs with {theirs.initiator}: put the old name back, or"
            f" declare {consent}. If this machine is a copy: give it a machine-id of its own, and leave the group to the other"
        )
    else:
        what = f"group {group.name} belongs to another host"
        why = f"{facts.foreign_reason()}. Two hosts writing one group destroy it"
        next = f"make sure that host is off it for good, then declare {consent}"
        if group.take_from:
            why += f'. take_from = "{group.take_from}" is no consent to this: it does not name the mark as it is now'
    if facts.active:
        names = ", ".join(f"{group.name}/{name}" for name in facts.active)
        what += f", and {names} IS ACTIVE HERE"
        next = (
            f"if the other host may use it: end what uses {names} here, unmount it and deactivate it, at once."
            f" Otherwise {next}"
        )
    return Finding(ref, Kind.REFUSED, what, why, next, key)


def _write(ref: Ref, title: str, facts: VolumeGroup, wanted: Mark, drift: Drift, seen: World) -> Step:
    """One commit: what was there goes and the new mark comes (lab: seqno + 1). LVM itself looks, under its own lock,
    whether the mark is still the one that was seen."""
    old = read(facts.host).tag if facts.host else ""
    words = (
        ("--deltag", old, "--addtag", wanted.tag, "--select", f'tags={{"{old}"}}')
        if old
        else ("--addtag", wanted.tag)
    )
    run = Run(change(_devices(facts), "vgchange", *words, ref.name))
    return Step(ref, title, run, (drift,), guards=devices_guarded(seen, run))


def _devices(facts: VolumeGroup) -> tuple[str, ...]:
    return tuple(m.device for m in facts.members)
