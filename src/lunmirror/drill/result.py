"""What a drill showed: events, figures, verdict; as a table for people and as JSON for programs. Pure.

All times in what is shown are seconds from the cut.
"""

import json
import os
from typing import Any, NamedTuple

from lunmirror.drill.course import Course
from lunmirror.drill.watch import GIVEN_UP, REBUILDING, WHOLE, Sample
from lunmirror.engine.exits import Exit
from lunmirror.report.table import Paint

SCHEMA = 1
STALL = 1.0  # seconds; a write that takes longer is reported as an event of its own


class Event(NamedTuple):
    """`at` in seconds from the cut. `label` is short, for the picture; '' for what only the table shows."""

    at: float
    text: str
    label: str


class Result(NamedTuple):
    """Figures in seconds, None for what was not seen: `given_up` and `session_lost` from the cut on, `session_back`
    and `whole` from when the traffic returned. `stalls` has each volume's longest write. `faults`: why it failed."""

    server: str
    date: str
    seconds: int
    budget: int
    stall: float
    stalls: dict[str, float]
    writes: int
    errors: int
    first_error: str
    session_lost: float | None
    given_up: float | None
    session_back: float | None
    whole: float | None
    packets: int | None
    events: tuple[Event, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.faults

    @property
    def exit(self) -> Exit:
        return Exit.CONVERGED if self.passed else Exit.FAILED


def judge(course: Course) -> Result:
    plan = course.rehearsal
    stalls = {v: max((w.lasted(course.ended_at) for w in mine), default=0.0) for v, mine in course.writes.items()}
    wrong = [w for mine in course.writes.values() for w in mine if w.error]
    lost = _first(course, course.cut_at, lambda s: s.connected < plan.sessions)
    given_up = _first(course, course.cut_at, lambda s: GIVEN_UP in s.volumes.values())
    back = _first(course, course.lifted_at, lambda s: s.connected >= plan.sessions)
    found = Result(
        server=plan.server,
        date=course.date,
        seconds=plan.seconds,
        budget=plan.budget,
        stall=max(stalls.values(), default=0.0),
        stalls=stalls,
        writes=sum(len(mine) for mine in course.writes.values()),
        errors=len(wrong),
        first_error=os.strerror(wrong[0].error) if wrong else "",
        session_lost=_after(lost, course.cut_at),
        given_up=_after(given_up, course.cut_at),
        session_back=_after(back, course.lifted_at),
        whole=_after(course.whole_at, course.lifted_at),
        packets=course.packets,
        events=_events(course, lost, given_up, back),
        faults=(),
        notes=course.notes,
    )
    return found._replace(faults=tuple(_faults(found)))


def _faults(found: Result) -> list[str]:
    faults = []
    if found.stall > found.budget:
        faults.append(f"a write took {found.stall:.1f} s, longer than the stall budget of {found.budget} s")
    if found.errors:
        faults.append(f"{found.errors} writes failed: {found.first_error}")
    if found.packets == 0 and found.session_lost is None:
        faults.append("no packet was dropped and the session never failed: the traffic was not cut")
    if found.whole is None:
        faults.append("redundancy was not full again when the time for repair was over")
    return faults


def _first(course: Course, since: float, wanted: Any) -> float | None:
    """When that was first so, at `since` or later: a state that lasts is noted only once, when it began."""
    holding = [s for s in course.samples if s.at <= since][-1:]
    later = [s for s in course.samples if s.at > since]
    return next((max(s.at, since) for s in (*holding, *later) if wanted(s)), None)


def _after(at: float | None, since: float) -> float | None:
    return None if at is None else round(max(0.0, at - since), 3)


def _events(course: Course, lost: float | None, given_up: float | None, back: float | None) -> tuple[Event, ...]:
    server, seconds = course.rehearsal.server, course.rehearsal.seconds
    known: list[tuple[float | None, str, str]] = [
        (course.cut_at, f"the traffic of server {server} is dropped", "traffic dropped"),
        (lost, f"session {_state(course, lost)}", "session lost"),
        (given_up, "the leg is given up: the other carries on alone", "leg given up"),
        (course.lifted_at, f"the traffic is let through again, after {seconds} s", "traffic back"),
        (back, "the session is logged in again", "session back"),
        (_rebuilding(course, given_up), "the leg is being brought up to date", "leg rebuilding"),
        (_synced(course, given_up), "every leg is in sync", "in sync"),
        (course.whole_at, "a pass finds full redundancy", "full redundancy"),
    ]
    for volume, mine in course.writes.items():
        for write in mine:
            if write.seconds is not None and write.seconds >= STALL and not write.error:
                text = f"a write to {volume} returns after {write.seconds:.1f} s"
                known.append((write.begun + write.seconds, text, ""))
    for one in course.passes:
        known += [(one.begun, f"pass: {title}", "") for title in one.titles]
        if one.error:
            known.append((one.begun, f"pass: failed: {one.error}", ""))
    events = (Event(round(at - course.cut_at, 3), text, label) for at, text, label in known if at is not None)
    return tuple(sorted(events, key=lambda e: e.at))


def _state(course: Course, at: float | None) -> str:
    """What the sessions that are not logged in were then."""
    sample = next((s for s in course.samples if at is not None and s.at >= at), None)
    states = {state for state in (sample.sessions if sample else {}).values() if state != "LOGGED_IN"}
    return ", ".join(sorted(states)) or "gone"


def _rebuilding(course: Course, given_up: float | None) -> float | None:
    if given_up is None:
        return None
    return next((s.at for s in course.samples if s.at > given_up and _all_but_given_up(s)), None)


def _all_but_given_up(sample: Sample) -> bool:
    states = set(sample.volumes.values())
    return REBUILDING in states and GIVEN_UP not in states


def _synced(course: Course, given_up: float | None) -> float | None:
    """When the last volume came into sync, to stay."""
    if given_up is None or not course.samples or set(course.samples[-1].volumes.values()) != {WHOLE}:
        return None
    at = None
    for sample in reversed(course.samples):
        if set(sample.volumes.values()) != {WHOLE}:
            break
        at = sample.at
    return at


# Reporting


def render(result: Result, picture: str, color: bool = False) -> str:
    """The table, ending in a newline. `picture` is where it was written, or why it was not."""
    paint = Paint(color)
    word = paint("passed", "32") if result.passed else paint("FAILED", "31")
    lines = [
        f"drill of server {result.server}, {result.date.replace('T', ' ').replace('Z', ' UTC')}: {word}",
        *(f"  {fault}" for fault in result.faults),
        "",
    ]
    lines += [f"  {name:<18}{value:>9}   {about}".rstrip() for name, value, about in figures(result)]
    lines += ["", *(f"  {event.at:8.1f} s  {event.text}" for event in result.events)]
    lines += ["", *(f"  note: {note}" for note in result.notes)] if result.notes else []
    return "\n".join((*lines, "", f"picture: {picture}")) + "\n"


def figures(result: Result) -> list[tuple[str, str, str]]:
    """(name, value, about), as the table has them."""
    where = f", on {max(result.stalls, key=lambda v: result.stalls[v])}" if len(result.stalls) > 1 else ""
    packets = "" if result.packets is None else f"{result.packets} packets"
    return [
        ("traffic dropped", f"{result.seconds} s", packets),
        ("longest stall", f"{result.stall:.2f} s", f"of a stall budget of {result.budget} s{where}"),
        ("errors", str(result.errors), f"in {result.writes} writes"),
        ("session lost", _s(result.session_lost), "after the traffic was dropped"),
        ("leg given up", _s(result.given_up), "after the traffic was dropped"),
        ("session back", _s(result.session_back), "after the traffic was let through again"),
        ("full redundancy", _s(result.whole), "after the traffic was let through again"),
    ]


def _s(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"


def render_json(result: Result, run: str, picture: str) -> str:
    shown = {k: v for k, v in result._asdict().items() if k not in ("events", "faults", "notes")}
    document = {
        "schema": SCHEMA,
        "verb": "drill",
        "run": run,
        "result": result.exit.name.lower(),
        "exit": int(result.exit),
        "passed": result.passed,
        **{k: _rounded(v) for k, v in shown.items()},
        "faults": list(result.faults),
        "events": [{"at": e.at, "event": e.label or "other", "text": e.text} for e in result.events],
        "notes": list(result.notes),
        "picture": picture,
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return value


def render_refusal(server: str, reasons: tuple[str, ...], color: bool = False) -> str:
    head = f"{Paint(color)('no drill', '31')}: server {server} must not be cut off now; nothing was done"
    return "\n".join((head, *(f"  {reason}" for reason in reasons))) + "\n"


def refusal_json(server: str, run: str, reasons: tuple[str, ...]) -> str:
    document = {
        "schema": SCHEMA,
        "verb": "drill",
        "run": run,
        "result": Exit.REFUSED.name.lower(),
        "exit": int(Exit.REFUSED),
        "server": server,
        "reasons": list(reasons),
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
