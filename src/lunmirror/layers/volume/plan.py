"""The logical volume: made once, with one leg on each declared disk; repaired; grown and given legs while in use.

| found                                    | what is done                                                    | where    |
|------------------------------------------|-----------------------------------------------------------------|----------|
| absent, the whole group in view          | lvcreate, tagged "made by us, not yet formatted" in one commit  | make.py  |
| on a device that is no declared disk | named; that leg is given up, dropped and copied again            | misled.py |
| half-made, or half active                | removed if provably new; deactivated                            | leftover.py |
| inactive                                 | activated, on the good legs alone if need be                    | start.py |
| a split brain                            | refused, until an administrator chooses                                 | repair.py  |
| a leg whose disk is replaced             | the new one first, in full; then the old one goes               | replace.py |
| a leg that is distrusted                 | copied again in full, exactly that leg                           | choose.py |
| the journal and the tags differ in doubt | the tags follow; a lost journal is begun from them               | doubts.py |
| legs dead or behind                      | admitted and refreshed, if they are back                        | repair.py  |
| another type, fewer legs, smaller        | lvconvert, lvextend                                             | keep.py  |
| larger, or a leg where none is declared  | refused: nothing is ever shrunk or dropped                      | keep.py  |

While legs are not in sync, or are to be compared, nothing but repair is done to a volume; while a server with a leg of it is in
maintenance, it is only started, and what the journal must know is noted.
"""

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import Absent, Action, Plan, Present, Ref, Step, Unknown, World, facts_of
from lunmirror.layers.context import joined
from lunmirror.layers.volume import (
    choose,
    doubts,
    keep,
    layout,
    leftover,
    misled,
    reads,
    region,
    repair,
    replace,
    restarts,
    stopped,
    trust,
    undeclared,
)
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import SCRUBS, LogicalVolume
from lunmirror.layers.volume.make import make
from lunmirror.layers.volume.start import start

# The first that has an answer gives it.
REPAIRS = (choose.remake, replace.repair, repair.bring_back)
CHANGES = (
    keep.reshape,
    keep.add_leg,
    replace.drop_old,
    keep.grow,
    region.change,
    reads.change,
    leftover.sweep,
    keep.disown,
)


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    contexts = [VolumeContext(v, desired, seen, pending) for v in desired.volumes.values()]
    admissions = _admissions(contexts)
    plans = [_plan(ctx, admissions.get(ctx.volume.group, ())) for ctx in contexts]
    once: dict[Action, Step] = {}
    for step in joined(plans).steps:
        once.setdefault(step.action, step)  # two volumes may need the same member out of the way
    steps = tuple(once.values())
    if not steps:
        steps = _retirements(contexts)  # last of all, and alone
    beside = [undeclared.plan(VolumeContext(v, desired, seen, pending)) for v in undeclared.volumes(desired, seen)]
    findings = joined((*plans, *beside)).findings
    return Plan((*joined(beside).steps, *steps), findings)


def _retirements(contexts: list[VolumeContext]) -> tuple[Step, ...]:
    """Steps that take replaced, empty members out of their groups; asked once for each group."""
    together: dict[str, list[VolumeContext]] = {}
    for ctx in contexts:
        together.setdefault(ctx.volume.group, []).append(ctx)
    return tuple(
        step for mine in together.values() for step in replace.retire(mine[0], [_facts(ctx) for ctx in mine])
    )


def _facts(ctx: VolumeContext) -> LogicalVolume | None:
    return facts_of(ctx.state, LogicalVolume)


def _admissions(contexts: list[VolumeContext]) -> dict[str, tuple[Step, ...]]:
    """Group -> the steps that take its returned members back: once for each group, and for none of whose volumes
    is in split brain. They belong to the first volume, so that nothing follows on them if they fail."""
    found: dict[str, tuple[Step, ...]] = {}
    split = {ctx.volume.group for ctx in contexts if (facts := _facts(ctx)) and repair.split_brain(ctx, facts)}
    for ctx in contexts:
        left_alone = ctx.group and (ctx.group.misplaced or ctx.foreign_reason())
        if ctx.volume.group not in found and ctx.volume.group not in split and not left_alone:
            found[ctx.volume.group] = repair.admit(ctx)
    return found


def _plan(ctx: VolumeContext, admissions: tuple[Step, ...]) -> Plan:
    if ctx.group and ctx.group.misplaced:
        names = ", ".join(f"what was made for disk {m.misplaced_from} is on {m.disk}" for m in ctx.group.misplaced)
        why = f"its disks are swapped: {names}"
        found = ctx.blocked("is left alone", why, "see the findings for the disks")
        return Plan(_noted(ctx, facts) if (facts := _facts(ctx)) and not ctx.foreign_reason() else (), found.findings)
    if why := ctx.foreign_reason():
        found = ctx.blocked("is left alone", f"its group is not this host's: {why}", "see the findings for the group")
        return Plan(_noted_here(ctx), found.findings)
    mine = tuple(step for step in admissions if step.ref == ctx.ref)
    match ctx.state:
        case Present(LogicalVolume() as facts):
            tended = _exchanged(ctx, facts) or _tend(ctx, facts, mine, bool(admissions))
            beside = (*restarts.unmarked(ctx, facts), *restarts.doubted(ctx, facts), *choose.needless(ctx, facts))
            return tended._replace(findings=(*tended.findings, *beside))
        case Unknown(reason, decide) if decide:
            return ctx.refused("will not be re-created", reason, decide)
        case Unknown(reason) if not ctx.after:
            return ctx.blocked("cannot be seen", reason, "the next pass looks again")
        case Absent() | Unknown() if ctx.after or ctx.group:
            return make(ctx)
        case _:
            why = f"its group {ctx.volume.group} is not there"
            return ctx.blocked("cannot be made yet", why, "see the findings for the group")


