"""What a storage server exports now, against what is declared. Pure: from the server's own words, wherever they were taken.

LIO: what `targetctl save` or targetcli's `saveconfig` writes. tgt: what `tgtadm --lld iscsi --op show --mode target` prints
(usr/target.c, tgt_target_show_all). All that `lunmirror export` prints is looked for; and, in its own targets, whether there is
more: a client, a LUN. Other targets are left out.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from lunmirror.engine.desired import Desired
from lunmirror.export import lio
from lunmirror.export.lun import Lun, luns
from lunmirror.export.tgt import NOBODY

# By which an entry of a list is known, and lists in which nothing else may be.
NAMES = ("node_wwn", "index", "tag", "name", "wwn", "ip_address")
CLOSED = ("luns", "mapped_luns", "node_acls")


def of_lio(server: str, desired: Desired, saved: str) -> list[str]:
    """Differences, in words. Raises ValueError for what is no saveconfig.json, ConfigError."""
    try:
        there = json.loads(saved)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(there, dict) or not {"storage_objects", "targets"} <= there.keys():
        raise ValueError("it has no storage_objects and targets")
    declared = json.loads(lio.render(server, desired))
    del declared["fabric_modules"]
    return list(_differences(declared, there, ""))


def _differences(declared: Any, there: Any, place: str) -> Iterator[str]:
    if isinstance(declared, dict) and isinstance(there, dict):
        for key, value in declared.items():
            if key in there:
                yield from _differences(value, there[key], f"{place} {key}".strip())
            else:
                yield f"{place} {key} is missing, declared is {_shown(value)}".strip()
    elif isinstance(declared, list) and isinstance(there, list):
        known = {_name(one): one for one in there}
        for one in declared:
            if _name(one) in known:
                yield from _differences(one, known[_name(one)], f"{place} {_name(one)}")
            else:
                yield f"{place} {_name(one)} is missing"
        if place.rpartition(" ")[2] in CLOSED:
            yield from (
                f"{place} {name} is there, and not declared" for name in known if name not in map(_name, declared)
            )
    elif _shown(declared) != _shown(there):
        yield f"{place} is {_shown(there)}, declared is {_shown(declared)}"


def _name(entry: Any) -> str:
    """What an entry of a list is known by."""
    if not isinstance(entry, dict):
        return _shown(entry)
    name = next((_shown(entry[key]) for key in NAMES if key in entry), "")
    return f"{name}:{entry['port']}" if "ip_address" in entry and "port" in entry else name


def _shown(value: Any) -> str:
    """rtslib writes 0 and false for one and the same."""
    return str(int(value)) if isinstance(value, bool) else str(value)


def of_tgt(server: str, desired: Desired, said: str) -> list[str]:
    """Differences, in words. Raises ValueError for what is no list of targets, ConfigError."""
    targets = _targets(said)
    if said.strip() and not targets:
        raise ValueError("no target is in it")
    export = desired.servers[server].export
    found: list[str] = []
    for target, mine in luns(server, desired).items():
        if target not in targets:
            found.append(f"target {target} is missing")
            continue
        units, allowed = targets[target]
        declared = {str(lun.disk.lun): lun for lun in mine}
        found += [f"target {target} LUN {n} {why}" for n, lun in declared.items() for why in _unit(units.get(n), lun)]
        more = [n for n, unit in units.items() if n not in declared and unit.get("Type") != "controller"]
        found += [f"target {target} LUN {n} is there, and not declared" for n in more]
        clients = export.clients if export else ()
        found += [f"target {target}: client {c} may not log in" for c in clients if c not in allowed]
        others = [one for one in allowed if one not in (*clients, NOBODY)]
        found += [f"target {target}: {one} may log in, and is not declared" for one in others]
    return found


def _unit(unit: dict[str, str] | None, lun: Lun) -> Iterator[str]:
    if unit is None:
        yield "is missing"
        return
    serial = lun.backing.serial
    for key, value in {
        "SCSI ID": serial,
        "SCSI SN": serial,
        "Backing store path": lun.backing.path,
        "Online": "Yes",
    }.items():
        if unit.get(key, "") != value:
            yield f"has {key} {unit.get(key) or 'not shown'}, declared is {value}"


def _targets(said: str) -> dict[str, tuple[dict[str, dict[str, str]], list[str]]]:
    """Target -> (LUN -> its lines, who may log in: addresses and names)."""
    found: dict[str, tuple[dict[str, dict[str, str]], list[str]]] = {}
    units: dict[str, dict[str, str]] = {}
    allowed: list[str] = []
    section, unit = "", dict[str, str]()
    for line in said.splitlines():
        if target := re.fullmatch(r"Target \d+: (\S+)", line):
            units, allowed, section = {}, [], ""
            found[target[1]] = units, allowed
        elif heading := re.fullmatch(r" {4}(\S.*):", line):
            section = heading[1]
        elif section == "ACL information" and line.strip():
            allowed.append(line.strip())
        elif section == "LUN information":
            key, _, value = line.strip().partition(": ")
            if key == "LUN":
                unit = units[value] = {}
            unit[key] = value.strip()
    return found
