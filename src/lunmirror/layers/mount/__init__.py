"""fstab, and what is mounted."""

from lunmirror.layers.mount.observe import observe
from lunmirror.layers.mount.plan import plan

__all__ = ["observe", "plan"]