def _exchanged(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """Two volumes that exchanged their names (lvrename): each would be mounted in the other's place."""
    entry, other = ctx.past(facts), None
    if entry and entry.volume != ctx.volume.id and (state := ctx.seen["volume"].get(entry.volume)):
        other = ctx.past(state.facts) if isinstance(state, Present) else None
    if entry is None or other is None or other.volume == entry.volume or other.volume not in ctx.desired.volumes:
        return None
    was = ctx.desired.volumes[entry.volume].name
    found = ctx.refused(
        f"is the volume that was {was}",
        "LVM's names were exchanged, and each would be mounted in the other's place",
        f"give each its name back, by way of a third one (`lvrename {ctx.volume.group} OLD NEW`)",
    )
    # Noted under the name that it was declared by, or the next pass would take the exchange for meant.
    return Plan(repair.note(ctx, facts, entry.volume) if facts.active else (), found.findings)


def _noted(ctx: VolumeContext, facts: LogicalVolume) -> tuple[Step, ...]:
    """What the journal must know: noted in every pass that can see it, whatever else is refused."""
    if isinstance(facts.past, Unknown):
        return ()
    return repair.note(ctx, facts) if facts.active else stopped.note(ctx, facts)


def _noted_here(ctx: VolumeContext) -> tuple[Step, ...]:
    """The same of what is in service here though its group is not this host's any more: the mark may be given back."""
    about = ctx.state.about if isinstance(ctx.state, Unknown) else None
    return _noted(ctx, about) if isinstance(about, LogicalVolume) and ctx.past(about) else ()


def _all_noted(ctx: VolumeContext, facts: LogicalVolume) -> tuple[Step, ...]:
    """What the journal is to know, in one write."""
    entry = ctx.past(facts)
    return repair.note(ctx, facts) or (ctx.note_legs(facts, entry) if entry else ())


def _allowed(ctx: VolumeContext, answer: Plan) -> tuple[Step, ...]:
    """The answer's steps; none while a server with a leg of the volume is in maintenance."""
    return () if ctx.at_rest else answer.steps


def _tend(ctx: VolumeContext, facts: LogicalVolume, admissions: tuple[Step, ...], admitting: bool) -> Plan:
    for question in (layout.strange, doubts.restore, doubts.follow):
        if answer := question(ctx, facts):
            return answer
    chosen, split = choose.chosen(ctx, facts), repair.split_brain(ctx, facts)
    if tagged := doubts.keep(ctx, facts):
        # Nothing but notes goes with them: what goes on is known by the version of LVM's metadata. If LVM fails, the notes are there.
        return Plan((*(split.steps if split else _noted(ctx, facts)), *tagged.steps))
    if chosen and not chosen.steps:  # refused, which is no reason to forget what is seen
        return Plan(split.steps if split else _noted(ctx, facts), chosen.findings)
    if decided := chosen or split:
        return decided
    if answer := leftover.tidy(ctx, facts):
        return answer._replace(steps=(*(_noted(ctx, facts) if ctx.past(facts) else ()), *answer.steps))
    if not facts.active:
        barred = layout.unstartable(ctx, facts)
        begun = Plan(stopped.note(ctx, facts), barred.findings) if barred else start(ctx, facts)
        return Plan((*admissions, *begun.steps), begun.findings)
    if answer := misled.answer(ctx, facts):
        return Plan((*admissions, *answer.steps), answer.findings)
    checked = restarts.tend(ctx, facts)
    if isinstance(checked, Plan):
        return checked
    marks, facts = checked
    noted = (
        *_all_noted(ctx, facts),
        *marks,
        *admissions,
    )  # a mark that cannot be left keeps nothing from being noted
    if facts.action in SCRUBS and any(
        leg.letter == "A" and set(leg.pvs) & set(facts.distrusted) for leg in facts.legs
    ):
        return Plan(noted or choose.halt(ctx, facts))
    refusal = layout.other(ctx, facts) or keep.misplaced(ctx, facts)
    if refusal:
        return Plan((*noted, *refusal.steps), refusal.findings)
    beside = layout.beside(ctx, facts)
    if trust.judge(facts).older:  # a leg that returns is not trusted: what follows is for the next round
        return Plan((*_all_noted(ctx, facts), *marks), beside)
    if admitting or (noted and facts.distrusted):
        return Plan(noted, beside)  # what follows is planned in the next round, from what LVM says then
    for question in REPAIRS:
        if answer := question(ctx, facts):
            return Plan((*noted, *_allowed(ctx, answer)), (*answer.findings, *beside))
    # Once nothing is left to note, since it writes the journal, too; and before any change, which would have legs copied
    # of which one may lack writes.
    if scrub := choose.scrub(ctx, facts):
        return Plan(noted, beside) if noted else Plan(scrub.steps, (*scrub.findings, *beside))
    for question in CHANGES:
        if answer := question(ctx, facts):
            return Plan((*noted, *_allowed(ctx, answer)), (*answer.findings, *beside))
    return Plan(noted, beside)
