"""From live sessions down to the disk of each LUN, its partition, its physical volume or its content."""

from typing import NamedTuple, TypeAlias

from lunmirror.engine.desired import Desired, Disk
from lunmirror.engine.model import ABSENT, Observed, Present, Seen, Unknown, World
from lunmirror.engine.plain import count
from lunmirror.host import paths, sysfs
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import text
from lunmirror.layers.disk.content import content_of, own_table, table_guid_on
from lunmirror.layers.disk.facts import Device, Gone, Lun, NoDisk, PhysicalVolume, Spanning
from lunmirror.layers.disk.frames import swallowed
from lunmirror.layers.disk.vpd import claims
from lunmirror.layers.session.facts import Session
from lunmirror.lvm import luns
from lunmirror.lvm.label import read_label
from lunmirror.lvm.maps import in_use
from lunmirror.lvm.origin import label, labels, origins
from lunmirror.lvm.places import Places
from lunmirror.lvm.read import Lvm, read_lvm


class _Found(NamedTuple):
    """The SCSI disks of one LUN, one for each live session that shows it."""

    wwid: str
    claims: tuple[str, ...]
    devices: tuple[Device, ...]


class _Placed(NamedTuple):
    """The device that stands for a LUN, and what of it can be the physical volume. `uuid` is that in the label, at `at`,
    when udev last looked; '' for none."""

    found: _Found
    whole: Device
    partition: Device | None
    uuid: str
    at: Device

    @property
    def kernels(self) -> tuple[str, ...]:
        return tuple(d.kernel for d in (self.whole, self.partition) if d)

    @property
    def everything(self) -> tuple[str, ...]:
        """The same with the paths below a multipath map."""
        return (*self.kernels, *(d.kernel for d in self.found.devices))


State: TypeAlias = Seen[Lun | NoDisk | Spanning | Gone]


def observe(desired: Desired, reader: Reader, seen: World) -> Observed:
    """Present(Lun | NoDisk | Spanning | Gone), Absent (no session object at all) or Unknown, for each declared disk."""
    heirs = {(d.replaces, d.server, d.target, d.lun): d.name for d in desired.disks.values() if d.replaces}
    found: dict[str, _Found | State] = {}
    for disk in desired.disks.values():
        heir = heirs.get((disk.name, disk.server, disk.target, disk.lun))
        found[disk.name] = Present(Gone(heir)) if heir else _scsi_disks(desired, disk, reader, seen)
    owners = {d.kernel: name for name, f in found.items() if isinstance(f, _Found) for d in f.devices}
    placed: dict[str, _Placed | State] = {
        name: _place(desired, desired.disks[name], f, reader, owners) if isinstance(f, _Found) else f
        for name, f in found.items()
    }
    found_places = {name: p for name, p in placed.items() if isinstance(p, _Placed)}
    hidden = _swallowed(found_places, reader) | _strange(desired, found_places, reader)
    known = {name: p for name, p in found_places.items() if name not in hidden}
    shown = tuple(sorted(kernel for p in known.values() for kernel in p.kernels))
    lvm = read_lvm(reader, shown) if known else Unknown("no disk to ask it about")
    return {
        name: hidden.get(name) or _lun(desired, desired.disks[name], p, reader, lvm) if isinstance(p, _Placed) else p
        for name, p in placed.items()
    }


def _place(desired: Desired, disk: Disk, found: _Found, reader: Reader, owners: dict[str, str]) -> "_Placed | State":
    whole = _whole(desired, disk, found.devices, reader, owners)
    if not isinstance(whole, Device):
        return whole
    partition = _first_partition(reader, whole)
    labels = ((at, label(reader, at.kernel)) for at in (partition, whole) if at)
    at, uuid = next(((at, uuid) for at, uuid in labels if uuid), (whole, ""))
    return _Placed(found, whole, partition, uuid, at)


def _swallowed(placed: "dict[str, _Placed]", reader: Reader) -> dict[str, State]:
    """What answers no large read, of the disks that nobody uses and that have no label yet: LVM, shown one, would wait for it.
    A disk with a label was read when it was given that; to ask it in each pass would cost two reads for nothing."""
    found: dict[str, State] = {}
    for name, p in placed.items():
        if p.uuid or p.whole.holders or (p.partition and p.partition.holders):
            continue
        if fault := swallowed(reader, p.whole):
            wwid, says, devices = p.found
            found[name] = Present(Lun(p.whole, devices, p.whole, False, None, fault, wwid, claims=says))
    return found


