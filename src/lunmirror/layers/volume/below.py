"""What the legs of an active volume stand on: device-mapper's tables followed down to disks, in sysfs."""

from typing import NamedTuple

from lunmirror.engine.model import Absent, Present
from lunmirror.engine.plain import count
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import names
from lunmirror.layers.group.facts import VolumeGroup
from lunmirror.layers.volume.index import part
from lunmirror.lvm.origin import origins
from lunmirror.lvm.places import Places
from lunmirror.lvm.read import Lvm, LvRow


class Astray(NamedTuple):
    """PV UUIDs of legs. `adrift`: the disk is there, and their table leads to one that is gone: a session was ended under them,
    and its disk came back under another number. `torn`: no disk is left below them, there or not."""

    adrift: tuple[str, ...]
    torn: tuple[str, ...]


NONE = Astray((), ())


def legs(row: LvRow, rows: list[LvRow], kind: str, lvm: Lvm, reader: Reader) -> Astray:
    """Of mirrored legs it is shown by a letter, but not before the next write; of a linear volume by nothing but errors. Two
    small reads of sysfs for each leg."""
    adrift: list[str] = []
    torn: list[str] = []
    for one in [row] if kind == "linear" else images(row, rows):
        slaves = reader.directory(f"{paths.SYS}/dev/block/{one.number}/slaves")
        if not one.number or not isinstance(slaves, Present):
            continue
        devices = [reader.read(f"{paths.SYS_BLOCK}/{name}/dev") for name in slaves.facts]
        below = {dev.facts.decode(errors="replace").strip() for dev in devices if isinstance(dev, Present)} - {""}
        now = {pv.number for pv in lvm.pvs if pv.uuid in one.pvs}
        if "" not in now and now - below:
            adrift += one.pvs
        if kind != "linear" and all(isinstance(dev, Absent) for dev in devices):
            torn += one.pvs
    return Astray(tuple(adrift), tuple(torn))


def misled(
    row: LvRow, rows: list[LvRow], kind: str, group: VolumeGroup, reader: Reader, places: Places
) -> tuple[str, ...]:
    """PV UUIDs of the legs that run on something else than the declared disk: a copy in its place, a disk reached in
    another way. LVM goes by the UUID alone when it is left to choose, at boot or in anybody's hand."""
    parts = [row] if kind == "linear" else [r for r in rows if r.parent == row.name]  # a log or its metadata, too
    disks = {m.uuid: m.disk for m in group.members}
    found: dict[str, None] = {}
    for one in parts:
        on = (
            o for name in names(reader, f"{paths.SYS}/dev/block/{one.number}/slaves") for o in origins(reader, name)
        )
        if one.number and any(not places.allow(origin, disks.get(pv, "")) for origin in on for pv in one.pvs):
            found |= dict.fromkeys(one.pvs)
    return tuple(found)


def images(row: LvRow, rows: list[LvRow]) -> list[LvRow]:
    """The rows of its legs, in the order of the kernel's letters."""
    images = [r for r in rows if r.parent == row.name and ("_rimage_" in r.name or "_mimage_" in r.name)]
    images += [r for r in rows if is_tracked(r, row)]
    return sorted(images, key=_ordinal)


def _ordinal(image: LvRow) -> int:
    """Sub-volumes are numbered in the order of the kernel's letters: testlv_rimage_0, testlv_rimage_1."""
    found = count(image.name.rsplit("_", 1)[1])
    return 1 << 30 if found is None else found


def is_tracked(row: LvRow, whole: LvRow) -> bool:
    """An image that `lvconvert --splitmirrors --trackchanges` took out of the volume: visible, yet not a volume by itself
    (lvm2 2.03.16: role private). What an interrupted lvconvert leaves is public."""
    is_image = not row.parent and part(row.name, whole.name)[0] == "rimage"
    return is_image and "private" in row.role and "image" in row.role
