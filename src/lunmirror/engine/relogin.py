"""`apply --relogin`: what is declared and cannot become live in a session becomes so by logging in again.

One server at a time, and only while every other leg of every volume with a leg there is in sync, in its place and can
be reached; then full sync is waited for before the next. How a server is left is aside.py's; then it is logged in to again,
and an ordinary pass finds the disk under its new name, and the leg refreshed (raid1: only what changed) or added (mirror: in
full), also where nobody wrote to a raid1 meanwhile, so that nothing but its tables leads nowhere.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from lunmirror.analysis.health import FULL, REBUILDING, health
from lunmirror.analysis.result import exit_of
from lunmirror.analysis.risk import copies, losses
from lunmirror.analysis.servers import silent_servers
from lunmirror.engine import gate
from lunmirror.engine.aside import in_order, others_on, stand_aside, volumes_on
from lunmirror.engine.desired import Desired, Path
from lunmirror.engine.execute import Executor
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Drift, Finding, Kind, Outcome, Plan, Present, Ref, Report, Step, facts_of
from lunmirror.host.protocol import Reader
from lunmirror.layers.context import PathContext
from lunmirror.layers.multipath import facts as multipath
from lunmirror.layers.node.facts import Record, spelt
from lunmirror.layers.node.settings import wishes
from lunmirror.layers.session.facts import Session, stale
from lunmirror.layers.session.plan import login
from lunmirror.layers.session.renew import again

COPY_DEADLINE = 600.0  # seconds for all copying together; then the next `apply --relogin` goes on
PAUSE = 2.0  # seconds between two looks at what is copied


class Stage(NamedTuple):
    """walk: an ordinary changing pass. pause: so many seconds; raises Interrupted."""

    desired: Desired
    host: Reader
    executor: Executor
    walk: Callable[[], Report]
    pause: Callable[[float], None]


def renew(stage: Stage) -> Report:
    """Passes and renewals until every session has what is declared, or something stands against it: the last report,
    with the outcomes of all. The caller holds the run lock."""
    end = stage.host.now() + COPY_DEADLINE
    report = stage.walk()
    outcomes: list[Outcome] = list(report.outcomes)
    done: set[str] = set()
    while True:
        waiting = [s for s in old_servers(stage.desired, report) if s not in done]
        against = {s: objections(s, stage.desired, report, stage.host) for s in waiting}
        ready = next((s for s in waiting if not against[s]), "")
        over = exit_of(report) in (Exit.REFUSED, Exit.FAILED)
        if over or (not ready and not (_copying(stage.desired, report) and stage.host.now() < end)):
            findings = (*report.findings, *(_waits(s, against[s], stage.desired, report) for s in waiting))
            return report._replace(outcomes=tuple(outcomes), findings=findings)
        if ready:
            done.add(ready)
            outcomes += _taken(stage, plan(ready, stage.desired, report))
        else:
            stage.pause(PAUSE)
        report = stage.walk()
        outcomes += report.outcomes


def _taken(stage: Stage, wanted: Plan) -> list[Outcome]:
    return stage.executor.take(gate.enforce(wanted, frozenset()).steps) if wanted.steps else []


def _copying(desired: Desired, report: Report) -> bool:
    return any(health(v, report.seen, desired).state == REBUILDING for v in desired.volumes.values())


# What is to be renewed, and what stands against it


def old_servers(desired: Desired, report: Report) -> list[str]:
    """Servers with a live session that has other values than declared, where a new login would repair that."""
    return list(dict.fromkeys(path.server.name for path, _ in _old(desired, report)))


def _old(desired: Desired, report: Report) -> Iterator[tuple[Path, Session]]:
    for path in desired.paths():
        state = report.seen.get("session", {}).get(path.name)
        session = state.facts if isinstance(state, Present) else None
        if not isinstance(session, Session) or not session.live or session.twins:
            continue
        if stale(session, path.server) and _recorded(path, report):
            yield path, session


def _recorded(path: Path, report: Report) -> bool:
    """Whether the node record says all that is declared: else a new login would be for nothing, or worse."""
    state = report.seen.get("node", {}).get(path.name)
    record = state.facts if isinstance(state, Present) else None
    if not isinstance(record, Record) or record.trouble:
        return False
    return all(record.settings.get(w.record_key) == w.value for w in wishes(path.server, record.secrets))


def objections(server: str, desired: Desired, report: Report, reader: Reader) -> list[str]:
    """Why the sessions of this server are not to be touched now; none: they may."""
    volumes = volumes_on(server, desired)
    silent = silent_servers(server, report, desired, reader)
    found = [str(loss) for loss in losses(server, report.seen, desired, silent)]
    for volume in volumes:
        state = health(volume, report.seen, desired)
        if state.state != FULL:
            found.append(f"volume {volume.id} is {state.state}: {state.words}")
        if any(not c.good for c in copies(volume, report.seen, desired, silent)):
            found.append(f"not every leg of volume {volume.id} is in sync and can be reached")
    for _, session in (one for one in _old(desired, report) if one[0].server.name == server):
        found += others_on(session, desired, reader)
    joins = facts_of(report.seen.get("multipath", {}).get(multipath.NAME), multipath.Settings)
    if desired.servers[server].multipath and (joins is None or joins.why):
        found.append("multipathd does not answer: nothing would join the paths to its disks again")
    return list(dict.fromkeys(found))


def _waits(server: str, reasons: list[str], desired: Desired, report: Report) -> Finding:
    why = "; ".join(reasons) or "a pass must come through without a fault first"
    copying = _copying(desired, report) or not reasons
    return Finding(
        Ref("session", next(path.name for path, _ in _old(desired, report) if path.server.name == server)),
        Kind.DEGRADED if copying else Kind.REFUSED,
        f"the sessions of server {server} are not renewed",
        why=why,
        next="run `lunmirror apply --relogin` again when that is over"
        if copying
        else "correct that first, or log out and in yourself while nothing on that server is in use",
        key=f"servers.{server}",
    )


# What is done


def plan(server: str, desired: Desired, report: Report) -> Plan:
    """The steps that renew one server's sessions, in their order."""
    proof = "every other leg of every volume with a leg there is in sync and can be reached"
    steps: list[Step] = []
    for volume in volumes_on(server, desired):
        steps += stand_aside(server, volume, desired, report.seen, proof)
    for path, session in (one for one in _old(desired, report) if one[0].server.name == server):
        steps += _again(PathContext("session", path, desired, report.seen, frozenset()), session, proof)
    return in_order(server, steps)


def _again(ctx: PathContext, session: Session, proof: str) -> tuple[Step, Step]:
    old = stale(session, ctx.path.server)
    drift = tuple(Drift(f"{ctx.key}.{one.name}", str(one.wanted), str(one.live)) for one in old)
    return again(ctx, login(ctx, spelt(ctx.path, ctx.seen), ()), drift, "", proof, session.iface)
