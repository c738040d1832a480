from lunmirror.layers.filesystem.observe import observe
from lunmirror.layers.filesystem.plan import plan, plan_growth

__all__ = ["observe", "plan", "plan_growth"]
