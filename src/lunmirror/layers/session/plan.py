"""From sessions that are missing or live with other timeouts to what is declared. Never logs out, never logs in
where a session object exists: the kernel and iscsid are retrying then, and a second session doubles every disk.

| session                     | what is done                                                                   |
|-----------------------------|--------------------------------------------------------------------------------|
| none, portal answers        | log in: all such at once, each bounded                                         |
| none, portal silent         | waited for if a volume needs it to start (boot_wait), then blocked             |
| none, node record not known | blocked                                                                        |
| coming up, FAILED, FREE     | waited for if a volume needs it to start (boot_wait)                           |
| LOGGED_IN, portal silent    | degraded: nothing is pointed at its disks                                      |
| LOGGED_IN                   | recovery_tmo written if it differs; other timeouts: declared, not live          |
| FAILED                      | degraded: iscsid tries                                                         |
| FREE                        | renew.py: waited for if its portal answers, then renewed                       |

At boot open-iscsi.service may have asked for the same logins a moment ago, without waiting (docs/boot.md): iscsid then
answers ours with "session exists" before there is one, and a session that is only just coming up reads like a broken
one. Both are given time, lest a volume is started on one leg while the other is a second away.

A server with startup = "manual" is logged in to as well: `startup` is only what the distribution does at boot.
"""

from lunmirror.engine.desired import Desired, Path, Portal
from lunmirror.engine.model import (
    AwaitPortals,
    AwaitSessions,
    Drift,
    Finding,
    Kind,
    Plan,
    Present,
    Ref,
    Run,
    Seen,
    Step,
    Unknown,
    World,
    WriteValue,
)
from lunmirror.host import paths
from lunmirror.layers.node.facts import Missing, Record, Torn, spelt
from lunmirror.layers.session.exits import meanings
from lunmirror.layers.session.facts import NoSession, Session, stale

SESSION_EXISTS = 15  # somebody was faster; what counts is what the next observation sees
SETTLE = 5.0  # seconds beyond login_timeout: iscsid's pause between two tries, and the login itself


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    logins: list[Step] = []
    others: list[Step] = list(_wait(desired, seen))
    findings: list[Finding] = []
    for path in desired.paths():
        mine = _plan_path(path, seen, pending)
        for step in mine.steps:
            (logins if step.together else others).append(step)  # logins side by side, so that they run at once
        findings += mine.findings
    return Plan((*logins, *others), tuple(findings))


def _wait(desired: Desired, seen: World) -> tuple[Step, ...]:
    """One step for all absent servers whose return would let a volume start whole, and one for all sessions that are
    not up yet. Each is taken at most once in a pass: what is still missing afterwards is what the next layers have to
    do without."""
    if not desired.boot_wait:
        return ()
    portals = _wait_for_portals(desired, seen)
    # Side by side: while silent portals are waited for, sessions have the same time.
    return (*portals, *_wait_for_sessions(desired, seen, SETTLE if portals else float(desired.boot_wait)))


def _wait_for_sessions(desired: Desired, seen: World, seconds: float) -> tuple[Step, ...]:
    late = [
        p
        for p in desired.paths()
        if isinstance(s := seen["session"].get(p.name), Present) and isinstance(s.facts, Session) and _late(s.facts)
    ]
    if not late:
        return ()
    names = ", ".join(dict.fromkeys(p.server.name for p in late))
    drift = Drift("policy.boot_wait", "every server there before a volume starts", f"no live session to {names}")
    action = AwaitSessions(tuple(_endpoint(p, spelt(p, seen)) for p in late), seconds)
    return (Step(Ref("session", late[0].name), f"wait for the session to {names}", action, (drift,)),)


def _late(session: Session) -> bool:
    return (
        session.urgent and not session.live and session.portal != ""
    )  # one whose portal answers is waited for by itself


def _endpoint(path: Path, address: str) -> tuple[str, str, int]:
    return path.target, address, path.portal.port


def _wait_for_portals(desired: Desired, seen: World) -> tuple[Step, ...]:
    absent = [
        p for p in desired.paths() if isinstance(s := seen["session"].get(p.name), Present) and _awaited(s.facts)
    ]
    if not absent:
        return ()
    endpoints = tuple({(p.portal.address, p.portal.port): None for p in absent})
    names = ", ".join(dict.fromkeys(p.server.name for p in absent))
    drift = Drift("policy.boot_wait", "every server there before a volume starts", f"{names} silent")
    action = AwaitPortals(endpoints, float(desired.boot_wait))
    return (Step(Ref("session", absent[0].name), f"wait for {names}", action, (drift,)),)


def _awaited(facts: object) -> bool:
    return isinstance(facts, NoSession) and bool(facts.silence) and facts.urgent and not facts.others


