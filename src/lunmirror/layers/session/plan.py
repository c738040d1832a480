"""From sessions that are missing or live with other timeouts to what is declared. Never logs out, never logs in
where a session object exists: the kernel and iscsid are retrying then, and a second session doubles every disk.

| session                     | what is done                                                                   |
|-----------------------------|--------------------------------------------------------------------------------|
| none, portal answers        | log in: all such at once, each bounded                                         |
| none, portal silent, another one live under multipath | degraded: a path is lost                              |
| none, portal silent         | waited for if a volume needs it to start (boot_wait), then blocked             |
| none, node record not known | blocked                                                                        |
| coming up, FAILED, FREE     | waited for if a volume needs it to start (boot_wait)                           |
| LOGGED_IN, portal silent    | degraded: nothing is pointed at its disks                                      |
| none, and it would be in clear, where encryption is required | refused                                       |
| LOGGED_IN in clear, likewise | degraded: it goes on                                                          |
| LOGGED_IN                   | recovery_tmo written if it differs; other timeouts: declared, not live          |
| FAILED                      | degraded: iscsid tries                                                         |
| FREE                        | renew.py: waited for if its portal answers, then renewed                       |
| any but live, in maintenance| nothing: the server is not missed (engine/maintenance.py)                      |

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
    Plan,
    Present,
    Ref,
    Run,
    Step,
    World,
    WriteValue,
    facts_of,
)
from lunmirror.host import paths
from lunmirror.layers.context import PathContext, joined, reason_of
from lunmirror.layers.node.facts import Missing, Record, Torn, Unbound, spelt
from lunmirror.layers.session.exits import meanings
from lunmirror.layers.session.facts import NoSession, Session, stale

SESSION_EXISTS = 15  # somebody was faster; what counts is what the next observation sees
SETTLE = 5.0  # seconds beyond login_timeout: iscsid's pause between two tries, and the login itself


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    contexts = [PathContext("session", path, desired, seen, pending) for path in desired.paths()]
    found = joined(map(_plan, contexts))
    logins = tuple(step for step in found.steps if step.together)  # side by side, so that they run at once
    others = tuple(step for step in found.steps if not step.together)
    return Plan((*logins, *_wait(desired, contexts), *others), found.findings)


def _wait(desired: Desired, contexts: list[PathContext]) -> tuple[Step, ...]:
    """One step for all absent servers whose return would let a volume start whole, and one for all sessions that are
    not up yet. Each is taken at most once in a pass: what is still missing afterwards is what the next layers have to
    do without."""
    if not desired.boot_wait:
        return ()
    missed = [ctx for ctx in contexts if ctx.path.server.name != desired.resting and not _another_way(ctx)]
    absent = [ctx for ctx in missed if (facts := facts_of(ctx.state, NoSession)) and _awaited(facts)]
    endpoints = tuple({ctx.path.endpoint: None for ctx in absent})
    portals = _wait_for(absent, "{} silent", "{}", AwaitPortals(endpoints, float(desired.boot_wait)))
    late = [ctx for ctx in missed if (session := facts_of(ctx.state, Session)) and _late(session)]
    wanted = tuple(_endpoint(ctx.path, spelt(ctx.path, ctx.seen)) for ctx in late)
    # Side by side: while silent portals are waited for, sessions have the same time.
    seconds = SETTLE if portals else float(desired.boot_wait)
    return (
        *portals,
        *_wait_for(late, "no live session to {}", "the session to {}", AwaitSessions(wanted, seconds)),
    )


def _wait_for(
    whom: list[PathContext], observed: str, what: str, action: AwaitPortals | AwaitSessions
) -> tuple[Step, ...]:
    """The step, in words with the servers' names; none if there is nobody to wait for."""
    if not whom:
        return ()
    names = ", ".join(dict.fromkeys(ctx.path.server.name for ctx in whom))
    drift = Drift("policy.boot_wait", "every server there before a volume starts", observed.format(names))
    return (whom[0].step(f"wait for {what.format(names)}", action, drift),)


def _late(session: Session) -> bool:
    """One whose portal answers is waited for by itself."""
    return session.urgent and not session.live and session.portal != ""


def _awaited(facts: NoSession) -> bool:
    return bool(facts.silence) and facts.urgent and not facts.others


def _endpoint(path: Path, address: str) -> tuple[str, str, int]:
    return path.target, address, path.portal.port


def _plan(ctx: PathContext) -> Plan:
    at_rest = ctx.path.server.name == ctx.desired.resting
    match ctx.state:
        case Present(Session(live=False) | NoSession(others=())) if at_rest:
            return Plan()
        case Present(Session() as session) if session.given_up:
            from lunmirror.layers.session.renew import bring_back  # only where one is

            address = spelt(ctx.path, ctx.seen)
            return bring_back(ctx, session, address, login(ctx, address, ()))
        case Present(Session() as session):
            return _keep(ctx, session)
        case Present(NoSession() as none):
            return _reached_otherwise(ctx, none.others) if none.others else _establish(ctx, none)
    return _blocked(ctx, f"the session to {ctx.place} is not known", reason_of(ctx.state, "it was not looked for"))


