"""From sysfs to one session for each declared path. No program is asked; portals are, whether they accept a connection."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from lunmirror.engine.desired import Desired, Path
from lunmirror.engine.model import ABSENT, Absent, Observed, Present, Seen, Unknown, World
from lunmirror.engine.plain import DEFAULT_IFACE, count, same_address
from lunmirror.host import paths, sysfs
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import UNSET, number, text, text_of
from lunmirror.layers.node.facts import Record
from lunmirror.layers.session.facts import DIGEST, DIGESTS, NoSession, Session
from lunmirror.lvm.devices import silent
from lunmirror.lvm.maps import is_map

PROBE = 3.0  # seconds for a portal to accept a connection


class Kernel(NamedTuple):
    """One session object of the kernel; `target` is in lower case, `spelled` as it was asked for; `iface`: the interface
    record; `endpoints` are (address, port), first the one that was asked for."""

    sid: str
    target: str
    iface: str
    endpoints: tuple[tuple[str, str], ...]
    spelled: str = ""


Kernels = dict[str, list[Kernel]]  # by target, in lower case: each of a thousand paths asks


def observe(desired: Desired, reader: Reader, seen: World) -> Observed:
    """Present(Session | NoSession) or Unknown, for each path."""
    wanted = desired.paths()
    if not wanted:
        return {}
    listed = kernels_of(reader, {path.target.lower() for path in wanted})
    if isinstance(listed, Unknown):
        return {path.name: listed for path in wanted}
    kernels: Kernels = {}
    for kernel in listed:
        kernels.setdefault(kernel.target, []).append(kernel)
    found = {path.name: _session(path, kernels, reader, seen) for path in wanted}
    for path in wanted:
        state = found[path.name]
        if isinstance(state, Present) and not state.facts.live and _urgent(desired, path, reader):
            found[path.name] = Present(state.facts._replace(urgent=True))
    found = _given_up(_since(found, reader), wanted, seen, reader)
    absent = [path for path in wanted if found[path.name] is ABSENT]
    missing = _missing(desired, absent, kernels, reader, seen)
    return {**found, **missing}


def _since(found: dict[str, Seen[Any]], reader: Reader) -> dict[str, Seen[Any]]:
    """With the time of the kernel's last word on each session that is not logged in; asks only if there is one."""
    failed = {name: s.facts for name, s in found.items() if isinstance(s, Present) and s.facts.state != "LOGGED_IN"}
    if not failed:
        return found
    from lunmirror.layers.session.since import last_errors

    errors = last_errors(reader)
    dated = {name: Present(s._replace(since=errors[s.sid].when)) for name, s in failed.items() if s.sid in errors}
    return {**found, **dated}


def _given_up(
    found: dict[str, Seen[Any]], wanted: tuple[Path, ...], seen: World, reader: Reader
) -> dict[str, Seen[Any]]:
    """With why they do not come back, of sessions that are FREE; asks only if there is one."""
    free = {
        p: (s.facts, _recorded(p, seen))
        for p in wanted
        if isinstance(s := found[p.name], Present) and s.facts.state == "FREE" and not s.facts.twins
    }
    if not free:
        return found
    from lunmirror.layers.session.stuck import look

    return {**found, **{path.name: Present(session) for path, session in look(free, reader).items()}}


def kernels_of(reader: Reader, targets: set[str] | None = None) -> tuple[Kernel, ...] | Unknown:
    """The kernel's sessions, all of them or those with these targets (lower case)."""
    listing = reader.directory(paths.SYS_SESSIONS)
    if isinstance(listing, Unknown):
        return Unknown(f"the kernel's sessions cannot be listed: {paths.SYS_SESSIONS}: {listing.reason}")
    if isinstance(listing, Absent):
        # Without the iSCSI transport module the directory is absent, and there is no session.
        sys = reader.directory(f"{paths.SYS}/class")
        return () if isinstance(sys, Present) and sys.facts else Unknown(f"{paths.SYS} is not mounted")
    return tuple(_each(listing.facts, targets, reader))


