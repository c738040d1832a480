"""How long the kernel waits for each disk, brought to what is declared, live. A disk that is there already is changed
here; one that appears later has its values from the udev rules (layer udev), and is looked at here all the same.
And its write cache, held against what is accepted of its server: that is set on the server, never from here (a server
that restarts forgets what a client set, and the kernel would go on as if it were so: docs/facts/restarts.md).
"""

from lunmirror.engine.desired import Desired, Disk
from lunmirror.engine.model import Drift, Finding, Kind, Plan, Present, Ref, Step, World, WriteValue
from lunmirror.layers.scsi.facts import Patience, refused

# Attribute -> (field of desired.Timeouts, field of Patience, in words)
ATTRIBUTES = {
    "timeout": ("command_timeout", "the command timeout"),
    "eh_timeout": ("eh_timeout", "the timeout of error handling"),
    "max_retries": ("max_retries", "the retries of a command"),
}


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    steps: list[Step] = []
    findings: list[Finding] = []
    for disk in desired.disks.values():
        state = seen["scsi"].get(disk.name)
        for one in state.facts if isinstance(state, Present) else ():
            steps += _steps(desired, disk, one)
            if one.max_retries is None:
                findings.append(_no_retries(disk, one))
            if refused(desired, disk, one):
                findings.append(_volatile(disk, one))
    return Plan(tuple(steps), tuple(findings))


def _steps(desired: Desired, disk: Disk, one: Patience) -> list[Step]:
    times = desired.servers[disk.server].timeouts
    steps = []
    for attribute, (field, words) in ATTRIBUTES.items():
        wanted, live = getattr(times, field), getattr(one, attribute)
        if live is None or live == wanted:
            continue
        unit = "" if attribute == "max_retries" else " s"
        directory = one.retries_at if attribute == "max_retries" else one.place
        drift = Drift(f"servers.{disk.server}.command_timeout", f"{field} = {wanted}", str(live))
        action = WriteValue(f"{directory}/{attribute}", str(wanted))
        title = f"set {words} of {one.kernel} (disk {disk.name}) to {wanted}{unit}"
        steps.append(Step(Ref("scsi", disk.name), title, action, (drift,)))
    return steps


def _volatile(disk: Disk, one: Patience) -> Finding:
    return Finding(
        Ref("scsi", disk.name),
        Kind.REFUSED,
        f"disk {disk.name} ({one.kernel}) has a volatile write cache, and server {disk.server} is declared to have none",
        why=f'it says "{one.cache}": what it acknowledged and nobody had it flush is lost when the server restarts',
        next=f"on server {disk.server} switch the write cache of LUN {disk.lun} of {disk.target} off (tgt: `write-cache off`"
        " in its backing-store; LIO: write_back=false, block instead of fileio), then have the session log in again:"
        f' `lunmirror apply --relogin {disk.server}`; or accept it: write_cache = "back"',
        key=f"servers.{disk.server}.write_cache",
    )


def _no_retries(disk: Disk, one: Patience) -> Finding:
    return Finding(
        Ref("scsi", disk.name),
        Kind.NOTE,
        f"how often a command to {one.kernel} (disk {disk.name}) is retried cannot be set",
        why="the kernel shows no max_retries for it (Linux has it since 5.11), and retries five times",
        next="a server that hangs its I/O holds it up longer than `lunmirror explain stall_budget` says",
        key=f"servers.{disk.server}.command_timeout",
    )
