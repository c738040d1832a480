"""What can be known to be wrong without the host: everything that needs more than one value to see.

Runs over drafts: whatever a single value's own judge has refused is None here, and nothing is concluded from it.
"""

from collections.abc import Iterator
from typing import Any

from lunmirror.config import budget, legs, mkfs, names, secretfiles
from lunmirror.config.problems import InvalidValue, Key, Problems, quoted

TIMEOUTS = (*budget.STALL_PARTS, "login_timeout", "login_retries", "command_timeout")


def check(document: Any, directory: str, problems: Problems) -> None:
    """Add every contradiction of the document. `directory` is the configuration's."""
    for rule in (_budgets, _portals, _disks, _replacements, _groups, _volumes, _mounts, _labels, _notify):
        rule(document, problems)
    secretfiles.check(each(document.servers), directory, problems)


def _notify(document: Any, problems: Problems) -> None:
    notify = document.notify
    if notify is None:
        return
    if not notify.command and not notify.mail and not any(problems.touch(("notify", k)) for k in ("command", "mail")):
        problems.add(
            ("notify",), "notify says neither command nor mail", next='add mail = "root", or remove the table'
        )
    if notify.command and notify.command[0] and not notify.command[0].startswith("/"):
        problems.add(
            ("notify", "command"),
            f"the program {quoted(notify.command[0])} is not an absolute path",
            why="it runs without a shell, and nobody's PATH plays a part",
            next="write its whole path",
        )


def explicit_timeouts(table: Any) -> dict[str, int]:
    """The timeouts that a policy or server declares itself, also those under the names of the node record."""
    own = {name: getattr(table, name) for name in TIMEOUTS if table and getattr(table, name) is not None}
    further = getattr(table, "settings", None) or {}
    return own | {name: int(further[key]) for key, name in budget.ABORTS.items() if _is_seconds(further.get(key))}


