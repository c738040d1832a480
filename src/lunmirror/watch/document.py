"""The status file: one document for every watcher, made from the report of a pass. Pure; no secret is in it.

The shape is a contract (docs/schemas/status.schema.json; `schema` counts up when it changes incompatibly). Written after
each changing pass, also after one that was refused or could not begin: then `pass` reports that, and the rest is what the last
pass saw, with the time at which it did (`observed_at`).
"""

from collections.abc import Mapping
from typing import Any

from lunmirror import __version__
from lunmirror.analysis.health import DEGRADED, FULL, REBUILDING, Health, health, is_copying
from lunmirror.analysis.resting import is_expected
from lunmirror.analysis.result import exit_of
from lunmirror.analysis.risk import copies, facts_of, losses, past_of
from lunmirror.engine.desired import Desired, Path, Volume
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Finding, Kind, Present, Report
from lunmirror.layers.session.facts import NoSession, Session
from lunmirror.layers.volume.facts import LogicalVolume

SCHEMA = 1
MOST_FINDINGS = 50  # what a watcher shows; all of them are in the log
OLD = 300  # seconds after which no watcher believes the document any more: a pass is due each minute


Document = dict[str, Any]


def document(report: Report, desired: Desired, readings: Mapping[str, Any], before: Document, now: int) -> Document:
    """After a pass. `readings`: report.copying.Reading of each volume that is being copied, by its id; `before`: the
    document of the pass before, {} for none; `now`: seconds since 1970."""
    result = exit_of(report)
    statuses = [outcome.status for outcome in report.outcomes]
    counts = {status: statuses.count(status) for status in ("done", "failed", "skipped")}
    states = {id: health(volume, report.seen, desired) for id, volume in desired.volumes.items()}
    advice, headline = _advice(report, desired, result, states)
    paths = desired.paths()
    old = {volume["volume"]: volume for volume in before.get("volumes", ())}
    return {
        **_head(now),
        "pass": {**_pass(report.verb, report.run, result, report.seconds), "steps": counts, "error": None},
        "totals": _totals(before, result, counts),
        "observed_at": now,
        "headline": headline,
        "stall_budget": desired.stall_budget,
        "maintenance": _maintenance(desired),
        "volumes": [
            {
                **_volume(v, states[v.id], report, desired, readings, old.get(v.id, {}), now),
                "maintenance": states[v.id].state in (DEGRADED, REBUILDING) and is_expected(v, report.seen, desired),
                "advice": advice.get(v.id),
            }
            for v in desired.volumes.values()
        ],
        "servers": [_server(name, paths, report, desired) for name in desired.servers],
        "findings": _findings(report.findings),
        "counts": {kind.value: sum(f.kind is kind for f in report.findings) for kind in Kind},
    }


def _maintenance(desired: Desired) -> Document | None:
    """The server that is in maintenance; None for none."""
    one = desired.maintenance
    if one is None or one.over:
        return None
    return {"server": one.server, "begun": one.begun, "until": one.until, "by": one.by}


def any_copying(report: Report, desired: Desired) -> bool:
    return any((facts := facts_of(v, report.seen)) and is_copying(facts) for v in desired.volumes.values())


def failed(
    verb: str, run: str, result: Exit, seconds: float, error: Mapping[str, str], before: Document, now: int
) -> Document:
    """After a pass that did not come to a report: what the last one saw, and why this one saw nothing. `error`: what,
    where, why, next."""
    counts = {"done": 0, "failed": 0, "skipped": 0}
    nothing: Document = {
        "observed_at": 0,
        "headline": "",
        "stall_budget": 0,
        "maintenance": None,
        "volumes": [],
        "servers": [],
        "findings": [],
    }
    nothing["counts"] = {kind.value: 0 for kind in Kind}
    return {
        **_head(now),
        "pass": {**_pass(verb, run, result, seconds), "steps": counts, "error": dict(error)},
        "totals": _totals(before, result, counts),
        **{name: before.get(name, empty) for name, empty in nothing.items()},
    }


def _head(now: int) -> Document:
    return {"schema": SCHEMA, "version": __version__, "written_at": now}


def _pass(verb: str, run: str, result: Exit, seconds: float) -> Document:
    return {
        "verb": verb,
        "run": run,
        "exit": int(result),
        "result": result.name.lower(),
        "meaning": result.meaning,
        "seconds": round(seconds, 3),
    }


def _totals(before: Document, result: Exit, counts: Mapping[str, int]) -> Document:
    """Since boot: passes by result, steps by status."""
    past = before.get("totals", {"passes": {}, "steps": {}})
    passes, steps = past["passes"], past["steps"]
    name = result.name.lower()
    return {
        "passes": {**passes, name: passes.get(name, 0) + 1},
        "steps": {status: steps.get(status, 0) + count for status, count in counts.items()},
    }


def _findings(findings: tuple[Finding, ...]) -> list[Document]:
    order = (Kind.REFUSED, Kind.BLOCKED, Kind.DEGRADED, Kind.NOTE)
    said = sorted(findings, key=lambda f: order.index(f.kind))[:MOST_FINDINGS] if len(findings) > 1 else findings
    return [
        {
            "kind": f.kind.value,
            "layer": f.ref.layer,
            "name": f.ref.name,
            "what": f.what,
            "why": f.why,
            "next": f.next,
            "key": f.key,
        }
        for f in said
    ]


