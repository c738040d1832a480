"""From live sessions down to the disk of each LUN, its partition, its physical volume or its content."""

from lunmirror.desired import Desired, Disk
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.layers.disk.content import content_of, table_guid_on
from lunmirror.layers.disk.facts import Device, Lun, NoDisk, PhysicalVolume, Spanning
from lunmirror.layers.session.facts import Session
from lunmirror.lvm.devices import text
from lunmirror.lvm.read import Lvm, read_lvm
from lunmirror.model import ABSENT, Observed, Present, Seen, Unknown, World

FLAT = 0x4000  # the kernel keeps the addressing-method bits of LUNs from 256 up (scsi_common.c, scsilun_to_int)


def observe(desired: Desired, reader: Reader, seen: World) -> Observed:
    """Present(Lun | NoDisk | Spanning), Absent (no session object at all) or Unknown, for each declared disk."""
    found: dict[str, tuple[str, tuple[Device, ...]] | Seen] = {}
    for disk in desired.disks.values():
        found[disk.name] = _scsi_disks(desired, disk, reader, seen)
    lvm = (
        read_lvm(reader) if any(isinstance(f, tuple) and not isinstance(f, Unknown) for f in found.values()) else None
    )
    owners = _owners(found)
    return {name: _lun(desired, desired.disks[name], f, reader, lvm, owners) for name, f in found.items()}


def _scsi_disks(desired: Desired, disk: Disk, reader: Reader, seen: World):
    """(wwid, the SCSI disks of the LUN through every live session), or why there is none."""
    live, idle = [], []
    for path in desired.paths_to(disk):
        session = seen["session"].get(path.name, Unknown("it was not looked at"))
        if isinstance(session, Present) and isinstance(session.facts, Session):
            (live if session.facts.live else idle).append(session.facts)
        elif isinstance(session, Unknown):
            return session
    if not live:
        if idle:
            return Unknown(f"its session {idle[0].sid} is {idle[0].state}")
        return ABSENT
    devices, wwid, unfit = [], "", ""
    for session in live:
        for lun in {disk.lun, disk.lun | FLAT} if disk.lun > 255 else {disk.lun}:
            for folder in reader.glob(f"{_target(session.sid)}:{lun}/block/*"):
                scsi = folder.rsplit("/block/", 1)[0]
                state = text(reader, f"{scsi}/state")
                if state != "running":
                    unfit = f"its disk {folder.rsplit('/', 1)[1]} is {state or 'in no known state'}"
                    continue
                known = f"{paths.UDEV_DATA}/b{text(reader, f'{folder}/dev')}"
                if reader.glob(paths.UDEV_DATA) and not reader.glob(known):
                    # The kernel shows a disk before its partitions, and udev knows it only after them. In between
                    # LVM cannot be asked about the partition, and its label would read as foreign [lab].
                    return Present(NoDisk("", known))
                wwid = text(reader, f"{scsi}/wwid")
                devices.append(_device(reader, folder.rsplit("/", 1)[1]))
    if unfit and not devices:
        return Unknown(unfit)
    if not devices:
        host = reader.link(f"{paths.SYS_SESSIONS}/{live[0].sid}/device")
        number = (
            next((p for p in host.facts.split("/") if p.startswith("host")), "") if isinstance(host, Present) else ""
        )
        return Present(NoDisk(number, f"{_target(live[0].sid)}:{disk.lun}/block/*"))
    if any(d is None for d in devices):
        return Unknown("its disk vanished while being looked at")
    return wwid, tuple(devices)


def _target(sid: str) -> str:
    return f"{paths.SYS_SESSIONS}/{sid}/device/target*/*:*:*"


def _device(reader: Reader, kernel: str) -> Device | None:
    """The kernel's facts about one block device; None if it is gone."""
    base = f"{paths.SYS_BLOCK}/{kernel}"
    size, number = text(reader, f"{base}/size"), text(reader, f"{base}/dev")
    if not size.isdigit() or not number:
        return None
    holders = reader.folder(f"{base}/holders")
    name = text(reader, f"{base}/dm/name")
    return Device(
        kernel=kernel,
        node=f"/dev/mapper/{name}" if name else f"/dev/{kernel}",
        size=int(size) * 512,
        number=number,
        diskseq=text(reader, f"{base}/diskseq"),
        holders=holders.facts if isinstance(holders, Present) else (),
    )


