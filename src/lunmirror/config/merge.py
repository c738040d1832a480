"""Several TOML files, one document: tables are joined, a key given twice is an error that names both places."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import tomli

from lunmirror.config import syntax
from lunmirror.config.lines import DEEPEST, Lines, scan
from lunmirror.config.problems import Key, Problem, Problems, dotted

_REPEATABLE = {("version",)}  # says how its own file is to be read, so every file may say it


class Document(NamedTuple):
    """The joined tables, and where each key stands."""

    tables: dict[str, Any]
    files: tuple[tuple[str, Lines], ...]

    def place(self, key: Key) -> tuple[int, int]:
        """(number of the file, line) where this key, or the nearest table around it, stands."""
        known = [(lines.find(key), -number) for number, (_, lines) in enumerate(self.files)]
        (_, line), number = max(known, key=lambda item: (item[0][0], item[1]))
        return -number, line

    def where(self, problem: Problem) -> str:
        """ "FILE:LINE: key.path" of a problem."""
        if problem.place:
            return problem.place
        number, line = self.place(problem.key)
        path = self.files[number][0]
        key = dotted(problem.key)
        return ": ".join(part for part in (f"{path}:{line}" if line else path, key) if part)


def merge(sources: Sequence[tuple[str, str]], problems: Problems) -> Document | None:
    """The document, or nothing if a file is not TOML: then checking the rest would only report untruths."""
    files = tuple((path, scan(text)) for path, text in sources)
    parsed = [_parse(path, text, lines, problems) for (path, text), (_, lines) in zip(sources, files, strict=True)]
    if problems.found:
        return None
    tables: dict[str, Any] = {}
    origins: dict[Key, int] = {}
    for number, table in enumerate(parsed):
        _join(tables, table or {}, number, origins, files, problems)
    return Document(tables, files)


def _parse(path: str, text: str, lines: Lines, problems: Problems) -> dict[str, Any] | None:
    if text.startswith("\ufeff"):
        why = "it begins with a byte-order mark"
        problems.add((), "the file is not TOML", why=why, next="save it as UTF-8 without BOM", place=f"{path}:1")
        return None
    if lines.too_deep:
        what = f"a key has more than {DEEPEST} parts"
        problems.add((), what, place=f"{path}:{lines.too_deep}")
        return None
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        where, why, next_ = syntax.fault(path, text, str(error))
        problems.add((), "the file is not TOML", why=why, next=next_, place=where)
    except RecursionError:
        problems.add((), "lists or tables are nested too deeply", place=path)
    except (ValueError, OverflowError) as error:
        # A number with thousands of digits, a date that does not exist: not a TOMLDecodeError in every version.
        problems.add((), "the file holds a value that cannot be read", why=str(error)[:120], place=path)
    return None


def _join(
    into: dict[str, Any],
    table: dict[str, Any],
    number: int,
    origins: dict[Key, int],
    files: tuple[tuple[str, Lines], ...],
    problems: Problems,
) -> None:
    """Add one file's tables. Walks with a list of its own, so that depth is no danger."""
    waiting: list[tuple[Key, dict[str, Any], dict[str, Any]]] = [((), into, table)]
    while waiting:
        at, old, new = waiting.pop()
        for name, value in new.items():
            key = (*at, name)
            if name not in old:
                old[name] = {} if isinstance(value, dict) else value
                origins[key] = number
            elif not (isinstance(old[name], dict) and isinstance(value, dict)):
                if key not in _REPEATABLE or old[name] != value:
                    _given_twice(key, origins[key], number, files, problems)
                continue
            if isinstance(value, dict):
                waiting.append((key, old[name], value))


def _given_twice(key: Key, first: int, second: int, files: tuple[tuple[str, Lines], ...], problems: Problems) -> None:
    places = [f"{files[n][0]}:{files[n][1].find(key)[1]}" for n in (first, second)]
    problems.add(
        key,
        f"given twice: in {places[0]} and in {places[1]}",
        why="files are merged by table, and no file takes precedence over another",
        next="remove one of the two",
        place=f"{places[1]}: {dotted(key)}",
    )
