"""Volume groups, and whose they are."""

from lunmirror.layers.group.observe import observe
from lunmirror.layers.group.plan import plan

__all__ = ["observe", "plan"]
