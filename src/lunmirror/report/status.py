"""The machine at a glance: group → volume → leg → physical volume → disk → session → server.

What the article reads off `lvs`, `lvdisplay -m` and `pvdisplay -m`, in one tree.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from lunmirror.analysis import verdict
from lunmirror.analysis.copying import Speed
from lunmirror.analysis.health import FULL, REBUILDING, health, status_exit
from lunmirror.analysis.risk import LETTERS, Copy, Loss, copies, losses
from lunmirror.engine.desired import Desired, Disk, Volume
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Absent, Present, Report, Seen, Unknown, facts_of
from lunmirror.engine.plain import shown
from lunmirror.layers.disk.facts import Lun
from lunmirror.layers.filesystem.facts import FileSystem
from lunmirror.layers.group.facts import VolumeGroup
from lunmirror.layers.mount.facts import MountState
from lunmirror.layers.multipath.facts import Paths
from lunmirror.layers.session.facts import NoSession, Session, stale
from lunmirror.layers.session.since import Error
from lunmirror.layers.volume.facts import Leg, LogicalVolume
from lunmirror.report.as_json import SCHEMA, _finding
from lunmirror.report.table import Paint
from lunmirror.report.words import rate, size, span


class Beside(NamedTuple):
    """What no layer observes: how fast each copy goes (by volume id), and the last errors of sessions that are not
    logged in (by the kernel's name of the session); how each portal is reached (speed/wire.py, Route)."""

    speeds: Mapping[str, Speed] = {}
    errors: Mapping[str, Error] = {}
    network: tuple[dict[str, Any], ...] = ()


NOTHING_BESIDE = Beside()


def document(
    report: Report, desired: Desired, beside: Beside = NOTHING_BESIDE, result: Exit | None = None
) -> dict[str, Any]:
    """The tree as plain data; what could not be seen says so in `unknown` or `absent`."""
    result = status_exit(report, desired) if result is None else result
    return {
        "schema": SCHEMA,
        "verb": report.verb,
        "run": report.run,
        "result": result.name.lower(),
        "exit": int(result),
        "verdict": verdict.document(verdict.judge(report, desired, beside.errors)),
        "groups": [_group(name, desired, report, beside) for name in desired.groups],
        "losing": {server: [_loss(one) for one in found] for server, found in _losing(report, desired).items()},
        "network": list(beside.network),
        "findings": [_finding(f) for f in report.findings],
        "drift": [{"resource": str(s.ref), "title": s.title} for s in report.steps],
    }


def render_json(report: Report, desired: Desired, beside: Beside = NOTHING_BESIDE, result: Exit | None = None) -> str:
    return json.dumps(document(report, desired, beside, result), ensure_ascii=False, indent=2) + "\n"


def _losing(report: Report, desired: Desired) -> dict[str, tuple[Loss, ...]]:
    """Server -> what would be lost with it now, for every declared server."""
    return {server: losses(server, report.seen, desired) for server in desired.servers}


def _loss(one: Loss) -> dict[str, Any]:
    return {"volume": one.volume, "loses": one.loses, "why": one.why}


def _see(seen: Seen[Any] | None, kind: type) -> tuple[Any, dict[str, Any]]:
    """(facts of the wanted kind or None, what to say instead)."""
    match seen:
        case Present(facts) if isinstance(facts, kind):
            return facts, {}
        case Present(facts):
            return None, {"unknown": type(facts).__name__}
        case Unknown(reason):
            return None, {"unknown": reason}
        case Absent() | None:
            return None, {"absent": True}


def _group(name: str, desired: Desired, report: Report, beside: Beside) -> dict[str, Any]:
    facts, other = _see(report.seen.get("group", {}).get(name), VolumeGroup)
    about = {"size": sum(m.size for m in facts.members), "free": facts.free, "uuid": facts.uuid} if facts else other
    volumes = [v for v in desired.volumes.values() if v.group == name]
    return {"group": name, **about, "volumes": [_volume(v, facts, desired, report, beside) for v in volumes]}


def _volume(
    volume: Volume, group: VolumeGroup | None, desired: Desired, report: Report, beside: Beside
) -> dict[str, Any]:
    facts, other = _see(report.seen.get("volume", {}).get(volume.id), LogicalVolume)
    about: dict[str, Any] = {"volume": volume.name, **other}
    if facts:
        about |= {
            "type": facts.type,
            "size": facts.size,
            "active": facts.active,
            "synced": facts.synced,
            "sync_percent": round(100 * facts.done / facts.total, 2) if facts.total else None,
            "sync_action": facts.action,
            "health": facts.health,
            "uuid": facts.uuid,
        }
        pace = beside.speeds.get(volume.id)
        if pace:
            about["copying"] = {"bytes_per_second": round(pace.rate), "seconds_left_at_most": round(pace.left)}
    state = health(volume, report.seen, desired)
    about["redundancy"] = {"state": state.state, "words": state.words, "noted": state.since or None}
    fs, fs_other = _see(report.seen.get("filesystem", {}).get(volume.id), FileSystem)
    mount, _ = _see(report.seen.get("mount", {}).get(volume.id), MountState)
    if volume.filesystem:
        about["filesystem"] = {"type": fs.type} if fs else fs_other
    if volume.mount:
        mounted = bool(mount and mount.mounted)
        about["mount"] = {"path": volume.mount.path, "mounted": mounted}
        if mounted:
            about["mount"]["readonly"] = mount.mounted.readonly
    legs = facts.legs if facts else ()
    mine = {copy.name: copy for copy in copies(volume, report.seen, desired)}
    about["legs"] = [_leg(leg, facts.type, group, desired, report, beside) for leg in legs]
    for leg, row in zip(legs, about["legs"], strict=True):
        row["state"] = _state_of_leg(row["state"], mine[leg.name])
        if facts and facts.is_misled(leg):
            row["state"] = "on a disk that is not the declared one"
    there = {leg["disk"] for leg in about["legs"]}
    about["legs"] += [_missing_leg(d, desired, report, beside) for d in volume.legs if d not in there]
    return about


def _leg(
    leg: Leg, kind: str, group: VolumeGroup | None, desired: Desired, report: Report, beside: Beside
) -> dict[str, Any]:
    member = next((m for m in group.members if m.uuid in leg.pvs), None) if group else None
    disk = member.disk if member else ""
    about: dict[str, Any] = {"leg": leg.name, "disk": disk, "letter": leg.letter}
    about["state"] = LETTERS.get(kind, {}).get(leg.letter, "no copy beside it" if kind == "linear" else "unknown")
    if member:
        about["physical_volume"] = {"uuid": member.uuid, "device": member.device, "missing": member.missing}
    if disk in desired.disks:
        about |= _below(desired.disks[disk], desired, report, beside)
    return about


def _state_of_leg(letter: str, copy: Copy) -> str:
    """The kernel's word, but never "in sync" of what cannot be reached, or is not known to hold everything."""
    if letter != "in sync" or copy.good:
        return letter
    return "out of reach" if copy.away else copy.lack


def _missing_leg(name: str, desired: Desired, report: Report, beside: Beside) -> dict[str, Any]:
    below = _below(desired.disks[name], desired, report, beside)
    return {"leg": "", "disk": name, "letter": "", "state": "missing", **below}


def _below(disk: Disk, desired: Desired, report: Report, beside: Beside) -> dict[str, Any]:
    lun, other = _see(report.seen.get("disk", {}).get(disk.name), Lun)
    about: dict[str, Any] = {"target": disk.target, "lun": disk.lun, "server": disk.server}
    about["device"] = {"node": lun.whole.node, "size": lun.whole.size} if lun else other
    about["write_cache"] = _write_cache(disk, report)
    joined = facts_of(report.seen.get("multipath", {}).get(disk.name), Paths)
    if joined and desired.servers[disk.server].multipath:
        used = sum(link.letter == "A" for link in joined.links)
        about["paths"] = {"declared": len(desired.paths_to(disk)), "used": used}
    about["sessions"] = []
    for path in desired.paths_to(disk):
        state = report.seen.get("session", {}).get(path.name)
        session, instead = _see(state, Session)
        if isinstance(state, Present) and isinstance(state.facts, NoSession):
            instead = {"absent": True, "why": state.facts.silence or "not logged in"}
        live = (
            {"session": session.sid, "state": session.state, "recovery_tmo": session.recovery_tmo}
            if session
            else instead
        )
        old = stale(session, path.server) if session else ()
        if old:
            live |= {"declared_not_live": {one.name: {"declared": one.wanted, "live": one.live} for one in old}}
        error = beside.errors.get(session.sid) if session else None
        if error:
            live |= {"last_error": {"at": error.when, "kernel": error.what}}
        about["sessions"].append({"portal": str(path.portal), **live})
    return about


def _write_cache(disk: Disk, report: Report) -> str:
    """ "through", "back" (volatile: a restart of the server loses what was not flushed), or "" if it is not known."""
    state = report.seen.get("scsi", {}).get(disk.name)
    known = [one for one in (state.facts if isinstance(state, Present) else ()) if one.cache]
    return ("back" if any(one.volatile for one in known) else "through") if known else ""


def tree(
    report: Report, desired: Desired, beside: Beside = NOTHING_BESIDE, color: bool = False, only: str = ""
) -> list[str]:
    """The lines of the tree for an administrator, each group or (`only`, its id) one volume."""
    paint = Paint(color)
    whole = _shown(document(report, desired, beside))
    lines: list[str] = []
    for group in whole["groups"]:
        volumes = [v for v in group["volumes"] if only in ("", f"{group['group']}/{v['volume']}")]
        if only and not volumes:
            continue
        lines.append(_group_line(group, paint))
        for n, volume in enumerate(volumes):
            _volume_lines(volume, n == len(volumes) - 1, paint, lines)
    return lines


def _shown(tree: Any) -> Any:
    """The same with every string fit for a terminal."""
    if isinstance(tree, str):
        return shown(tree)
    if isinstance(tree, dict):
        return {key: _shown(value) for key, value in tree.items()}
    return [_shown(one) for one in tree] if isinstance(tree, list) else tree


def _group_line(group: dict[str, Any], paint: Paint) -> str:
    name = paint(group["group"], "1")
    if "uuid" in group:
        return f"{name}  {size(group['size'])}, {size(group['free'])} free"
    return f"{name}  {_instead(group, paint)}"


def _instead(about: dict[str, Any], paint: Paint) -> str:
    if "unknown" in about:
        return paint(f"unknown: {about['unknown']}", "33")
    return paint(about.get("why", "absent"), "31")


def _volume_lines(volume: dict[str, Any], last: bool, paint: Paint, lines: list[str]) -> None:
    stem, indent = ("└─ ", "   ") if last else ("├─ ", "│  ")
    words = [paint(volume["volume"], "1")]
    if "type" in volume:
        words += [volume["type"], size(volume["size"]), _health(volume, paint)]
    else:
        words.append(_instead(volume, paint))
    if volume.get("filesystem", {}).get("type"):
        words.append(volume["filesystem"]["type"])
    if "mount" in volume:
        where = volume["mount"]
        words.append(f"on {where['path']}" if where["mounted"] else paint(f"not mounted on {where['path']}", "31"))
        if where.get("readonly"):
            words.append(paint("read-only", "31"))
    lines.append(stem + "  ".join(words))
    if volume["redundancy"]["state"] != FULL:
        legs = "│  " if volume["legs"] else "   "
        lines.append(f"{indent}{legs}{paint(volume['redundancy']['words'], '33')}")
    for n, leg in enumerate(volume["legs"]):
        end = n == len(volume["legs"]) - 1
        lines.append(indent + ("└─ " if end else "├─ ") + _leg_line(leg, paint))
        lines.append(indent + ("   " if end else "│  ") + "   " + _path_line(leg, paint))


def _health(volume: dict[str, Any], paint: Paint) -> str:
    if not volume["active"]:
        return paint("inactive", "31")
    state = volume["redundancy"]["state"]
    if state == FULL:
        return paint("in sync" if len(volume["legs"]) > 1 else "one copy, as declared", "32")
    if volume["type"] == "linear":
        return paint("one copy only", "33")
    if state != REBUILDING:
        return paint("redundancy is not full", "33")
    percent, pace = volume["sync_percent"], volume.get("copying")
    words = [f"being rebuilt ({percent:g} %)" if percent is not None else "being rebuilt"]
    if pace:
        words += [rate(pace["bytes_per_second"]), f"at most {span(pace['seconds_left_at_most'])} left"]
    return paint(", ".join(words), "33")


def _leg_line(leg: dict[str, Any], paint: Paint) -> str:
    code = {"in sync": "32", "no copy beside it": "33", "being rebuilt": "33"}.get(leg["state"], "31")
    name = f"{leg['leg']} on " if leg["leg"] else "leg on "
    volume = leg.get("physical_volume")
    place = f"  {volume['device'] or 'out of sight'}, PV {volume['uuid']}" if volume else ""
    return f"{name}disk {paint(leg['disk'] or '?', '1')}: {paint(leg['state'], code)}{place}"


def _path_line(leg: dict[str, Any], paint: Paint) -> str:
    if "server" not in leg:
        return paint("on no declared disk", "31")
    device = leg["device"]
    disk = f"{device['node']}, {size(device['size'])}" if "node" in device else _instead(device, paint)
    if "paths" in leg:
        disk += f", {leg['paths']['used']} of {leg['paths']['declared']} paths"
    if leg["write_cache"]:
        disk += f", write cache {leg['write_cache']}"
    paths = "; ".join(
        f"{s['session']} {paint(s['state'], '32' if s['state'] == 'LOGGED_IN' else '31')} at {s['portal']}"
        + (f" ({s['last_error']['kernel']} at {s['last_error']['at']})" if "last_error" in s else "")
        + (
            f" {paint('declared, not live', '33')}: {', '.join(s['declared_not_live'])}"
            if "declared_not_live" in s
            else ""
        )
        if "session" in s
        else f"{s['portal']}: {_instead(s, paint)}"
        for s in leg["sessions"]
    )
    return f"LUN {leg['lun']} of {leg['target']} ({disk})  server {leg['server']}: {paths}"
