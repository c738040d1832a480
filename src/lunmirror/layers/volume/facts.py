"""What can be known of a logical volume: layout from LVM's metadata, health from device-mapper.

The tags by which lunmirror remembers its own work live in LVM's metadata, in the same transaction as the change that
they speak of: they survive every crash.
"""

from typing import Any, NamedTuple

from lunmirror.engine.desired import Size, Volume
from lunmirror.engine.journal import Entry, KernelState
from lunmirror.engine.model import ABSENT, Present, Seen
from lunmirror.host import paths
from lunmirror.layers.volume.standing import DOUBT, RESTARTED, Standing, verdict
from lunmirror.layers.volume.superblock import Superblock

# Set by the very lvcreate that makes a volume, removed after mkfs: "made by us, not yet formatted".
UNFORMATTED = "lunmirror.unformatted"
# Set before lvextend, removed after the file system has grown.
GROW = "lunmirror.grow"

TARGETS = {"linear": "linear", "raid1": "raid", "mirror": "mirror"}  # type -> device-mapper's target

SCRUBS = ("check", "repair")  # raid's sync actions that go over legs which are in sync


def restart_commands(volume: Volume, path: str, type: str) -> str:
    """What an administrator types to start a volume again after I/O errors, once nobody uses it: with its file system of this type
    unmounted from `path` and checked ('' for none)."""
    free = f"umount {path}; " if path else ""
    check = f"fsck.{type} -p {paths.MAPPER}/{volume.dm}; " if type.startswith("ext") else ""
    return f"{free}lvchange -an {volume.id}; lvchange -ay {volume.id}; {check}lunmirror apply"


class Leg(NamedTuple):
    """One copy. `mostly`: LVM has it as write-mostly, as far as it shows that. `pvs` are the PV UUIDs it lies on; `letter` is device-mapper's: raid1 A in sync, a not in sync,
    D dead; mirror A, D, F, S, R, U; '' for linear or inactive."""

    name: str
    pvs: tuple[str, ...]
    letter: str
    mostly: bool = False


