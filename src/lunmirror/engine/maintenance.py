"""A server that an administrator takes out of service for a while: `lunmirror maintenance SERVER --for 2h`.

What makes it so is one small file beside the journal. It is written first, whole, so that a kill at any instant leaves a
pass that finishes what was begun:

| the file | its time      | a session to the server | what a pass does                                                      |
|----------|---------------|-------------------------|-----------------------------------------------------------------------|
| none     |               |                         | an ordinary pass                                                      |
| there    | to come       | none                    | does not log in there, repairs none of its legs, reports what is amiss  |
|          |               |                         | elsewhere                                                             |
| there    | to come       | there                   | puts its legs aside and logs out (aside.py), if nothing is lost by it |
| there    | over          | any                     | an ordinary pass, which brings it back; that is reported; the file goes |
| unusable |               |                         | an ordinary pass; that is reported                                    |

The end is a time of the wall clock: a restart of this machine neither ends nor lengthens it. A clock that stands before the
beginning cannot say when the end is, so it is over then: an alarm too many is better than none.
"""

import json
from collections.abc import Iterator

from lunmirror.analysis.risk import copies, facts_of, losses
from lunmirror.analysis.servers import silent_servers
from lunmirror.engine import gate
from lunmirror.engine.aside import disturbed, in_order, others_on, stand_aside, volumes_on
from lunmirror.engine.desired import Desired, Maintenance, Path
from lunmirror.engine.model import (
    Absent,
    Drift,
    Finding,
    Kind,
    MakeDirectory,
    Outcome,
    Plan,
    Present,
    Ref,
    RemoveFile,
    Report,
    Seen,
    Step,
    Unknown,
    WriteFile,
)
from lunmirror.engine.plain import iso
from lunmirror.engine.relogin import Stage
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.layers.context import PathContext
from lunmirror.layers.node.facts import spelt
from lunmirror.layers.session.facts import Session
from lunmirror.layers.session.plan import login
from lunmirror.layers.session.renew import again

SCHEMA = 1
BACKWARDS = 300  # seconds that a clock may have been set back without a doubt about the end
PROOF = "every other leg of every volume with a leg there is in sync and can be reached"


# What is noted


def parse(raw: Seen[bytes]) -> Seen[Maintenance]:
    """Present(Maintenance), Absent, or Unknown if it cannot be read."""
    if not isinstance(raw, Present):
        return raw
    try:
        held = json.loads(raw.facts)
        if held.pop("schema") != SCHEMA:
            return Unknown(f"{paths.MAINTENANCE} is of a version that this lunmirror does not know")
        one = Maintenance(**held)
        fine = all(isinstance(w, str) for w in (one.server, one.by)) and one.server and not one.over
        if fine and all(type(n) is int and 0 <= n < 1 << 40 for n in (one.begun, one.until)):
            return Present(one)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return Unknown(f"{paths.MAINTENANCE} is not as lunmirror writes it")


def render(one: Maintenance) -> bytes:
    """The file's bytes: the same note always gives the same bytes."""
    held = {"schema": SCHEMA, "server": one.server, "begun": one.begun, "until": one.until, "by": one.by}
    return (json.dumps(held, indent=1, sort_keys=True) + "\n").encode()


def under(desired: Desired, raw: Seen[bytes], now: int) -> Desired:
    """The desired state of a pass that finds this note at this time (seconds since 1970)."""
    match parse(raw):
        case Absent():
            return desired._replace(maintenance=None)
        case Unknown(reason):
            return desired._replace(maintenance=Maintenance("", 0, 0, "", reason))
        case Present(one):
            return desired._replace(maintenance=one._replace(over=_over(one, desired, now)))
    raise AssertionError(raw)


def _over(one: Maintenance, desired: Desired, now: int) -> str:
    if one.server not in desired.servers:
        return f"server {one.server} is not declared any more"
    if now >= one.until:
        return f"its time ended at {iso(one.until)}"
    if now < one.begun - BACKWARDS:
        return f"the clock stands at {iso(now)}, before its beginning, so that when it ends is not known"
    return ""


def note(one: Maintenance, raw: Seen[bytes], desired: Desired) -> Plan:
    """The steps that note it. `raw`: what the file holds now."""
    before = raw.facts if isinstance(raw, Present) else None
    drift = (Drift(f"servers.{one.server}", f"in maintenance until {iso(one.until)}", "in service"),)
    ref = _ref(one.server, desired)
    directory = Step(ref, "make the journal's directory", MakeDirectory(paths.STATE_DIR, 0o700), drift)
    write = WriteFile(paths.MAINTENANCE, render(one), before, 0o600)
    noted = Step(ref, f"note that server {one.server} is in maintenance until {iso(one.until)}", write, drift)
    return Plan((noted,) if before is not None else (directory, noted))


