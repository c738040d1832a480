"""Devices that carry a UUID of ours and are not the declared disks: by udev's word, without a read of any of them.

They are only named. What keeps LVM from them is that it is shown the declared disks' own devices and no others
(layers/disk/facts.py, shown), whatever any label says.
"""

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import Observed, Present, World
from lunmirror.host.protocol import Reader
from lunmirror.layers.disk.facts import Lun, own, shown
from lunmirror.layers.session.facts import Session
from lunmirror.layers.unrelated.facts import Unrelated
from lunmirror.lvm.origin import Origin, described, labels, origins
from lunmirror.lvm.read import read_lvm


def observe(desired: Desired, reader: Reader, seen: World) -> Observed:
    """Present(Unrelated) for each, by the kernel's name."""
    owners = {d.pv_uuid: d.name for d in desired.disks.values() if d.pv_uuid}
    lvm = read_lvm(reader, shown(seen))
    for pv in lvm.facts.pvs if isinstance(lvm, Present) else ():
        if pv.group in desired.groups:
            owners.setdefault(pv.uuid, "")  # adopted: a member that no name of ours explains
    for name, state in seen["disk"].items():
        if isinstance(state, Present) and isinstance(state.facts, Lun) and (pv := state.facts.pv) and not pv.strange:
            owners[pv.uuid] = name
    mine = own(seen)
    found = {k: uuid for k, uuid in labels(reader).items() if uuid in owners and k not in mine}
    return {
        k: Present(_unrelated(uuid, owners[uuid], k, desired, reader, seen))
        for k, uuid in found.items()
        if not _is_itself(desired, owners[uuid], k, reader, seen)
    }


def _is_itself(desired: Desired, disk: str, kernel: str, reader: Reader, seen: World) -> bool:
    """The declared disk, while its session is down: it is not in view, and is not unrelated."""
    declared = desired.disks.get(disk)
    states = (seen.get("session", {}).get(p.name) for p in desired.paths_to(declared)) if declared else ()
    sids = {s.facts.sid for s in states if isinstance(s, Present) and isinstance(s.facts, Session)}
    below = origins(reader, kernel)
    return bool(below) and all(o.sid in sids and declared and o.lun == declared.lun for o in below)


def _unrelated(uuid: str, disk: str, kernel: str, desired: Desired, reader: Reader, seen: World) -> Unrelated:
    below = origins(reader, kernel)
    reached = " and ".join(described(reader, origin) for origin in below) or f"device {kernel}"
    same = bool(disk) and any(_is_same(desired, disk, origin, seen) for origin in below)
    return Unrelated(uuid, reached, disk, same)


def _is_same(desired: Desired, disk: str, origin: Origin, seen: World) -> bool:
    """Through another session to the very portal and target that are declared."""
    declared = desired.disks[disk]
    if origin.lun != declared.lun:
        return False
    states = (seen.get("session", {}).get(p.name) for p in desired.paths_to(declared))
    sids = {sid for s in states if isinstance(s, Present) and isinstance(s.facts, Session) for sid in s.facts.every}
    return origin.sid in sids
