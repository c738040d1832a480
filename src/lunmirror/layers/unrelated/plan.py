"""Unrelated devices are named, and nothing is done to them: each may be somebody's backup.

| the unrelated device                                 | what is reported                                     |
|-------------------------------------------------|--------------------------------------------------|
| the declared LUN itself, through another session | a note: which session, and to log it out         |
| any other device with a UUID of ours             | a note: how it is reached, and to hide it         |

While a volume runs on one, layer volume says so, and counts the leg as not good.
"""

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import Finding, Kind, Plan, Present, Ref, World
from lunmirror.layers.context import Context, joined
from lunmirror.layers.unrelated.facts import Unrelated


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    contexts = (Context(Ref("unrelated", kernel), "", desired, seen, pending) for kernel in seen["unrelated"])
    return joined(map(_plan, contexts))


def _plan(ctx: Context) -> Plan:
    match ctx.state:
        case Present(Unrelated() as unrelated):
            return Plan(findings=(_named(ctx, unrelated),))
    return Plan()


def _named(ctx: Context, unrelated: Unrelated) -> Finding:
    kernel = ctx.ref.name
    owner = (
        f"disk {unrelated.disk}, and is not that disk"
        if unrelated.disk
        else "a declared group, and is no declared disk"
    )
    key = f"disks.{unrelated.disk}" if unrelated.disk else ""
    if unrelated.same:
        what = f"/dev/{kernel} is disk {unrelated.disk} once more, through a second session: {unrelated.reached}"
        why = "LVM, run by hand or by its own events, sees every physical volume on it twice; lunmirror uses the first alone"
        next_ = "see the findings for that session"
        return ctx.finding(Kind.NOTE, what, why, next_)._replace(key=key)
    return ctx.finding(
        Kind.NOTE,
        f"/dev/{kernel} ({unrelated.reached}) carries the physical volume {unrelated.uuid} of {owner}",
        why="it is a copy, a snapshot, or reached in a way that is not declared; lunmirror never uses it nor shows it to LVM,"
        " but LVM, run by hand or by its own events, may take it for the declared disk",
        next="stop showing it to this machine (LUN masking on the server, `losetup -d`, or a logout of its session), or keep"
        " LVM from it: global_filter in lvm.conf"
        + ("" if unrelated.disk else "; if it belongs to the group, declare it under [disks]"),
    )._replace(key=key)
