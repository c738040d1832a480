"""What may be read: each leg's own device and the volume's, proven as everywhere. What is not, is said with the reason.

A leg's device is the sub-volume (VG-LV_rimage_0) that the volume's own device stands on in sysfs, so that a leg and the
volume are read at the same places. It must lead to the declared disk: server, target and LUN, through the session.
"""

from typing import NamedTuple

from lunmirror.engine.desired import Desired, Disk, Volume, dm_name
from lunmirror.engine.model import Absent, Report, Unknown, World, facts_of
from lunmirror.engine.plain import count
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import names, text
from lunmirror.layers.disk.facts import Lun
from lunmirror.layers.volume.facts import TARGETS, Leg, LogicalVolume
from lunmirror.lvm.devices import Devices
from lunmirror.lvm.origin import origins
from lunmirror.lvm.places import Places

MIRROR = "the mirror"
SUSPENDED = "it is suspended: what reads it waits for whoever did that"
DEAD = "D"  # device-mapper's letter of a leg that it gave up
_DEEPEST = 3  # VG-LV, VG-LV-real (with snapshots), its legs


class Aim(NamedTuple):
    """One device to read. `what`: "leg on filer1" or MIRROR; `disk`: the declared disk, '' for the mirror. `number`:
    "major:minor"; `size` in bytes; `under`: the SCSI disks that it is read from ("sdb"); `rests`: the devices that must
    answer for it: itself, or of the mirror the legs that serve reads."""

    volume: str
    what: str
    disk: str
    kernel: str
    number: str
    diskseq: str
    size: int
    under: tuple[str, ...]
    rests: tuple[str, ...]

    @property
    def node(self) -> str:
        return f"{paths.DEV}{self.kernel}"


class Skipped(NamedTuple):
    """What is not read, and why."""

    volume: str
    what: str
    disk: str
    why: str


def aims(volume: Volume, report: Report, desired: Desired, reader: Reader) -> tuple[Aim | Skipped, ...]:
    """The legs in their order, then the mirror; only the leg of a linear volume, which is the volume itself."""
    state = report.seen.get("volume", {}).get(volume.id)
    facts = facts_of(state, LogicalVolume)
    if facts is None:
        why = state.reason if isinstance(state, Unknown) else "it is not there" if isinstance(state, Absent) else ""
        return (Skipped(volume.id, MIRROR, "", why or "it was not looked at"),)
    if why := _closed(facts):
        return (Skipped(volume.id, MIRROR, "", why),)
    places = Places(desired, reader)
    legs = tuple(_leg(volume, facts, leg, report.seen, desired, reader, places) for leg in facts.legs)
    if facts.type == "linear":
        return legs
    return (*legs, _mirror(volume, facts, legs, reader))


def ready(aim: Aim, reader: Reader) -> str:
    """'' if the device is still the same one and should answer, else why it is not read. Asked at the last instant: a
    server may have died since, and a read of it would wait as long as the kernel does."""
    reader.forget()
    base = f"{paths.SYS_BLOCK}/{aim.kernel}"
    if text(reader, f"{base}/dev") != aim.number or text(reader, f"{base}/diskseq") != aim.diskseq:
        return f"{aim.node} is another device than it was"
    if text(reader, f"{base}/dm/suspended") == "1":
        return SUSPENDED
    devices = Devices(reader)
    return next((why for kernel in aim.rests if (why := devices.verdict(kernel))), "")


def _closed(facts: LogicalVolume) -> str:
    """Why nothing of a volume is read."""
    if not facts.active:
        return "it is not active"
    if facts.suspended:
        return SUSPENDED
    if facts.type not in TARGETS or facts.unclear:
        return f"it runs as {facts.unclear or facts.type}, which is none of lunmirror's layouts"
    return ""


