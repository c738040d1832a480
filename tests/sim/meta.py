"""LVM's metadata: immutable copies, one on each physical volume; the highest sequence number among those seen counts."""

from dataclasses import dataclass, field, replace

EXTENT = 4 << 20  # bytes
PE_START = 1 << 20  # bytes before the first extent


@dataclass(frozen=True)
class Lv:
    """`legs`: (number of the sub-volume, PV UUID). A linear volume has one. `subs` are UUIDs of sub-volumes."""

    uuid: str
    type: str
    extents: int
    legs: tuple[tuple[int, str], ...]
    tags: tuple[str, ...] = ()
    log: str = ""
    log_pv: str = ""
    born: str = ""  # the name that it was made under
    snapshots: tuple[tuple[str, str, int], ...] = ()  # (name, PV UUID, extents) of what holds the blocks of before
    permissions: str = "writeable"
    skip: bool = False  # flagged to be left out of activations
    tracked: str = ""  # the PV UUID of a leg that was split off, and is to be merged again
    legs_born: tuple[tuple[str, int], ...] = ()  # of a raid1: PV UUID -> another number whenever a leg is re-created
    region: int = 2 << 20  # bytes that one bit of a raid1's bitmap stands for; LVM's default
    mostly: tuple[tuple[int, str, int], ...] = ()  # legs that are write-mostly: (number, PV UUID, as in legs_born)
    half: bool = False  # lvcreate died while it cleared a raid1's metadata volumes: not hidden yet, never activated

    def identity(self, number: int, pv: str) -> tuple[int, str, int]:
        """Of one leg of a raid1: another one when it is re-created."""
        return number, pv, dict(self.legs_born).get(pv, 0)

    @property
    def pvs(self) -> tuple[str, ...]:
        return tuple(pv for _, pv in self.legs)

    def used_on(self, pv: str) -> int:
        """Extents."""
        legs = sum(1 for leg in self.pvs if leg == pv)
        own = 1 if self.type == "raid1" else 0
        kept = sum(extents for _, on, extents in self.snapshots if on == pv)
        return legs * (self.extents + own) + (1 if self.log_pv == pv else 0) + kept


@dataclass(frozen=True)
class Meta:
    """One version of a volume group. `pvs` maps UUID to size in bytes; `missing` are those flagged MISSING."""

    name: str
    uuid: str
    seqno: int
    tags: tuple[str, ...]
    pvs: tuple[tuple[str, int], ...]
    missing: frozenset[str] = frozenset()
    lvs: tuple[tuple[str, Lv], ...] = field(default=())
    system_id: str = ""
    autoactivation: bool = True
    pv_tags: tuple[tuple[str, str], ...] = ()  # (PV UUID, tag)
    exported: bool = False
    lock_type: str = ""
    strays: tuple[tuple[str, str, int], ...] = ()  # parts of a leg of no volume: (name, PV UUID, extents)

    def lv(self, name: str) -> Lv | None:
        return dict(self.lvs).get(name)

    def with_lv(self, name: str, lv: Lv) -> "Meta":
        old = self.lv(name)
        known = dict(old.legs_born) if old and old.type == "raid1" else {}
        born = tuple((pv, known.get(pv, self.seqno)) for pv in lv.pvs) if lv.type == "raid1" else ()
        lv = replace(lv, legs_born=born)
        return replace(self, lvs=tuple(sorted({**dict(self.lvs), name: lv}.items())))

    def total(self, pv: str) -> int:
        """Extents."""
        return (dict(self.pvs)[pv] - PE_START) // EXTENT

    def free(self, pv: str) -> int:
        """Extents."""
        strays = sum(extents for _, on, extents in self.strays if on == pv)
        return self.total(pv) - strays - sum(lv.used_on(pv) for _, lv in self.lvs)
