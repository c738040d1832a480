"""A server in maintenance, as the command line has to do with it: its note is read before each look at the machine, and what
it asks for is done after each pass that changes something."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import LunmirrorError
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Absent, Outcome, Plan, Present, Report, Seen
from lunmirror.host import files, paths

if TYPE_CHECKING:
    from lunmirror.engine.execute import Executor
    from lunmirror.engine.log import Log
    from lunmirror.host.protocol import Host


class Refused(LunmirrorError):
    """A server that cannot be taken into maintenance now."""

    exit = Exit.REFUSED


def read() -> Seen[bytes]:
    """The note, as it lies on the disk."""
    return files.read(paths.MAINTENANCE)


def under(desired: Desired, now: Callable[[], float] = time.time) -> Desired:
    """The desired state with what is noted of a maintenance."""
    raw = read()
    if isinstance(raw, Absent):
        return desired._replace(maintenance=None) if desired.maintenance else desired
    from lunmirror.engine.maintenance import under

    return under(desired, raw, int(now()))


def after(seen: Report, desired: Desired, host: "Host", executor: "Executor", walk: Callable[[], Report]) -> Report:
    """What follows on a pass under a maintenance: one that is on is carried out, the note of one that is over goes."""
    from lunmirror.engine import maintenance
    from lunmirror.engine.relogin import Stage

    one = desired.maintenance
    if one and one.over:
        raw = read()
        if one.server and isinstance(raw, Present):
            _taken(executor, maintenance.forget(raw, desired))
        return seen
    return maintenance.hold(Stage(desired, host, executor, walk, lambda seconds: None), seen)


def begin(
    server: str, seconds: int, by: str, desired: Desired, host: "Host", executor: "Executor", log: "Log"
) -> tuple[Desired, tuple[Outcome, ...]]:
    """Take a server into maintenance for so long: refused, or noted; the pass that follows carries it out. Raises Refused."""
    from lunmirror.analysis import resting
    from lunmirror.engine import maintenance
    from lunmirror.engine.desired import Maintenance
    from lunmirror.engine.reconcile import run_pass

    present = desired.maintenance
    on = present if present and not present.over else None
    if on and on.server != server:
        raise Refused(
            f"server {server} is not taken into maintenance: {resting.words(on)}",
            why="two servers are never out of service together",
            next=f"end that one first (`lunmirror maintenance {on.server} --end`), and wait for full redundancy (`lunmirror"
            " status --wait`)",
        )
    if not on:
        against = maintenance.objections(server, desired, run_pass("plan", log.run, desired, host), host)
        if against:
            raise Refused(
                f"server {server} is not taken into maintenance: it must stay in service now",
                why="; ".join(against),
                next=f"correct that first; `lunmirror can-lose {server}` says when it may go",
            )
    now = int(time.time())
    one = Maintenance(server, on.begun if on else now, now + seconds, on.by if on else by)
    outcomes = _taken(executor, maintenance.note(one, read(), desired))
    if any(outcome.status != "done" for outcome in outcomes):
        why = next(outcome.error for outcome in outcomes if outcome.status != "done")
        raise LunmirrorError(f"that server {server} is in maintenance cannot be noted: nothing was done", why=why)
    host.forget()
    return desired._replace(maintenance=one), outcomes


def end(
    server: str, desired: Desired, host: "Host", executor: "Executor", log: "Log"
) -> tuple[Desired, tuple[Outcome, ...]]:
    """End it: the pass that follows brings the server back. `server`: "" for whichever it is. Raises Refused."""
    from lunmirror.analysis import resting
    from lunmirror.engine import maintenance

    raw, one = read(), desired.maintenance
    if one is None or not isinstance(raw, Present):
        return desired._replace(maintenance=None), ()
    if server and one.server and one.server != server:
        raise Refused(f"server {server} is not in maintenance: {resting.words(one)}", next="name that server")
    outcomes = _taken(executor, maintenance.forget(raw, desired))
    if any(outcome.status != "done" for outcome in outcomes):
        raise LunmirrorError("the maintenance cannot be ended", why=outcomes[0].error)
    return desired._replace(maintenance=None), outcomes


def _taken(executor: "Executor", wanted: Plan) -> tuple[Outcome, ...]:
    from lunmirror.engine import gate

    return tuple(executor.take(gate.enforce(wanted, frozenset()).steps))
