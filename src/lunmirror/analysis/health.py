"""How each declared volume is, in one word and one sentence; and what `status` therefore ends with. Pure.

`apply` ends with what it could not do; `status` did nothing, so it ends with what is: a dead leg that the next pass
will repair needs nobody's attention, and redundancy is missing all the same.
"""

from typing import NamedTuple

from lunmirror.analysis.resting import is_expected
from lunmirror.analysis.risk import Copy, copies, facts_of, past_of, whole_legs
from lunmirror.engine.desired import Desired, Disk, Volume
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Kind, Present, Report, Unknown, World
from lunmirror.layers.mount.facts import MountState
from lunmirror.layers.session.facts import NoSession, Session
from lunmirror.layers.volume.facts import LogicalVolume

FULL, REBUILDING, DEGRADED, DOWN = "full", "rebuilding", "degraded", "out of service"

WORDS = {
    Exit.CONVERGED: "every declared volume is in service, with full redundancy",
    Exit.FAILED: "something declared is out of service",
    Exit.DEGRADED: "in service, but redundancy is not full",
    Exit.REFUSED: "an administrator must decide",
}


class Health(NamedTuple):
    """`state` is FULL, REBUILDING, DEGRADED or DOWN; `words` describes it. `since` is the time of the pass that noted
    it first (UTC, ISO 8601), '' if none has: lunmirror sees only what a pass looks at."""

    volume: str
    state: str
    words: str
    since: str


UNSEEN = "it cannot be seen: "  # before the reason


def health(volume: Volume, seen: World, desired: Desired) -> Health:
    facts = facts_of(volume, seen)
    if facts is None:
        state = seen.get("volume", {}).get(volume.id)
        why = f"{UNSEEN}{state.reason}" if isinstance(state, Unknown) else "it is not there"
        return Health(volume.id, DOWN, why, "")
    trouble = _down(volume, facts, seen)
    if trouble:
        return Health(volume.id, DOWN, trouble, "")
    mine = copies(volume, seen, desired)
    if mine and all(_is_cut_off(c, seen, desired) for c in mine):
        return Health(volume.id, DOWN, f"none of its legs can be reached: {'; '.join(c.away for c in mine)}", "")
    bad = [c for c in mine if not c.good]
    missing = len(volume.legs) - len(facts.legs)
    past = past_of(facts)
    if past and past.diverged:
        return Health(volume.id, DEGRADED, "its legs are in split brain", past.since)
    if not bad and missing <= 0 and facts.synced:
        return _full(volume, facts)
    since = _noted(facts, bad)
    reasons = [_deviation(c) for c in bad] + _lacking(volume, facts, seen, desired)
    copying = facts.type != "linear" and is_copying(facts)
    known = f", since {since} (the pass that noted it)" if since else "; no pass has noted since when"
    words = "; ".join(reasons or ["it is not in full sync"]) + known
    return Health(volume.id, REBUILDING if copying else DEGRADED, words, since)


def is_copying(facts: LogicalVolume) -> bool:
    """A leg is being copied now, as far as letters, action and ratio show."""
    if not facts.active or facts.action == "check":
        return False
    if facts.type == "mirror":
        return facts.done < facts.total and all(leg.letter == "A" for leg in facts.legs)
    return facts.action in ("recover", "resync") or any(leg.letter == "a" for leg in facts.legs)


def status_exit(report: Report, desired: Desired) -> Exit:
    """0 full, or all that a server in maintenance leaves; 3 less redundancy than declared, 1 something out of service, 4 an
    administrator must decide."""
    if any(f.kind is Kind.REFUSED for f in report.findings):
        return Exit.REFUSED
    states = {
        FULL if state in (DEGRADED, REBUILDING) and is_expected(v, report.seen, desired) else state
        for v in desired.volumes.values()
        for state in (health(v, report.seen, desired).state,)
    }
    if DOWN in states:
        return Exit.FAILED
    poor = any(f.kind in (Kind.DEGRADED, Kind.BLOCKED) for f in report.findings)
    return Exit.DEGRADED if poor or states & {REBUILDING, DEGRADED} else Exit.CONVERGED


def is_full(report: Report, desired: Desired) -> bool:
    """Every declared volume in service and in full sync on every declared leg."""
    return all(health(v, report.seen, desired).state == FULL for v in desired.volumes.values())


def _down(volume: Volume, facts: LogicalVolume, seen: World) -> str:
    """Why nobody can use it as declared; '' if somebody can."""
    if not facts.active:
        return "it is not active"
    if facts.failed:
        return "all of its legs have failed: whoever uses it waits, or gets errors"
    if volume.mount is None:
        return ""
    state = seen.get("mount", {}).get(volume.id)
    mounted = state.facts.mounted if isinstance(state, Present) and isinstance(state.facts, MountState) else None
    if isinstance(state, Unknown):
        return f"whether it is mounted cannot be seen: {state.reason}"
    if mounted is None:
        return f"it is not mounted on {volume.mount.path}"
    if mounted.readonly and "ro" not in volume.mount.options:
        return f"it is mounted read-only on {volume.mount.path}"
    return ""


def _is_cut_off(copy: Copy, seen: World, desired: Desired) -> bool:
    """A disk of the leg certainly has no live session. What could merely not be read is not cut off."""
    return any(_has_no_session(desired.disks[d], seen, desired) for d in copy.disks if d in desired.disks)


def _has_no_session(disk: Disk, seen: World, desired: Desired) -> bool:
    states = [seen.get("session", {}).get(path.name) for path in desired.paths_to(disk)]
    facts = [s.facts if isinstance(s, Present) else None for s in states]
    return all(isinstance(f, NoSession) or (isinstance(f, Session) and not f.live) for f in facts)


def _full(volume: Volume, facts: LogicalVolume) -> Health:
    past = past_of(facts)
    since = past.since if past and set(past.running) == set(facts.running) else ""
    known = f", since {since} (the pass that noted it)" if since else ""
    return Health(
        volume.id, FULL, f"{'one copy, as declared' if len(facts.legs) == 1 else 'in full sync'}{known}", since
    )


def _noted(facts: LogicalVolume, bad: list[Copy]) -> str:
    """When the present lack of redundancy was noted; '' if the journal does not know of it yet."""
    past = past_of(facts)
    if past is None or set(past.running) - whole_legs(facts) or set(past.running) & {pv for c in bad for pv in c.pvs}:
        return ""
    return min(past.last.values(), default=past.since)


def _deviation(copy: Copy) -> str:
    return f"{copy.place} is {copy.lack}" if copy.lack else f"{copy.place} cannot be reached: {copy.away}"


def _lacking(volume: Volume, facts: LogicalVolume, seen: World, desired: Desired) -> list[str]:
    """Declared legs that the volume does not have."""
    has = {d for c in copies(volume, seen, desired) for d in c.disks}
    if len(facts.legs) >= len(volume.legs):
        return []
    return [f"it has no leg on server {desired.disks[d].server}" for d in volume.legs if d not in has]
