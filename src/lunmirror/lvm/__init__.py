"""LVM and device-mapper, read and spoken to in one way: shared by the disk, group and volume layers."""

from lunmirror.lvm.command import change, devices_of, place_of
from lunmirror.lvm.read import DmLine, Lvm, LvRow, PvRow, VgRow, read_lvm, read_status

__all__ = ["DmLine", "LvRow", "Lvm", "PvRow", "VgRow", "change", "devices_of", "place_of", "read_lvm", "read_status"]
