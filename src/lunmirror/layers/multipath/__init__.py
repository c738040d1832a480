"""Paths to one disk, joined by multipathd."""

from lunmirror.layers.multipath.observe import observe
from lunmirror.layers.multipath.plan import plan

__all__ = ["observe", "plan"]
