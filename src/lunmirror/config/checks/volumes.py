"""Contradictions in volumes: their type, legs, file system, mount point and label."""

from typing import Any

from lunmirror.config import mkfs, names
from lunmirror.config.problems import InvalidValue, Key, Problems, quoted
from lunmirror.config.walk import FEWEST_LEGS, MOST_LEGS, default_legs, servers_of, undeclared, volumes_of


def volumes(document: Any, problems: Problems) -> None:
    for key, group_name, group, name, volume in volumes_of(document):
        if not names.fits_device_mapper(group_name, name):
            problems.add(
                key,
                "the names of the group and the volume are too long together",
                why="device-mapper has 127 characters for both, hyphens doubled, and for the names of their legs",
                next="shorten one of the two",
            )
        if not problems.touch((*key, "type")):
            _of_one_type(key, volume, problems)
            _legs(document, key, group_name, group, volume, problems)
        if volume.filesystem is not None:
            _filesystem(key, volume, problems)


# Key -> the one type that has it, what another has not, and why not.
_OF_ONE_TYPE = {
    "log": ("mirror", "log", "raid1 keeps a bitmap on each leg, and linear has nothing to compare"),
    "region_size": ("raid1", "region that can be declared", "only a raid1 has a bitmap on each leg"),
}


def _of_one_type(key: Key, volume: Any, problems: Problems) -> None:
    for name, (type, what, why) in _OF_ONE_TYPE.items():
        if getattr(volume, name) is not None and volume.type != type:
            problems.add(
                (*key, name),
                f"a volume of type {volume.type} has no {what}",
                why=why,
                next=f'remove {name}, or write type = "{type}"',
            )


def _legs(document: Any, key: Key, group_name: str, group: Any, volume: Any, problems: Problems) -> None:
    if problems.touch((*key, "legs")) or group.disks is None:
        return
    if volume.legs is None:
        _enough_servers(document, key, group_name, group, volume, problems)
        return
    key = (*key, "legs")
    on: dict[str, str] = {}
    for number, leg in enumerate(volume.legs):
        _one_leg(document, (*key, number), leg, number, group_name, group, volume, on, problems)
    fewest, most = FEWEST_LEGS[volume.type], MOST_LEGS[volume.type]
    if not fewest <= len(volume.legs) <= most:
        wanted = "exactly one leg" if most == 1 else f"{fewest} to {most} legs"
        problems.add(
            key,
            f"a volume of type {volume.type} has {wanted}, and {len(volume.legs)} are listed",
            next='list one, or write type = "raid1"' if most == 1 else "list one disk of each server",
        )


def _one_leg(
    document: Any,
    key: Key,
    leg: str,
    number: int,
    group_name: str,
    group: Any,
    volume: Any,
    on: dict[str, str],
    problems: Problems,
) -> None:
    declared = document.disks or {}
    if leg not in declared:
        undeclared(key, "disk", leg, declared, problems)
        return
    if leg in volume.legs[:number]:
        problems.add(key, f"disk {leg} is listed twice", why="each leg is a copy on another disk", next="remove one")
        return
    if leg not in group.disks and not problems.touch(("groups", group_name, "disks")):
        problems.add(
            key,
            f"disk {leg} is not in group {group_name}",
            next=f"add it to groups.{group_name}.disks, or choose one of {', '.join(group.disks[:8])}",
        )
    server = declared[leg].server if declared[leg] is not None else None
    if server is not None and on.setdefault(server, leg) != leg:
        problems.add(
            key,
            f"disks {on[server]} and {leg} are both on server {server}",
            why="two copies on one server are lost together",
            next="choose disks on different servers",
        )


def _enough_servers(document: Any, key: Key, group_name: str, group: Any, volume: Any, problems: Problems) -> None:
    server_of = servers_of(document)
    if not group.disks or any(disk not in server_of for disk in group.disks):
        return  # what is wrong with those disks was said at the disks
    found = len(default_legs(volume.type, group.disks, server_of))
    fewest = FEWEST_LEGS[volume.type]
    if found < fewest:
        problems.add(
            key,
            f"a volume of type {volume.type} needs disks on {fewest} servers, and group {group_name} has them on"
            f" {found}",
            why=f"disks of the group: {', '.join(group.disks[:8])}",
            next='add a disk on another server, or start with type = "linear" and change it later',
        )


def _filesystem(key: Key, volume: Any, problems: Problems) -> None:
    kind, at = volume.filesystem.type, (*key, "filesystem")
    if kind is None:
        return
    smallest = mkfs.SMALLEST.get(kind, 0)
    if volume.size is not None and volume.size.bytes is not None and volume.size.bytes < smallest:
        problems.add(
            (*key, "size"),
            f"too small for {kind}: it needs at least {smallest // 2**20}MiB",
            why=f"mkfs.{kind} refuses less",
            next=f'write "{smallest // 2**20}MiB" or more, or choose ext4',
        )
    label = volume.filesystem.label
    if label is not None and len(label.encode()) > mkfs.LABEL_BYTES[kind]:
        problems.add(
            (*at, "label"),
            f"{quoted(label)} is too long: a label of {kind} has at most {mkfs.LABEL_BYTES[kind]} bytes",
            next=f'for example "{label.encode()[: mkfs.LABEL_BYTES[kind]].decode(errors="ignore")}"',
        )
    if volume.filesystem.options:
        try:
            mkfs.check_options(kind, volume.filesystem.options)
        except InvalidValue as wrong:
            problems.add_wrong((*at, "options"), wrong)


def mounts(document: Any, problems: Problems) -> None:
    used: dict[str, str] = {}
    for key, group_name, _, name, volume in volumes_of(document):
        if volume.mount is None:
            continue
        if volume.filesystem is None and not problems.touch((*key, "filesystem")):
            problems.add(
                (*key, "mount"),
                "a volume without a file system cannot be mounted",
                next='add filesystem = "ext4", or remove mount',
            )
        path = volume.mount.path
        if path is None:
            continue
        first = used.setdefault(path, f"{group_name}/{name}")
        if first != f"{group_name}/{name}":
            problems.add(
                (*key, "mount"),
                f"{quoted(path)} is the mount point of volume {first} already",
                why="one would hide the other",
                next="choose another path for one of the two",
            )


def labels(document: Any, problems: Problems) -> None:
    used: dict[str, str] = {}
    for key, group_name, _, name, volume in volumes_of(document):
        label = volume.filesystem.label if volume.filesystem is not None else None
        if label is None:
            continue
        first = used.setdefault(label, f"{group_name}/{name}")
        if first != f"{group_name}/{name}":
            problems.add(
                (*key, "filesystem", "label"),
                f"{quoted(label)} is the label of volume {first} already",
                why="whoever looks for LABEL= would find either",
                next="choose another label for one of the two",
            )