def _strange(desired: Desired, placed: "dict[str, _Placed]", reader: Reader) -> dict[str, State]:
    """What stands in a declared disk's own place and is another one's: by its label, it was made for that, or two such
    places carry one UUID that was made for neither. LVM, shown both, would choose one of them by the name of its device
    (measured: docs/facts/copies.md), so it is shown none of these."""
    makers = {d.pv_uuid: d.name for d in desired.disks.values() if d.pv_uuid}
    every = [p.uuid for p in placed.values()]
    found: dict[str, State] = {}
    for name, p in placed.items():
        owner = makers.get(p.uuid, "")
        twice = not owner and bool(p.uuid) and every.count(p.uuid) > 1
        suspect = (owner and owner != name) or twice
        on_disk = read_label(reader, p.at.node) if suspect else ABSENT  # what udev saw may have changed since
        if isinstance(on_disk, Unknown) or on_disk == Present(p.uuid):
            pv = PhysicalVolume(p.uuid, "", p.at.size, 0, duplicate=twice, strange=True)
            found[name] = Present(
                Lun(p.whole, p.found.devices, p.at, False, pv, None, p.found.wwid, claims=p.found.claims)
            )
    return found


def _scsi_disks(desired: Desired, disk: Disk, reader: Reader, seen: World) -> _Found | State:
    """The SCSI disks of the LUN through every live session, or why there is none."""
    sessions = []
    for path in desired.paths_to(disk):
        session = seen["session"].get(path.name, Unknown("it was not looked at"))
        if isinstance(session, Unknown):
            return session
        if isinstance(session, Present) and isinstance(session.facts, Session):
            sessions.append(session.facts)
    live = [s for s in sessions if s.live]
    if not live:
        return Unknown(_why(sessions[0])) if sessions else ABSENT
    directories = [directory for session in live for directory in luns.blocks(reader, session.sid, disk.lun)]
    if not directories:
        return Present(NoDisk(_scsi_host(reader, live[0]), luns.patterns(live[0].sid, disk.lun)))
    states = {directory: text(reader, f"{_scsi(directory)}/state") for directory in directories}
    running = [directory for directory in directories if states[directory] == "running"]
    if not running:
        kernel = directories[0].rsplit("/", 1)[1]
        return Unknown(f"its disk {kernel} is {states[directories[0]] or 'in no known state'}")
    looks = [_device(reader, directory.rsplit("/", 1)[1]) for directory in running]
    devices = tuple(device for device in looks if device)
    if len(devices) < len(looks):
        return Unknown("its disk vanished while being looked at, or cannot be looked at")
    if unknown := _unknown_to_udev(reader, devices):
        return Present(NoDisk("", (unknown,)))
    place = _scsi(running[0])
    return _Found(text(reader, f"{place}/wwid"), claims(reader, place), devices)


def _why(session: Session) -> str:
    if session.silence:
        return f"the server of its session {session.sid} does not answer ({session.silence})"
    return f"its session {session.sid} is {session.state}"


def _unknown_to_udev(reader: Reader, devices: tuple[Device, ...]) -> str:
    """The path that will be there when udev knows all of the disks; '' if it does, or does not run.

    The kernel shows a disk before its partitions, and udev knows it only after them. In between LVM cannot be asked
    about the partition, and a disk in use looks like one whose partition was never made [lab].
    """
    known = [f"{paths.UDEV_DATA}/b{device.number}" for device in devices]
    running = reader.glob(paths.UDEV_DATA)
    return next((path for path in known if running and not reader.glob(path)), "")


def _scsi(directory: str) -> str:
    """The SCSI device's directory above a block device's."""
    return directory.rsplit("/block/", 1)[0]


def _scsi_host(reader: Reader, session: Session) -> str:
    """The kernel's name of the session's SCSI host ("host3"); '' if it is not known."""
    link = reader.link(f"{sysfs.session(session.sid)}/device")
    parts = link.facts.split("/") if isinstance(link, Present) else []
    return next((part for part in parts if part.startswith("host")), "")


def _device(reader: Reader, kernel: str) -> Device | None:
    """The kernel's facts about one block device; None if it is gone, or if it is not known whether it is in use."""
    base = f"{paths.SYS_BLOCK}/{kernel}"
    size, device = count(text(reader, f"{base}/size")), text(reader, f"{base}/dev")
    if size is None or not device:
        return None
    holders = reader.directory(f"{base}/holders")
    if isinstance(holders, Unknown):
        return None
    name = text(reader, f"{base}/dm/name") if kernel.startswith("dm-") else ""
    return Device(
        kernel=kernel,
        node=f"/dev/mapper/{name}" if name else f"/dev/{kernel}",
        size=size * 512,
        number=device,
        diskseq=text(reader, f"{base}/diskseq"),
        holders=holders.facts if isinstance(holders, Present) else (),
        readonly=text(reader, f"{base}/ro") == "1",
    )


