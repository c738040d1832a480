"""The kernel's and udev's view of the world as files, directories and links; re-created whenever something changed."""

from typing import NamedTuple

from sim import mpath, wire
from sim.meta import Meta
from sim.servers import Loop, Session
from sim.world import World

ROOT_MOUNT = "26 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"


class Tree(NamedTuple):
    """`links` maps a path to the real path it stands for; directories are made of the files' paths and `directories`."""

    files: dict[str, bytes]
    directories: dict[str, set[str]]
    links: dict[str, str]


def grow(world: World) -> Tree:
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    empty: set[str] = {
        "/sys/class/block",
        "/sys/class/iscsi_session",
        "/dev/mapper",
        "/proc/self",
    } | world.directories
    put = lambda path, text: files.__setitem__(path, _raw(text))  # noqa: E731
    _disk(put, links, empty, "vda", "254:0", 8 << 30, "/sys/devices/pci0000:00/0000:00:04.0/virtio1/block/vda", 1)
    put("/run/udev/data/b254:0", "")
    for minor, loop in enumerate(world.loops):
        _loop(loop, minor * 8, put, links, empty)
    for session in world.sessions:
        _session(world, session, put, links, empty)
    mpath.put_all(world, put, links, empty, _disk, _probed)
    metas = world.metas()
    for active in world.actives:
        _volume(metas.get(active.group), active, put, links, empty)
    wire.put_all(world.interfaces, put)
    files.pop("", None)
    files |= world.files | world.units
    files["/proc/self/mountinfo"] = _mountinfo(world)
    files["/dev/mapper/control"] = b""
    if world.systemd:
        empty.add("/run/systemd/system")
    return Tree(files, _directories(files, empty), links)


def _raw(value: object) -> bytes:
    return value if isinstance(value, bytes) else f"{value}\n".encode()


def _vpd(code: int, body: bytes) -> bytes:
    return bytes((0, code)) + len(body).to_bytes(2, "big") + body


def _session(world: World, session: Session, put, links, empty) -> None:
    sid = session.sid
    base = f"/sys/class/iscsi_session/session{sid}"
    device = f"/sys/devices/platform/host{sid}/session{sid}"
    links[f"{base}/device"] = device
    for name, value in (
        ("targetname", session.target),
        ("tpgt", 1),
        ("ifacename", session.iface),
        ("state", session.state),
        ("recovery_tmo", session.recovery_tmo if session.recovery_tmo >= 0 else "off"),
        *zip(("abort_tmo", "lu_reset_tmo", "tgt_reset_tmo"), session.err_tmo, strict=True),
    ):
        put(f"{base}/{name}", value)
    connection = f"/sys/class/iscsi_connection/connection{sid}:0"
    for name, value in (
        ("persistent_address", session.address),
        ("persistent_port", session.port),
        ("address", session.address),
        ("port", session.port),
        ("local_port", session.local_port),
        ("recv_tmo", session.recv_tmo),
        ("ping_tmo", session.ping_tmo),
        ("data_digest", int(session.digest)),
        ("header_digest", 0),
        ("max_recv_dlength", 262144),
        ("max_xmit_dlength", 8192),
    ):
        put(f"{connection}/{name}", value)
    for disk in session.disks:
        scsi = f"target{sid}:0:0/{sid}:0:0:{disk.number}"
        number = f"8:{disk.minor}"
        for root in (f"{base}/device", device):
            put(f"{root}/{scsi}/state", session.scsi_state)
            put(f"{root}/{scsi}/wwid", disk.lun.wwid)
            name = disk.lun.wwid.removeprefix("t10.").encode()
            put(f"{root}/{scsi}/vpd_pg83", _vpd(0x83, bytes((2, 1, 0, len(name))) + name))
            put(f"{root}/{scsi}/vpd_pg80", _vpd(0x80, disk.lun.serial.encode()))
            put(f"{root}/{scsi}/timeout", disk.patience["timeout"])
            put(f"{root}/{scsi}/eh_timeout", disk.patience["eh_timeout"])
            put(f"{root}/{scsi}/scsi_disk/{sid}:0:0:{disk.number}/max_retries", disk.patience["max_retries"])
            put(f"{root}/{scsi}/scsi_disk/{sid}:0:0:{disk.number}/cache_type", disk.cache)
            put(f"{root}/{scsi}/block/{disk.kernel}/dev", number)
            if disk.partition:
                put(f"{root}/{scsi}/block/{disk.kernel}/{disk.kernel}1/dev", f"8:{disk.minor + 1}")
        real = f"{device}/{scsi}/block/{disk.kernel}"
        _disk(put, links, empty, disk.kernel, number, disk.lun.size, real, disk.diskseq, disk.lun.readonly)
        put(f"/sys/class/block/{disk.kernel}/device/queue_depth", 32)
        put(f"/sys/class/block/{disk.kernel}/queue/scheduler", "[mq-deadline] none")
        if disk.partition:
            part = f"{disk.kernel}1"
            _disk(put, links, empty, part, f"8:{disk.minor + 1}", disk.lun.part.size, f"{real}/{part}", disk.diskseq)
            put(f"/sys/class/block/{disk.kernel}/{part}/partition", 1)
        if disk.known:
            body = disk.lun.body if not (disk.lun.table and disk.lun.table.whole) else None
            name = f"E:ID_SERIAL={mpath.serial(disk)}\n"
            left = world.multipathd.running and mpath.is_claimed(world, disk)  # multipath.rules: of others it is none
            put(f"/run/udev/data/b{number}", name + ("E:ID_FS_TYPE=mpath_member" if left else _probed(body)))
            if disk.partition:
                put(f"/run/udev/data/b8:{disk.minor + 1}", _probed(disk.lun.part))