def _advice(
    report: Report, desired: Desired, result: Exit, states: Mapping[str, Health]
) -> tuple[dict[str, Document], str]:
    """What each volume that is not whole means, its cause and what to do, by its id; and all of it in a line, "" if nothing
    is amiss."""
    calm = result in (Exit.CONVERGED, Exit.DRIFT)
    if calm and all(state.state == FULL for state in states.values()):
        return {}, ""
    from lunmirror.analysis.verdict import judge

    judged = judge(report, desired)
    said = {
        one.volume: {
            "word": one.word,
            "decision": one.decision,
            "means": one.means.text,
            "cause": one.cause.text,
            "cause_since": one.cause.since,
            "action": one.action,
        }
        for one in judged.volumes
        if not one.calm
    }
    return said, judged.headline.text


# Volumes


def _volume(
    volume: Volume,
    state: Health,
    report: Report,
    desired: Desired,
    readings: Mapping[str, Any],
    old: Document,
    now: int,
) -> Document:
    facts = facts_of(volume, report.seen)
    legs = copies(volume, report.seen, desired)
    past = past_of(facts) if facts else None
    return {
        "volume": volume.id,
        "type": facts.type if facts else volume.type,
        "size": facts.size if facts else None,
        "mount": volume.mount.path if volume.mount else None,
        "state": state.state,
        "words": state.words,
        "noted": state.since or None,
        "since": _since(state.since, state.state, old, now),
        "legs": {"declared": len(volume.legs), "good": sum(one.good for one in legs)},
        "copying": _copying(facts, readings.get(volume.id), old) if state.state == REBUILDING and facts else None,
        "scrub": {
            "due": past.scrub if past else "",
            "action": facts.action if facts and facts.action in ("check", "repair") else "",
            "mismatches": facts.mismatches if facts else 0,
        },
    }


def _copying(facts: LogicalVolume, reading: Any, old: Document) -> Document | None:
    """How far a copy is, and how fast since the pass before: both in the activation that its reading is of."""
    if reading is None or not reading.total or not is_copying(facts):
        return None
    known = {"ratio": round(reading.done / reading.total, 4), "bytes_per_second": None, "seconds_left_at_most": None}
    known |= {"done": reading.done, "total": reading.total, "written": reading.written, "clock": round(reading.at, 3)}
    first = old.get("copying")
    if not first or first["total"] != reading.total or reading.at <= first["clock"]:
        return known
    unit = facts.size / reading.total
    copied = (reading.done - first["done"]) * unit
    if reading.written is not None and first["written"] is not None:
        copied = reading.written - first["written"]
    if copied > 0:
        rate = copied / (reading.at - first["clock"])
        left = (reading.total - reading.done) * unit / rate
        known |= {"bytes_per_second": round(rate), "seconds_left_at_most": round(left)}
    return known


# Servers


def _server(name: str, paths: tuple[Path, ...], report: Report, desired: Desired) -> Document:
    lost = losses(name, report.seen, desired)
    sessions = [_session(path, report) for path in paths if path.server.name == name]
    live = [one["stall_budget"] for one in sessions]
    times = desired.servers[name].timeouts
    declared = times.noop_out_interval + times.noop_out_timeout + times.replacement_timeout + times.margin
    pings = bool(times.noop_out_interval and times.noop_out_timeout)
    known = [budget for budget in live if budget is not None]
    return {
        "server": name,
        "can_lose": not lost,
        "losing": [{"volume": one.volume, "loses": one.loses, "why": one.why} for one in lost],
        "stall_budget": {
            "declared": declared if pings else None,
            "live": max(known) if known and len(known) == len(live) else None,
        },
        "sessions": sessions,
    }


def _session(path: Path, report: Report) -> Document:
    """`state`: the kernel's own word, SILENT (it says LOGGED_IN, and the portal does not answer), NONE or UNKNOWN."""
    seen = report.seen.get("session", {}).get(path.name)
    facts = seen.facts if isinstance(seen, Present) else None
    state, budget = "UNKNOWN", None
    if isinstance(facts, Session):
        state = "SILENT" if facts.state == "LOGGED_IN" and facts.silence else facts.state
        times = (facts.recv_tmo, facts.ping_tmo, facts.recovery_tmo)
        if facts.state == "LOGGED_IN" and all(times):
            budget = sum(one for one in times if one) + path.server.timeouts.margin
    elif isinstance(facts, NoSession):
        state = "NONE"
    return {"portal": str(path.portal), "target": path.target, "state": state, "stall_budget": budget}


def _since(noted: str, state: str, old: Document, now: int) -> int:
    """When this state, or any lack of redundancy, began: as the journal noted it, else when a pass first reported it."""
    if noted:
        if noted == old.get("noted"):
            return int(old["since"])
        from datetime import datetime  # only a pass after which something is new needs it

        return int(datetime.fromisoformat(noted).timestamp())
    same = old and (old["state"] == FULL) == (state == FULL)
    return int(old["since"]) if same else now