def _each(sids: tuple[str, ...], targets: set[str] | None, reader: Reader) -> Iterator[Kernel]:
    for sid in sids:
        target = text(reader, f"{sysfs.session(sid)}/targetname")
        if targets is not None and target.lower() not in targets:
            continue
        connection = sysfs.connection(sid)
        pairs = (
            (text(reader, f"{connection}/{prefix}address"), text(reader, f"{connection}/{prefix}port"))
            for prefix in ("persistent_", "")
        )
        places = tuple(pair for pair in pairs if pair[0] not in UNSET and count(pair[1]) is not None)
        iface = text(reader, f"{sysfs.session(sid)}/ifacename")
        yield Kernel(sid, target.lower(), DEFAULT_IFACE if iface in UNSET else iface, places, target)


def _session(path: Path, kernels: Kernels, reader: Reader, seen: World) -> Seen[Session]:
    """The path's session; Absent if it has none."""
    addresses = {path.portal.address, _recorded(path, seen)}
    mine = kernels.get(path.target.lower(), [])
    there = [k for k in mine if k.endpoints and _at(k.endpoints[0], addresses, path)]
    same = [k for k in there if k.iface == path.server.iface]
    if not same and path.server.interface:
        same = there  # from before this interface was declared: kept, until it is logged in again
    if same:
        quiet, keeper = silent(reader), reader.memoize("iscsid", lambda: _keeper(reader))
        found = (
            _facts(k.sid, reader)._replace(
                silence=quiet.get(k.sid, ""),
                keeper=keeper,
                digest=_digest(k.sid, path, reader),
                iface=k.iface,
                clear=_clear(path, k.iface, reader),
                bare=path.server.multipath and _is_used(k.sid, reader) and not _joined(k.sid, reader),
            )
            for k in same
        )
        used = {k.sid for k in same if len(same) > 1 and _is_used(k.sid, reader)}
        sessions = sorted(found, key=lambda s: (not s.live, s.sid not in used, len(s.sid), s.sid))
        if sessions[0].state in UNSET:
            return Unknown(f"the state of {sessions[0].sid} cannot be read")
        bound = (k for k in mine if k not in same and any(_at(place, addresses, path) for place in k.endpoints))
        besides = tuple((k.sid, k.iface) for k in bound if not _joined(k.sid, reader))
        return Present(sessions[0]._replace(twins=tuple(s.sid for s in sessions[1:]), besides=besides))
    if vague := [k.sid for k in mine if not k.endpoints]:
        return Unknown(f"{vague[0]} is for this target, but not yet or no more tied to a portal")
    return ABSENT


def _is_used(sid: str, reader: Reader) -> bool:
    """Something is built on a disk of this session: of several of one kind it is the one that counts."""
    blocks = sysfs.blocks(sid)
    return bool(reader.glob(f"{blocks}/holders/*") or reader.glob(f"{blocks}/*/holders/*"))


def _joined(sid: str, reader: Reader) -> bool:
    """Multipath joins a disk of this session with its other paths, as it is meant to."""
    holders = reader.glob(f"{sysfs.blocks(sid)}/holders/*")
    return any(is_map(reader, holder.rsplit("/", 1)[1]) for holder in holders)


def _missing(
    desired: Desired, missing: list[Path], kernels: Kernels, reader: Reader, seen: World
) -> dict[str, Seen[Any]]:
    """Whether the portals answer: all asked at once, and only those whose record says that a login can be tried."""
    ready = [p for p in missing if isinstance(_record(p, seen), Record)]
    endpoints = tuple({p.endpoint: None for p in ready})
    silence = reader.reach(endpoints, PROBE) if endpoints else {}
    answers: dict[str, Seen[Any]] = {}
    for path in missing:
        why = silence.get(path.endpoint, "")
        answers[path.name] = Present(
            NoSession(
                why, _others(path, kernels), _urgent(desired, path, reader), _clear(path, path.server.iface, reader)
            )
        )
    return answers


