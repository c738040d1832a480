"""Everything that reads and writes disks, volumes and mounts, but for LVM."""

import re
import struct
import uuid as uuids

from sim.disks import Area, FileSystem, Harm, Lun, Table
from sim.dm import Active, answer_of
from sim.meta import EXTENT, PE_START
from sim.world import Mount, World

Answer = tuple[int, str, str]
READAHEAD = 128 << 10  # bytes that the kernel reads at once for whoever reads through its cache; LVM scans as much


class Hang(str):
    """Answered in place of an exit code: it does not end by itself. The text says why."""


def hanging(world: World, devices: tuple[str, ...]) -> str:
    """The first of the devices that does not answer, '' if all do."""
    for device in devices:
        found = world.node(device)
        if found and (answer_of(found[0]) == "hang" or not found[0].session.carries(READAHEAD)):
            return device
    return ""


def snapshots_of(world: World, active: Active) -> tuple[str, ...]:
    """The names of an active volume's snapshots: with one of them its own device only leads to VG-LV-real."""
    meta = world.metas().get(active.group)
    lv = meta.lv(active.name) if meta else None
    return tuple(name for name, *_ in lv.snapshots) if lv else ()


def dmsetup(world: World) -> Answer:
    lines = []
    for active in world.actives:
        stem = f"{active.group.replace('-', '--')}-{active.name.replace('-', '--')}"
        snapshots = snapshots_of(world, active)
        if snapshots:
            sectors = active.extents * 8192
            lines.append(f"{stem}: 0 {sectors} snapshot-origin \n{stem}-real: {active.line()}\n")
        else:
            lines.append(f"{stem}: {active.line()}\n")
        for name in snapshots:
            held = f"{active.group.replace('-', '--')}-{name.replace('-', '--')}"
            lines.append(f"{held}: 0 {sectors} snapshot 16/8192 16\n{held}-cow: 0 8192 linear \n")
        for sub in set(active.subs) - set(snapshots):
            sectors = 8192 if "_rmeta_" in sub or sub.endswith("_mlog") else active.extents * 8192
            lines.append(f"{active.group.replace('-', '--')}-{sub.replace('-', '--')}: 0 {sectors} linear \n")
        for name in active.stand_ins:
            lines.append(f"{active.group.replace('-', '--')}-{name}: 0 8192 error \n")
    lines += [f"{m.wwid}: {m.status()}\n" for m in world.multipathd.maps]
    return 0, "".join(sorted(lines)) or "No devices found\n", ""


def halt(world: World, name: str) -> Answer:
    """The message "idle" of dm-raid: what the sync thread was asked to do ends; what it has done stays."""
    for active in world.actives:
        stem = f"{active.group.replace('-', '--')}-{active.name.replace('-', '--')}"
        if active.type == "raid1" and name == stem + ("-real" if snapshots_of(world, active) else ""):
            active.scrub = ""
            world.version += 1
            return 0, "", ""
    return 1, "", f"Device {name} not found\nCommand failed.\n"


# Devices: a stretch of a LUN, or an active volume


def _volume(world: World, node: str) -> Active | None:
    for active in world.actives:
        names = (f"/dev/mapper/{active.group.replace('-', '--')}-{active.name.replace('-', '--')}",)
        if node in (*names, f"/dev/{active.group}/{active.name}", f"/dev/dm-{active.minor}"):
            return active
    return None


def _answering(world: World, node: str, size: int = READAHEAD) -> str:
    """`size`: of the smallest read that is sent, in bytes."""
    if volume := _volume(world, node):
        return volume.answering()
    found = world.node(node)
    if found and not found[0].session.carries(size) and answer_of(found[0]) == "ok":
        return "hang"
    return answer_of(found[0]) if found else "absent"