def _loop(loop: Loop, minor: int, put, links, empty) -> None:
    real = f"/sys/devices/virtual/block/{loop.kernel}"
    _disk(put, links, empty, loop.kernel, f"7:{minor}", loop.lun.size, real, loop.diskseq)
    put(f"/sys/class/block/{loop.kernel}/loop/backing_file", loop.file)
    whole = loop.lun.table and loop.lun.table.whole
    put(f"/run/udev/data/b7:{minor}", _probed(None if whole else loop.lun.body))
    if whole:
        part = f"{loop.kernel}p1"
        _disk(put, links, empty, part, f"7:{minor + 1}", loop.lun.part.size, f"{real}/{part}", loop.diskseq)
        put(f"/sys/class/block/{loop.kernel}/{part}/partition", 1)
        put(f"/run/udev/data/b7:{minor + 1}", _probed(loop.lun.part))


def _probed(area) -> str:
    """What udev's builtin blkid noted when it last looked."""
    return f"E:ID_FS_UUID={area.pv}\nE:ID_FS_TYPE=LVM2_member" if area and area.pv else ""


def _disk(
    put, links, empty, kernel: str, number: str, size: int, real: str, diskseq: int, readonly: bool = False
) -> None:
    base = f"/sys/class/block/{kernel}"
    links[base] = real
    put(f"{base}/dev", number)
    put(f"{base}/size", size // 512)
    put(f"{base}/diskseq", diskseq)
    put(f"{base}/ro", int(readonly))
    put(f"/dev/{kernel}", "")
    empty.add(f"{base}/holders")


def _volume(meta: Meta | None, active, put, links, empty) -> None:
    name = f"{active.group.replace('-', '--')}-{active.name.replace('-', '--')}"
    base = f"/sys/class/block/dm-{active.minor}"
    plain = ((meta.uuid if meta else "") + active.uuid).replace("-", "")
    links[base] = f"/sys/devices/virtual/block/dm-{active.minor}"
    put(f"{base}/dm/uuid", f"LVM-{plain}")
    empty |= {f"/sys/dev/block/253:{active.minor}/slaves", f"{base}/holders"}
    if active.real:
        put(f"/sys/dev/block/253:{active.minor}/slaves/dm-{active.real}", "")
        empty.add(f"/sys/dev/block/253:{active.real}/slaves")
        under = f"/sys/class/block/dm-{active.real}"
        links[under] = f"/sys/devices/virtual/block/dm-{active.real}"
        put(f"{under}/dm/uuid", f"LVM-{plain}-real")
        put(f"{under}/dm/name", f"{name}-real")
        put(f"{under}/dev", f"253:{active.real}")
        put(f"{under}/size", active.bytes // 512)
        put(f"/sys/dev/block/253:{active.real}/diskseq", active.diskseq)
    put(f"{base}/dm/name", name)
    put(f"{base}/size", active.bytes // 512)
    put(f"{base}/dev", f"253:{active.minor}")
    for place in (f"/sys/dev/block/253:{active.minor}", base):
        put(f"{place}/diskseq", active.diskseq + (1000 if active.real else 0))
    links[f"/dev/mapper/{name}"] = links[f"/dev/{active.group}/{active.name}"] = f"/dev/dm-{active.minor}"
    put(f"/dev/dm-{active.minor}", "")
    source = active.source()
    if source and source.data.fs:
        fs = source.data.fs
        for kind, value in (("uuid", fs.uuid), ("label", fs.label)):
            if value:
                links[f"/dev/disk/by-{kind}/{value}"] = f"/dev/dm-{active.minor}"
                put(f"/run/udev/links/disk\\x2fby-{kind}\\x2f{value}/b253:{active.minor}", "")
    for sub, minor in active.subs.items():
        links[f"/sys/class/block/dm-{minor}"] = f"/sys/devices/virtual/block/dm-{minor}"
        put(f"/sys/class/block/dm-{minor}/dm/uuid", f"LVM-{plain}-{sub}")
        put(f"/sys/class/block/dm-{minor}/dm/name", f"{active.group.replace('-', '--')}-{sub}")
        put(f"/sys/class/block/dm-{minor}/dev", f"253:{minor}")
        put(f"/sys/class/block/dm-{minor}/diskseq", active.diskseq)
        put(f"/sys/class/block/dm-{minor}/dm/suspended", 0)
        put(f"/sys/class/block/dm-{minor}/size", active.bytes // 512 if "image" in sub else 8192)
        put(f"/sys/class/block/dm-{minor}/holders/dm-{active.real or active.minor}", "")
        put(f"/sys/class/block/dm-{active.real or active.minor}/slaves/dm-{minor}", "")
        empty.add(f"/sys/dev/block/253:{minor}/slaves")
    for leg in active.legs:
        found = leg.disk if leg.disk and not leg.disk.gone else None
        if found:
            kernel = f"{found.kernel}1" if found.partition and found.lun.part.pv else found.kernel
            sid, number = found.session.sid, found.number
            scsi = f"/sys/class/iscsi_session/session{sid}/device/target{sid}:0:0/{sid}:0:0:{number}"
            inside = "" if kernel == found.kernel else f"/{kernel}"
            stem = {"raid1": "_rimage_", "mirror": "_mimage_"}.get(active.type, "")
            stems = [stem, "_rmeta_"] if active.type == "raid1" else [stem]
            for part in stems:
                on = active.subs.get(f"{active.name}{part}{leg.number}") if part else active.real or active.minor
                put(f"/sys/class/block/{kernel}/holders/dm-{on}", "")
                if not isinstance(found, mpath.Map):
                    put(f"{scsi}/block/{found.kernel}{inside}/holders/dm-{on}", "")
                put(f"/sys/class/block/dm-{on}/slaves/{kernel}", "")
                put(f"/sys/dev/block/253:{on}/slaves/{kernel}", "")


def _mountinfo(world: World) -> bytes:
    lines = [ROOT_MOUNT]
    for mount in world.mounts:
        source = f"/dev/mapper/{mount.active.group}-{mount.active.name}"
        flags = ",".join(mount.flags)
        lines.append(
            f"{mount.id} 26 253:{mount.active.minor} / {mount.path} {flags} shared:9 - {mount.type} {source} rw\n"
        )
    return "".join(lines).encode()


def _directories(files: dict[str, bytes], empty: set[str]) -> dict[str, set[str]]:
    directories: dict[str, set[str]] = {"/": set()}
    for path in (*files, *empty):
        if path in empty:
            directories.setdefault(path, set())
        while path not in ("", "/"):
            head, _, tail = path.rpartition("/")
            inside = directories.setdefault(head or "/", set())
            if tail in inside:
                break
            inside.add(tail)
            path = head
    return directories
