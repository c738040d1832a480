"""The list of what belongs beside the program (files/files.toml), worked out for one system."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from lunmirror.engine.errors import UsageError

DATA = Path(__file__).parents[1] / "files"
LIST = "files.toml"
MODE = 0o644


class File(NamedTuple):
    """One file: its absolute path on the system it is for, what it holds, its mode."""

    path: str
    content: bytes
    mode: int


class Layout(NamedTuple):
    """What goes where. `names`: every name of the list with its value, all absolute paths or names of units."""

    system: str
    names: dict[str, str]
    files: tuple[File, ...]


def layout(given: dict[str, str], system: str = "", kind: str = "", host: str = "/") -> Layout:
    """The files for a system. `given`: values for names of the list, the others have defaults. `system`: which family,
    else what is found under `host`. `kind`: "private" where the dependencies are lunmirror's own. Raises UsageError for a name or a family that is not in the list, or for a path
    that is not absolute."""
    table = tomllib.loads((DATA / LIST).read_text())
    systems = table["systems"]
    system = system or _found(systems, host)
    if system not in systems:
        raise UsageError(f"there is no system {system!r}", next=f"use one of {', '.join(systems)}")
    names = _names(table, systems[system], given)
    wanted = [e for e in table["file"] if e.get("system", system) == system and e.get("only", kind) == kind]
    return Layout(system, names, tuple(file for entry in wanted for file in _files(entry, names)))


def _found(systems: dict[str, dict[str, list[str]]], host: str) -> str:
    for name, system in systems.items():
        if any(os.path.exists(os.path.join(host, path.lstrip("/"))) for path in system["found"]):
            return name
    return next(iter(systems))


def _names(table: dict[str, Any], system: dict[str, Any], given: dict[str, str]) -> dict[str, str]:
    plain = {name: value for name, value in system.items() if isinstance(value, str)} | table["derived"]
    values: dict[str, str] = table["names"] | plain
    if given.get("prefix", values["prefix"]) not in table["elsewhere"]["known"]:
        values["unitdir"] = table["elsewhere"]["unitdir"]
    for name in given:
        if name not in values:
            raise UsageError(f"there is no {name} to be given", next=f"known are {', '.join(values)}")
    values |= given
    for name in values:  # a value uses only what stands before it in the list
        values[name] = values[name].format_map(values)
    for name in table["names"]:
        if not os.path.isabs(values[name]) or re.search(r"[\s%$\\\"'@]", values[name]):
            raise UsageError(
                f"{name} cannot be {values[name]!r}",
                why="units and a cron line name it, and need an absolute path without spaces and special characters",
            )
    return values


def _files(entry: dict[str, Any], names: dict[str, str]) -> list[File]:
    found = sorted(DATA.glob(entry["from"]))
    assert found, f"{entry['from']} is not in the package"
    directory = os.path.normpath(entry["to"].format_map(names))
    return [
        File(f"{directory}/{path.name}", _filled(path.read_bytes(), names), entry.get("mode", MODE)) for path in found
    ]


def _filled(text: bytes, names: dict[str, str]) -> bytes:
    """With @name@ replaced, where name is one of the list; anything else stays."""
    return re.sub(rb"@([a-z_]+)@", lambda m: names.get(m[1].decode(), m[0].decode()).encode(), text)
