"""Names of the configuration for a shell that completes them: quick, and never an error.

Read with Python's own parser and without checking anything: the validator takes ten times as long, and a name is
offered while the rest of the file is being written.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from lunmirror.config import sources
from lunmirror.engine.errors import LunmirrorError

# Nothing in a name does anything in a command line that it is put into.
_HARMLESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/-]*")


def of(kind: str, path: str) -> list[str]:
    """The servers or volumes (GROUP/NAME) in the configuration at `path`; none if this user may not read it."""
    import tomllib

    found: dict[str, None] = {}
    with suppress(LunmirrorError, OSError):
        for _, text in sources.read(path):
            with suppress(tomllib.TOMLDecodeError, RecursionError):
                found.update(dict.fromkeys(_names(kind, tomllib.loads(text))))
    return [name for name in found if _HARMLESS.fullmatch(name)]


def _names(kind: str, document: dict[str, Any]) -> Iterator[str]:
    if kind == "servers":
        yield from _table(document, "servers")
    else:
        for group, table in _table(document, "groups").items():
            yield from (f"{group}/{name}" for name in _table(table, "volumes"))


def _table(holder: Any, key: str) -> dict[str, Any]:
    table = holder.get(key) if isinstance(holder, dict) else None
    return table if isinstance(table, dict) else {}