def _leg(
    volume: Volume, facts: LogicalVolume, leg: Leg, seen: World, desired: Desired, reader: Reader, places: Places
) -> Aim | Skipped:
    disk, why = _disk_of(leg, seen, desired)
    if disk is None:
        return Skipped(volume.id, f"leg {leg.name}", "", why)
    what = f"leg on {disk.server}"
    skipped = Skipped(volume.id, what, disk.name, why)
    if why:
        return skipped
    if leg.letter == DEAD:
        return skipped._replace(why="the kernel has given it up")
    if not facts.is_in_place(leg):
        return skipped._replace(why="it runs on a device that is not the declared disk")
    top = _kernel(facts.number, reader)
    kernel = top if facts.type == "linear" else _beneath(top, dm_name(volume.group, leg.name), reader)
    on = origins(reader, kernel) if kernel else ()
    if not on or not all(origin.sid and places.allow(origin, disk.name) for origin in on):
        return skipped._replace(why="what it stands on in sysfs is not the declared disk alone")
    return _aim(skipped, kernel, facts.size, tuple(o.kernel for o in on), (kernel,), reader)


def _mirror(volume: Volume, facts: LogicalVolume, legs: tuple[Aim | Skipped, ...], reader: Reader) -> Aim | Skipped:
    """The volume's own device; not while a leg that serves reads is one that was not fit to be read alone. What a dead
    leg stands on does not count: it serves none."""
    skipped = Skipped(volume.id, MIRROR, "", "")
    serving = [one for one, leg in zip(legs, facts.legs, strict=True) if leg.letter != DEAD]
    aimed = [one for one in serving if isinstance(one, Aim)]
    if unfit := [one for one in serving if isinstance(one, Skipped)]:
        return skipped._replace(why=f"it may read its {unfit[0].what}: {unfit[0].why}")
    if not aimed:
        return skipped._replace(why="none of its legs serves reads")
    under = tuple(kernel for one in aimed for kernel in one.under)
    return _aim(skipped, _kernel(facts.number, reader), facts.size, under, tuple(one.kernel for one in aimed), reader)


def _aim(
    about: Skipped, kernel: str, size: int, under: tuple[str, ...], rests: tuple[str, ...], reader: Reader
) -> Aim | Skipped:
    base = f"{paths.SYS_BLOCK}/{kernel}"
    number, diskseq = text(reader, f"{base}/dev"), text(reader, f"{base}/diskseq")
    shown = count(text(reader, f"{base}/size"))
    if not kernel or not number or not shown:
        return about._replace(why="its device is not found in sysfs")
    return Aim(about.volume, about.what, about.disk, kernel, number, diskseq, min(size, shown * 512), under, rests)


def _disk_of(leg: Leg, seen: World, desired: Desired) -> tuple[Disk | None, str]:
    """The declared disk whose physical volume the leg lies on, and nothing else; and why it cannot be seen there."""
    for name, disk in desired.disks.items():
        lun = facts_of(seen.get("disk", {}).get(name), Lun)
        if lun and lun.pv and not lun.pv.strange and not lun.pv.duplicate and set(leg.pvs) == {lun.pv.uuid}:
            return disk, ""
    for name, disk in desired.disks.items():
        state = seen.get("disk", {}).get(name)
        if disk.pv_uuid in leg.pvs:
            return disk, f"disk {name} cannot be seen: {state.reason if isinstance(state, Unknown) else 'no session'}"
    return None, "its physical volume is on no declared disk that can be seen"


def _kernel(number: str, reader: Reader) -> str:
    """ "dm-4" of "253:4"; '' if the kernel has another device there."""
    kernel = f"dm-{number.partition(':')[2]}"
    return kernel if text(reader, f"{paths.SYS_BLOCK}/{kernel}/dev") == number else ""


def _beneath(kernel: str, name: str, reader: Reader, depth: int = 0) -> str:
    """The device-mapper device of this name that `kernel` stands on; '' if there is none."""
    for below in names(reader, f"{paths.SYS_BLOCK}/{kernel}/slaves") if kernel and depth < _DEEPEST else ():
        if text(reader, f"{paths.SYS_BLOCK}/{below}/dm/name") == name:
            return below
        if below.startswith("dm-") and (found := _beneath(below, name, reader, depth + 1)):
            return found
    return ""
