"""What administrators do to a volume by hand, and what LVM shows of it then (docs/facts/by-hand.md)."""

from dataclasses import replace

from sim.disks import Impossible
from sim.lvm import Lvm
from sim.meta import Lv, Meta
from sim.world import World


def _change(world: World, name: str, **values: object) -> Lv:
    lvm = Lvm(world, None)
    meta, lv = _find(lvm, name)
    changed = replace(lv, **values)
    lvm.commit(meta.with_lv(name, changed))
    for active in world.actives:
        if active.uuid == lv.uuid:
            active.end_scrub()
            lvm._numbers(active)
    world.version += 1
    return changed


def _find(lvm: Lvm, name: str) -> tuple[Meta, Lv]:
    meta = lvm.group("vg0")
    lv = meta.lv(name)
    if lv is None:
        raise Impossible(f"there is no volume {name}")
    return meta, lv


def snapshot(world: World, name: str, disk: str = "", extents: int = 4) -> None:
    """lvcreate -s; `disk`: the PV UUID that holds what was there before."""
    _, lv = _find(Lvm(world, None), name)
    _change(world, name, snapshots=(*lv.snapshots, (f"nightly{len(lv.snapshots)}", disk or lv.pvs[-1], extents)))
    for active in world.actives:
        if active.uuid == lv.uuid:
            active.diskseq = world.number()  # the legs run under another device now


def drop_snapshots(world: World, name: str) -> None:
    _change(world, name, snapshots=())


def rename(world: World, old: str, new: str) -> None:
    """lvrename, in use or not. systemd unmounts what its unit mounted from the name that vanishes."""
    lvm = Lvm(world, None)
    meta, lv = _find(lvm, old)
    names = {**dict(meta.lvs), new: lv}
    del names[old]
    lvm.commit(replace(meta, lvs=tuple(sorted(names.items()))))
    for active in world.actives:
        if active.uuid == lv.uuid:
            active.name, active.subs = new, {}
            lvm._numbers(active)
    world.version += 1


def put_another_in_its_place(world: World, name: str, kept: str) -> None:
    """lvrename of it, and lvcreate of a new one by its old name."""
    rename(world, name, kept)
    lvm = Lvm(world, None)
    meta, lv = _find(lvm, kept)
    lvm.commit(replace(meta, lvs=(*meta.lvs, (name, replace(lv, uuid=f"another{lv.uuid[7:]}")))))
    world.version += 1


def split_and_track(world: World, name: str, pv: str) -> None:
    """lvconvert --splitmirrors 1 --trackchanges."""
    _change(world, name, tracked=pv)
    for active in world.actives:
        for leg in active.legs:
            if active.name == name and leg.pv == pv:
                leg.letter = "-"


def merge(world: World, name: str) -> None:
    _change(world, name, tracked="")
    active = world.active(name)
    for leg in active.legs:
        if leg.letter == "-":
            leg.letter, leg.copied, leg.data.recovering = "a", active.bytes * 0.9, "full"


def permit(world: World, name: str, word: str) -> None:
    """lvchange -p: "read-only", "writeable"."""
    _change(world, name, permissions=word)


def skip(world: World, name: str, flag: bool = True) -> None:
    """lvchange -k."""
    _change(world, name, skip=flag)


def own(world: World, group: str, **values: object) -> None:
    """vgchange --systemid, vgexport, vgchange --lock-type."""
    for area in world.areas():
        if area.meta and area.meta.name == group:
            area.meta = replace(area.meta, **values, seqno=area.meta.seqno + 1)
    world.version += 1


def enlarge(world: World, size: int, partitions: bool = True) -> None:
    """Every server's LUN 1 grows, the kernel has seen it (iscsiadm -R), and its partition was made to reach to its end."""
    for *_, number, lun in world.luns():
        if number == 1:
            lun.size = lun.body.size = size
            if partitions:
                lun.part.size = size - (2 << 20)
    world.version += 1
