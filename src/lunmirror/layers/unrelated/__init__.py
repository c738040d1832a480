"""Devices with a UUID of ours that are no declared disk."""

from lunmirror.layers.unrelated.observe import observe
from lunmirror.layers.unrelated.plan import plan

__all__ = ["observe", "plan"]
