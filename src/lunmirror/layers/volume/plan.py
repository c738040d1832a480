"""The logical volume: made once, with one leg on each declared disk; healed; grown and given legs while in use.

| found                                    | what is done                                                    | where    |
|------------------------------------------|-----------------------------------------------------------------|----------|
| absent, the whole group in view          | lvcreate, tagged "made by us, not yet formatted" in one commit  | make.py  |
| on a device that is no declared disk | named; that leg is given up, dropped and copied anew            | misled.py |
| half-made, or half active                | removed if provably new; deactivated                            | leftover.py |
| inactive                                 | activated, on the good legs alone if need be                    | start.py |
| two histories                            | refused, until a person chooses                                 | heal.py  |
| a leg whose disk is replaced             | the new one first, in full; then the old one goes               | replace.py |
| a leg that is distrusted                 | copied anew in full, exactly that leg                           | choose.py |
| legs dead or behind                      | admitted and refreshed, if they are back                        | heal.py  |
| another type, fewer legs, smaller        | lvconvert, lvextend                                             | keep.py  |
| larger, or a leg where none is declared  | refused: nothing is ever shrunk or dropped                      | keep.py  |

While legs are not in sync, nothing but healing is done to a volume.
"""

from lunmirror.desired import Desired
from lunmirror.layers.volume import (
    choose,
    heal,
    keep,
    layout,
    leftover,
    misled,
    region,
    replace,
    restarts,
    trust,
    undeclared,
)
from lunmirror.layers.volume.facts import SCRUBS, LogicalVolume
from lunmirror.layers.volume.make import make
from lunmirror.layers.volume.start import start
from lunmirror.layers.volume.subject import Subject
from lunmirror.model import Absent, Action, Kind, Plan, Present, Ref, Step, Unknown, World


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    subjects = [Subject(v, desired, seen, pending) for v in desired.volumes.values()]
    admissions = _admissions(subjects)
    plans = [_plan_volume(of, admissions.get(of.volume.group, ())) for of in subjects]
    once: dict[Action, Step] = {}
    for step in (s for p in plans for s in p.steps):
        once.setdefault(step.action, step)  # two volumes may need the same member out of the way
    steps = tuple(once.values())
    if not steps:
        steps = _retirements(subjects)  # last of all, and alone
    beside = [undeclared.plan(Subject(v, desired, seen, pending)) for v in undeclared.volumes(desired, seen)]
    findings = tuple(f for p in (*plans, *beside) for f in p.findings)
    return Plan((*(s for p in beside for s in p.steps), *steps), findings)


def _retirements(subjects: list[Subject]) -> tuple[Step, ...]:
    """Steps that take replaced, empty members out of their groups; asked once for each group."""
    first = {of.volume.group: of for of in reversed(subjects)}
    everything = {name: [_facts(of) for of in subjects if of.volume.group == name] for name in first}
    return tuple(step for name, of in first.items() for step in replace.retire(of, everything[name]))


def _facts(of: Subject) -> LogicalVolume | None:
    state = of.seen["volume"][of.volume.id]
    return state.facts if isinstance(state, Present) else None


def _admissions(subjects: list[Subject]) -> dict[str, tuple[Step, ...]]:
    """Group -> the steps that take its returned members back: once for each group, and for none of whose volumes
    has two histories. They belong to the first volume, so that nothing follows on them if they fail."""
    found: dict[str, tuple[Step, ...]] = {}
    torn = {of.volume.group for of in subjects if (facts := _facts(of)) and heal.divided(of, facts)}
    for of in subjects:
        left_alone = of.group and (of.group.strayed or of.anothers())
        if of.volume.group not in found and of.volume.group not in torn and not left_alone:
            found[of.volume.group] = heal.admit(of)
    return found


