from lunmirror.layers.stranger.observe import observe
from lunmirror.layers.stranger.plan import plan

__all__ = ["observe", "plan"]