def _plan_path(path: Path, seen: World, pending: frozenset[Ref]) -> Plan:
    ref = Ref("session", path.name)
    state = seen["session"].get(path.name, Unknown("it was not looked at"))
    if not isinstance(state, Present):
        why = state.reason if isinstance(state, Unknown) else "it was not looked for"
        return Plan(findings=(_blocked(ref, path, f"the session to {_place(path)} is not known", why),))
    match state.facts:
        case Session() as session:
            return _keep(ref, path, session, seen)
        case NoSession(silence, ways):
            return _establish(ref, path, seen["node"].get(path.name), silence, ways, pending)
    raise AssertionError(state)


def _establish(
    ref: Ref, path: Path, node: Seen[object] | None, silence: str, ways: tuple[str, ...], pending: frozenset[Ref]
) -> Plan:
    if ways:
        return Plan(findings=(_reached_otherwise(ref, path, ways),))
    record = node.facts if isinstance(node, Present) else None
    after = tuple(ref for ref in (Ref("node", path.name),) if ref in pending)
    if isinstance(record, (Missing, Torn)) and after:
        return Plan((login(ref, path, path.portal.address, after),))
    if not isinstance(record, Record):
        why = node.reason if isinstance(node, Unknown) else "its node record is missing"
        return Plan(findings=(_blocked(ref, path, f"there is no session to {_place(path)}", why),))
    if record.trouble:
        return Plan(findings=(_blocked(ref, path, f"there is no session to {_place(path)}", record.trouble),))
    if silence:
        what = f"server {path.server.name} does not answer at {path.portal} ({silence})"
        return Plan(findings=(_blocked(ref, path, what, f"so there is no session to target {path.target}"),))
    address = str(record.settings["node.conn[0].address"])
    return Plan((login(ref, path, address, after),))


def login(ref: Ref, path: Path, address: str, after: tuple[Ref, ...]) -> Step:
    """`-p` without the tag, which iscsiadm ignores here (usr/iscsi_util.c, __iscsi_match_session)."""
    portal = str(Portal(address, path.portal.port))
    argv = (paths.ISCSIADM, "-m", "node", "-T", path.target, "-p", portal, "-I", "default", "--login")
    times = path.server.timeouts
    # iscsiadm cannot be stopped early: killing it does not cancel the login. So iscsid's own bound, and some more.
    deadline = float(times.login_timeout * (times.login_retries + 1) + 5)
    drift = Drift(f"servers.{path.server.name}.portals", "a live session", "no session")
    up = AwaitSessions((_endpoint(path, address),), times.login_timeout + SETTLE)
    mutual = path.server.chap is not None and path.server.chap.mutual is not None
    meaning = meanings(path.server.name, mutual)
    action = Run(argv, deadline, ok=(0, SESSION_EXISTS), meanings=meaning, settles=up)
    return Step(ref, f"log in to {_place(path)}", action, (drift,), after=after, together=True)


def _keep(ref: Ref, path: Path, session: Session, seen: World) -> Plan:
    if session.given_up:
        from lunmirror.layers.session.renew import bring_back  # only where one is

        address = spelt(path, seen)
        return bring_back(ref, path, session, address, login(ref, path, address, ()))
    findings = [_twins(ref, path, session)] if session.twins else []
    findings += [_beside(ref, path, sid, iface) for sid, iface in session.besides]
    if session.keeper:
        findings.append(_unattended(ref, path, session))
    if not session.live:
        findings.append(_retrying(ref, path, session))
        return Plan(findings=tuple(findings))
    return Plan(_live_timeout(ref, path, session), (*findings, *_fixed_timeouts(ref, path, session)))


def _live_timeout(ref: Ref, path: Path, session: Session) -> tuple[Step, ...]:
    """The record's replacement_timeout does not reach a live session; the kernel's recovery_tmo is it, live."""
    seconds = path.server.timeouts.replacement_timeout
    wanted = None if seconds < 0 else seconds  # negative: wait for ever, which the kernel calls "off"
    if session.recovery_tmo == wanted:
        return ()
    value = _seconds(wanted)
    drift = Drift(f"servers.{path.server.name}.replacement_timeout", value, _seconds(session.recovery_tmo))
    action = WriteValue(f"{paths.SYS_SESSIONS}/{session.sid}/recovery_tmo", value)
    return (Step(ref, f"set recovery_tmo of the live {session.sid} to {value}", action, (drift,)),)


def _fixed_timeouts(ref: Ref, path: Path, session: Session) -> list[Finding]:
    found = stale(session, path.server.timeouts)
    if not found:
        return []
    return [
        Finding(
            ref,
            Kind.NOTE,
            f"declared, not live in {session.sid}: {', '.join(map(str, found))}",
            why="the kernel fixes these at login; the node record has them for the next one",
            next="`lunmirror apply --relogin` logs in again, one server at a time, while every other leg is in sync",
            key=f"servers.{path.server.name}.{found[0].name}",
        )
    ]