def _establish(ctx: PathContext, facts: NoSession) -> Plan:
    node = ctx.below("node", ctx.path.name)
    after = ctx.waits_for(Ref("node", ctx.path.name))
    match node:
        case Present(Missing() | Torn() | Unbound()) if after:
            return Plan((login(ctx, ctx.path.portal.address, after),))
        case Present(Record() as record):
            why = record.trouble
        case _:
            why = reason_of(node, "its node record is missing")
    if why:
        return _blocked(ctx, f"there is no session to {ctx.place}", why)
    if facts.clear:
        next_ = (
            f"make {ctx.path.server.interface} a WireGuard tunnel (docs/network.md), or take require_encryption out"
        )
        return ctx.refused(f"will not log in to {ctx.place} in clear", facts.clear, next_, "require_encryption")
    if facts.silence and _another_way(ctx):
        return ctx.degraded(
            f"a path to server {ctx.path.server.name} is lost: {ctx.path.portal} does not answer ({facts.silence})",
            "its disks are reached through another portal of the server",
            "see to the way to that portal; the next pass tries again",
            "portals",
        )
    if facts.silence:
        silence = facts.silence
        what = f"server {ctx.path.server.name} does not answer at {ctx.path.portal} ({silence})"
        return _blocked(ctx, what, f"so there is no session to target {ctx.path.target}")
    return Plan((login(ctx, str(record.settings["node.conn[0].address"]), after),))


def _another_way(ctx: PathContext) -> bool:
    """The server's disks are reached through another of its portals, by multipath."""
    server, target = ctx.path.server, ctx.path.target
    others = (p.name for p in ctx.desired.paths() if p.server.multipath and (p.server, p.target) == (server, target))
    return any((one := facts_of(ctx.below("session", name), Session)) and one.live for name in others)


def login(ctx: PathContext, address: str, after: tuple[Ref, ...]) -> Step:
    """`-p` without the tag, which iscsiadm ignores here (usr/iscsi_util.c, __iscsi_match_session)."""
    path = ctx.path
    portal = str(Portal(address, path.portal.port))
    argv = (paths.ISCSIADM, "-m", "node", "-T", path.target, "-p", portal, "-I", path.server.iface, "--login")
    times = path.server.timeouts
    # iscsiadm cannot be stopped early: killing it does not cancel the login. So iscsid's own bound, and some more.
    deadline = float(times.login_timeout * (times.login_retries + 1) + 5)
    drift = Drift(f"{ctx.key}.portals", "a live session", "no session")
    up = AwaitSessions((_endpoint(path, address),), times.login_timeout + SETTLE)
    mutual = path.server.chap is not None and path.server.chap.mutual is not None
    meaning = meanings(path.server.name, mutual)
    action = Run(argv, deadline, ok=(0, SESSION_EXISTS), meanings=meaning, settles=up)
    return ctx.step(f"log in to {ctx.place}", action, drift, after=after, together=True)


def _keep(ctx: PathContext, session: Session) -> Plan:
    findings = [_twins(ctx, session)] if session.twins else []
    findings += [_beside(ctx, sid, iface) for sid, iface in session.besides]
    if session.keeper:
        findings.append(_unattended(ctx, session))
    if session.clear:
        findings.append(_in_clear(ctx, session))
    if not session.live:
        return joined((*findings, _silent(ctx, session) if session.silence else _retrying(ctx, session)))
    return joined((Plan(_live_timeout(ctx, session)), *findings, *_fixed_timeouts(ctx, session)))


def _in_clear(ctx: PathContext, session: Session) -> Plan:
    """Not refused: it is in use, and is renewed as any other (`--relogin`)."""
    through = session.iface == ctx.path.server.iface
    return ctx.degraded(
        f"{session.sid} to {ctx.place} is in clear, and require_encryption is true",
        session.clear,
        f"make {ctx.path.server.interface} a WireGuard tunnel (docs/network.md)"
        if through
        else "`lunmirror apply --relogin` logs in again, one server at a time, while every other leg is in sync",
        "require_encryption",
    )


def _live_timeout(ctx: PathContext, session: Session) -> tuple[Step, ...]:
    """The record's replacement_timeout does not reach a live session; the kernel's recovery_tmo is it, live."""
    seconds = ctx.path.server.timeouts.replacement_timeout
    wanted = None if seconds < 0 else seconds  # negative: wait for ever, which the kernel calls "off"
    if session.recovery_tmo == wanted:
        return ()
    value = _seconds(wanted)
    drift = Drift(f"{ctx.key}.replacement_timeout", value, _seconds(session.recovery_tmo))
    action = WriteValue(f"{paths.SYS_SESSIONS}/{session.sid}/recovery_tmo", value)
    return (ctx.step(f"set recovery_tmo of the live {session.sid} to {value}", action, drift),)