def blkid(world: World, node: str) -> Answer | Hang:
    match _answering(world, node):
        case "hang":
            return Hang(f"blkid hangs on {node}")
        case "error" | "absent":
            return 2, "", ""  # the same as for a blank disk: the trap of traps
    if volume := _volume(world, node):
        fs = _fs(volume)
        if fs is None:
            return 2, "", ""
        return 0, _export(node, {"UUID": fs.uuid, **({"LABEL": fs.label} if fs.label else {}), "TYPE": fs.type}), ""
    disk, area = world.node(node)
    lun = disk.lun
    if area is lun.body and lun.table and lun.table.whole:
        return 0, _export(node, {"PTUUID": lun.table.guid.lower(), "PTTYPE": "gpt"}), ""
    tags = dict(area.signature)
    if area.pv:
        tags = {"UUID": area.pv, "TYPE": "LVM2_member"}
    if area is lun.part:
        tags |= {"PART_ENTRY_SCHEME": "gpt", "PART_ENTRY_NUMBER": "1"}
    return (0, _export(node, tags), "") if tags else (2, "", "")


def _export(node: str, tags: dict[str, str]) -> str:
    return "".join(f"{key}={value}\n" for key, value in {"DEVNAME": node, **tags}.items())


def _fs(volume: Active) -> FileSystem | None:
    source = volume.source()
    return source.data.fs if source else None


def compare(world: World, node: str, offset: int, length: int) -> Answer | Hang:
    match _answering(world, node):
        case "hang":
            return Hang(f"cmp hangs on {node}")
        case "error" | "absent":
            return 2, "", f"cmp: {node}: Input/output error\n"
    disk, area = world.node(node)
    if offset + length > area.size:
        return 2, "", f"cmp: EOF on {node}\n"
    begin, end = area.start + offset, area.start + offset + length
    if found := [max(at, begin) for at, size in disk.lun.used() if at < end and at + size > begin]:
        return 1, f"{node} /dev/zero differ: char {min(found) - begin + 1}, line 1\n", ""
    return 0, "", ""


def direct(world: World, node: str, size: int) -> Answer | Hang:
    """dd, past the cache, of the first bytes; nothing is printed."""
    match _answering(world, node, size):
        case "hang":
            return Hang(f"dd hangs on {node}")
        case "error" | "absent":
            return 1, "", f"dd: error reading '{node}': Input/output error\n"
    return 0, "", ""


def sector(world: World, node: str, number: int) -> Answer | Hang:
    match _answering(world, node):
        case "hang":
            return Hang(f"dd hangs on {node}")
        case "error" | "absent":
            return 1, "", f"dd: error reading '{node}': Input/output error\n"
    disk, area = world.node(node)
    if area is not disk.lun.body or number != disk.lun.size // 512 - 1 or not disk.lun.table:
        begin = area.start + number * 512
        there = [used for used in disk.lun.used() if used[0] < begin + 512 and used[0] + used[1] > begin]
        return 0, (f"{there} {area.pv} {area.signature}" if there else "")[:512].ljust(512, "\0"), ""
    header = b"EFI PART".ljust(56, b"\0") + uuids.UUID(disk.lun.table.guid).bytes_le
    return 0, header.ljust(512, b"\0").decode("utf-8", "surrogateescape"), ""


def superblock(world: World, node: str, block: int, count: int) -> Answer | Hang:
    """What a leg of a raid1 says of itself: dm-raid's superblock and its bitmap's."""
    from sim.lvm import Lvm

    match _answering(world, node):
        case "hang":
            return Hang(f"dd hangs on {node}")
        case "error" | "absent":
            return 1, "", f"dd: error reading '{node}': Input/output error\n"
    _, area = world.node(node)
    if block == 0:
        return 0, label(area).decode("utf-8", "surrogateescape"), ""
    extent, rest = divmod(block * 4096 - PE_START, EXTENT)
    found = Lvm(world, (node,)).metadata_at(area.pv, extent)
    if rest or found is None or area.pv not in found[0].pvs:
        raise AssertionError(f"no leg's metadata begins at block {block} of {node}")
    lv, position = found
    leg = area.legs[lv.uuid]
    failed = sum(1 << n for n, pv in enumerate(lv.pvs) if pv in leg.failed)
    raw = bytearray(count * 4096)
    if leg.blank:
        return 0, bytes(raw).decode(), ""
    recovered = 0 if leg.recovering else (1 << 64) - 1
    raw[:40] = struct.pack("<4sIIiQQQ", b"DmRd", 1, len(lv.pvs), position, leg.events, failed, recovered)
    sectors = lv.extents * 8192
    struct.pack_into("<4sI16sQQQII", raw, 4096, b"bitm", 4, b"", leg.events, leg.cleared, sectors, 0, 2 << 20)
    raw[4096 + 256] = int(leg.dirty)
    return 0, bytes(raw).decode("utf-8", "surrogateescape"), ""