def _unattended(ref: Ref, path: Path, session: Session) -> Finding:
    """A note: everything works, until the server goes away once."""
    return Finding(
        ref,
        Kind.NOTE,
        f"{session.sid} to {_place(path)} would not reconnect after a failure",
        why=session.keeper,
        # Lab: with a budget of 5 s, a leg that was written to then dropped out for a moment, and the next pass repaired it.
        next="start it (`systemctl restart iscsid`) while little is written: it logs every session in again at once, which"
        " writes wait for, and may cost a leg until the next pass",
        key=f"servers.{path.server.name}.portals",
    )


def _retrying(ref: Ref, path: Path, session: Session) -> Finding:
    if session.silence:
        noticed = session.state != "LOGGED_IN"
        though = (
            f"; {session.sid} is {session.state}"
            if noticed
            else f", though {session.sid} still reads {session.state}"
        )
        unnoticed = "the kernel has not noticed yet, or only new connections do not get through; "
        return Finding(
            ref,
            Kind.DEGRADED,
            f"server {path.server.name} does not answer at {path.portal} ({session.silence}){though}",
            why=f"{'' if noticed else unnoticed}nothing reads or writes the server's disks for lunmirror until it answers",
            next=f"bring server {path.server.name} back, or let new connections from this machine through",
            key=f"servers.{path.server.name}.portals",
        )
    since = f" since {session.since} (the kernel's last connection error)" if session.since else ""
    return Finding(
        ref,
        Kind.DEGRADED,
        f"{session.sid} to {_place(path)} is {session.state}{since}: iscsid keeps trying to reach the server",
        why="a session object exists, so a second login would only double its disks",
        # Lab, 2.1.8: a server that began to want CHAP kept a live session out for 2 minutes and more, a minute of it
        # with the right secret in the record already; logged out, the next login took it.
        next=f"bring server {path.server.name} back; the session then comes back by itself. If the server is up, the"
        " journal of iscsid says why it keeps us out; if that is CHAP, log the session out: it keeps the credentials of its login",
        key=f"servers.{path.server.name}.portals",
    )


def _twins(ref: Ref, path: Path, session: Session) -> Finding:
    return Finding(
        ref,
        Kind.REFUSED,
        f"there is more than one session to {_place(path)}: {', '.join((session.sid, *session.twins))}",
        why="each shows the same disks once more, and LVM, run by hand or by its own events, sees every physical volume on"
        " them twice; lunmirror uses the disks of one of them alone, and ends none",
        next="log out of those that nothing is built on (`lsblk` shows which): `iscsiadm -m session -r NUMBER -u`."
        " The node record asks for one session (node.session.nr_sessions), so no further one is begun through it",
        key=f"servers.{path.server.name}.portals",
    )


def _beside(ref: Ref, path: Path, sid: str, iface: str) -> Finding:
    number = sid.removeprefix("session")
    record = f"iscsiadm -m node -T {path.target} -p {path.portal} -I {iface}"
    return Finding(
        ref,
        Kind.REFUSED,
        f"{sid}, through interface {iface}, shows the disks of {_place(path)} a second time",
        why="LVM, run by hand or by its own events, sees every physical volume on them twice; lunmirror uses the session of"
        " interface default alone, and ends none",
        next=f"if nothing is built on its disks (`lsblk`), log it out: `iscsiadm -m session -r {number} -u`; and keep it from"
        f" being logged in again: `{record} -o update -n node.startup -v manual`, the same with -n"
        " node.conn[0].startup",
        key=f"servers.{path.server.name}.portals",
    )


def _reached_otherwise(ref: Ref, path: Path, ways: tuple[str, ...]) -> Finding:
    return Finding(
        ref,
        Kind.REFUSED,
        f"will not log in to {_place(path)}: another session reaches it already ({', '.join(ways)})",
        why="with a second one every disk would be there twice; lunmirror keeps sessions of interface default, to the"
        " portal as it is declared",
        next="log out of it, or declare the portal as it is spelt there",
        key=f"servers.{path.server.name}.portals",
    )


def _blocked(ref: Ref, path: Path, what: str, why: str) -> Finding:
    return Finding(
        ref,
        Kind.BLOCKED,
        what,
        why=why,
        next=f"remove the cause (is server {path.server.name} up and reachable?); the next pass tries again",
        key=f"servers.{path.server.name}.portals",
    )


def _seconds(value: int | None) -> str:
    return "off" if value is None else str(value)


def _place(path: Path) -> str:
    return f"{path.target} at {path.portal}"
