"""How long the kernel waits for a disk, and its write cache."""

from lunmirror.layers.scsi.observe import observe
from lunmirror.layers.scsi.plan import plan

__all__ = ["observe", "plan"]
