"""Judges of the values in [watch] and [notify]."""

import re

from lunmirror.config.names import line
from lunmirror.config.problems import InvalidValue, quoted

TEXTFILE_PATTERN = "^/.*\\.prom$"
ADDRESS_PATTERN = "^[A-Za-z0-9._%+][A-Za-z0-9._%+@-]*$"


def textfile(value: object) -> str:
    """A path in its plain form that the textfile collector reads."""
    value = line(value, "a path", 1024)
    if not value.startswith("/") or value != "/" + "/".join(p for p in value.split("/") if p not in ("", ".", "..")):
        raise InvalidValue(f"{quoted(value)} is not an absolute path in its plain form", next="write the whole path")
    if not value.endswith(".prom"):
        raise InvalidValue(
            f"{quoted(value)} does not end in .prom",
            why="the textfile collector reads no other file",
            next=f"write {quoted(value + '.prom')}",
        )
    return value


def word(value: object) -> str:
    """One word of a command."""
    return line(value, "a word of the command", 1024)


def address(value: object) -> str:
    """Where a mail goes: an address, or a local user."""
    value = line(value, "an address", 254)
    if not re.fullmatch(ADDRESS_PATTERN[1:-1], value):
        raise InvalidValue(
            f"{quoted(value)} is not an address that lunmirror takes",
            why="it has the characters A-Z a-z 0-9 . _ % + - @, and is one address only",
            next="write one address; for several, an alias of the mail system",
        )
    return value
