"""The compiled configuration, kept so that a run with unchanged files needs neither a TOML parser nor a validator.

It is believed only while every doubt is excluded: nobody else can have written it (host/rundir.py), every module that
decides the result is the same file, and every byte that it depends on is the same: the texts of all source files are
kept in it, and the password files' stamps. Any doubt means compiling again, and a
cache that cannot be written is no error. Imports nothing heavy.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from lunmirror import __version__
from lunmirror.config import passwords
from lunmirror.engine.desired import (
    Backing,
    Chap,
    Credentials,
    Desired,
    Disk,
    Export,
    Filesystem,
    Group,
    Mount,
    Notify,
    Portal,
    Server,
    Size,
    Timeouts,
    Volume,
)
from lunmirror.host import rundir

_HERE = os.path.dirname(os.path.abspath(__file__))
Sources = list[tuple[str, str]]


def recall(path: str, sources: Sources) -> Desired | None:
    """What these sources were compiled to, if that is known beyond doubt."""
    try:
        known = json.loads(rundir.read(path))
        if known["key"] != _key(sources) or known["credentials"] not in (None, _credentials()):
            return None
        if any(passwords.stamp(file) != stamp for file, stamp in known["passwords"]):
            return None
        return _desired(known["desired"])
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None


def last(path: str) -> Desired | None:
    """What was compiled last, whatever the files say now: whom to notify that they are not valid any more."""
    try:
        return _desired(json.loads(rundir.read(path))["desired"])
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None


def keep(path: str, sources: Sources, desired: Desired) -> None:
    """Remember what these sources were compiled to, if that is possible."""
    files = [file for server in desired.servers.values() for file in _password_files(server)]
    known = {
        "key": _key(sources),
        "credentials": _credentials() if files else None,
        "passwords": [(file, passwords.stamp(file)) for file in files],
        "desired": desired._asdict(),
    }
    with suppress(OSError, ValueError):
        rundir.write(path, json.dumps(known).encode())


def _key(sources: Sources) -> list[Any]:
    """Everything that the result depends on, apart from secrets, in a form that JSON keeps."""
    return [__version__, _program(), [list(source) for source in sources]]


def _program() -> list[list[Any]]:
    """Size and times of every module that decides the result: so that a new build of one version is noticed."""
    places = (_HERE, os.path.join(_HERE, "checks"), os.path.join(_HERE, "schema"))
    files = [entry.path for place in places for entry in os.scandir(place) if entry.name.endswith(".py")]
    files += [os.path.join(_HERE, "..", "engine", name) for name in ("desired.py", "identity.py", "secret.py")]
    return [[file, (s := os.stat(file)).st_size, s.st_mtime_ns, s.st_ctime_ns] for file in sorted(files)]


def _password_files(server: Server) -> list[str]:
    both = (server.chap.outgoing, server.chap.mutual) if server.chap else ()
    return [credentials.password_file for credentials in both if credentials]


def _credentials() -> str:
    return os.environ.get(passwords.CREDENTIALS, "")


# Reading back: JSON has lists where the desired state has tuples and named tuples.


def _desired(row: dict[str, Any]) -> Desired:
    return Desired(
        **row
        | {
            "servers": {name: _server(one) for name, one in row["servers"].items()},
            "disks": {name: Disk(*one) for name, one in row["disks"].items()},
            "groups": {name: _group(one) for name, one in row["groups"].items()},
            "volumes": {name: _volume(one) for name, one in row["volumes"].items()},
            "notify": Notify(tuple(row["notify"][0]), *row["notify"][1:]),
            "acknowledged": tuple(row["acknowledged"]),
            "unattended": tuple(row["unattended"]),
        }
    )


def _server(row: list[Any]) -> Server:
    server = Server(*row)
    return server._replace(
        portals=tuple(Portal(*portal) for portal in server.portals),
        timeouts=Timeouts(*server.timeouts),
        settings=tuple((name, value) for name, value in server.settings),
        records=tuple((record, value, name) for record, value, name in server.records),
        chap=_chap(server.chap),
        export=_export(server.export),
    )


def _export(row: Sequence[Any] | None) -> Export | None:
    if not row:
        return None
    format, clients, disks = row
    return Export(format, tuple(clients), tuple(Backing(*one) for one in disks))


def _chap(row: Sequence[Any] | None) -> Chap | None:
    if not row:
        return None
    outgoing, mutual = row
    return Chap(Credentials(*outgoing), Credentials(*mutual) if mutual else None)


def _group(row: list[Any]) -> Group:
    group = Group(*row)
    return group._replace(disks=tuple(group.disks))


def _volume(row: list[Any]) -> Volume:
    volume = Volume(*row)
    filesystem = volume.filesystem and Filesystem(*volume.filesystem)
    mount = volume.mount and Mount(*volume.mount)
    return volume._replace(
        size=Size(*volume.size),
        legs=tuple(volume.legs),
        filesystem=filesystem and filesystem._replace(options=tuple(filesystem.options)),
        mount=mount and mount._replace(options=tuple(mount.options)),
    )
