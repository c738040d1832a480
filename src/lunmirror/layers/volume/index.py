"""The rows of LVM and the lines of device-mapper, by volume; and what their names alone show."""

from lunmirror.engine.desired import Volume
from lunmirror.engine.plain import count
from lunmirror.lvm.read import DmLine, Lvm, LvRow

KINDS = ("rimage", "rmeta", "mimage")  # sub-volumes: images of a raid1, their metadata, images of a mirror
REAL = "-real"  # what LVM appends to the name of the device on which a volume runs that has snapshots


class Index:
    """What LVM and device-mapper said, by volume: a look at each of a thousand is no look at all of them."""

    def __init__(self, lvm: Lvm, status: dict[str, tuple[DmLine, ...]]) -> None:
        self.by_uuid = {row.uuid: row for row in lvm.lvs}
        self._tops: dict[tuple[str, str], LvRow] = {}
        self._parts: dict[tuple[str, str], list[LvRow]] = {}
        self._status = status
        self._named: dict[str, list[str]] = {}
        for row in lvm.lvs:
            if not row.parent:
                self._tops.setdefault((row.group, row.name), row)
            for whole in {row.parent, row.origin, stem_of(row.name) if not row.parent else ""} - {""}:
                self._parts.setdefault((row.group, whole), []).append(row)
        for name in status:
            if stem := stem_of(name):
                self._named.setdefault(stem, []).append(name)

    def about(self, volume: Volume) -> tuple[LvRow | None, list[LvRow], dict[str, tuple[DmLine, ...]]]:
        """The row of the volume, those of it and of what is named like a part of it, and device-mapper's lines likewise."""
        key, dm = (volume.group, volume.name), volume.dm
        row = self._tops.get(key)
        rows = [*((row,) if row else ()), *self._parts.get(key, ())]
        beneath = (self._tops.get((r.group, r.origin)) for r in rows if r.parent and r.origin)
        rows += [r for r in beneath if r]  # of an image that carries integrity data
        names = (dm, f"{dm}{REAL}", *self._named.get(dm, ()))
        return row, rows, {name: self._status[name] for name in names if name in self._status}


def stem_of(name: str) -> str:
    """The volume that a sub-volume's name speaks of; '' if it is no such name."""
    stem, _, number = name.rpartition("_")
    whole, _, kind = stem.rpartition("_")
    return whole if kind in KINDS and count(number) is not None else ""


def part(name: str, whole: str) -> tuple[str, str]:
    """(kind, number) of a name that LVM gives to a sub-volume of `whole`; two empty ones of any other name."""
    kind, _, number = name.removeprefix(f"{whole}_").partition("_")
    is_one = name.startswith(f"{whole}_") and kind in KINDS and count(number) is not None
    return (kind, number) if is_one else ("", "")


def type_of(row: LvRow) -> str:
    """One word for the layout; a volume of mixed segments is none that we know."""
    return row.segtypes[0] if len(row.segtypes) == 1 else "+".join(row.segtypes)
