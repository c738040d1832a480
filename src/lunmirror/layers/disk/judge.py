"""Whose a physical volume is, that was found on a disk. Pure."""

from lunmirror.engine.model import Plan
from lunmirror.layers.disk.context import DiskContext
from lunmirror.layers.disk.facts import Device, PhysicalVolume


def judge(ctx: DiskContext, pv: PhysicalVolume, place: Device) -> Plan:
    """Nothing for one that is ours, or in the declared group (adopted); a refusal for any other."""
    desired, disk = ctx.desired, ctx.disk
    # A disk that is replaced stays declared, and in its heir's group until the heir has its place.
    heirs = [d.name for d in desired.disks.values() if d.replaces == disk.name]
    group = next(filter(None, map(desired.group_of, (disk.name, *heirs))), None)
    where = f"the physical volume {pv.uuid} on {place.node} (LUN {disk.lun} of server {disk.server})"
    owner = next((d for d in desired.disks.values() if d.pv_uuid == pv.uuid and d.name != disk.name), None)
    if pv.duplicate:
        return ctx.refused(
            f"{where} exists more than once",
            "another declared disk carries the same UUID, which was made for neither: one of them is a copy, and nothing"
            " shows which; LVM is shown none of them",
            "put the LUN back that belongs there, or declare only the one that is the original",
        )
    if owner:
        return ctx.refused(
            f"disk {disk.name} is not the disk that it was: {where} is the one made for disk {owner.name}",
            f"LUN {disk.lun} of {disk.target} on server {disk.server} now shows the data of server {owner.server}:"
            " the storage behind the names was swapped or cloned",
            "put the LUNs back behind their own targets, or correct `server`, `target` and `lun` of both disks",
        )
    if pv.group and pv.group == group:
        return Plan()
    if pv.uuid == disk.pv_uuid and not pv.group:
        return Plan()
    if pv.group in desired.groups and group is None:  # taken out of its list
        return ctx.refused(
            f"disk {disk.name} is still in volume group {pv.group}, which does not list it",
            f"{where} is in use by that group; no pass takes a disk out of a group unless another one replaces it",
            f"list it under [groups.{pv.group}] again, or have another disk take its place (`lunmirror explain replaces`); or,"
            f" once no leg lies on it, `lunmirror remove {disk.name}`",
        )
    if pv.group:
        return ctx.refused(
            f"disk {disk.name} belongs to volume group {pv.group}, not to {group or 'any declared group'}",
            f"{where} is in use by that group, which may hold data",
            f"declare the disk under groups.{pv.group}, or name another LUN in disks.{disk.name}",
        )
    return ctx.refused(
        f"disk {disk.name} carries a physical volume that lunmirror did not make",
        f"{where} is in no volume group, and its UUID is not the one derived for this disk",
        "it may be a disk that had another name in the configuration: then write that name again; else find out whose it"
        f" is, or name another LUN in disks.{disk.name}",
    )
