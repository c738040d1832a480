"""Declared LUNs, and the physical volumes on them."""

from lunmirror.layers.disk.observe import observe
from lunmirror.layers.disk.plan import plan

__all__ = ["observe", "plan"]
