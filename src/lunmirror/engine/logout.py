"""`lunmirror remove SERVER` or `TARGET`: a target that no server declares any more is logged out of, and its node records
go. Nothing may need its disks.

| the target                                                   | what is done                                            |
|--------------------------------------------------------------|---------------------------------------------------------|
| is declared                                                  | refused                                                 |
| a disk of it is mounted, swapped to, or built on             | refused                                                 |
| a group is not whole in sight: its member may be there       | refused                                                 |
| else                                                         | each session is logged out, then each record is deleted |
"""

from collections.abc import Iterator

from lunmirror.engine.desired import Desired, Portal
from lunmirror.engine.model import Drift, Finding, Kind, Plan, Present, Ref, Report, Risk, Run, Step, Unknown, World
from lunmirror.host import paths, sysfs
from lunmirror.host.mountinfo import read_mounts
from lunmirror.host.protocol import Reader
from lunmirror.layers.group.facts import VolumeGroup
from lunmirror.layers.node import leftover
from lunmirror.layers.node.database import recorded, targets
from lunmirror.layers.session.exits import meanings
from lunmirror.layers.session.observe import Kernel, kernels_of

LOGOUT, DELETE = 60.0, 20.0  # seconds
NAMES = ("iqn.", "eui.", "naa.")  # how the name of a target begins (RFC 7143, 4.2.7)
KEY = "servers"
_WHOLE = (
    "bring what is away back; if it is a disk of this very server, declare both again, and have the disk replaced"
    " (`replaces`) or, while no leg lies on it, taken out of its group (`lunmirror remove DISK`) first"
)


def is_target(name: str) -> bool:
    return name.lower().startswith(NAMES)


def plan(target: str, desired: Desired, report: Report, reader: Reader) -> Plan:
    """The steps; or none, and a refusal."""
    ref = Ref("session", target)
    owners = [path.server.name for path in desired.paths() if path.target.lower() == target.lower()]
    if owners:
        return _refused(
            ref, f"target {target} is declared, on server {owners[0]}", "", "take it out of the configuration first"
        )
    kernels, records = kernels_of(reader, {target.lower()}), recorded(target, reader)
    for unknown in (kernels, records):
        if isinstance(unknown, Unknown):
            return _refused(
                ref, f"target {target} is not removed", unknown.reason, "correct that first; nothing was changed"
            )
    assert not isinstance(kernels, Unknown)
    assert not isinstance(records, Unknown)
    if not kernels and not records:
        return _refused(
            ref,
            f"target {target} has no session and no node record here",
            _left(desired, reader),
            "nothing is to be removed",
        )
    what = f"target {target} is not removed"
    if objections := [*_needed(kernels, reader)]:
        return _refused(ref, what, "; ".join(objections), "correct that first; nothing was changed")
    if torn := [*_torn(report.seen)]:
        return _refused(ref, what, "; ".join(torn), _WHOLE)
    return Plan((*(_log_out(ref, k) for k in kernels), *(_delete(ref, target, portal) for portal in records)))


def of_server(server: str, desired: Desired, reader: Reader) -> tuple[str, ...]:
    """The targets that a server had which is not declared any more, as far as that was noted."""
    known = leftover.noted(reader.read(paths.TARGETS))
    left = undeclared(desired, reader)
    return tuple(target for target, name in known.items() if name == server and target in left)


def _refused(ref: Ref, what: str, why: str, next: str) -> Plan:
    return Plan(findings=(Finding(ref, Kind.REFUSED, what, why, next),))


def undeclared(desired: Desired, reader: Reader) -> tuple[str, ...]:
    """The targets with a session or a record that no server declares; what cannot be read is left out."""
    kernels, names = kernels_of(reader), targets(reader)
    named = [k.spelled for k in kernels] if not isinstance(kernels, Unknown) else []
    declared = {path.target.lower() for path in desired.paths()}
    return tuple(
        dict.fromkeys(
            t
            for t in (*named, *(() if isinstance(names, Unknown) else names))
            if is_target(t) and t.lower() not in declared
        )
    )


def _left(desired: Desired, reader: Reader) -> str:
    found = undeclared(desired, reader)
    return (
        f"with a session or a record, and not declared: {', '.join(found)}"
        if found
        else "every target here is declared"
    )


def _needed(kernels: tuple[Kernel, ...], reader: Reader) -> Iterator[str]:
    """What would be torn away, or cannot be excluded to be."""
    mounts, swaps = read_mounts(reader), reader.read(paths.SWAPS)
    if not isinstance(mounts, Present) or isinstance(swaps, Unknown):
        yield "what is mounted or swapped to cannot be read"
        return
    swapped = {line.split()[0] for line in sysfs.text_of(swaps).splitlines()[1:] if line}
    for kernel in kernels:
        blocks = reader.glob(sysfs.blocks(kernel.sid))
        for place in (*blocks, *(p.removesuffix("/dev") for block in blocks for p in reader.glob(f"{block}/*/dev"))):
            number, name = sysfs.text(reader, f"{place}/dev"), place.rsplit("/", 1)[1]
            if not number:
                yield f"which device {name}, a disk of {kernel.sid}, is cannot be read"
            holders = reader.directory(f"{place}/holders")
            if isinstance(holders, Unknown):
                yield f"what is built on {name}, a disk of {kernel.sid}, cannot be read"
            elif isinstance(holders, Present) and holders.facts:
                yield f"{holders.facts[0]} is built on {name}, a disk of {kernel.sid}"
            if used := [entry.path for entry in mounts.facts if entry.number == number]:
                yield f"{name}, a disk of {kernel.sid}, is mounted at {used[0]}"
            if f"{paths.DEV}{name}" in swapped:
                yield f"{name}, a disk of {kernel.sid}, is swapped to"


def _torn(seen: World) -> Iterator[str]:
    for name, state in seen.get("group", {}).items():
        if isinstance(state, Unknown):
            yield f"group {name} cannot be seen: a member of it may be there"
        elif isinstance(state, Present) and isinstance(state.facts, VolumeGroup) and not state.facts.whole:
            yield f"a member of group {name} is out of sight: it may be there"


def _log_out(ref: Ref, kernel: Kernel) -> Step:
    run = Run(
        (paths.ISCSIADM, "-m", "session", "-r", kernel.sid.removeprefix("session"), "--logout"),
        LOGOUT,
        meanings=meanings(kernel.spelled),
    )
    drift = Drift(KEY, "no session", f"{kernel.sid} to {kernel.endpoints[0][0] if kernel.endpoints else 'no portal'}")
    proof = "asked: its target was named, and nothing is mounted from its disks or built on them"
    # The session's number may be another's by then: it is looked at again.
    return Step(ref, f"log out of {kernel.spelled} ({kernel.sid})", run, (drift,), Risk.ONLINE, proof)


def _delete(ref: Ref, target: str, portal: Portal) -> Step:
    run = Run((paths.ISCSIADM, "-m", "node", "-T", target, "-p", str(portal), "-o", "delete"), DELETE)
    drift = Drift(KEY, "no node record", f"one for {portal}")
    return Step(
        ref, f"delete the node record of {target} at {portal}", run, (drift,), proof="asked: its target was named"
    )
