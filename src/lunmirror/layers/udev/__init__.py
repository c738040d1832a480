"""The rules that give disks their timeouts when they appear."""

from lunmirror.layers.udev.observe import observe
from lunmirror.layers.udev.plan import plan

__all__ = ["observe", "plan"]
