"""What can be known of a LUN's disk, without trusting a name: everything hangs on the session it came from."""

from typing import NamedTuple

from lunmirror.engine.model import Guard, Present, Run, World
from lunmirror.host import paths


class Device(NamedTuple):
    """A block device of the kernel. `kernel` is its name ("sdb", "sdb1", "dm-3"), `node` its path in /dev,
    `size` bytes, `number` "major:minor". `diskseq` changes with every disk that takes over the name.
    `readonly`: its server lets nobody write to it, or somebody had the kernel refuse that."""

    kernel: str
    node: str
    size: int
    number: str
    diskseq: str
    holders: tuple[str, ...]
    readonly: bool = False


class Blank(NamedTuple):
    """Provably holds nothing; `proof` says how that was shown."""

    proof: str


class Holds(NamedTuple):
    """Holds something; `what` names it for an administrator ("an ext4 file system labelled 'x'"). `in_use`: something is built
    on it now; `nameless`: the words would fit other content as well. No consent covers either."""

    what: str
    in_use: bool = False
    nameless: bool = False


class Unreadable(NamedTuple):
    """Its content could not be established. Never the same as blank. `large`: small reads of it answer, large ones do not
    (frames.py)."""

    reason: str
    large: bool = False


class OwnTable(NamedTuple):
    """Holds a partition table with the GUID that we derive for the disk, while the kernel shows no partition on it.
    `whole`: the table is complete, so what its partition holds is unknown. Else it is what a crash left of writing it,
    and `proof` says how it was shown that there is nothing else on the disk."""

    whole: bool
    proof: str = ""


class PhysicalVolume(NamedTuple):
    """The LVM label on the disk (or its partition), as LVM reports it. `group` is '' for an orphan.
    `missing`: flagged MISSING in the group's metadata though the device is there.
    `strange`: a copy of, or swapped with, what another declared disk holds. LVM was not shown it, so only the UUID is
    known, from its label. `duplicate`: two declared disks carry the UUID, and neither has the better claim to it."""

    uuid: str
    group: str
    size: int
    free: int
    missing: bool = False
    duplicate: bool = False
    strange: bool = False


class Lun(NamedTuple):
    """The disk of one LUN, reached through at least one live session.

    whole:   the device to use: the SCSI disk, or the multipath map over all of its paths.
    paths:   the SCSI disks behind it, one for each live session.
    place:   the device that is, or is to be, the physical volume; None where the declared partition is missing.
    ours:    the partition table carries the GUID that we derive for this disk.
    pv:      the physical volume found at `place`.
    content: only looked at where there is no physical volume: what `place` holds, or the whole disk where the
             partition is missing.
    wwid:    what the LUN says of itself, as the kernel sums it up; equal ones of two disks are reported, never used.
    claims:  the same in full (vpd.py): "NAA 6001405…", "serial number 0001".
    expected: the UUID of a physical volume that the disk's group misses and that no other declared disk can be.
    shown:   the kernel's names of what of it LVM may be shown.
    """

    whole: Device
    paths: tuple[Device, ...]
    place: Device | None
    ours: bool
    pv: PhysicalVolume | None
    content: Blank | Holds | OwnTable | Unreadable | None
    wwid: str
    expected: str = ""
    shown: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()


class NoDisk(NamedTuple):
    """A session is live, but the kernel has no disk for the LUN, or udev does not know it yet. `host` is the SCSI host
    to ask ("host3"; '' for none), `patterns` the globs of what is waited for, any of them."""

    host: str
    patterns: tuple[str, ...]


class Gone(NamedTuple):
    """Its LUN is declared as the disk `by` now, which replaces it: what is there is no longer looked at under its name.
    It stays declared, since its server, target and LUN are what its physical volume is known by."""

    by: str


class Spanning(NamedTuple):
    """A multipath map joins this disk with disks of other servers: never built upon. `map` is its name, `members` are
    the SCSI disks under it ("sda")."""

    map: str
    others: tuple[str, ...]
    members: tuple[str, ...] = ()


def luns(seen: World) -> tuple[Lun, ...]:
    """Every declared disk that can be seen."""
    states = seen.get("disk", {}).values()
    return tuple(s.facts for s in states if isinstance(s, Present) and isinstance(s.facts, Lun))


def shown(seen: World) -> tuple[str, ...]:
    """All that LVM is ever shown, as the kernel's names: the declared disks' own devices, each proven through its session
    to its own server. What carries the same UUIDs elsewhere (a copy, a snapshot, a second path) is not among them."""
    return tuple(sorted(kernel for lun in luns(seen) for kernel in lun.shown))


def own(seen: World) -> frozenset[str]:
    """The kernel's names of all that stands for a declared disk: the SCSI disks, what joins them, what is cut from them."""
    found = (d for lun in luns(seen) for d in (*lun.paths, lun.whole, lun.place) if d)
    return frozenset({*(d.kernel for d in found), *shown(seen)})


def devices_guarded(seen: World, action: Run) -> tuple[Guard, ...]:
    """What must still hold when LVM is given these devices: each is the disk that was looked at, and no other that has
    taken over its name meanwhile."""
    words = action.argv
    nodes = words[words.index("--devices") + 1].split(",") if "--devices" in words else []
    named = [lun for lun in luns(seen) if lun.place and lun.place.node in nodes]
    disks = (d for lun in named for d in (*lun.paths, lun.whole) if d.diskseq)
    return tuple(dict.fromkeys(Guard(f"{paths.SYS_BLOCK}/{d.kernel}/diskseq", d.diskseq) for d in disks))
