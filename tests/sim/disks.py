"""What LUNs hold: not bytes, but everything about them that any program could tell apart."""

import copy
from dataclasses import dataclass, field
from typing import Any

MIB = 1 << 20
SECTOR = 512


class Harm(AssertionError):
    """The program under test did what must never be done. Never caught by it: it catches ActionFailed only."""


class Impossible(AssertionError):
    """The test asked for a world that cannot be."""


@dataclass
class Leg:
    """One copy of one volume, where it lies on a disk. `writes` are the acknowledged writes that are in it; `events`
    is md's counter in the leg's own superblock, `failed` the legs (PV UUIDs) that it knows it ran without, `dirty`
    whether its bitmap has a bit set; `fs` the file system, as blkid and mount see it. `recovering`: its superblock's
    recovery offset is not the end, because it is (or was, when the volume stopped) being brought in sync: "bitmap" or
    "full". `behind`: PV UUID of a leg that it ran without -> the writes that its bitmap does not count as missing
    there: those from before that leg dropped out, whether that leg has them or not. `forgot`: its server lost writes that
    it had acknowledged, and it has not been copied in full since; `torn`: it lost a part of the copy that is being made on it."""

    writes: frozenset[int] = frozenset()
    events: int = 0
    cleared: int = (
        0  # its bitmap's events_cleared: what the counter was when a bit was cleared last, every leg in service
    )
    failed: frozenset[str] = frozenset()
    dirty: bool = False
    recovering: str = ""
    behind: dict[str, frozenset[int]] = field(default_factory=dict)
    fs: "FileSystem | None" = None
    forgot: bool = False
    torn: bool = False
    unflushed: bool = (
        False  # it was in use at a crash: what nobody had flushed may still be in its server's cache alone
    )
    logged: bool = False  # of the leg beside which a mirror's disk log lies: the log has every region as clean
    blank: bool = False  # its server lost the blocks of its own metadata: they read as zeros


@dataclass
class FileSystem:
    """`complete`: mkfs came to its end. `extents`: how much of the volume it covers."""

    type: str
    uuid: str
    label: str
    extents: int
    complete: bool = True


@dataclass
class Area:
    """A stretch of a LUN that can be a physical volume: the whole of it, or its first partition. Offsets are bytes.

    pv:        the UUID in its LVM label. `meta` is its own copy of the group's metadata (lvm.Meta).
    signature: what blkid would export of anything else there.
    marks:     offset -> length of data without any signature.
    """

    start: int
    size: int
    pv: str = ""
    meta: Any = None
    signature: dict[str, str] = field(default_factory=dict)
    marks: dict[int, int] = field(default_factory=dict)
    legs: dict[str, Leg] = field(default_factory=dict)  # volume UUID -> its copy

    def used(self) -> list[tuple[int, int]]:
        """(offset on the LUN, length) of what does not read as zeros."""
        found = [(self.start + offset, length) for offset, length in self.marks.items()]
        if self.pv:
            found += [(self.start + SECTOR, SECTOR), (self.start + 4096, SECTOR)]
        if self.signature:
            found.append((self.start, 4096))
        return found

    @property
    def blank(self) -> bool:
        return not self.used()


@dataclass
class Table:
    """A GPT. `whole`: both copies and the protective MBR are there; else only the second copy, at the disk's end."""

    guid: str
    whole: bool = True


@dataclass
class Lun:
    size: int
    wwid: str = "t10.IET     00010001"
    serial: str = "beaf11"  # tgt's default for LUN 1 of its first target
    table: Table | None = None
    body: Area = None  # type: ignore[assignment]
    part: Area = None  # type: ignore[assignment]
    readonly: bool = False  # its server lets nobody write to it
    given_up: bool = False  # the configuration consents to lose what it holds now
    cache: str = "write back"  # what it says of its write cache, in the kernel's words; tgt's default
    attentive: bool = True  # it raises UNIT ATTENTION 29h for a new connection: tgt does, LIO does not
    keys: tuple[str, ...] | None = ()  # registered for persistent reservations; None: it knows none

    def __post_init__(self) -> None:
        if self.size % MIB or self.size < 8 * MIB:
            raise Impossible(f"a LUN of {self.size} bytes")
        self.body = self.body or Area(0, self.size)
        self.part = self.part or Area(MIB, self.size - 2 * MIB)

    def used(self) -> list[tuple[int, int]]:
        found = self.body.used() + self.part.used()
        if self.table:
            found.append((self.size - 33 * SECTOR, 33 * SECTOR))
            if self.table.whole:
                found.append((0, 34 * SECTOR))
        return found

    @property
    def blank(self) -> bool:
        return not self.used()

    def wipe(self) -> None:
        """What the consent names is lost, once."""
        if not self.blank and not self.given_up:
            raise Harm("a LUN is wiped whose content nobody gave up")
        self.table, self.given_up = None, False
        for area in (self.body, self.part):
            area.pv, area.meta, area.signature, area.marks, area.legs = "", None, {}, {}, {}

    def fingerprint(self) -> str:
        """Equal if and only if nothing on it changed."""
        return repr(copy.deepcopy(self))