def label(area: Area) -> bytes:
    """LVM's, in the second sector."""
    raw = bytearray(4096)
    if area.pv:
        raw[512:544] = b"LABELONE" + (1).to_bytes(8, "little") + bytes(4) + (32).to_bytes(4, "little") + b"LVM2 001"
        raw[544:576] = area.pv.replace("-", "").encode()
    return bytes(raw)


def head(world: World, node: str) -> Answer | Hang:
    match _answering(world, node):
        case "hang":
            return Hang(f"od hangs on {node}")
        case "error" | "absent":
            return 1, "", f"od: {node}: read error: Input/output error\n"
    volume = _volume(world, node)
    data = bytearray(2048)
    fs = _fs(volume) if volume else None
    if fs and fs.type == "xfs":
        data[0:4] = b"XFSB"
        data[126] = 0 if fs.complete else 1
    elif fs:
        data[1080:1082] = b"\x53\xef"
    rows = (data[at : at + 16] for at in range(0, 2048, 16))
    return 0, "".join("".join(f" {byte:02x}" for byte in row) + "\n" for row in rows), ""


# Writing


def _target(world: World, node: str, what: str) -> tuple[object, Area] | Hang | Answer:
    match _answering(world, node):
        case "hang":
            return Hang(f"{what} hangs on {node}")
        case "error":
            return 1, "", f"{what}: {node}: Input/output error\n"
        case "absent":
            return 1, "", f"{what}: cannot open {node}: No such file or directory\n"
    return world.node(node)


def sfdisk(world: World, node: str, stdin: bytes, partly: bool, wipe: bool = False) -> Answer | Hang:
    found = _target(world, node, "sfdisk")
    if isinstance(found, Hang) or len(found) == 3:
        return found
    disk, area = found
    lun: Lun = disk.lun
    script = stdin.decode()
    wanted = re.fullmatch(
        r'label: gpt\nlabel-id: (?P<guid>[0-9A-F-]{36})\ntype=E6D6D379-F507-44C2-A23C-238F2A3DF928, name="lunmirror"\n',
        script,
    )
    if not wanted or area is not lun.body:
        raise AssertionError(f"sfdisk is reported {script!r} for {node}")
    if wipe:
        lun.wipe()
    if lun.body.used() or lun.part.used():
        raise Harm(f"a partition table is written on {node}, which holds data")
    if lun.table and lun.table.guid != wanted["guid"]:
        raise Harm(f"a partition table is written on {node} over somebody else's")
    lun.table = Table(wanted["guid"], whole=not partly)
    if not partly:
        _reread(world, disk)
    world.version += 1
    return 0, "", ""


def _reread(world: World, disk) -> None:
    if disk.lun.table and disk.lun.table.whole and not disk.partition:
        disk.partition = True
    world.version += 1


def partx(world: World, node: str) -> Answer | Hang:
    found = _target(world, node, "partx")
    if isinstance(found, Hang) or len(found) == 3:
        return found
    _reread(world, found[0])
    return 0, "", ""


