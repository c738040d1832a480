"""Which legs of a raid1 are older than the others, or than what was noted: by their own event counters. Pure.

dm-raid itself does not compare them: a leg that nobody names as failed is in sync for it, however old it is
(drivers/md/dm-raid.c: super_load, super_validate). So a LUN that was put back to an earlier state would run, and be read
from. How the counters move, and what was measured: docs/facts/md-events.md. What follows from that:

| found                                                                | so                                     |
|----------------------------------------------------------------------|----------------------------------------|
| a counter below what was noted of that leg                           | older                                  |
| no leg names it as failed, and its counter is below another's        | older                                  |
| the same, but the other's is beyond what was noted of it             | which is newer is not known          |
| the same, one below, after an unclean end, in the activation noted   | equal: a power cut between two writes  |
| a leg names another as failed that has more events than itself       | each newer in something: a split brain |
| nothing is noted of a leg that is named as failed, and its counter is | older                                  |
| below that at which the other's bitmap was cleared last              |                                        |
| its metadata is rubbish                                              | not to be believed                     |
| a leg is named as failed, its counter not below what was noted       | it fell behind: the bitmap knows by what |
| one that is distrusted went on without those that are believed       | each newer in something                |
| somebody else started them, and a counter is two below another's     | older, as above                        |
"""

from typing import NamedTuple

from lunmirror.engine import journal
from lunmirror.engine.model import Present
from lunmirror.layers.volume.facts import LogicalVolume
from lunmirror.layers.volume.superblock import LegSuperblocks, Superblock


class Verdict(NamedTuple):
    """`older`: PV UUID -> (a word of journal.REASONS, the evidence), of legs in view that are not to be believed.
    `split_brain`: pairs of legs each of which is newer in something, or of which that is not known; `why`: the evidence."""

    older: dict[str, tuple[str, str]]
    split_brain: tuple[tuple[str, str], ...]
    why: str = ""


NO_VERDICT = Verdict({}, ())
SWING = 2  # events: what an activation in service may add to what was noted of it, where nothing happened to its legs


def judge(facts: LogicalVolume) -> Verdict:
    """What the legs in view, and the journal, say of each other. Legs that are distrusted already are not asked."""
    if facts.type != "raid1":
        return NO_VERDICT
    entry = facts.past.facts if isinstance(facts.past, Present) else None
    if facts.active and _is_foreign(facts, entry):
        running = _in_service(facts, entry)
        if running.older or running.split_brain:
            return running
    if not isinstance(facts.superblocks, Present):
        return NO_VERDICT
    read: LegSuperblocks = facts.superblocks.facts
    asked = {pv: leg for pv, leg in read.legs.items() if pv not in facts.distrusted}
    older = {pv: (journal.RUBBISH, why) for pv, why in read.rubbish.items() if pv not in facts.distrusted}
    older |= {pv: (journal.OLDER, why) for pv, leg in asked.items() if (why := _below(entry, leg))}
    others = facts.words if facts.active else read.legs
    older |= {
        pv: (journal.OLDER, why) for pv, leg in asked.items() if (why := _unknown_to_bitmap(entry, leg, others))
    }
    if facts.active:
        return Verdict(older, ())
    if later := _went_on_alone(facts, entry, read):
        return Verdict(older, later, "one was not to be believed, and then ran without the other")
    rest = {pv: leg for pv, leg in asked.items() if pv not in older}
    named = {n for leg in rest.values() for n in leg.failed}
    split = tuple(
        (pv, other)
        for pv, leg in rest.items()
        for other, its in rest.items()
        if its.position in leg.failed and leg.position not in its.failed and its.events > leg.events
    )
    if split:
        return Verdict(older, split, "one names the other as failed, which has counted more events than itself")
    equals = {pv: leg for pv, leg in rest.items() if leg.position not in named and not leg.recovering}
    first = max(equals, key=lambda pv: equals[pv].events, default="")
    # A power cut leaves the bits of what was under way on the leg that counted most; one without any was stopped in order.
    cut = bool(first) and equals[first].dirty
    for pv, leg in equals.items():
        gap = equals[first].events - leg.events
        if not gap or (cut and gap == 1 and _in_this_activation(entry, leg)):
            continue
        both_went_on = cut and gap == 1 and _went_on(entry, leg) and _went_on(entry, equals[first])
        if not both_went_on and (doubt := _beyond(entry, equals[first])):
            counts = f"the one has counted {equals[first].events} events, the other {leg.events}, and {doubt}"
            return Verdict(older, ((first, pv),), counts)
        older[pv] = (journal.OLDER, f"its counter is {leg.events}, the other's {equals[first].events}")
    return Verdict(older, ())


def _is_foreign(facts: LogicalVolume, entry: journal.Entry | None) -> bool:
    """Whether somebody else started it: LVM's own events, a hand. A start of ours leaves nothing in `counted`."""
    if entry is None:
        return False
    return journal.unseen_before(entry, facts.boot) or entry.counted not in ("", facts.activation)


