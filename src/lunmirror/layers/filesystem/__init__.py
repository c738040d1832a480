"""File systems: made once, grown with their volume."""

from lunmirror.layers.filesystem.growth import plan_growth
from lunmirror.layers.filesystem.observe import observe
from lunmirror.layers.filesystem.plan import plan

__all__ = ["observe", "plan", "plan_growth"]
