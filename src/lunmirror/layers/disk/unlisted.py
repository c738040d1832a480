"""A physical volume of ours that LVM does not show: what is there must never be offered for overwriting."""

from lunmirror.desired import Desired, Disk
from lunmirror.layers.disk.facts import Holds, Lun
from lunmirror.model import Finding, Kind, Ref


def unlisted(desired: Desired, ref: Ref, disk: Disk, lun: Lun) -> Finding | None:
    """blkid finds a physical volume of ours, and LVM, shown this device, does not: no consent is ever offered for that."""
    what = lun.content.what if isinstance(lun.content, Holds) and not lun.content.in_use else ""
    ours = {lun.expected, *(d.pv_uuid for d in desired.disks.values())} - {""}
    if not (what.startswith("LVM2_member ") and any(f"(uuid {uuid})" in what for uuid in ours)):
        return None
    node = (lun.place or lun.whole).node
    return Finding(
        ref,
        Kind.REFUSED,
        f"LVM does not show the physical volume on disk {disk.name} ({node})",
        why=f"it is there, and it is ours: {what}. A global_filter or a filter of LVM's own (multipath, md) keeps LVM from the"
        " device",
        next=f"`pvs -vvvv --devices {node}` says which filter; let LVM see the device. What it holds is not to be lost",
        key=f"disks.{disk.name}",
    )
