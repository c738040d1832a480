"""iSCSI sessions."""

from lunmirror.layers.session.observe import observe
from lunmirror.layers.session.plan import plan

__all__ = ["observe", "plan"]
