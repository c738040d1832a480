"""What is wrong with a configuration, gathered until all of it is known. Standard library only.

A value is judged by a small function that raises InvalidValue; whoever called it knows the key and adds a problem.
Nothing here ever shows more of a value than one short line, and never a control character.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple

Key = tuple[str | int, ...]

SHOWN = 60  # characters of a value that a message repeats
MOST_SHOWN = 200  # problems that one report shows
SENTENCE = 600  # characters of one sentence
CANDIDATES = 500  # known names among which the nearest is searched
SUGGESTIONS = 50  # unknown names for which the nearest known one is searched: each search costs time


class InvalidValue(ValueError):
    """A value that cannot be accepted, as sentences: what it should be, why, and what to write instead."""

    def __init__(self, what: str, *, why: str = "", next: str = "") -> None:
        super().__init__(what)
        self.what, self.why, self.next = what, why, next


class Problem(NamedTuple):
    """One fault. `place` is set only where there is no key yet ("FILE:LINE")."""

    key: Key
    what: str
    why: str = ""
    next: str = ""
    place: str = ""


class Problems:
    """All faults found so far."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self._touched: set[Key] = set()
        self._searched = 0

    def add(self, key: Key, what: str, *, why: str = "", next: str = "", place: str = "") -> None:
        """Note one fault at a key."""
        self.found.append(Problem(key, _clean(what), _clean(why, "\n"), _clean(next), place))
        self._touched.update(key[:end] for end in range(1, len(key) + 1))

    def add_wrong(self, key: Key, wrong: InvalidValue) -> None:
        """Note what a judging function raised."""
        self.add(key, wrong.what, why=wrong.why, next=wrong.next)

    def touch(self, key: Key) -> bool:
        """Whether a fault was found at this key or below it."""
        return key in self._touched

    def nearest(self, name: str, known: Iterable[str]) -> str:
        """The known name that was probably meant, or nothing."""
        self._searched += 1
        return nearest(name, known) if self._searched <= SUGGESTIONS else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like this one, or nothing if none is alike."""
    from difflib import get_close_matches  # only when somebody mistyped

    few = list(islice(known, CANDIDATES))
    return next(iter(get_close_matches(name[:256], few, n=1)), "")


def dotted(key: Iterable[str | int]) -> str:
    """A key path as TOML writes it: `servers.filer1.portals[0]`, `servers."a.b".startup`."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _is_bare(part) else quoted(part))
    return text


def quoted(value: str) -> str:
    """A text in quotes on one short line, with everything that a terminal could obey escaped."""
    short = value if len(value) <= SHOWN else value[:SHOWN] + "…"
    return '"' + "".join(_escaped(c) for c in short) + '"'


def shown(value: Any) -> str:
    """A value of any TOML type, named or repeated so that an administrator recognises it."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int):
        return f"the number {value}" if abs(value) < 10**20 else "a very large number"
    if isinstance(value, float):
        return f"the number {value}"
    return f"a {type(value).__name__}"


def _is_bare(part: str) -> bool:
    return 0 < len(part) <= SHOWN and part.isascii() and part.replace("-", "").replace("_", "a").isalnum()


def _clean(text: str, kept: str = "") -> str:
    """A sentence without anything that a terminal could obey, whatever names it was made of; `kept` stays."""
    text = text if len(text) <= SENTENCE else text[:SENTENCE] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() or c in kept else _escaped(c) for c in text)


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if char.isprintable() else f"\\u{ord(char):04x}"
