"""From the disk of a LUN to a physical volume of ours; a disk is taken only if it is provably blank or ours.

| on the disk                                     | what is done                                          | where      |
|-------------------------------------------------|-------------------------------------------------------|------------|
| our physical volume, orphan or in our group     | nothing                                               | judge.py   |
| a physical volume in the declared group         | nothing: adopted                                      | judge.py   |
| the physical volume we gave another disk        | refused: the disks are swapped                        | judge.py   |
| any other physical volume                       | refused                                               | judge.py   |
| provably blank, the group's state fully known   | partition if declared, then pvcreate                  | take.py    |
| provably blank, but the group misses a member   | refused: a replaced disk is never silently adopted    | fitness.py |
| our own partition table, partition blank        | pvcreate                                              | take.py    |
| anything else                                   | refused, unless `overwrite` names exactly that        | fitness.py |
| unreadable                                      | blocked                                               | fitness.py |
"""

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import (
    Absent,
    AwaitPath,
    Drift,
    Plan,
    Present,
    Ref,
    World,
    WriteValue,
    facts_of,
)
from lunmirror.host import paths
from lunmirror.layers.context import joined, reason_of
from lunmirror.layers.disk.claims import equal_names
from lunmirror.layers.disk.context import DiskContext
from lunmirror.layers.disk.facts import Gone, Lun, NoDisk, Spanning
from lunmirror.layers.disk.fitness import unfit
from lunmirror.layers.disk.judge import judge
from lunmirror.layers.disk.take import APPEAR, complete_table, predicted, reread, take
from lunmirror.layers.session.facts import NoSession


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    disks = [DiskContext(disk, desired, seen, pending) for disk in desired.disks.values()]
    return joined((Plan(findings=equal_names(desired, seen)), *map(_plan, disks)))


def _plan(ctx: DiskContext) -> Plan:
    match ctx.state:
        case Present(Gone()):
            return Plan()
        case Present(NoDisk(host, patterns)):
            return wait_for(ctx, host, patterns)
        case Present(Spanning() as spanning):
            return _spanning(ctx, spanning)
        case Present(Lun() as lun) if lun.whole.readonly:
            judged = judge(ctx, lun.pv, lun.place or lun.whole) if lun.pv else Plan()
            return joined((_write_protected(ctx, lun), judged))
        case Present(Lun() as lun) if lun.pv:
            return judge(ctx, lun.pv, lun.place or lun.whole)
        case Present(Lun() as lun) if complete_table(lun):
            return Plan(reread(ctx, lun.whole))  # what is in the partition is seen, and judged, after that
        case Present(Lun() as lun):
            return unfit(ctx, lun) or take(ctx, lun)
    if waits := ctx.waits_for(*ctx.sessions, Ref("multipath", ctx.disk.name)):
        return Plan(predicted(ctx, waits))
    return _unreachable(ctx)


def _unreachable(ctx: DiskContext) -> Plan:
    why = reason_of(ctx.state, f"server {ctx.disk.server} has no session for target {ctx.disk.target}")
    below = (ctx.below("session", session.name) for session in ctx.sessions)
    if isinstance(ctx.state, Absent) and any(facts_of(state, NoSession) for state in below):
        why = f"there is no session to server {ctx.disk.server}"
    next = (
        f"see the findings for session {ctx.sessions[0].name}; the next pass goes on from here"
        if ctx.sessions
        else ""
    )
    return ctx.blocked(f"disk {ctx.disk.name} cannot be seen", why, next)


def _write_protected(ctx: DiskContext, lun: Lun) -> Plan:
    return ctx.refused(
        f"disk {ctx.disk.name} ({lun.whole.node}) is write-protected",
        "the kernel shows it as read-only: its server exports it so, or somebody set it (`blockdev --setro`)",
        f"have server {ctx.disk.server} export LUN {ctx.disk.lun} to be written to, and this machine see it (`iscsiadm -m"
        f" session -R`, `blockdev --setrw {lun.whole.node}`)",
    )


def _spanning(ctx: DiskContext, found: Spanning) -> Plan:
    """LVM calls a disk a multipath component as long as its serial number is in /etc/multipath/wwids, map or no map."""
    forget = "; ".join(f"multipath -w /dev/{member}" for member in found.members)
    return ctx.refused(
        f"multipath map {found.map} joins disk {ctx.disk.name} with {', '.join(found.others)}",
        "two servers report the same serial number, and multipath took their disks for one: what is written"
        " would land on either of them",
        "unmount what uses it; exclude both disks in /etc/multipath.conf (blacklist), or set find_multipaths strict"
        f" there; then take the map and the number away: `multipath -f {found.map}; {forget}`",
    )


def wait_for(ctx: DiskContext, host: str, patterns: tuple[str, ...]) -> Plan:
    """The session is there and its disk is not: ask for it, and give it time."""
    disk = ctx.disk
    observed = "the session shows no such LUN" if host else "its disk is not ready yet"
    drift = Drift(f"{ctx.key}.lun", f"LUN {disk.lun} visible", observed)
    wait = ctx.step(f"wait for LUN {disk.lun} of {disk.target}", AwaitPath(patterns, APPEAR), drift)
    if not host:
        return Plan((wait,))
    scan = WriteValue(f"{paths.SYS}/class/scsi_host/{host}/scan", f"0 0 {disk.lun}")
    return Plan((ctx.step(f"ask server {disk.server} for LUN {disk.lun}", scan, drift), wait))
