"""Logical volumes and their legs."""

from lunmirror.layers.volume.observe import observe
from lunmirror.layers.volume.plan import plan

__all__ = ["observe", "plan"]
