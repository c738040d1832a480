"""open-iscsi's node records."""

from lunmirror.layers.node.observe import observe
from lunmirror.layers.node.plan import plan

__all__ = ["observe", "plan"]
