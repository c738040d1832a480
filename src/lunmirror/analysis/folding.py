"""What follows from what: a dead server is one trouble, and its session, disk and group are reported under it. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from lunmirror import layers
from lunmirror.engine.desired import Desired, Volume
from lunmirror.engine.model import Finding, Kind, Ref
from lunmirror.layers.node import leftover

LAYERS = tuple(layer.name for layer in layers.LAYERS)


class Trouble(NamedTuple):
    """One finding that explains itself, and those that only follow from it."""

    root: Finding
    folded: tuple[Finding, ...] = ()

    @property
    def kind(self) -> Kind:
        return self.root.kind

    @property
    def what(self) -> str:
        return self.root.what

    @property
    def why(self) -> str:
        return self.root.why

    @property
    def action(self) -> str:
        return self.root.next

    @property
    def findings(self) -> tuple[Finding, ...]:
        return (self.root, *self.folded)


def is_undeclared(finding: Finding, desired: Desired) -> bool:
    """It is about what lunmirror made or managed, and the configuration does not name any more."""
    left = finding.ref.layer == "node" and finding.key == leftover.KEY
    return left or (finding.ref.layer in ("volume", "mount") and finding.ref.name not in desired.volumes)


def resting(volume: Volume, desired: Desired) -> frozenset[Ref]:
    """Everything that a volume stands on, and what stands on it: of its group only its own legs' disks."""
    refs = {Ref("group", volume.group), *(Ref(layer, volume.id) for layer in ("volume", "filesystem", "mount"))}
    for name in volume.legs:
        refs |= {Ref("disk", name), *below(Ref("disk", name), desired)}
    return frozenset(refs)


def below(ref: Ref, desired: Desired) -> frozenset[Ref]:
    """Everything lower down that a resource needs."""
    if ref.layer in ("mount", "filesystem", "volume"):
        declared = desired.volumes.get(ref.name)
        return (resting(declared, desired) if declared else frozenset()) - {
            Ref(layer, ref.name) for layer in LAYERS[LAYERS.index(ref.layer) :]
        }
    if ref.layer == "group":
        group = desired.groups.get(ref.name)
        disks = [Ref("disk", d) for d in group.disks] if group else []
        return frozenset((*disks, *(one for disk in disks for one in below(disk, desired))))
    if ref.layer in ("multipath", "disk", "scsi") and ref.name in desired.disks:
        names = [path.name for path in desired.paths_to(desired.disks[ref.name])]
        lower = frozenset(Ref(layer, name) for name in names for layer in ("node", "session"))
        return lower if ref.layer == "multipath" else lower | {Ref("multipath", ref.name)}
    return frozenset({Ref("node", ref.name)} if ref.layer == "session" else ())


def fold(findings: Iterable[Finding], desired: Desired, reported: Iterable[Finding] = ()) -> tuple[Trouble, ...]:
    """The roots, the gravest first; notes and what follows from something in `reported` are left out. A refusal is always a
    root: somebody has to decide it, whatever else is amiss."""
    known = [f for f in findings if f.kind is not Kind.NOTE]
    elsewhere = {f.ref for f in reported if f.kind is not Kind.NOTE}
    found: dict[Finding, list[Finding]] = {}
    following: list[Finding] = []
    for finding in sorted(known, key=lambda f: LAYERS.index(f.ref.layer)):
        needs = below(finding.ref, desired)
        if finding.kind is not Kind.REFUSED and any(f.ref in needs for f in known if f is not finding):
            following.append(finding)
        elif finding.kind is Kind.REFUSED or not needs & elsewhere:
            found[finding] = []
    for finding in following:
        needs = below(finding.ref, desired)
        root = next((f for f in found if f.ref in needs), None)
        if root is not None:
            found[root].append(finding)
        elif not needs & elsewhere:
            found[finding] = []
    order = (Kind.REFUSED, Kind.BLOCKED, Kind.DEGRADED)
    return tuple(Trouble(f, tuple(found[f])) for f in sorted(found, key=lambda f: order.index(f.kind)))
