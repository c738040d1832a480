"""Contradictions in what servers export."""

from typing import Any

from lunmirror.config.problems import Key, Problems, quoted
from lunmirror.config.walk import each
from lunmirror.engine import identity


def exports(document: Any, problems: Problems) -> None:
    serials: dict[str, str] = {}
    for name, server in each(document.servers):
        if server.export is None:
            continue
        places: dict[Any, str] = {}
        paths: dict[str, str] = {}
        for disk_name, one in each(server.export.disks):
            key: Key = ("servers", name, "export", "disks", disk_name)
            disk = (document.disks or {}).get(disk_name)
            if disk is None or disk.server is None or disk.target is None or disk.lun is None:
                if disk_name not in (document.disks or {}):
                    problems.add(
                        key, f"there is no disk {quoted(disk_name)}", next=f"declare [disks.{disk_name}] first"
                    )
                continue
            if disk.server != name:
                problems.add(
                    key,
                    f"disk {disk_name} is on server {disk.server}, not on {name}",
                    next=f"write it under servers.{disk.server}.export.disks",
                )
                continue
            _backing(key, name, one, server, problems)
            _number(key, disk, server.export.format, problems)
            first = places.setdefault((disk.target.lower(), disk.lun), disk_name)
            if first != disk_name:
                problems.add(
                    key, f"disk {first} has the same target and LUN", next="export that LUN once, under the new name"
                )
                continue
            _alone(
                key,
                "path",
                one.path,
                paths,
                disk_name,
                "two LUNs over one device would write over each other",
                problems,
            )
            serial = one.serial or identity.lun_serial(name, disk.target, disk.lun)
            why = "multipath and others take two disks with one serial number for one disk"
            _alone(key, "serial", serial, serials, f"{name}.export.disks.{disk_name}", why, problems)


def _alone(
    key: Key, part: str, value: str | None, seen: dict[str, str], owner: str, why: str, problems: Problems
) -> None:
    if value is None:
        return
    first = seen.setdefault(value, owner)
    if first != owner:
        problems.add((*key, part), f"{first} has the same {part}: {quoted(value)}", why=why, next="write another one")


def _backing(key: Key, name: str, one: Any, server: Any, problems: Problems) -> None:
    if one.path is None:
        return
    device = one.path.startswith("/dev/")
    if not device and one.size is None and not problems.touch((*key, "size")):
        problems.add(
            (*key, "size"),
            f"the size of the plain file {quoted(one.path)} is missing",
            why="LIO makes the LUN as large as its configuration says",
            next='write size = "…", the size that the file has or is to have',
        )
    if one.cache != "back":
        return
    if server.write_cache == "through":
        problems.add(
            (*key, "cache"),
            f"a volatile cache cannot be exported: servers.{name}.write_cache is through",
            why="what was acknowledged would be lost when the server restarts",
            next='write cache = "through", or accept it: write_cache = "back"',
        )
    elif device and server.export.format == "lio":
        problems.add(
            (*key, "cache"),
            "LIO gives a block device the cache that the device has",
            why="a cache in the server's memory that it does not advertise would lose what was acknowledged",
            next="leave cache out",
        )


def _number(key: Key, disk: Any, format: str | None, problems: Problems) -> None:
    if format == "tgt" and disk.lun == 0:
        problems.add(
            key, "tgt has no LUN 0 for a disk: that is its controller", next="declare another lun, from 1 on"
        )