def _lun(desired: Desired, disk: Disk, placed: _Placed, reader: Reader, lvm: Seen[Lvm]) -> Seen[Lun]:
    if not isinstance(lvm, Present):
        return lvm
    (wwid, says, devices), whole, partition = placed.found, placed.whole, placed.partition
    facts: Lvm = lvm.facts
    lun = Lun(whole, devices, whole, False, None, None, wwid, shown=placed.kernels, claims=says)
    for place in (partition, whole):
        row = facts.pv_at(place.number) if place else None
        if row:
            pv = PhysicalVolume(row.uuid, row.group, row.size, row.free, row.missing, row.duplicate)
            return Present(lun._replace(place=place, pv=pv))
    copied = [k for k, uuid in labels(reader).items() if uuid == disk.pv_uuid and k not in placed.everything]
    lun = lun._replace(expected=disk.pv_uuid if copied else _expected(desired, disk, facts))
    if not disk.partition:
        return Present(lun._replace(content=content_of(reader, whole)))
    ours = table_guid_on(reader, whole) == disk.table_guid
    place = partition if ours else None
    content = own_table(reader, whole, disk.table_guid) if ours and not place else content_of(reader, place or whole)
    return Present(lun._replace(place=place, ours=ours, content=content))


def _expected(desired: Desired, disk: Disk, lvm: Lvm) -> str:
    """A physical volume that the disk's group misses, and that was made for this disk or for none we know."""
    group = desired.group_of(disk.name)
    others = {d.pv_uuid for d in desired.disks.values() if d.name != disk.name}
    lost = [p.uuid for p in lvm.pvs if p.group == group and not p.device and p.uuid not in others]
    if disk.pv_uuid in lost:
        return disk.pv_uuid
    return "" if disk.replaces else next(iter(lost), "")  # one that replaces says itself whose place it takes


def _whole(
    desired: Desired, disk: Disk, devices: tuple[Device, ...], reader: Reader, owners: dict[str, str]
) -> Device | State:
    """The device that stands for the LUN: its only SCSI disk, or the multipath map over its paths and no others. Paths
    through another interface's session to the same portal are paths as well, once multipath joins them."""
    places = Places(desired, reader)
    maps = {
        h for d in devices for h in d.holders if text(reader, f"{paths.SYS_BLOCK}/{h}/dm/uuid").startswith("mpath-")
    }
    for name in sorted(maps):
        slaves = reader.directory(f"{paths.SYS_BLOCK}/{name}/slaves")
        if not isinstance(slaves, Present):
            return Unknown(f"the members of multipath map {name} cannot be read")
        own = {s for s in slaves.facts if (on := origins(reader, s)) and all(places.allow(o, disk.name) for o in on)}
        others = tuple(sorted({owners.get(s, disk.name if s in own else s) for s in slaves.facts} - {disk.name}))
        if others:
            map = text(reader, f"{paths.SYS_BLOCK}/{name}/dm/name") or name
            return Present(Spanning(map, others, tuple(sorted(slaves.facts))))
    if len(maps) > 1:
        return Unknown(f"several multipath maps hold it: {', '.join(sorted(maps))}")
    if maps:
        return _device(reader, maps.pop()) or Unknown("its multipath map vanished while being looked at")
    if desired.servers[disk.server].multipath:
        used = [d for d in devices if in_use(reader, d.kernel)]
        if len(used) == 1:
            return used[0]  # in use since before multipath was declared (layers/multipath)
        return Unknown(f"multipathd has not joined its paths yet ({', '.join(d.node for d in devices)})")
    if len(devices) > 1:
        names = ", ".join(d.node for d in devices)
        return Unknown(
            f"it is reached by {len(devices)} paths ({names}), and no multipath map joins them; write multipath = true for"
            f" server {disk.server}, or declare one portal"
        )
    return devices[0]


def _first_partition(reader: Reader, whole: Device) -> Device | None:
    """Partition 1: a directory inside the disk's own in sysfs; on a multipath map a holder made by kpartx."""
    for name in (f"{whole.kernel}1", f"{whole.kernel}p1"):
        if text(reader, f"{paths.SYS_BLOCK}/{whole.kernel}/{name}/partition") == "1":
            return _device(reader, name)
    for holder in whole.holders:
        if text(reader, f"{paths.SYS_BLOCK}/{holder}/dm/uuid").startswith("part1-mpath-"):
            return _device(reader, holder)
    return None
