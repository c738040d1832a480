"""Contradictions among disks, what they replace, and the groups they belong to."""

from typing import Any

from lunmirror.config.problems import Key, Problems, quoted
from lunmirror.config.walk import each, undeclared


def disks(document: Any, problems: Problems) -> None:
    units: dict[tuple[str, str, int], str] = {}
    spellings: dict[tuple[str, str], tuple[str, str]] = {}
    servers = document.servers or {}
    for name, disk in each(document.disks):
        key: Key = ("disks", name)
        if disk.server is not None and disk.server not in servers:
            undeclared((*key, "server"), "server", disk.server, servers, problems)
        if disk.partition and getattr(servers.get(disk.server), "multipath", False):
            problems.add(
                (*key, "partition"),
                f"partition is true, and so is multipath of server {disk.server}",
                why="a partition on a multipath map is made by kpartx, and lunmirror does not run it",
                next="use the whole disk (partition = false); a disk that has data in a partition stays without multipath",
            )
        if None in (disk.server, disk.target, disk.lun):
            continue
        spelled, by = spellings.setdefault((disk.server, disk.target.lower()), (disk.target, name))
        if spelled != disk.target:
            problems.add(
                (*key, "target"),
                f"this is the target of disk {by}, spelled in another way",
                why=f"{quoted(spelled)} there: capital letters do not distinguish two targets, and a session by each spelling"
                " would show every disk twice",
                next="write both as the server announces it",
            )
            continue
        first = units.setdefault((disk.server, disk.target.lower(), disk.lun), name)
        other = (document.disks or {}).get(first)
        if first not in (name, disk.replaces) and getattr(other, "replaces", None) != name:
            problems.add(
                key,
                f"this is the same LUN as disk {first}",
                why=f"both are LUN {disk.lun} of {quoted(disk.target)} on server {disk.server}",
                next="remove one of the two, or correct its target or lun",
            )


def replacements(document: Any, problems: Problems) -> None:
    successors: dict[str, str] = {}
    for name, disk in each(document.disks):
        old, key = disk.replaces, ("disks", name, "replaces")
        if old is None:
            continue
        first = successors.setdefault(old, name)
        if old == name:
            problems.add(key, "a disk cannot replace itself", next="give the new disk a name of its own")
        elif first != name:
            problems.add(key, f"disk {old} is replaced by {first} already", next="remove one of the two")
        elif old not in (document.disks or {}):
            problems.add(
                key,
                f"disk {old} is not declared",
                why="what may be dropped from the group is known by the server, target and LUN of the disk that is"
                " replaced; without them it could only be guessed",
                next=f"keep the table [disks.{old}] as it was until this disk has taken its place",
            )
        for group_name, group in each(document.groups):
            if old != name and old in (group.disks or ()):
                problems.add(
                    key,
                    f"disk {old} is to be replaced, and group {group_name} still lists it",
                    why="the new disk takes the old one's place in the list",
                    next=f"write {quoted(name)} in the place of {quoted(old)} in groups.{group_name}.disks",
                )


def groups(document: Any, problems: Problems) -> None:
    owners: dict[str, str] = {}
    declared = document.disks or {}
    for group_name, group in each(document.groups):
        listed = group.disks or []
        for number, disk in enumerate(listed):
            key: Key = ("groups", group_name, "disks", number)
            if disk not in declared:
                undeclared(key, "disk", disk, declared, problems)
            elif disk in listed[:number]:
                problems.add(key, f"disk {disk} is listed twice", next="remove one of the two")
            elif owners.setdefault(disk, group_name) != group_name:
                problems.add(
                    key,
                    f"disk {disk} is in group {owners[disk]} already",
                    why="a physical volume belongs to one volume group",
                    next="remove it from one of the two",
                )