def _is_seconds(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 6


def margins(document: Any) -> dict[str, tuple[int, str]]:
    """Server -> its margin in seconds, and whose it is in words, from the volumes with a leg on it. A volume that
    says nothing about its legs may have one on each server of its group."""
    types: dict[str, dict[str, str]] = {name: {} for name, _ in each(document.servers)}
    disks = dict(each(document.disks))
    for _, group_name, group, name, volume in volumes_of(document):
        for leg in volume.legs or group.disks or ():
            server = disks[leg].server if leg in disks else None
            if server in types and volume.type in legs.FEWEST_LEGS:
                types[server].setdefault(volume.type, f"{group_name}/{name}")
    found = {}
    for server, carried in types.items():
        margin = budget.margin_of(carried)
        kind = next((kind for kind in carried if budget.MARGINS.get(kind) == margin), "")
        whose = f"server {server}, with a leg of {carried[kind]} of type {kind}," if kind else f"server {server}"
        found[server] = (margin, whose)
    return found


def each(tables: dict[str, Any] | None) -> Iterator[tuple[str, Any]]:
    """The tables that could be read, with their names."""
    return ((name, table) for name, table in (tables or {}).items() if table is not None)


def volumes_of(document: Any) -> Iterator[tuple[Key, str, Any, str, Any]]:
    """(key, group's name, group, volume's name, volume) of every volume."""
    for group_name, group in each(document.groups):
        for name, volume in each(group.volumes):
            yield ("groups", group_name, "volumes", name), group_name, group, name, volume


def _budgets(document: Any, problems: Problems) -> None:
    policy = document.policy
    declared = policy.stall_budget if policy else None
    carried = margins(document)
    largest = max(carried.values(), key=lambda one: one[0], default=(budget.MARGIN, "a server"))
    try:
        budget.check_budget(declared, *largest)
    except InvalidValue as wrong:
        problems.add_wrong(("policy", "stall_budget"), wrong)
        return
    general = explicit_timeouts(policy)
    _aborts(document, problems)
    if not _budget_fails(declared, general, ("policy",), general, largest, problems):
        for name, server in each(document.servers):
            own = explicit_timeouts(server)
            if own:
                _budget_fails(declared, general | own, ("servers", name), own, carried[name], problems)


def _budget_fails(
    declared: int | None,
    explicit: dict[str, int],
    table: Key,
    own: dict[str, int],
    carried: tuple[int, str],
    problems: Problems,
) -> bool:
    try:
        budget.resolve(declared, explicit, *carried)
    except InvalidValue as wrong:
        parts = (*budget.STALL_PARTS, "command_timeout")
        if wrong.what.startswith("a command_timeout"):
            parts = parts[::-1]
        name = next((name for name in parts if name in own), "stall_budget")
        problems.add_wrong((*table, name), wrong)
        return True
    return False


def _aborts(document: Any, problems: Problems) -> None:
    """Record keys that lunmirror reckons with: a value that is no number of seconds makes the reckoning untrue."""
    for name, server in each(document.servers):
        for key in budget.ABORTS:
            value = (server.settings or {}).get(key)
            if value is not None and not (_is_seconds(value) and int(value) > 0):
                problems.add(
                    ("servers", name, "settings", key),
                    f"{quoted(value)} is not a whole number of seconds",
                    why="how long a hung server can hold up I/O is calculated from it",
                    next=f'write "{budget.ABORT_TIMEOUT}", or remove it',
                )


def _portals(document: Any, problems: Problems) -> None:
    seen: dict[Any, str] = {}
    for name, server in each(document.servers):
        for number, portal in enumerate(server.portals or ()):
            key: Key = ("servers", name, "portals", number)
            first = seen.setdefault(portal, name)
            if first != name:
                problems.add(
                    key,
                    f"the portal {portal} belongs to server {first} already",
                    why="two servers are two failure domains; two legs behind one portal would die together",
                    next="correct the address, or declare one server with both targets",
                )
            elif portal in server.portals[:number]:
                problems.add(key, f"the portal {portal} is listed twice", next="remove one of the two")


def _disks(document: Any, problems: Problems) -> None:
    units: dict[tuple[str, str, int], str] = {}
    spellings: dict[tuple[str, str], tuple[str, str]] = {}
    servers = document.servers or {}
    for name, disk in each(document.disks):
        key: Key = ("disks", name)
        if disk.server is not None and disk.server not in servers:
            _undeclared((*key, "server"), "server", disk.server, servers, problems)
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
        if first != name and disk.replaces != first and getattr(other, "replaces", None) != name:
            problems.add(
                key,
                f"this is the same LUN as disk {first}",
                why=f"both are LUN {disk.lun} of {quoted(disk.target)} on server {disk.server}",
                next="remove one of the two, or correct its target or lun",
            )


def _replacements(document: Any, problems: Problems) -> None:
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


def _groups(document: Any, problems: Problems) -> None:
    owners: dict[str, str] = {}
    declared = document.disks or {}
    for group_name, group in each(document.groups):
        listed = group.disks or []
        for number, disk in enumerate(listed):
            key: Key = ("groups", group_name, "disks", number)
            if disk not in declared:
                _undeclared(key, "disk", disk, declared, problems)
            elif disk in listed[:number]:
                problems.add(key, f"disk {disk} is listed twice", next="remove one of the two")
            elif owners.setdefault(disk, group_name) != group_name:
                problems.add(
                    key,
                    f"disk {disk} is in group {owners[disk]} already",
                    why="a physical volume belongs to one volume group",
                    next="remove it from one of the two",
                )


def _volumes(document: Any, problems: Problems) -> None:
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
    fewest, most = legs.FEWEST_LEGS[volume.type], legs.MOST_LEGS[volume.type]
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
        _undeclared(key, "disk", leg, declared, problems)
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
    server_of = {name: disk.server for name, disk in each(document.disks) if disk.server is not None}
    if not group.disks or any(disk not in server_of for disk in group.disks):
        return  # what is wrong with those disks was said at the disks
    found = len(legs.default_legs(volume.type, group.disks, server_of))
    fewest = legs.FEWEST_LEGS[volume.type]
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


def _mounts(document: Any, problems: Problems) -> None:
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


def _labels(document: Any, problems: Problems) -> None:
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


def _undeclared(key: Key, kind: str, name: str, known: dict[str, Any], problems: Problems) -> None:
    near = problems.nearest(name, known)
    next = f"did you mean {near}?" if near else f"declare it as [{kind}s.{name}]"
    problems.add(key, f"there is no {kind} {quoted(name)}", why=f"no [{kind}s.{name}] is declared", next=next)