def forget(raw: Present[bytes], desired: Desired) -> Plan:
    """The step that removes the note, whatever it says."""
    found = parse(raw)
    server = found.facts.server if isinstance(found, Present) else ""
    drift = (Drift(f"servers.{server}" if server else "servers", "in service", "in maintenance"),)
    title = f"note that server {server} is in maintenance no more" if server else f"remove {paths.MAINTENANCE}"
    return Plan((Step(_ref(server, desired), title, RemoveFile(paths.MAINTENANCE, raw.facts), drift),))


def _ref(server: str, desired: Desired) -> Ref:
    names = [path.name for path in desired.paths() if path.server.name == server]
    return Ref("session", names[0]) if names else Ref("node", server or "maintenance")


# What stands against it


def objections(server: str, desired: Desired, report: Report, reader: Reader) -> list[str]:
    """Why the legs of this server are not to be put aside now; none: they may."""
    silent = silent_servers(server, report, desired, reader)
    found = [str(loss) for loss in losses(server, report.seen, desired, silent)]
    for volume in volumes_on(server, desired):
        legs = copies(volume, report.seen, desired, silent)
        others = (one for one in legs if server not in one.servers and not one.good)
        found += [
            f"of volume {volume.id}, {one.place} is {one.lack or f'out of reach: {one.away}'}" for one in others
        ]
        facts = facts_of(volume, report.seen)
        mine = [one for one in legs if server in one.servers]
        if facts and facts.active and facts.type == "mirror" and any(one.away for one in mine):
            found.append(f"mirror {volume.id} has not yet done without its leg there, which cannot be reached")
    for path, session in _sessions(server, desired, report):
        if len(session.every) > 1:
            found.append(f"there is more than one session to {path.target}: {', '.join(session.every)}")
        if session.state != "LOGGED_IN" and not session.given_up:
            found.append(
                f"{session.sid} is {session.state}: in some seconds the kernel knows whether the server is there"
            )
        found += others_on(session, desired, reader)
    return list(dict.fromkeys(found))


def _sessions(server: str, desired: Desired, report: Report) -> Iterator[tuple[Path, Session]]:
    """Every session object to this server, live or not."""
    for path in desired.paths():
        state = report.seen.get("session", {}).get(path.name)
        if path.server.name == server and isinstance(state, Present) and isinstance(state.facts, Session):
            yield path, state.facts


# What is done


def detach(server: str, desired: Desired, report: Report) -> Plan:
    """The steps that put this server's legs aside and log out of it; none if nothing is logged in."""
    sessions = list(_sessions(server, desired, report))
    if not sessions:
        return Plan()
    until = iso(desired.maintenance.until) if desired.maintenance else "its end"
    steps: list[Step] = []
    for volume in volumes_on(server, desired):
        steps += stand_aside(server, volume, desired, report.seen, PROOF)
    for path, session in sessions:
        drift = Drift(f"servers.{server}", f"in maintenance until {until}", f"{session.sid} is {session.state}")
        ctx = PathContext("session", path, desired, report.seen, frozenset())
        steps.append(again(ctx, login(ctx, spelt(path, report.seen), ()), (drift,), "", PROOF, session.iface)[0])
    return in_order(server, steps)


def hold(stage: Stage, report: Report) -> Report:
    """What follows on a pass while a server is in maintenance: a session to it is ended, if there is one and nothing stands
    against that, and another pass looks at what came of it. The caller holds the run lock."""
    server = stage.desired.resting
    wanted = detach(server, stage.desired, report)
    if not wanted.steps:
        return report
    if against := objections(server, stage.desired, report, stage.host):
        return report._replace(findings=(*report.findings, _waits(server, against, stage.desired)))
    allowed = gate.enforce(wanted, disturbed(report))
    if allowed.findings:
        return report._replace(findings=(*report.findings, *allowed.findings))
    outcomes: list[Outcome] = stage.executor.take(allowed.steps)
    last = stage.walk()
    return last._replace(outcomes=(*report.outcomes, *outcomes, *last.outcomes))


def _waits(server: str, reasons: list[str], desired: Desired) -> Finding:
    return Finding(
        _ref(server, desired),
        Kind.DEGRADED,
        f"server {server} is in maintenance, and must stay in service all the same",
        "; ".join(reasons),
        "do not stop that server yet: the next pass logs out of it when nothing stands against it any more",
        f"servers.{server}",
    )