def _in_service(facts: LogicalVolume, entry: journal.Entry | None) -> Verdict:
    """Of legs that somebody else started, unasked: until the first write each has its own counter. They are read one after
    the other, so that a difference of one is none."""
    words = {pv: leg for pv, leg in facts.words.items() if pv not in facts.distrusted}
    older = {pv: (journal.OLDER, why) for pv, leg in words.items() if (why := _below(entry, leg))}
    rest = {pv: leg for pv, leg in words.items() if pv not in older}
    first = max(rest, key=lambda pv: rest[pv].events, default="")
    for pv, leg in rest.items():
        if rest[first].events - leg.events < SWING:
            continue
        counts = f"the one has counted {rest[first].events} events, the other {leg.events}"
        if doubt := _beyond(entry, rest[first]):
            return Verdict(older, ((first, pv),), f"{counts}, and {doubt}")
        older[pv] = (journal.OLDER, counts)
    return Verdict(older, ())


def _went_on_alone(
    facts: LogicalVolume, entry: journal.Entry | None, read: LegSuperblocks
) -> tuple[tuple[str, str], ...]:
    """Pairs of a leg that is believed and one that is not, and that ran without it since: each has what the other lacks.
    Of one that was given up by a choice that is what the choice was about."""
    if entry is None:
        return ()
    gone = [
        pv for pv in facts.distrusted if pv in read.legs and entry.why.get(pv, journal.GIVEN_UP) != journal.GIVEN_UP
    ]
    return tuple(
        (good, pv)
        for pv in gone
        for good in entry.running
        if good in read.legs
        and read.legs[good].position in read.legs[pv].failed
        and read.legs[pv].position not in read.legs[good].failed
        and read.legs[pv].events > read.legs[good].events
        and not _below(entry, read.legs[pv])
    )


def alone(facts: LogicalVolume) -> tuple[str, ...]:
    """PV UUIDs of the legs on which a volume in service goes on though none of them is to be believed, while every leg that
    was has failed: what is written now is on them alone, and what they lack is not. Empty if it does not."""
    entry = facts.past.facts if isinstance(facts.past, Present) else None
    if entry is None or not facts.active or facts.tracked or facts.unclear:
        return ()
    letters = {pv: leg.letter for leg in facts.legs for pv in leg.pvs}
    failed = all(letters.get(pv, "D") not in ("", "A", "a") for pv in entry.running)
    return facts.in_sync if failed and set(facts.in_sync) <= set(entry.rebuild) else ()


def _noted(entry: journal.Entry | None, leg: Superblock) -> int | None:
    return entry.counters.get(leg.part, entry.rest.get(leg.part)) if entry else None


def _went_on(entry: journal.Entry | None, leg: Superblock) -> bool:
    """It has counted more than an activation does by itself since it was noted: it was scrubbed, or the journal is old."""
    noted = _noted(entry, leg)
    return noted is not None and leg.events > noted + SWING


def _beyond(entry: journal.Entry | None, leg: Superblock) -> str:
    """Why the leg that has counted most may still not be the newest: a leg that was re-created began to count again, so
    that its disk, put back to a state from before that, has counted more. '' if what was noted of it rules that out."""
    noted = _noted(entry, leg)
    if noted is None:
        return "what they had counted before is not known: it was not noted, or of other legs"
    if _went_on(entry, leg):
        return (
            f"the journal knows of {noted}: either the journal is older than what is on the disks (was it restored from a"
            " backup?), or the disk that counts more was put back to a state from before its leg was re-created"
        )
    return ""


def _below(entry: journal.Entry | None, leg: Superblock) -> str:
    noted = entry.counters.get(leg.part, 0) if entry else 0
    return f"its counter is {leg.events}, and was {noted} before" if leg.events < noted else ""


def _unknown_to_bitmap(entry: journal.Entry | None, leg: Superblock, others: dict[str, Superblock]) -> str:
    """Why the bitmap does not know all that a leg lacks which fell behind, where nothing is noted of that leg: it was put back to
    before a bit was cleared last. md asks that of its own legs (drivers/md/md.c, super_1_validate), dm-raid does not."""
    if _noted(entry, leg) is not None:
        return ""
    cleared = max((one.cleared for one in others.values() if leg.position in one.failed), default=0)
    return f"its counter is {leg.events}, and bits were cleared at {cleared}" if leg.events < cleared else ""


def _in_this_activation(entry: journal.Entry | None, leg: Superblock) -> bool:
    """Its content is of the activation that the journal noted last: the first write in it raised the counter for good."""
    noted = _noted(entry, leg)
    if entry is None or noted is None:
        return False
    rest = entry.rest.get(leg.part, -1)  # none: it was never at rest since it was made
    return rest < leg.events <= max(rest, noted) + 1


def believing(facts: LogicalVolume, entry: journal.Entry | None, verdict: Verdict) -> journal.Entry | None:
    """The entry with the legs distrusted that the verdict is about; None if no leg is left that could be the source.
    `entry` is what was known before; None: nothing, of a volume every leg of which is in view."""
    reasons = {pv: reason for pv, (reason, _) in verdict.older.items()}
    if entry is None or not set(entry.running) - set(reasons):
        return None
    for pv, reason in reasons.items():
        entry = journal.distrust(entry, (pv,), reason, facts.today)
    return entry


def evidence(verdict: Verdict, pv: str) -> str:
    """Why a leg is not to be believed, as a clause; '' if the verdict is not about it."""
    return verdict.older[pv][1] if pv in verdict.older else ""
