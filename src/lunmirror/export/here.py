"""What this machine exports now, and what stands behind the declared LUNs: on the storage server itself. Reads; the one file
that `targetctl` has to be given goes at once."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import HostError
from lunmirror.engine.model import Present, Seen, Unknown
from lunmirror.export import compare, tgt
from lunmirror.export.backing import fault
from lunmirror.export.lun import Lun, luns
from lunmirror.host import paths
from lunmirror.host.protocol import Host, Reader

DEADLINE = 60.0  # seconds
EVERYWHERE = ("0.0.0.0", "[::]", "::", "[::0]")  # noqa: S104  addresses of LIO's portals
UNUSED = "No active iSCSI Session"  # how an access list's `info` begins while nobody is logged in (docs/facts/targets.md#lio)


class Here(NamedTuple):
    """`said`: the target software's own words, as compare.py takes them. `kept`: path -> content of the files that it is set up
    from at its start. `busy`: targets somebody is logged in to. `faults`: disk -> why its backing is not to be exported.
    `elsewhere`: target -> what somebody else has there that leaves it no
    room."""

    said: str
    kept: dict[str, Seen[bytes]]
    busy: frozenset[str]
    faults: dict[str, str]
    elsewhere: dict[str, str]


def look(server: str, kind: str, desired: Desired, host: Host) -> Here:
    """Raises HostError if it cannot be known, or if this machine is not that server."""
    host.forget()
    _is_it(server, desired, host)
    return {"lio": _lio, "tgt": _tgt}[kind](server, desired, host)


def _is_it(server: str, desired: Desired, reader: Reader) -> None:
    ran = reader.query((paths.IP, "-o", "addr", "show"), DEADLINE)
    if ran.rc != 0:
        raise HostError("this machine's addresses are not known", why=ran.why, next="look at `ip addr`, then again")
    own = {line.split()[3].partition("/")[0] for line in ran.out.splitlines() if len(line.split()) > 3}
    portals = [portal.address for portal in desired.servers[server].portals]
    if not own & set(portals):
        raise HostError(
            f"this machine is not server {server}",
            why=f"it has none of the addresses of its portals: {', '.join(portals)}",
            next=f"run it on {server}; to print what that server needs, leave out --apply",
        )


def _faults(server: str, desired: Desired, reader: Reader, shown: Callable[[str, Lun], bool]) -> dict[str, str]:
    every = [(target, lun) for target, mine in luns(server, desired).items() for lun in mine]
    found = {lun.disk.name: fault(lun, reader, shown(target, lun)) for target, lun in every}
    return {name: why for name, why in found.items() if why}


def _lio(server: str, desired: Desired, host: Host) -> Here:
    ran = host.query((paths.TARGETCTL, "save", paths.LIO_NOW), DEADLINE)
    seen = host.read(paths.LIO_NOW)
    if isinstance(seen, Present):
        host.remove(paths.LIO_NOW, seen.facts)
    if ran.rc != 0 or not isinstance(seen, Present):
        raise HostError(
            "LIO does not say what it exports",
            why=ran.why,
            next="apt-get install targetcli-fb; then look at `targetcli ls`",
        )
    said = seen.facts.decode(errors="replace")
    try:
        there = compare.parsed(said)
    except ValueError as error:
        raise HostError("LIO does not say what it exports", why=str(error), next="look at `targetcli ls`") from error
    devices = {(one.get("name"), one.get("dev")) for one in there["storage_objects"]}
    faults = _faults(server, desired, host, lambda target, lun: (lun.name, lun.backing.path) in devices)
    directory = next((d for d in paths.LIO_ETC if isinstance(host.directory(d), Present)), paths.LIO_ETC[0])
    kept = {path: host.read(path) for path in (f"{directory}/saveconfig.json", paths.LIO_NEW)}
    faults |= _others(server, desired, there)
    return Here(said, kept, frozenset(_logged_in(host)), faults, _taken(server, desired, there))


def _logged_in(reader: Reader) -> list[str]:
    found = []
    for path in reader.glob(f"{paths.LIO_TARGETS}/*/tpgt_*/acls/*/info"):
        seen = reader.read(path)
        if not isinstance(seen, Present) or not seen.facts.decode(errors="replace").startswith(UNUSED):
            found.append(path)
    for path in reader.glob(f"{paths.LIO_TARGETS}/*/tpgt_*/dynamic_sessions"):
        seen = reader.read(path)
        if not isinstance(seen, Present) or seen.facts.strip(b"\0\n "):
            found.append(path)
    return [path.removeprefix(f"{paths.LIO_TARGETS}/").partition("/")[0] for path in found]


def _others(server: str, desired: Desired, there: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """What somebody else's storage objects have of ours: the device, the serial number; and who else maps ours."""
    found = {}
    for target, mine in luns(server, desired).items():
        elsewhere = json.dumps([one for one in there["targets"] if one.get("wwn") != target])
        for lun in mine:
            for one in (one for one in there["storage_objects"] if one.get("name") != lun.name):
                if one.get("dev") == lun.backing.path:
                    found[lun.disk.name] = (
                        f"{lun.backing.path} is exported already, as storage object {one.get('name')}"
                    )
                if str(one.get("wwn")).replace("-", "") == lun.backing.serial:
                    found[lun.disk.name] = (
                        f"storage object {one.get('name')} has the serial number {lun.backing.serial}"
                    )
            if f'/{lun.name}"' in elsewhere:
                found[lun.disk.name] = f"another target shows storage object {lun.name}, too"
    return found


