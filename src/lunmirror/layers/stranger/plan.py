"""Strangers are named, and nothing is done to them: each may be somebody's backup.

| the stranger                                    | what is said                                     |
|-------------------------------------------------|--------------------------------------------------|
| the declared LUN itself, through another session | a note: which session, and to log it out         |
| any other device with a UUID of ours             | a note: how it is reached, and to hide it         |

While a volume runs on one, layer volume says so, and counts the leg as not good.
"""

from lunmirror.desired import Desired
from lunmirror.layers.stranger.facts import Stranger
from lunmirror.model import Finding, Kind, Plan, Present, Ref, World


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    found = seen["stranger"].items()
    return Plan(findings=tuple(_named(k, s.facts) for k, s in found if isinstance(s, Present)))


def _named(kernel: str, stranger: Stranger) -> Finding:
    owner = (
        f"disk {stranger.disk}, and is not that disk"
        if stranger.disk
        else "a declared group, and is no declared disk"
    )
    key = f"disks.{stranger.disk}" if stranger.disk else ""
    if stranger.same:
        what = f"/dev/{kernel} is disk {stranger.disk} once more, through a second session: {stranger.reached}"
        why = "LVM, run by hand or by its own events, sees every physical volume on it twice; lunmirror uses the first alone"
        next_ = "see what is said of that session"
        return Finding(Ref("stranger", kernel), Kind.NOTE, what, why, next_, key)
    return Finding(
        Ref("stranger", kernel),
        Kind.NOTE,
        f"/dev/{kernel} ({stranger.reached}) carries the physical volume {stranger.uuid} of {owner}",
        why="it is a copy, a snapshot, or reached in a way that is not declared; lunmirror never uses it nor shows it to LVM,"
        " but LVM, run by hand or by its own events, may take it for the declared disk",
        next="stop showing it to this machine (LUN masking on the server, `losetup -d`, or a logout of its session), or keep"
        " LVM from it: global_filter in lvm.conf"
        + ("" if stranger.disk else "; if it belongs to the group, declare it under [disks]"),
        key=key,
    )
