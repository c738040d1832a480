"""Disks that call themselves the same: other programs, multipath first, take them for one. Reported, never used as identity.
Pure."""

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import Finding, Kind, Ref, World, facts_of
from lunmirror.layers.disk.context import LAYER
from lunmirror.layers.disk.facts import Lun


def equal_names(desired: Desired, seen: World) -> tuple[Finding, ...]:
    """One note for each set of disks that share a name, whatever they share."""
    sharing: dict[str, list[str]] = {}
    for disk, state in seen[LAYER].items():
        if lun := facts_of(state, Lun):
            wwid = " ".join(lun.wwid.split())
            for name in dict.fromkeys(([f"identity {wwid!r}"] if wwid else []) + list(lun.claims)):
                sharing.setdefault(name, []).append(disk)
    sets: dict[tuple[str, ...], list[str]] = {}
    for name, disks in sharing.items():
        if len(disks) > 1:
            sets.setdefault(tuple(disks), []).append(name)
    return tuple(_note(disks, names, desired) for disks, names in sets.items())


def _note(disks: tuple[str, ...], names: list[str], desired: Desired) -> Finding:
    servers = dict.fromkeys(desired.disks[disk].server for disk in disks)
    more = f" They also share: {', '.join(names[1:])}." if names[1:] else ""
    return Finding(
        Ref(LAYER, disks[0]),
        Kind.NOTE,
        f"disks {' and '.join(disks)} report the same {names[0]}",
        why="commodity targets number their LUNs alike; lunmirror distinguishes them by server, target and LUN, but multipath"
        f" would join them, and whatever is written would land on either.{more}",
        next="never use /dev/disk/by-id for them, and keep multipath from joining them (find_multipaths strict); better, give"
        f" each LUN a serial number of its own on server {' and '.join(servers)} (tgt: scsi_id and scsi_sn; LIO:"
        " vpd_unit_serial)",
        key=f"disks.{disks[0]}",
    )