def _owners(found: dict) -> dict[str, str]:
    """SCSI disk -> the declared disk it belongs to."""
    return {d.kernel: name for name, f in found.items() if type(f) is tuple for d in f[1]}


def _lun(desired: Desired, disk: Disk, found, reader: Reader, lvm: Seen | None, owners: dict[str, str]) -> Seen:
    if type(found) is not tuple:
        return found
    wwid, devices = found
    assert lvm is not None
    if isinstance(lvm, Unknown):
        return lvm
    whole = _whole(disk, devices, reader, owners)
    if not isinstance(whole, Device):
        return whole
    partition = _first_partition(reader, whole)
    facts: Lvm = lvm.facts
    for place in (partition, whole):
        row = facts.pv_at(place.number) if place else None
        if row:
            pv = PhysicalVolume(row.uuid, row.group, row.size, row.free, row.missing, row.duplicate)
            return Present(Lun(whole, devices, place, False, pv, None, wwid))
    expected = _expected(desired, disk, facts)
    if not disk.partition:
        return Present(Lun(whole, devices, whole, False, None, content_of(reader, whole), wwid, expected))
    ours = table_guid_on(reader, whole) == disk.table_guid
    place = partition if ours else None
    return Present(Lun(whole, devices, place, ours, None, content_of(reader, place or whole), wwid, expected))


def _expected(desired: Desired, disk: Disk, lvm: Lvm) -> str:
    """A physical volume that the disk's group misses, and that was made for this disk or for none we know."""
    if disk.replaces:
        return ""  # it says itself whose place it takes
    group = desired.group_of(disk.name)
    others = {d.pv_uuid for d in desired.disks.values() if d.name != disk.name}
    lost = [p.uuid for p in lvm.pvs if p.group == group and not p.device and p.uuid not in others]
    return disk.pv_uuid if disk.pv_uuid in lost else next(iter(lost), "")


def _whole(disk: Disk, devices: tuple[Device, ...], reader: Reader, owners: dict[str, str]) -> Device | Seen:
    """The device that stands for the LUN: its only SCSI disk, or the multipath map over its paths and no others."""
    maps = {
        h for d in devices for h in d.holders if text(reader, f"{paths.SYS_BLOCK}/{h}/dm/uuid").startswith("mpath-")
    }
    for name in sorted(maps):
        slaves = reader.folder(f"{paths.SYS_BLOCK}/{name}/slaves")
        if not isinstance(slaves, Present):
            return Unknown(f"the members of multipath map {name} cannot be read")
        others = tuple(sorted({owners.get(s, s) for s in slaves.facts} - {disk.name}))
        if others:
            return Present(Spanning(text(reader, f"{paths.SYS_BLOCK}/{name}/dm/name") or name, others))
    if len(maps) > 1:
        return Unknown(f"several multipath maps hold it: {', '.join(sorted(maps))}")
    if maps:
        return _device(reader, maps.pop()) or Unknown("its multipath map vanished while being looked at")
    if len(devices) > 1:
        names = ", ".join(d.node for d in devices)
        return Unknown(
            f"it is reached by {len(devices)} paths ({names}), and no multipath map joins them; install and start"
            " multipath-tools, or declare one portal"
        )
    return devices[0]


def _first_partition(reader: Reader, whole: Device) -> Device | None:
    """Partition 1: a folder inside the disk's own in sysfs; on a multipath map a holder made by kpartx."""
    for name in (f"{whole.kernel}1", f"{whole.kernel}p1"):
        if text(reader, f"{paths.SYS_BLOCK}/{whole.kernel}/{name}/partition") == "1":
            return _device(reader, name)
    for holder in whole.holders:
        if text(reader, f"{paths.SYS_BLOCK}/{holder}/dm/uuid").startswith("part1-mpath-"):
            return _device(reader, holder)
    return None
