"""From each session to the SCSI disks of its declared LUNs, how long the kernel waits for them and what it knows of their
write caches. Only reads sysfs, which answers whatever the server does."""

from lunmirror.engine.desired import Desired, Disk
from lunmirror.engine.model import ABSENT, Observed, Present, World
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import number, text
from lunmirror.layers.scsi.facts import Patience
from lunmirror.layers.session.facts import Session
from lunmirror.lvm import luns


def observe(desired: Desired, reader: Reader, seen: World) -> Observed:
    """Present(tuple of Patience), one for each path that shows the disk; Absent if none does."""
    return {
        disk.name: Present(found) if (found := _disks(desired, disk, reader, seen)) else ABSENT
        for disk in desired.disks.values()
    }


def _disks(desired: Desired, disk: Disk, reader: Reader, seen: World) -> tuple[Patience, ...]:
    found: list[str] = []
    for path in desired.paths_to(disk):
        session = seen["session"].get(path.name)
        if not isinstance(session, Present) or not isinstance(session.facts, Session):
            continue
        found += luns.blocks(reader, session.facts.sid, disk.lun)
    return tuple(_patience(block, reader) for block in found)


def _patience(block: str, reader: Reader) -> Patience:
    place, _, kernel = block.rpartition("/block/")
    # Named like the SCSI device that it belongs to (sd.c, sd_probe: dev_set_name(&sdkp->disk_dev, dev_name(dev))).
    disk = f"{place}/scsi_disk/{place.rpartition('/')[2]}"
    retries = number(reader, f"{disk}/max_retries")
    return Patience(
        kernel,
        place,
        number(reader, f"{place}/timeout"),
        number(reader, f"{place}/eh_timeout"),
        retries,
        "" if retries is None else disk,
        text(reader, f"{disk}/cache_type"),
    )
