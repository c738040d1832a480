"""A session that the kernel gave up and iscsid does not bring back: what is done, smallest remedy first, and what is reported.

| the session is FREE, and                                   | what is done                                            |
|------------------------------------------------------------|---------------------------------------------------------|
| its portal is silent or refuses                            | reported: the server is away                                |
| iscsid is not there                                        | reported: nobody tries                                      |
| its portal answers                                         | iscsid is given the time that its own retry needs       |
| that was in vain, and the service is not as it should be   | reported: what the server answered                          |
| that was in vain, the service is in order                  | this session alone is logged out and in                 |
| the same, but something needs it as it is                  | iscsid is started again, if no session is logged in      |
| the same, and another session is logged in                 | reported, with what an administrator may do                  |

A renewed session's disk has another name: the volume layer leads its leg there. The only leg of a volume is never renewed
under it, since device-mapper would be left with a disk that is gone.
"""

from lunmirror.engine.model import AwaitSessions, Drift, Plan, Risk, Run, Step
from lunmirror.host import paths
from lunmirror.layers.context import PathContext
from lunmirror.layers.session.exits import meanings
from lunmirror.layers.session.facts import Session
from lunmirror.layers.session.stuck import patience

LOGOUT = 60.0  # seconds; 2 in the lab
RESTART = 90.0  # seconds: systemd's own, for the stop and the start


def bring_back(ctx: PathContext, session: Session, address: str, login: Step) -> Plan:
    """Of a session that is FREE. `login` is the step that would log in again."""
    path, place = ctx.path, ctx.place
    endpoint = (path.target, address, path.portal.port)
    seconds = patience(path)
    drift = Drift(
        f"{ctx.key}.portals", "a live session", f"{session.sid} is {session.state}, though its portal answers"
    )
    if session.keeper:
        what = f"{session.sid} to {place} is {session.state}, and nothing reconnects it"
        return ctx.degraded(
            what, session.keeper, "`systemctl restart iscsid`: it brings its sessions back by itself", "portals"
        )
    if session.portal:
        what = f"{session.sid} to {place} is {session.state}{_since(session)}: server {path.server.name} is away"
        next = (
            f"bring server {path.server.name} back, or let this machine through; iscsid then brings the session back"
        )
        return ctx.degraded(what, f"its portal: {session.portal}", next, "portals")
    if session.service is None:
        wait = AwaitSessions((endpoint,), seconds)
        step = ctx.step(f"wait for iscsid to bring {session.sid} to {place} back", wait, drift)
        what = f"{session.sid} to {place} is {session.state}{_since(session)}, though its portal answers"
        next = f"nothing: if iscsid has not brought it back within {seconds:g} s, `lunmirror apply` renews it"
        return Plan(
            (step,),
            ctx.degraded(
                what, "the server may be back this moment, or the session is stuck", next, "portals"
            ).findings,
        )
    what = f"{session.sid} to {place} is {session.state}{_since(session)}, and does not come back"
    if session.service:
        next = f"see to the iSCSI service and the targets of server {path.server.name}; iscsid goes on trying"
        return ctx.degraded(what, f"server {path.server.name} is up, but {session.service}", next, "portals")
    if not session.burden:
        lost = f": {session.sid} is stuck, and nothing is lost with it"
        proof = "its disks fail every command, and no volume needs them to go on"
        return Plan(again(ctx, login, (drift,), lost, proof, session.iface, path.server.name))
    why = (
        f"the server is in order and iscsid failed for {seconds:g} s: the session is stuck. To renew it would tear its disk"
        f" away: {session.burden}"
    )
    if session.alone:
        run = Run(
            (paths.SYSTEMCTL, "restart", paths.ISCSID_UNIT), RESTART, settles=AwaitSessions((endpoint,), seconds)
        )
        title = f"restart iscsid, since {session.sid} to {place} is stuck and {session.burden}"
        proof = "no session of this machine is logged in"
        return Plan((ctx.step(title, run, drift, risk=Risk.ONLINE, proof=proof, server=path.server.name),))
    next = (
        "`systemctl restart iscsid` while little is written: it logs every session in again at once, which writes wait for."
        f" Or, once nothing needs it any more, `iscsiadm -m session -r {session.sid.removeprefix('session')} -u`; the next"
        " pass logs in"
    )
    return ctx.degraded(what, why, next, "portals")


def again(
    ctx: PathContext, login: Step, drift: tuple[Drift, ...], why: str, proof: str, iface: str, server: str = ""
) -> tuple[Step, Step]:
    """Log out of the very session that `login` would begin again, and in. `why` is added to the first step's title; `iface`:
    the interface that the session went through until now."""
    assert isinstance(login.action, Run)
    argv = (*login.action.argv[:-3], "-I", iface, "--logout")  # in its place: -I INTERFACE --login
    run = Run(argv, LOGOUT, meanings=meanings(ctx.path.server.name))
    leave = ctx.step(f"log out of {ctx.place}{why}", run, *drift, risk=Risk.ONLINE, proof=proof, server=server)
    return leave, login._replace(drift=drift, together=False, server=server)


def _since(session: Session) -> str:
    return f" since {session.since} (the kernel's last connection error)" if session.since else ""
