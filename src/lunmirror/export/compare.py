"""What a storage server exports now, against what is declared. Pure: from the server's own words, wherever they were taken.

LIO: what `targetctl save` or targetcli's `saveconfig` writes. tgt: what `tgtadm --lld iscsi --op show --mode target` prints
(usr/target.c, tgt_target_show_all). All that `lunmirror export` prints is looked for; and, in its own targets, whether there is
more: a client, a LUN. Other targets are left out.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from lunmirror.engine.desired import Desired
from lunmirror.export import lio
from lunmirror.export.lun import Lun, luns
from lunmirror.export.tgt import NOBODY

# By which an entry of a list is known, and lists in which nothing else may be.
NAMES = ("node_wwn", "index", "tag", "name", "wwn", "ip_address")
CLOSED = ("luns", "mapped_luns", "node_acls")


def of_lio(server: str, desired: Desired, saved: str, only: str = "") -> list[str]:
    """Differences, in words; of the `only` target, where one is named. Raises ValueError for what is no saveconfig.json,
    ConfigError."""
    there = parsed(saved)
    declared = json.loads(lio.written(lio.document(server, desired, only)))
    del declared["fabric_modules"]
    return list(_differences(declared, there, ""))


def parsed(saved: str) -> dict[str, Any]:
    """What rtslib saved. Raises ValueError for anything else."""
    try:
        there = json.loads(saved)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(there, dict) or not {"storage_objects", "targets"} <= there.keys():
        raise ValueError("it has no storage_objects and targets")
    return there


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


def of_tgt(server: str, desired: Desired, said: str, only: str = "") -> list[str]:
    """As `of_lio`. Raises ValueError for what is no list of targets, ConfigError."""
    targets = targets_in(said)
    if said.strip() and not targets:
        raise ValueError("no target is in it")
    export = desired.servers[server].export
    found: list[str] = []
    for target, mine in luns(server, desired).items():
        if only not in ("", target):
            continue
        if target not in targets:
            found.append(f"target {target} is missing")
            continue
        units, allowed, _ = targets[target]
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


class Target(NamedTuple):
    """What tgt says of one target. `units`: LUN -> its lines; `allowed`: addresses and names that may log in; `busy`: somebody
    is."""

    units: dict[str, dict[str, str]]
    allowed: list[str]
    busy: bool = False


def targets_in(said: str) -> dict[str, Target]:
    """By the target's name."""
    found: dict[str, Target] = {}
    section, name, unit = "", "", dict[str, str]()
    for line in said.splitlines():
        if target := re.fullmatch(r"Target \d+: (\S+)", line):
            name, section = target[1], ""
            found[name] = Target({}, [])
        elif not name:
            continue
        elif heading := re.fullmatch(r" {4}(\S.*):", line):
            section = heading[1]
        elif section == "ACL information" and line.strip():
            found[name].allowed.append(line.strip())
        elif section == "I_T nexus information" and line.strip().startswith("Connection:"):
            found[name] = found[name]._replace(busy=True)
        elif section == "LUN information":
            key, _, value = line.strip().partition(": ")
            if key == "LUN":
                unit = found[name].units[value] = {}
            unit[key] = value.strip()
    return found
