"""What the legs of a stopped volume say of each other, and what the journal is to know of that: noted in the pass that sees
it, since in a later one the leg that says it may be away."""

from lunmirror.engine import journal
from lunmirror.engine.model import Present, Step, Unknown
from lunmirror.layers.volume import trust
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import LogicalVolume
from lunmirror.layers.volume.superblock import LegSuperblocks


def note(ctx: VolumeContext, facts: LogicalVolume) -> tuple[Step, ...]:
    """What the legs at rest say of each other, as a note: in a later pass the one that says it may be away."""
    said = known(ctx, facts)
    return noted(ctx, said) if said else ()


def noted(ctx: VolumeContext, facts: LogicalVolume) -> tuple[Step, ...]:
    """The note of these facts' entry; none if there is none, or the journal has it."""
    return ctx.note_legs(facts, entry) if (entry := ctx.past(facts)) else ()


def known(ctx: VolumeContext, facts: LogicalVolume) -> LogicalVolume | None:
    """The facts, with what the legs say of each other in the journal's entry; None if no leg is left to start from."""
    verdict = trust.judge(facts)
    if not verdict.older or isinstance(facts.past, Unknown):
        return _without_given_up(ctx, facts)
    entry = ctx.past(facts)
    if entry is None and all(ctx.in_view(leg) for leg in facts.legs):
        good = tuple(pv for pv in not_marked_failed(facts) if pv not in verdict.older)
        entry = ctx.first_entry(facts, good) if good else None
    now_on = trust.believing(facts, entry, verdict)
    return now_on and _without_given_up(ctx, facts._replace(past=Present(now_on)))


def _without_given_up(ctx: VolumeContext, facts: LogicalVolume) -> LogicalVolume:
    """With a journal that knows what a good leg's superblock says of others: they failed before its last write. No pass may
    have seen that, as on the way down."""
    entry = ctx.past(facts)
    if entry is None or entry.diverged or facts.type != "raid1":
        return facts
    word = words_of(facts)
    good = {pv: leg for pv, leg in word.legs.items() if pv in entry.running and pv not in entry.rebuild}
    if any(pv not in facts.legs[leg.position].pvs for pv, leg in good.items() if leg.position < len(facts.legs)):
        return facts  # their numbers in the array are not LVM's: nothing is known of the others
    failed = {n for leg in good.values() for n in leg.failed if n < len(facts.legs)}
    gone = {pv for n in failed for pv in facts.legs[n].pvs}
    rest = tuple(pv for pv in entry.running if pv not in gone)
    if not rest or len(rest) == len(entry.running):
        return facts
    return facts._replace(past=Present(journal.advance(entry, ctx.volume.id, rest, ctx.seqno, facts.today)))


def not_marked_failed(facts: LogicalVolume) -> tuple[str, ...]:
    """PV UUIDs of the legs in sync by their own word, and by that of the others."""
    word = words_of(facts)
    behind = word.marked_failed() | {pv for pv, leg in word.legs.items() if leg.recovering}
    return tuple(sorted(pv for leg in facts.legs for pv in leg.pvs if pv not in behind))


def words_of(facts: LogicalVolume) -> LegSuperblocks:
    return facts.superblocks.facts if isinstance(facts.superblocks, Present) else LegSuperblocks({})