def mkfs(world: World, kind: str, uuid: str, label: str, over: bool, node: str, partly: bool) -> Answer | Hang:
    volume = _volume(world, node)
    if volume is None:
        return 1, "", f"mkfs.{kind}: cannot open {node}\n"
    fs = _fs(volume)
    if fs and fs.complete:
        raise Harm(f"mkfs.{kind} on {node}, which holds a finished {fs.type} file system")
    if any(m.active is volume for m in world.mounts) or world.acknowledged.get(volume.uuid):
        raise Harm(f"mkfs.{kind} on {node}, which is or was in use")
    if fs and kind == "xfs" and not over:
        return 1, "", f"mkfs.xfs: {node} appears to contain an existing filesystem (xfs).\n"
    if volume.answering() != "ok":
        return Hang(f"mkfs hangs on {node}") if volume.answering() == "hang" else (1, "", "I/O error")
    made = FileSystem(kind, uuid, label, volume.extents, complete=not partly)
    if partly and kind != "xfs":
        made = None  # mke2fs writes the primary superblock last
    for leg in volume.writable():
        leg.data.fs = made
    world.version += 1
    return 0, "", ""


def resize(world: World, node: str, path: str) -> Answer | Hang:
    mount = next((m for m in world.mounts if m.path == path or (node and m.active is _volume(world, node))), None)
    volume = mount.active if mount else _volume(world, node)
    if volume is None or (path and mount is None):
        return 1, "", f"{path or node} is not a mounted file system\n"
    if volume.answering() != "ok":
        return Hang("it hangs")
    fs = _fs(volume)
    if fs is None or (fs.type == "xfs") != bool(path):
        return 1, "", "Bad magic number in super-block\n"
    for leg in volume.writable():
        if leg.data.fs:
            leg.data.fs.extents = volume.extents
    world.version += 1
    return 0, "", ""


def mount(world: World, m: re.Match) -> Answer | Hang:
    volume = _volume(world, m["device"])
    if volume is None:
        return 32, "", f"mount: {m['path']}: special device {m['device']} does not exist.\n"
    if m["path"] not in world.directories:
        return 32, "", f"mount: {m['path']}: mount point does not exist.\n"
    if volume.answering() == "hang":
        return Hang(f"mount hangs on {m['device']}")
    fs = _fs(volume)
    if fs is None or fs.type != m["type"] or not fs.complete:
        return 32, "", f"mount: {m['path']}: wrong fs type, bad option, bad superblock on {m['device']}.\n"
    over = [x for x in world.mounts if x.path == m["path"]]
    if over and over[-1].active is volume:
        # The kernel refuses it with EBUSY (lab: test_contract.py).
        return 32, "", f"mount: {m['path']}: {m['device']} already mounted on {m['path']}.\n"
    if over:
        raise Harm(f"something is mounted at {m['path']} already")
    flags = [f for f in m["flags"].split(",") if f not in ("_netdev", "defaults")]
    lv = world.metas()[volume.group].lv(volume.name)
    if world.read_only or lv.permissions == "read-only":
        flags = ["ro", *(f for f in flags if f != "rw")]  # "source write-protected, mounted read-only"
    world.mounts.append(
        Mount(
            40 + world.number(),
            m["path"],
            volume,
            fs.type,
            tuple(flags) if "ro" in flags else ("rw", *(flags or ["relatime"])),
        )
    )
    world.version += 1
    return 0, "", ""


def umount(world: World, path: str) -> Answer:
    """Of what is mounted there last; never what is busy, or under another mount."""
    if not any(m.path == path for m in world.mounts):
        return 32, "", f"umount: {path}: not mounted.\n"
    if path in world.busy or any(m.path.startswith(f"{path}/") for m in world.mounts):
        return 32, "", f"umount: {path}: target is busy.\n"
    world.unmount(path)
    return 0, "", ""


def remount(world: World, m: re.Match) -> Answer:
    found = next((x for x in world.mounts if x.path == m["path"]), None)
    if found is None:
        return 32, "", "mount: mount point not mounted or bad option.\n"
    found.flags = tuple(m["flags"].split(","))
    world.version += 1
    return 0, "", ""