class LogicalVolume(NamedTuple):
    """`size` in bytes, `extents` in the group's extents. `done` and `total` are what device-mapper counts as in
    sync (sectors for raid1, regions for a mirror; both 0 when inactive). `action` is raid's sync action.
    `number` is "major:minor", '' when inactive. `dm` is its name in device-mapper."""

    uuid: str
    type: str  # linear, raid1, mirror, or LVM's own word for anything else
    log: str  # for a mirror: core or disk
    size: int
    extents: int
    legs: tuple[Leg, ...]
    active: bool
    suspended: bool
    open: bool
    number: str
    dm: str
    health: str
    tags: tuple[str, ...]
    done: int
    total: int
    action: str
    target: str = ""  # what device-mapper runs it as: raid, mirror, linear; "" when inactive or of several parts
    adrift: tuple[str, ...] = ()  # PV UUIDs in view, of legs whose table leads to a disk that is gone
    torn: tuple[str, ...] = ()  # PV UUIDs of legs below which no disk is left: the next write to them fails
    misled: tuple[str, ...] = ()  # PV UUIDs of legs whose table leads to a device that is not the declared disk
    region: int = 0  # of a raid1: bytes that one bit of its bitmap stands for; 0 where LVM does not show it
    mismatches: int = 0  # sectors that differ, as the last scrub counted them; 0 after every activation
    past: Seen[Entry] = ABSENT  # what the journal knows: Present(Entry), Absent or Unknown
    past_raw: bytes | None = None  # the journal file's bytes
    today: str = ""  # the wall clock when it was looked at
    boot: str = ""  # the id of this boot; "" if it cannot be read
    instance: str = ""  # of an active raid1: the kernel's diskseq, another one after every activation
    words: dict[str, Superblock] = {}  # noqa: RUF012  PV UUID -> the superblock of a leg in service, where it was read
    half_made: tuple[str, ...] = ()  # metadata volumes of a raid1 that are not hidden in it yet
    strays: tuple[str, ...] = ()  # parts of a leg that an interrupted command never made part of it
    orphans: tuple[str, ...] = ()  # device-mapper's names of sub-volumes that LVM does not know
    loose: tuple[str, ...] = ()  # it is not active, and these sub-volumes of it are
    snapshots: tuple[str, ...] = ()  # names of its snapshots: its legs then run under VG-LV-real in device-mapper
    permissions: str = "writeable"  # LVM's own word; read-only-override where lvm.conf says so for this machine
    skip: bool = False  # LVM is asked to leave it out of every activation
    watch: str = ""  # whether dmeventd watches its legs, in LVM's own words; "" where LVM does not show it
    tracked: tuple[str, ...] = ()  # parts that were split off with --trackchanges, and are to be merged again
    altered: str = ""  # LVM's word for a layout that is none of lunmirror's, or that changes right now; "" for none
    holds: str = ""  # the type of the file system on it; only asked before it is extended, "" for none or not known
    barred: str = ""  # it is not active, and why LVM's configuration would not let it be
    servers: dict[str, Standing] = {}  # noqa: RUF012, nobody changes it: PV UUID -> of a leg with a volatile write cache
    superblocks: Seen[Any] = (
        ABSENT  # of a raid1 that is not active, or a leg of which returns: Present(superblock.LegSuperblocks) or Unknown
    )

    @property
    def synced(self) -> bool:
        """Every leg alive and in sync: letters and ratio both, since either alone lies
        (docs/facts/lvm.md#letters-and-ratio); and none adrift, which no letter shows before the next write."""
        if self.adrift or self.misled or self.distrusted:
            return False
        if self.type == "linear":
            return True
        letters = all(leg.letter == "A" for leg in self.legs)
        # While a scrub goes over the legs, the ratio is the scrub's.
        return self.active and letters and self.total > 0 and (self.done == self.total or self.action in SCRUBS)

    @property
    def running(self) -> tuple[str, ...]:
        """PV UUIDs of the legs that hold all that was ever written; empty while that is not known. A leg that is
        distrusted is none of them, whatever its letter says."""
        return tuple(pv for pv in self.in_sync if pv not in self.distrusted)

    @property
    def distrusted(self) -> tuple[str, ...]:
        """PV UUIDs of the legs that are to be copied again in full, by the journal's word, and are not yet; and of those in
        service whose server was restarted, or may have been, which the journal does not know yet."""
        entry = self.past.facts if isinstance(self.past, Present) else None
        if not isinstance(entry, Entry):
            return ()
        gone = (*entry.rebuild, *self._unproven(entry))
        return tuple(pv for leg in self.legs for pv in leg.pvs if pv in gone) if gone else ()

    def _unproven(self, entry: Entry) -> tuple[str, ...]:
        if not self.active or not self.servers:
            return ()
        now = {pv: verdict(entry.servers.get(pv), standing) for pv, standing in self.servers.items()}
        return tuple(pv for pv, word in now.items() if word in (RESTARTED, DOUBT))

    @property
    def in_sync(self) -> tuple[str, ...]:
        """The same by the kernel's word alone."""
        if not self.active or self.unclear:
            return ()
        if self.type == "linear":
            return () if self.misled else self.legs[0].pvs
        if self.type == "mirror" and self.done != self.total:
            return ()  # its letters say A while it still copies (docs/facts/lvm.md#letters-and-ratio)
        return tuple(pv for leg in self.legs if leg.letter == "A" and self.is_in_place(leg) for pv in leg.pvs)

    @property
    def resyncing(self) -> tuple[str, ...]:
        """PV UUIDs of all legs of a raid1 that are made equal for the first time, or after it grew: what is written goes to each of
        them, and what they had is copied from the first to the others (drivers/md/raid1.c, raid1_sync_request)."""
        every = self.active and self.type == "raid1" and self.action == "resync"
        if not every or not all(leg.letter == "a" and self.is_in_place(leg) for leg in self.legs):
            return ()
        return tuple(pv for leg in self.legs for pv in leg.pvs)

    @property
    def unclear(self) -> str:
        """Device-mapper's word for what an active volume runs as, if LVM's metadata say otherwise: which legs are good
        is not known then; "" if it can."""
        odd = self.active and self.target and self.target != TARGETS.get(self.type, self.target)
        return self.target if odd else ""

    @property
    def activation(self) -> str:
        """The boot and the activation of an active raid1; "" where they are not known."""
        return f"{self.boot}/{self.instance}" if self.active and self.boot and self.instance else ""

    @property
    def kernel_state(self) -> KernelState:
        """What the journal keeps of it beside `running`. Only the letter a is a copy under way: D may be revived."""
        behind = (leg for leg in self.legs if leg.letter == "a" and self.is_in_place(leg) and not self.resyncing)
        copying = (
            tuple(pv for leg in behind for pv in leg.pvs if pv not in self.distrusted) if self.type == "raid1" else ()
        )
        known = all(leg.pvs for leg in self.legs)  # not of one that pvmove is moving
        legs = tuple(pv for leg in self.legs for pv in leg.pvs) if known else ()
        return KernelState(self.boot, self.instance, copying, legs)

    @property
    def failed(self) -> bool:
        """A mirror none of whose legs takes I/O any more."""
        return self.active and self.type == "mirror" and all(leg.letter not in ("", "A") for leg in self.legs)

    def is_adrift(self, leg: Leg) -> bool:
        return not set(leg.pvs).isdisjoint(self.adrift)

    def is_misled(self, leg: Leg) -> bool:
        return not set(leg.pvs).isdisjoint(self.misled)

    def is_in_place(self, leg: Leg) -> bool:
        """Its table leads to the disk that the declared one is now."""
        return not (self.is_adrift(leg) or self.is_misled(leg))

    def split_brain(self, but: tuple[str, ...] = ()) -> tuple[tuple[str, str], ...]:
        """Pairs of legs (PV UUIDs) that each ran without the other, by their own superblocks; those in `but` are not
        asked. Of an active volume only the returning legs were read: one that ran without a leg which runs now, and
        without it, is the other half of such a pair. Legs are numbered in the order of the letters."""
        if not isinstance(self.superblocks, Present):
            return ()
        read = self.superblocks.facts
        now = {n: pv for n, leg in enumerate(self.legs) for pv in leg.pvs if pv in self.running and pv not in but}
        back = [pv for pv in read.legs if pv not in but and pv not in now.values()]
        return (
            *read.split_brain(but),
            *((now[n], pv) for pv in back for n in sorted(read.legs[pv].failed) if n in now),
        )


def as_declared(id: str, facts: LogicalVolume) -> Volume:
    """What was seen, as a declaration without legs."""
    group, _, name = id.partition("/")
    return Volume(group, name, Size(extents=facts.extents), facts.type, facts.log, ())