def _fixed_timeouts(ctx: PathContext, session: Session) -> list[Plan]:
    found = stale(session, ctx.path.server)
    if not found:
        return []
    return [
        ctx.noted(
            f"declared, not live in {session.sid}: {', '.join(map(str, found))}",
            why="the kernel fixes these at login; the node record has them for the next one",
            next="`lunmirror apply --relogin` logs in again, one server at a time, while every other leg is in sync",
            key=found[0].name,
        )
    ]


def _unattended(ctx: PathContext, session: Session) -> Plan:
    """A note: everything works, until the server goes away once."""
    return ctx.noted(
        f"{session.sid} to {ctx.place} would not reconnect after a failure",
        why=session.keeper,
        # Lab: with a budget of 5 s, a leg that was written to then dropped out for a moment, and the next pass repaired it.
        next="start it (`systemctl restart iscsid`) while little is written: it logs every session in again at once, which"
        " writes wait for, and may cost a leg until the next pass",
        key="portals",
    )


def _silent(ctx: PathContext, session: Session) -> Plan:
    noticed = session.state != "LOGGED_IN"
    though = f"; {session.sid} is" if noticed else f", though {session.sid} still reads"
    unnoticed = "the kernel has not noticed yet, or only new connections do not get through; "
    return ctx.degraded(
        f"server {ctx.path.server.name} does not answer at {ctx.path.portal} ({session.silence}){though} {session.state}",
        why=f"{'' if noticed else unnoticed}nothing reads or writes the server's disks for lunmirror until it answers",
        next=f"bring server {ctx.path.server.name} back, or let new connections from this machine through",
        key="portals",
    )


def _retrying(ctx: PathContext, session: Session) -> Plan:
    since = f" since {session.since} (the kernel's last connection error)" if session.since else ""
    return ctx.degraded(
        f"{session.sid} to {ctx.place} is {session.state}{since}: iscsid keeps trying to reach the server",
        why="a session object exists, so a second login would only double its disks",
        # Lab, 2.1.8: a server that began to want CHAP kept a live session out for 2 minutes and more, a minute of it
        # with the right secret in the record already; logged out, the next login took it.
        next=f"bring server {ctx.path.server.name} back; the session then comes back by itself. If the server is up, the"
        " journal of iscsid says why it keeps us out; if that is CHAP, log the session out: it keeps the credentials of its login",
        key="portals",
    )


def _twins(ctx: PathContext, session: Session) -> Plan:
    return ctx.refused(
        f"there is more than one session to {ctx.place}: {', '.join((session.sid, *session.twins))}",
        why="each shows the same disks once more, and LVM, run by hand or by its own events, sees every physical volume on"
        " them twice; lunmirror uses the disks of one of them alone, and ends none",
        next="log out of those that nothing is built on (`lsblk` shows which): `iscsiadm -m session -r NUMBER -u`."
        " The node record asks for one session (node.session.nr_sessions), so no further one is begun through it",
        key="portals",
    )


def _beside(ctx: PathContext, sid: str, iface: str) -> Plan:
    number = sid.removeprefix("session")
    record = f"iscsiadm -m node -T {ctx.path.target} -p {ctx.path.portal} -I {iface}"
    return ctx.refused(
        f"{sid}, through interface {iface}, shows the disks of {ctx.place} a second time",
        why="LVM, run by hand or by its own events, sees every physical volume on them twice; lunmirror uses the session of"
        f" interface {ctx.path.server.iface} alone, and ends none",
        next=f"if nothing is built on its disks (`lsblk`), log it out: `iscsiadm -m session -r {number} -u`; and keep it from"
        f" being logged in again: `{record} -o update -n node.startup -v manual`, the same with -n"
        " node.conn[0].startup",
        key="portals",
    )


def _reached_otherwise(ctx: PathContext, ways: tuple[str, ...]) -> Plan:
    return ctx.refused(
        f"will not log in to {ctx.place}: another session reaches it already ({', '.join(ways)})",
        why="with a second one every disk would be there twice; lunmirror keeps sessions of interface"
        f" {ctx.path.server.iface}, to the portal as it is declared",
        next="log out of it, or declare the portal as it is spelt there, and its interface",
        key="portals",
    )


def _blocked(ctx: PathContext, what: str, why: str) -> Plan:
    return ctx.blocked(
        what,
        why=why,
        next=f"remove the cause (is server {ctx.path.server.name} up and reachable?); the next pass tries again",
        key="portals",
    )


def _seconds(value: int | None) -> str:
    return "off" if value is None else str(value)
