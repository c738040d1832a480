"""What the journal knows against legs, said a second time: as tags of the volume, in LVM's own metadata.

The journal is a file of one host. Where it is lost, or another host takes the group over, neither letters nor counters speak
against a leg that is distrusted, nor do they say that nobody knows which leg lacks what.

| the journal says                                  | the tag                         |
|---------------------------------------------------|---------------------------------|
| a leg is distrusted (rebuild, why)                | lunmirror.distrust=PV-UUID/why  |
| a leg ran without those that run (diverged)       | lunmirror.diverged=PV-UUID      |
| its legs are to be compared before any is believed | lunmirror.compare               |

A journal that is there is believed, and the tags follow it, one pass later at most; but not one from before another host had
the group.
"""

from lunmirror.engine import journal
from lunmirror.engine.model import Absent, Drift, Plan, Present
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import LogicalVolume
from lunmirror.layers.volume.standing import LATER, Noted
from lunmirror.layers.volume.stopped import not_marked_failed

DISTRUST, DIVERGED, COMPARE = "lunmirror.distrust=", "lunmirror.diverged=", "lunmirror.compare"


def keep(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """The step that has the tags say what the journal says; None if they do, or LVM's metadata cannot be written now."""
    entry = ctx.past(facts)
    if entry is None or not ctx.whole() or ctx.at_rest or ctx.after or _is_from_before(ctx, facts):
        return None
    has, wanted = {tag for tag in facts.tags if _is_doubt(tag)}, set(tags_of(entry))
    changes = (*(("--addtag", t) for t in sorted(wanted - has)), *(("--deltag", t) for t in sorted(has - wanted)))
    if not changes:
        return None
    words = tuple(word for change in changes for word in change)
    drift = Drift(
        ctx.volume.key, ", ".join(sorted(wanted)) or "no doubt about a leg", ", ".join(sorted(has)) or "no tag"
    )
    title = f"have LVM's metadata say of {ctx.volume.id} what the journal says of its legs"
    return Plan((ctx.change(title, ctx.lvm("lvchange", *words, ctx.volume.id), drift),))


def restore(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """The note that a journal begins with which was lost while it knew something against a leg, or that is from before another
    host had the group; None if it is there, or there is nothing to say, or not every leg of a stopped volume is in view: then it is
    not started, for want of a journal."""
    tags = [tag for tag in facts.tags if _is_doubt(tag)]
    past = ctx.past(facts)
    back = _is_from_before(ctx, facts)
    if not back and not (tags and isinstance(facts.past, Absent)):
        return None
    if facts.active:
        good = facts.in_sync or facts.resyncing
    elif not all(ctx.in_view(leg) for leg in facts.legs):
        return None
    elif facts.type == "raid1" and not isinstance(facts.superblocks, Present):
        if back:
            return None
        why = "its journal is lost, LVM's metadata say that a leg is not to be believed, and the superblocks cannot be read"
        return ctx.blocked("is not active", why, "the next pass looks again")
    else:
        good = not_marked_failed(facts)
    every = tuple(pv for leg in facts.legs for pv in leg.pvs)
    doubts = {pv: word for pv, word in _distrusted(tags).items() if pv in every}
    split = tuple(pv for pv in every if DIVERGED + pv in tags)
    believed = tuple(pv for pv in good if pv not in doubts and pv not in split)
    if not believed and good:  # what runs is not to be believed, and nothing else is there: an administrator decides
        believed, split, doubts = good[:1], tuple(pv for pv in every if pv != good[0]), {}
    if not believed:
        return None
    entry = ctx.first_entry(facts, believed)
    steps = ctx.note_legs(
        facts,
        entry._replace(
            diverged=split,
            rebuild=tuple(sorted(doubts)),
            why=doubts,
            scrub=_due(tags, past) if facts.type == "raid1" else "",
            # A server without a mark may have been restarted since.
            servers={**dict.fromkeys(facts.servers, str(Noted((), LATER))), **entry.servers},
            counters=past.counters if past else {},
            rest=past.rest if past else {},
        ),
    )
    return Plan(steps) if steps else None


def follow(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """The note that a distrusted leg lies on another physical volume now: somebody moved it there (pvmove), with all that is
    wrong with it. None if none was. A leg that is being copied is another one."""
    entry = ctx.past(facts)
    if entry is None or not entry.rebuild:
        return None
    gone = [pv for pv in entry.rebuild if not any(pv in leg.pvs for leg in facts.legs)]
    known = {*entry.running, *entry.rebuild, *entry.copying, *entry.diverged, *entry.last}
    new = tuple(pv for leg in facts.legs if leg.letter != "a" for pv in leg.pvs if pv not in known)
    if not gone or not new:
        return None
    moved = journal.distrust(entry, new, entry.why.get(gone[0], journal.GIVEN_UP), facts.today)
    kept = tuple(pv for pv in moved.rebuild if pv not in gone)
    return Plan(ctx.note_legs(facts, journal.trusting(moved, kept)))


def _is_from_before(ctx: VolumeContext, facts: LogicalVolume) -> bool:
    """Whether the journal is from before another host had the group, whose tags and marks know more than it does."""
    past = ctx.past(facts)
    return past is not None and not facts.active and past.term != ctx.term


def _due(tags: list[str], past: journal.Entry | None) -> str:
    """What is to be done sector by sector. That no leg is to be believed is the tags' word alone."""
    if COMPARE in tags:
        return "compare"
    return past.scrub if past and past.scrub not in journal.UNSURE else ""


def _is_doubt(tag: str) -> bool:
    return tag == COMPARE or tag.startswith((DISTRUST, DIVERGED))


def tags_of(entry: journal.Entry) -> list[str]:
    """Which tags a volume with this entry has. LVM's tags have no spaces (lvm2, lib/misc/lvm-string.c, validate_tag)."""
    why = {pv: entry.why.get(pv, journal.GIVEN_UP).replace(" ", "-") for pv in entry.rebuild}
    unsure = [COMPARE] if entry.scrub in journal.UNSURE else []
    return [
        *(f"{DISTRUST}{pv}/{word}" for pv, word in why.items()),
        *(DIVERGED + pv for pv in entry.diverged),
        *unsure,
    ]


def _distrusted(tags: list[str]) -> dict[str, str]:
    said = [tag.removeprefix(DISTRUST).partition("/") for tag in tags if tag.startswith(DISTRUST)]
    return {pv: word.replace("-", " ") for pv, _, word in said}
