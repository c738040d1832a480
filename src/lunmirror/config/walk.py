"""The tables of a draft, for all that needs more than one value: what could not be read is left out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lunmirror.config.problems import Key, Problems, quoted

FEWEST_LEGS = {"raid1": 2, "mirror": 2, "linear": 1}
MOST_LEGS = {"raid1": 10, "mirror": 8, "linear": 1}  # lvm2: DEFAULT_RAID1_MAX_IMAGES, DEFAULT_MIRROR_MAX_IMAGES


def each(tables: dict[str, Any] | None) -> Iterator[tuple[str, Any]]:
    """The tables that could be read, with their names."""
    return ((name, table) for name, table in (tables or {}).items() if table is not None)


def volumes_of(document: Any) -> Iterator[tuple[Key, str, Any, str, Any]]:
    """(key, group's name, group, volume's name, volume) of every volume."""
    for group_name, group in each(document.groups):
        for name, volume in each(group.volumes):
            yield ("groups", group_name, "volumes", name), group_name, group, name, volume


def servers_of(document: Any) -> dict[str, str]:
    """Disk -> the server that it says it is on."""
    return {name: disk.server for name, disk in each(document.disks) if disk.server is not None}


def default_legs(type: str, disks: Sequence[str], server_of: Mapping[str, str]) -> tuple[str, ...]:
    """Which disks carry a volume's copies when it does not say so: the first disk on each server, in the group's order;
    for linear the group's first disk."""
    first: dict[str, str] = {}
    for disk in disks:
        if disk in server_of:
            first.setdefault(server_of[disk], disk)
    return tuple(first.values())[: MOST_LEGS[type]]


def undeclared(key: Key, kind: str, name: str, known: dict[str, Any], problems: Problems) -> None:
    """Add that a name is used which no table declares."""
    near = problems.nearest(name, known)
    next = f"did you mean {near}?" if near else f"declare it as [{kind}s.{name}]"
    problems.add(key, f"there is no {kind} {quoted(name)}", why=f"no [{kind}s.{name}] is declared", next=next)
