"""How long the kernel waits for each disk, brought to what is declared, live. A disk that is there already is changed
here; one that appears later has its values from the udev rules (layer udev), and is looked at here all the same.

| on a path to the disk                   | what is done                                              |
|-----------------------------------------|-----------------------------------------------------------|
| a timeout or the retries differ         | written                                                   |
| the kernel has no max_retries           | noted                                                     |
| a volatile cache where none is accepted | refused: that is set on the server, never from here       |
| no path, or not known                   | nothing: the findings for disk and session are enough     |

A server that restarts forgets what a client set of its cache, and the kernel would go on as if it were so
(docs/facts/restarts.md).
"""

from lunmirror.engine.desired import Desired, Disk
from lunmirror.engine.model import Drift, Plan, Present, Ref, Step, World, WriteValue
from lunmirror.layers.context import Context, joined
from lunmirror.layers.scsi.facts import Patience, refused

# Attribute -> (field of desired.Timeouts, in words)
ATTRIBUTES = {
    "timeout": ("command_timeout", "the command timeout"),
    "eh_timeout": ("eh_timeout", "the timeout of error handling"),
    "max_retries": ("max_retries", "the retries of a command"),
}


class ScsiContext(Context):
    """One declared disk on its server."""

    def __init__(self, disk: Disk, desired: Desired, seen: World, pending: frozenset[Ref]) -> None:
        super().__init__(Ref("scsi", disk.name), f"servers.{disk.server}", desired, seen, pending)
        self.disk = disk


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    return joined(_plan(ScsiContext(disk, desired, seen, pending)) for disk in desired.disks.values())


def _plan(ctx: ScsiContext) -> Plan:
    match ctx.state:
        case Present(found):
            return joined(_tuned(ctx, one) for one in found)
    return Plan()


def _tuned(ctx: ScsiContext, one: Patience) -> Plan:
    plans = [Plan(_steps(ctx, one))]
    if one.max_retries is None:
        plans.append(_no_retries(ctx, one))
    if refused(ctx.desired, ctx.disk, one):
        plans.append(_volatile(ctx, one))
    return joined(plans)


def _steps(ctx: ScsiContext, one: Patience) -> tuple[Step, ...]:
    times = ctx.desired.servers[ctx.disk.server].timeouts
    steps = []
    for attribute, (field, words) in ATTRIBUTES.items():
        wanted, live = getattr(times, field), getattr(one, attribute)
        if live is None or live == wanted:
            continue
        unit = "" if attribute == "max_retries" else " s"
        directory = one.retries_at if attribute == "max_retries" else one.place
        drift = Drift(f"{ctx.key}.command_timeout", f"{field} = {wanted}", str(live))
        title = f"set {words} of {one.kernel} (disk {ctx.disk.name}) to {wanted}{unit}"
        steps.append(ctx.step(title, WriteValue(f"{directory}/{attribute}", str(wanted)), drift))
    return tuple(steps)


def _volatile(ctx: ScsiContext, one: Patience) -> Plan:
    disk = ctx.disk
    return ctx.refused(
        f"disk {disk.name} ({one.kernel}) has a volatile write cache, and server {disk.server} is declared to have none",
        f'it says "{one.cache}": what it acknowledged and nobody had it flush is lost when the server restarts',
        f"on server {disk.server} switch the write cache of LUN {disk.lun} of {disk.target} off (tgt: `write-cache off`"
        " in its backing-store; LIO: write_back=false, block instead of fileio), then have the session log in again:"
        f' `lunmirror apply --relogin {disk.server}`; or accept it: write_cache = "back"',
        "write_cache",
    )


def _no_retries(ctx: ScsiContext, one: Patience) -> Plan:
    return ctx.noted(
        f"how often a command to {one.kernel} (disk {ctx.disk.name}) is retried cannot be set",
        "the kernel shows no max_retries for it (Linux has it since 5.11), and retries five times",
        "a server that hangs its I/O holds it up longer than `lunmirror explain stall_budget` says",
        "command_timeout",
    )
