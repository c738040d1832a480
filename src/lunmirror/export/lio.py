"""LIO: the file that `targetctl restore` and `targetcli restoreconfig` take (rtslib, docs/facts/targets.md#lio).

Each client has an access list of its own, and nobody else may log in. Secrets do not stand in it: with `authentication` on
and none set, the kernel refuses every login, so a forgotten one opens nothing.
"""

import json
from typing import Any

from lunmirror.engine.desired import Desired, Server
from lunmirror.engine.secret import Secret
from lunmirror.export.lun import Lun, luns, wrong

PASSWORDS = ("chap_password", "chap_mutual_password")  # of an access list


def render(server: str, desired: Desired) -> str:
    """JSON, ending in a newline. Raises ConfigError."""
    return written(document(server, desired))


def document(server: str, desired: Desired, only: str = "", secrets: tuple[Secret, ...] = ()) -> dict[str, Any]:
    """The same as data: of every target, or of the `only` one. `secrets`: the client's own, then the server's where CHAP is
    mutual; without them none stands in it. Raises ConfigError."""
    by_target = luns(server, desired)
    one = desired.servers[server]
    _check(server, by_target, desired)
    wanted = {target: mine for target, mine in by_target.items() if only in ("", target)}
    return {
        "fabric_modules": [],
        "storage_objects": [_storage(lun) for mine in wanted.values() for lun in mine],
        "targets": [_target(target, mine, one, secrets) for target, mine in wanted.items()],
    }


def written(document: dict[str, Any]) -> str:
    """As rtslib itself writes it."""
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _check(server: str, by_target: dict[str, list[Lun]], desired: Desired) -> None:
    for portal in desired.servers[server].portals:
        if ":" not in portal.address and portal.address.strip("0123456789."):
            raise wrong(
                desired,
                f"servers.{server}.portals",
                f"portal {portal} is a name",
                "LIO listens at addresses, and resolves none",
                "declare the portal by its address",
            )
    for lun in (lun for mine in by_target.values() for lun in mine):
        if lun.is_device and lun.backing.cache == "back":
            raise wrong(
                desired,
                f"servers.{server}.export.disks.{lun.disk.name}.cache",
                "LIO gives a block device the cache that the device has",
                "a cache in the server's memory that it does not advertise would lose what was acknowledged",
                "leave cache out",
            )


def notes(server: str, desired: Desired) -> tuple[str, ...]:
    """What is to be done beside putting the file in place."""
    chap = desired.servers[server].chap
    if chap is None:
        return ()
    export = desired.servers[server].export
    clients = export.clients if export else ()
    words = f"auth userid={chap.outgoing.username} password=…"
    if chap.mutual:
        words += f" mutual_userid={chap.mutual.username} mutual_password=…"
    return tuple(
        f"no secret is printed, and without one LIO refuses every login: on the storage server, in `targetcli`, in"
        f" /iscsi/{target}/tpg1/acls/{client}: `set {words}`, with the line of"
        f" {chap.outgoing.password_file}{f' and of {chap.mutual.password_file}' if chap.mutual else ''}; then `saveconfig`"
        for target in luns(server, desired)
        for client in clients
    )


def _storage(lun: Lun) -> dict[str, Any]:
    """`write_back` false: fileio is opened with O_DSYNC, and advertises no cache. A block device's cache is the device's own."""
    common = {
        "name": lun.name,
        "dev": lun.backing.path,
        "wwn": _dashed(lun.backing.serial),
        "write_back": lun.backing.cache == "back",
        "attributes": {"emulate_tpu": 0, "emulate_tpws": 0},  # no UNMAP, no WRITE SAME with UNMAP
    }
    if lun.is_device:
        return common | {"plugin": "block", "readonly": False}
    return common | {"plugin": "fileio", "size": lun.backing.size, "aio": False}


def _target(target: str, mine: list[Lun], server: Server, secrets: tuple[Secret, ...]) -> dict[str, Any]:
    export, chap = server.export, server.chap
    assert export is not None
    tpg = {
        "tag": 1,
        "enable": True,
        "attributes": {
            "authentication": int(chap is not None),
            "cache_dynamic_acls": 0,
            "demo_mode_write_protect": 1,
            "generate_node_acls": 0,
        },
        "parameters": {},
        "luns": [
            {"index": lun.disk.lun, "storage_object": f"/backstores/{_storage(lun)['plugin']}/{lun.name}"}
            for lun in mine
        ],
        "portals": [
            {
                "ip_address": f"[{p.address}]" if ":" in p.address else p.address,
                "port": p.port,
                "iser": False,
                "offload": False,
            }
            for p in server.portals
        ],
        "node_acls": [_access(client, mine, server, secrets) for client in export.clients],
    }
    return {"fabric": "iscsi", "wwn": target, "tpgs": [tpg]}


def _access(client: str, mine: list[Lun], server: Server, secrets: tuple[Secret, ...]) -> dict[str, Any]:
    numbers = [lun.disk.lun for lun in mine]
    found: dict[str, Any] = {
        "node_wwn": client,
        "mapped_luns": [{"index": n, "tpg_lun": n, "write_protect": False} for n in numbers],
    }
    if server.chap:
        found["chap_userid"] = server.chap.outgoing.username
        if server.chap.mutual:
            found["chap_mutual_userid"] = server.chap.mutual.username
    found |= {key: secret.reveal() for key, secret in zip(PASSWORDS, secrets, strict=False)}
    return found


def _dashed(serial: str) -> str:
    """As rtslib itself writes one: a UUID."""
    return f"{serial[:8]}-{serial[8:12]}-{serial[12:16]}-{serial[16:20]}-{serial[20:]}"
