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

from lunmirror.engine.model import Drift, Plan, Run, Step
from lunmirror.layers.group.context import GroupContext
from lunmirror.layers.group.facts import VolumeGroup
from lunmirror.layers.group.owner import Bond, Mark, consents, read, renewed, taken_over
from lunmirror.lvm.command import change


def consented(ctx: GroupContext, facts: VolumeGroup) -> bool:
    return consents(ctx.group.take_from, facts.host, facts.here)


def take(ctx: GroupContext, facts: VolumeGroup) -> Plan:
    """The mark moves to this host. Only with a consent."""
    assert facts.elsewhere
    assert consented(ctx, facts)
    name, old, new = ctx.group.name, read(facts.host), taken_over(facts.host, facts.here)
    if away := [m for m in facts.members if not m.device]:
        names = ", ".join(m.disk or m.uuid for m in away)
        return ctx.blocked(
            f"group {name} cannot be taken over yet: {names} is away",
            f"the copy of the mark that is on {names} would go on naming {old.words}, and that host, once it sees that"
            " disk alone, would start from it",
            f"bring {names} back. If it is lost for good and that host too:"
            f" `vgchange --deltag '{old.tag}' --addtag '{new.tag}' {name}`; LVM then flags {names} as missing, and the"
            " next pass goes on from there",
            "take_from",
        )
    drift = Drift(f"{ctx.key}.take_from", f"the mark of {read(facts.here).words}", f"that of {old.words}")
    return Plan((_write(ctx, f"take volume group {name} over from {old.words}", facts, new, drift),))


def mark(ctx: GroupContext, facts: VolumeGroup) -> Plan:
    """What a group that is this host's wants of its mark, and what is to be reported of it."""
    wanted, name = renewed(facts.host, facts.here), ctx.group.name
    match facts.bond:
        case Bond.NONE if facts.whole:
            drift = Drift(ctx.key, f"marked as {wanted.words}'s", "no mark: any host would start it")
            return Plan((_write(ctx, f"mark volume group {name} as this host's", facts, wanted, drift),))
        case Bond.NONE:
            return ctx.noted(
                f"group {name} carries no mark of its owner yet",
                "a member is missing, and the mark is set only while the whole group is there",
                "until then, let no other host with these disks run lunmirror",
            )
        case Bond.OLDER if facts.whole and wanted.initiator:
            drift = Drift(ctx.key, f"the mark names initiator {wanted.initiator}", "it names the machine-id alone")
            title = f"put the initiator's name into the mark of {name}"
            return Plan((_write(ctx, title, facts, wanted, drift),))
        case Bond.OURS if ctx.group.take_from:
            return ctx.noted(
                f"group {name} is this host's",
                "take_from has done its work, or was never needed",
                f"remove take_from under [{ctx.key}]",
                "take_from",
            )
    return Plan()


def refusal(ctx: GroupContext, facts: VolumeGroup) -> Plan:
    """Another host's, and no consent. What of it is active here is reported first: both hosts may be writing."""
    group, theirs, ours = ctx.group, read(facts.host), read(facts.here)
    consent = f'take_from = "{theirs.text}" under [{ctx.key}]'
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
    return ctx.refused(what, why, next)


def _write(ctx: GroupContext, title: str, facts: VolumeGroup, wanted: Mark, drift: Drift) -> Step:
    """One commit: what was there goes and the new mark comes (lab: seqno + 1). LVM itself looks, under its own lock,
    whether the mark is still the one that was seen."""
    old = read(facts.host).tag if facts.host else ""
    words: tuple[str, ...] = ("--addtag", wanted.tag)
    if old:
        words = ("--deltag", old, *words, "--select", f'tags={{"{old}"}}')
    devices = tuple(m.device for m in facts.members)
    return ctx.change(title, Run(change(devices, "vgchange", *words, ctx.group.name)), drift)