def _plan_volume(of: Subject, admissions: tuple[Step, ...]) -> Plan:
    if of.group and of.group.strayed:
        names = ", ".join(f"what was made for disk {m.strayed_from} is on {m.disk}" for m in of.group.strayed)
        why = f"its disks are swapped: {names}"
        found = of.find(Kind.BLOCKED, "is left alone", why, "see what is said of the disks")
        return Plan(_noted(of, facts) if (facts := _facts(of)) and not of.anothers() else (), found.findings)
    if why := of.anothers():
        return of.find(
            Kind.BLOCKED, "is left alone", f"its group is not this host's: {why}", "see what is said of the group"
        )
    mine = tuple(step for step in admissions if step.ref == of.ref)
    match of.seen["volume"][of.volume.id]:
        case Present(LogicalVolume() as facts):
            tended = _tend(of, facts, mine, bool(admissions))
            return tended._replace(findings=(*tended.findings, *restarts.unmarked(of, facts)))
        case Unknown(reason, decide) if decide:
            return of.find(Kind.REFUSED, "is not made anew", reason, decide)
        case Unknown(reason) if not of.after:
            return of.find(Kind.BLOCKED, "cannot be seen", reason, "the next pass looks again")
        case Absent() | Unknown() if of.after or of.group:
            return make(of)
        case _:
            why = f"its group {of.volume.group} is not there"
            return of.find(Kind.BLOCKED, "cannot be made yet", why, "see what is said of the group")


def _noted(of: Subject, facts: LogicalVolume) -> tuple[Step, ...]:
    """What the journal must know: noted in every pass that can see it, whatever else is refused."""
    return heal.note(of, facts) if facts.active and not isinstance(facts.past, Unknown) else ()


def _all_noted(of: Subject, facts: LogicalVolume) -> tuple[Step, ...]:
    """What the journal is to know, in one write."""
    entry = of.past(facts)
    return heal.note(of, facts) or (of.note_legs(facts, entry) if entry else ())


def _tend(of: Subject, facts: LogicalVolume, admissions: tuple[Step, ...], admitting: bool) -> Plan:
    if answer := layout.strange(of, facts):
        return answer
    chosen, divided = choose.chosen(of, facts), heal.divided(of, facts)
    if chosen and not chosen.steps:  # refused, which is no reason to forget what is seen
        return Plan(divided.steps if divided else _noted(of, facts), chosen.findings)
    if decided := chosen or divided:
        return decided
    if answer := leftover.tidy(of, facts):
        return answer
    if not facts.active:
        begun = layout.unstartable(of, facts) or start(of, facts)
        return Plan((*admissions, *begun.steps), begun.findings)
    if answer := misled.answer(of, facts):
        return Plan((*admissions, *answer.steps), answer.findings)
    checked = restarts.tend(of, facts)
    if isinstance(checked, Plan):
        return checked
    marks, facts = checked
    noted = (*marks, *_all_noted(of, facts), *admissions)
    if facts.action in SCRUBS and any(
        leg.letter == "A" and set(leg.pvs) & set(facts.distrusted) for leg in facts.legs
    ):
        return Plan(noted or choose.halt(of, facts))
    refusal = layout.other(of, facts) or keep.misplaced(of, facts)
    if refusal:
        return Plan((*noted, *refusal.steps), refusal.findings)
    said = layout.beside(of, facts)
    if trust.judge(facts).older:  # a leg that returns is not to be believed: what follows is for the next round
        return Plan((*marks, *_all_noted(of, facts)), said)
    if admitting or (noted and facts.distrusted):
        return Plan(noted, said)  # what follows is planned in the next round, from what LVM says then
    for question in (
        choose.remake,
        replace.repair,
        heal.mend,
        keep.reshape,
        keep.add_leg,
        replace.drop_old,
        keep.grow,
        region.change,
        leftover.sweep,
        keep.disown,
    ):
        answer = question(of, facts)
        if answer:
            return Plan((*noted, *answer.steps), (*answer.findings, *said))
    # Last, and when nothing is left to note: it writes the journal, too.
    last = Plan(noted) if noted else choose.scrub(of, facts) or Plan()
    return Plan(last.steps, (*last.findings, *said))
