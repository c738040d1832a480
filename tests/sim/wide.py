"""Many volumes: one that lunmirror made, and as many like it as are asked for. Passes would take hours to make them."""

from dataclasses import replace

from lunmirror.engine.identity import filesystem_uuid
from sim.disks import FileSystem
from sim.dm import ActiveLeg
from sim.stage import Stage, converged, text
from sim.world import Mount, World

EACH = 64 << 20  # bytes of a volume
ONE = f'size = "{EACH >> 20}MiB"\nfilesystem = "ext4"\n'


def many(count: int) -> Stage:
    """A converged machine with this many volumes, all in one group over one disk of each server."""
    stage = converged(text())
    for lun in (stage.lun("left"), stage.lun("right")):
        lun.size += (count + 1) * (EACH + (4 << 20))
        lun.part.size = lun.size - (2 << 20)
    for name in _names(count):
        _like_the_first(stage.world, name)
    for area in stage.world.areas():
        if area.meta and area.meta.name == "vg0":
            area.meta = stage.world.metas()["vg0"]
    stage.world.version += 1
    return stage.configure(toml_of(count))


def toml_of(count: int) -> str:
    """Its configuration."""
    more = (f'[groups.vg0.volumes.{name}]\n{ONE}mount = "/srv/{name}"\n' for name in _names(count))
    return text(more="".join(more))


def _names(count: int) -> list[str]:
    """Of all volumes but the first."""
    return [f"v{number:04}" for number in range(1, count)]


def _like_the_first(world: World, name: str) -> None:
    first = next(active for active in world.actives if active.name == "testlv")
    meta = world.metas()["vg0"]
    old = meta.lv("testlv")
    assert old
    uuid = f"{name:0>6}{old.uuid[6:]}"
    renamed = lambda held: held.replace("testlv", name).replace("/mnt/test", f"/srv/{name}")  # noqa: E731
    meta = replace(meta, lvs=(*meta.lvs, (name, replace(old, uuid=uuid, born=name))))
    fs = FileSystem("ext4", filesystem_uuid(uuid), "", first.extents)
    legs = []
    for leg in first.legs:
        area = world.area_of(leg.pv)
        assert area
        data = replace(leg.data, writes=frozenset(), fs=fs)
        area.legs[uuid], area.meta = data, meta
        legs.append(ActiveLeg(leg.number, leg.pv, leg.disk, data, leg.letter, leg.copied))
    minors = {renamed(sub): world.number() + 1000 for sub in first.subs}
    active = replace(first, name=name, uuid=uuid, legs=legs, minor=world.number() + 1000, subs=minors)
    world.actives.append(active)
    mount = next(mount for mount in world.mounts if mount.active is first)
    world.mounts.append(Mount(world.number(), f"/srv/{name}", active, mount.type, mount.flags))
    world.directories.add(f"/srv/{name}")
    for files in (world.files, world.units):
        for path in [path for path in files if old.uuid in path or "mnt-test" in path]:
            copied = path.replace(old.uuid, uuid).replace("mnt-test", f"srv-{name}")
            files[copied] = renamed(files[path].decode()).encode()
    lines = world.files["/etc/fstab"].decode().splitlines(keepends=True)
    mine = next(line for line in lines if "testlv" in line)
    world.files["/etc/fstab"] += renamed(mine).encode()