def _taken(server: str, desired: Desired, there: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """A portal at every address leaves none of that port to another one (bind(2))."""
    ours = luns(server, desired)
    others = [one for one in there["targets"] if one.get("wwn") not in ours]
    ports = {portal.port for portal in desired.servers[server].portals}
    for one in others:
        for portal in (portal for tpg in one.get("tpgs", ()) for portal in tpg.get("portals", ())):
            if portal.get("ip_address") in EVERYWHERE and portal.get("port") in ports:
                why = f"target {one.get('wwn')} listens at every address on port {portal.get('port')}, so LIO can listen nowhere else"
                return dict.fromkeys(ours, f"{why}: give it an address of its own")
    return {}


def _tgt(server: str, desired: Desired, host: Host) -> Here:
    ran = host.query((paths.TGTADM, "--lld", "iscsi", "--op", "show", "--mode", "target"), DEADLINE)
    if ran.rc != 0:
        raise HostError("tgt does not say what it exports", why=ran.why, next="look at `systemctl status tgt`")
    targets = compare.targets_in(ran.out)
    busy = frozenset(name for name, one in targets.items() if one.busy)

    def shown(target: str, lun: Lun) -> bool:
        unit = targets[target].units.get(str(lun.disk.lun), {}) if target in targets else {}
        return unit.get("Backing store path") == lun.backing.path

    faults = _faults(server, desired, host, shown)
    for target, mine in luns(server, desired).items():
        for lun in mine:
            for name, one in targets.items():
                units = one.units.values() if name != target else ()
                if any(unit.get("Backing store path") == lun.backing.path for unit in units):
                    faults[lun.disk.name] = f"{lun.backing.path} is exported already, by target {name}"
                if any(lun.backing.serial in (unit.get("SCSI ID"), unit.get("SCSI SN")) for unit in units):
                    faults[lun.disk.name] = f"target {name} has a LUN with the serial number {lun.backing.serial}"
    place = tgt.place(server)
    kept = {path: host.read(path) for path in (place, tgt.secrets(server))}
    names = host.directory(f"{paths.TGT_ETC}/conf.d")
    files = [f"{paths.TGT_ETC}/targets.conf"]
    files += [f"{paths.TGT_ETC}/conf.d/{name}" for name in (names.facts if isinstance(names, Present) else ())]
    elsewhere = {}
    for path in (path for path in files if path != place):
        seen = host.read(path)
        for target in luns(server, desired):
            if isinstance(seen, Present) and f"<target {target}>".encode() in seen.facts:
                elsewhere[target] = f"{path} configures it, too"
            if isinstance(seen, Unknown):
                elsewhere[target] = f"whether {path} configures it, too, is not known: {seen.reason}"
    return Here(ran.out, kept, busy, faults, elsewhere)
