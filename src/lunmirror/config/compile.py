"""From the texts of the files to the desired state, or to everything that is wrong with them."""

import os
from collections.abc import Sequence
from typing import Any

from lunmirror.config import budget, passwords, timeouts
from lunmirror.config.checks import check
from lunmirror.config.drafts import draft
from lunmirror.config.merge import Document, merge
from lunmirror.config.problems import MOST_SHOWN, Problems
from lunmirror.config.schema import RECORDS
from lunmirror.config.schema import Document as Schema
from lunmirror.config.walk import default_legs, each, servers_of, volumes_of
from lunmirror.engine import desired, identity
from lunmirror.engine.errors import ConfigError, LunmirrorError

DEFAULT_STARTUP = "automatic"
DEFAULT_BOOT_WAIT = 30
UNATTENDED = ("overwrite", "fewer-legs")
ALWAYS_THERE = ("_netdev", "nofail")  # options that every fstab line of ours has; declaring them changes nothing


def compile(sources: Sequence[tuple[str, str]], place: str = "") -> desired.Desired:
    """The desired state. `sources` is (path, text) of the main file and of conf.d's, in order; `place`: where the main file
    will be, if not where it is.

    Raises ConfigError with every problem, in the order of the files.
    """
    problems = Problems()
    source = place or sources[0][0]
    document = merge(sources, problems)
    if document is None:
        raise _error(None, problems)
    tables = document.tables
    made = draft(Schema, tables, (), problems)
    agreed = None
    if not _unknown_version(tables):
        _version_in_main_file(document, problems)
        agreed = timeouts.resolve(made, problems)
        check(made, os.path.dirname(source), problems)
    if problems.found or agreed is None:
        raise _error(document, problems)
    return _desired(made, source, agreed)


def _unknown_version(tables: dict[str, Any]) -> bool:
    """Whether the tables are of another time: then checking them would only report untruths."""
    version = tables.get("version")
    return isinstance(version, int) and version > 1


def _version_in_main_file(document: Document, problems: Problems) -> None:
    path, lines = document.files[0]
    if "version" in document.tables and ("version",) not in lines.by_key:
        problems.add(
            ("version",), "version is missing in the main file", next="add version = 1", place=f"{path}: version"
        )


def _error(document: Document | None, problems: Problems) -> ConfigError:
    found = problems.found
    if document is not None:
        found = sorted(found, key=lambda p: document.place(p.key))
    shown = [
        LunmirrorError(p.what, where=document.where(p) if document else p.place, why=p.why, next=p.next)
        for p in found[:MOST_SHOWN]
    ]
    if len(found) > MOST_SHOWN:
        shown.append(LunmirrorError(f"and {len(found) - MOST_SHOWN} more problems", next="correct these first"))
    return ConfigError(shown)


def _desired(made: Schema, source: str, agreed: timeouts.Agreed) -> desired.Desired:
    directory, policy = os.path.dirname(source), made.policy
    return desired.Desired(
        servers={
            name: _server(name, server, policy, agreed.servers[name], directory, made.disks)
            for name, server in each(made.servers)
        },
        disks={name: _disk(name, disk) for name, disk in each(made.disks)},
        groups={
            name: desired.Group(name, tuple(group.disks), take_from=group.take_from or "")
            for name, group in each(made.groups)
        },
        volumes=_volumes(made),
        stall_budget=agreed.stall_budget,
        boot_wait=DEFAULT_BOOT_WAIT if policy is None or policy.boot_wait is None else policy.boot_wait,
        acknowledged=tuple(entry[:8] for entry in (policy and policy.acknowledged) or ()),
        unattended=UNATTENDED if policy is None or policy.unattended is None else tuple(policy.unattended),
        source=source,
        textfile=(made.watch.textfile if made.watch else None) or "",
        notify=_notify(made.notify),
    )


def _notify(notify: Any) -> desired.Notify:
    if notify is None:
        return desired.Notify()
    given = {name: getattr(notify, name) for name in ("mail", "reminder", "deadline")}
    return desired.Notify(tuple(notify.command or ()), **{k: v for k, v in given.items() if v is not None})


def _server(
    name: str, server: Any, policy: Any, timeouts: desired.Timeouts, directory: str, disks: Any
) -> desired.Server:
    return desired.Server(
        name=name,
        portals=tuple(server.portals),
        startup=_declared("startup", server, policy) or DEFAULT_STARTUP,
        timeouts=timeouts,
        # The aborts' timeouts are among the timeouts: there they count, and are written from there.
        settings=tuple((k, v) for k, v in (server.settings or {}).items() if k not in budget.ABORTS),
        chap=_chap(server.chap, directory),
        write_cache=server.write_cache,
        interface=server.interface or "",
        read_from=server.read_from or "",
        require_encryption=server.require_encryption,
        multipath=server.multipath,
        records=tuple(
            (record, str(value), name)
            for name, record in RECORDS.items()
            if (value := _declared(name, server, policy)) is not None
        ),
        export=_export(name, server.export, disks),
    )


def _declared(name: str, server: Any, policy: Any) -> Any:
    """What the server declares under this name, else what the policy does; None if neither has it."""
    own = getattr(server, name, None)
    return getattr(policy, name, None) if own is None else own


def _export(server: str, export: Any, disks: Any) -> desired.Export | None:
    if export is None:
        return None
    backing = (
        desired.Backing(
            name,
            one.path,
            one.size,
            one.cache,
            one.serial or identity.lun_serial(server, disks[name].target, disks[name].lun),
        )
        for name, one in each(export.disks)
    )
    return desired.Export(export.format or "", tuple(export.clients), tuple(backing))


def _chap(chap: Any, directory: str) -> desired.Chap | None:
    if chap is None:
        return None
    mutual = None if chap.mutual is None else _credentials(chap.mutual, directory)
    return desired.Chap(_credentials(chap, directory), mutual)


def _credentials(chap: Any, directory: str) -> desired.Credentials:
    return desired.Credentials(chap.username, passwords.locate(chap.password_file, directory))


def _disk(name: str, disk: Any) -> desired.Disk:
    place = (disk.server, disk.target, disk.lun, name)
    return desired.Disk(
        name=name,
        server=disk.server,
        target=disk.target,
        lun=disk.lun,
        partition=disk.partition,
        size=disk.size,
        consent=disk.overwrite or "",
        pv_uuid=identity.pv_uuid(*place),
        table_guid=identity.table_guid(*place),
        replaces=disk.replaces or "",
    )


def _volumes(made: Schema) -> dict[str, desired.Volume]:
    server_of = servers_of(made)
    volumes = {}
    for _, group_name, group, name, volume in volumes_of(made):
        legs = tuple(volume.legs or default_legs(volume.type, group.disks, server_of))
        one = desired.Volume(
            group=group_name,
            name=name,
            size=volume.size,
            type=volume.type,
            log=(volume.log or "core") if volume.type == "mirror" else "",
            legs=legs,
            filesystem=_filesystem(volume.filesystem),
            mount=_mount(volume.mount),
            region_size=volume.region_size or 0,
        )
        volumes[one.id] = one
    return volumes


def _filesystem(filesystem: Any) -> desired.Filesystem | None:
    if filesystem is None:
        return None
    return desired.Filesystem(filesystem.type, filesystem.label or "", tuple(filesystem.options or ()))


def _mount(mount: Any) -> desired.Mount | None:
    if mount is None:
        return None
    options = dict.fromkeys(option for option in mount.options or () if option not in ALWAYS_THERE)
    return desired.Mount(mount.path, tuple(options))