def _clear(path: Path, iface: str, reader: Reader) -> str:
    """Why what goes through this interface record is not encrypted, where that is required."""
    if not path.server.require_encryption:
        return ""
    other = f"it goes through interface {iface}, not through {path.server.interface}"
    return other if iface != path.server.iface else sysfs.in_clear(reader, path.server.interface)


def _urgent(desired: Desired, path: Path, reader: Reader) -> bool:
    """A volume that wants this server's leg is not active: device-mapper has no node of its name."""
    disks = {d.name for d in desired.disks.values() if d.server == path.server.name}
    waiting = (v for v in desired.volumes.values() if disks & set(v.legs))
    return any(reader.link(f"{paths.MAPPER}/{v.dm}") is ABSENT for v in waiting)


def _others(path: Path, kernels: Kernels) -> tuple[str, ...]:
    """Sessions that reach the same portal and target in a way that is not lunmirror's."""
    ways = []
    for kernel in kernels.get(path.target.lower(), []):
        if any(_at(endpoint, {path.portal.address}, path) for endpoint in kernel.endpoints):
            bound = "" if kernel.iface == DEFAULT_IFACE else f" through interface {kernel.iface}"
            ways.append(f"{kernel.sid} to {kernel.endpoints[0][0]}{bound}")
    return tuple(ways)


def _at(endpoint: tuple[str, str], addresses: set[str], path: Path) -> bool:
    return endpoint[1] == str(path.portal.port) and any(same_address(endpoint[0], one) for one in addresses)


def _record(path: Path, seen: World) -> object:
    record = seen.get("node", {}).get(path.name)
    return record.facts if isinstance(record, Present) else None


def _recorded(path: Path, seen: World) -> str:
    """The address as the record spells it: what a login through it shows in sysfs."""
    record = _record(path, seen)
    return str(record.settings.get("node.conn[0].address", "")) if isinstance(record, Record) else path.portal.address


def _digest(sid: str, path: Path, reader: Reader) -> str:
    """What was negotiated of the data's checksum; asked only where one is declared."""
    if not any(key == DIGEST for key, _, _ in path.server.records):
        return ""
    shown = number(reader, f"{sysfs.connection(sid)}/data_digest")
    return "" if shown is None else DIGESTS.get(shown, "")


def _facts(sid: str, reader: Reader) -> Session:
    session, connection = sysfs.session(sid), sysfs.connection(sid)
    return Session(
        sid,
        text(reader, f"{session}/state"),
        number(reader, f"{session}/recovery_tmo"),
        number(reader, f"{connection}/recv_tmo"),
        number(reader, f"{connection}/ping_tmo"),
        abort_tmo=number(reader, f"{session}/abort_tmo"),
        lu_reset_tmo=number(reader, f"{session}/lu_reset_tmo"),
        tgt_reset_tmo=number(reader, f"{session}/tgt_reset_tmo"),
        port=str(number(reader, f"{connection}/local_port") or ""),
    )


def _keeper(reader: Reader) -> str:
    """Why iscsid would not bring a session back that fails; '' if it would, or if that is not known."""
    raw = reader.read(paths.ISCSID_PID)
    if isinstance(raw, Absent):
        return f"iscsid does not run: there is no {paths.ISCSID_PID}"
    pid = text_of(raw)
    if not (pid.isascii() and pid.isdecimal()):
        return ""
    process = reader.read(f"{paths.PROC}/{pid}/stat")
    if isinstance(process, Absent):
        return f"iscsid does not run: process {pid} of {paths.ISCSID_PID} is gone"
    stat = text_of(process)
    name, letter = stat[stat.find("(") + 1 : stat.rfind(")")], stat[stat.rfind(")") + 1 :].strip()[:1]
    if stat and name != "iscsid":
        return f"iscsid does not run: process {pid} of {paths.ISCSID_PID} is now {name}"
    return f"iscsid (pid {pid}) is stopped" if letter in ("T", "t") else ""
