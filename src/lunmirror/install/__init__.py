"""Lays down what belongs beside the program: units, drop-ins, manual page, examples, completion. Standard library only:
`make install` uses it before any dependency is there."""

from lunmirror.install.files import File, Layout, layout
from lunmirror.install.lay import NOTE, Laid, check_disabled, lay, read, remove

__all__ = ["NOTE", "File", "Laid", "Layout", "check_disabled", "lay", "layout", "read", "remove"]
