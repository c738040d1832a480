"""The kernel's mount table, parsed: /proc/self/mountinfo (proc_pid_mountinfo(5)). Standard library and model only.

Reading it asks no disk and no server, so it answers while a leg is blocked (docs/facts/kernel.md#mounted-path).
"""

from typing import NamedTuple

from lunmirror.engine.model import Present, Seen, Unknown
from lunmirror.host import paths
from lunmirror.host.protocol import Reader


class Entry(NamedTuple):
    """One mount. `number` is the device's "major:minor"; `root` the directory of the file system that is mounted ("/"
    unless it is a bind mount of a part). `flags` are those of this mount, `options` those of the file system."""

    id: int
    parent: int
    number: str
    root: str
    path: str
    flags: tuple[str, ...]
    type: str
    source: str
    options: tuple[str, ...]


def unescape(field: bytes) -> bytes:
    """The bytes behind the three-digit octal escapes that fstab(5) and mountinfo use for blanks and backslashes."""
    if b"\\" not in field:  # as a rule, and four hundred times a pass
        return field
    head, *parts = field.split(b"\\")
    return head + b"".join(_unescaped(part) for part in parts)


def _unescaped(part: bytes) -> bytes:
    digits = part[:3]
    if len(digits) == 3 and all(48 <= d <= 55 for d in digits) and int(digits, 8) < 256:
        return bytes((int(digits, 8),)) + part[3:]
    return b"\\" + part


def read_mounts(reader: Reader) -> Seen[tuple[Entry, ...]]:
    """Present(tuple of Entry in the kernel's order) or Unknown."""
    return reader.memoize("mounts", lambda: _read(reader))  # two layers ask in one pass


def _read(reader: Reader) -> Seen[tuple[Entry, ...]]:
    seen = reader.read(paths.MOUNTINFO)
    if isinstance(seen, Present):
        return parse(seen.facts)
    return Unknown(f"the mount table {paths.MOUNTINFO} cannot be read: {getattr(seen, 'reason', 'it is absent')}")


def parse(raw: bytes) -> Seen[tuple[Entry, ...]]:
    """Present(tuple of Entry), or Unknown if any line is not as documented: a mount overlooked is a volume in use
    taken for one that is free."""
    entries = []
    for line in raw.split(b"\n"):
        if not line:
            continue
        try:
            entries.append(_entry(line))
        except ValueError:
            return Unknown(f"the mount table has a line that cannot be read: {line[:200]!r}")
    if not entries:
        return Unknown("the mount table is empty, which it never is")
    return Present(tuple(entries))


def _entry(line: bytes) -> Entry:
    """Fields 1 to 6, any number of optional ones, a dash, three more."""
    fields = line.split(b" ")
    dash = fields.index(b"-", 6)
    id, parent, number, root, path, flags = fields[:6]
    type, source, options = fields[dash + 1 : dash + 4]
    return Entry(
        id=int(id),
        parent=int(parent),
        number=_text(number),
        root=_text(root),
        path=_text(path),
        flags=_list(flags),
        type=_text(type),
        source=_text(source),
        options=_list(options),
    )


def _text(field: bytes) -> str:
    """Bytes that are no UTF-8 stay visible and printable; a lone surrogate would break every later output."""
    return unescape(field).decode(errors="backslashreplace")


def _list(field: bytes) -> tuple[str, ...]:
    return tuple(_text(word) for word in field.split(b",") if word)


def at(entries: tuple[Entry, ...], path: str) -> Entry | None:
    """What one sees at `path`: of several mounts stacked there, the one that no other lies on."""
    here = [e for e in entries if e.path == path]
    below = {e.parent for e in here}
    return next((e for e in reversed(here) if e.id not in below), None)
