"""What a drill would do, and everything that stands against it. Reads; changes nothing."""

from collections.abc import Mapping
from typing import NamedTuple

from lunmirror.analysis.health import FULL, health
from lunmirror.analysis.risk import facts_of, losses
from lunmirror.analysis.uses import foreign_uses
from lunmirror.engine.desired import Desired, Portal, Server
from lunmirror.engine.model import Present, Report
from lunmirror.engine.plain import same_address
from lunmirror.host import paths, sysfs
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import text
from lunmirror.layers.mount.facts import MountState

Endpoint = tuple[str, int]  # a numeric address, canonical, without a zone; a TCP port

RESOLVING = 5.0  # seconds for one host name
LONGEST = 300  # seconds
BEYOND = 20  # seconds that the cut lasts beyond the stall budget, so that what comes after it is seen too


class Session(NamedTuple):
    """A session of the kernel. `places` are (address, port): as it was asked for, then where it is connected."""

    sid: str
    target: str
    places: tuple[tuple[str, str], ...]
    disks: tuple[str, ...]


class Place(NamedTuple):
    """Where one volume's writer writes. `device` is st_dev's number of the file system."""

    volume: str
    directory: str
    device: int


class Rehearsal(NamedTuple):
    """A drill that may begin. `volumes` are the ids of those with a leg there; `notes` are worth knowing before."""

    server: str
    seconds: int
    budget: int
    endpoints: tuple[Endpoint, ...]
    targets: tuple[str, ...]
    volumes: tuple[str, ...]
    places: tuple[Place, ...]
    sessions: int
    notes: tuple[str, ...] = ()


def default_seconds(desired: Desired) -> int:
    return min(desired.stall_budget + BEYOND, LONGEST)


def targets_of(server: str, desired: Desired) -> tuple[str, ...]:
    return tuple(dict.fromkeys(d.target for d in desired.disks.values() if d.server == server))


def volumes_on(server: str, desired: Desired) -> tuple[str, ...]:
    """Volumes with a declared leg there."""
    there = {d.name for d in desired.disks.values() if d.server == server}
    return tuple(v.id for v in desired.volumes.values() if there & set(v.legs))


def rehearsal(
    server: str, seconds: int, report: Report, desired: Desired, reader: Reader, silent: Mapping[str, str]
) -> tuple[Rehearsal | None, tuple[str, ...]]:
    """The drill, or None and the reasons against it. `silent` as `can-lose` has it (report/verdict.py)."""
    sessions = read_sessions(reader)
    targets = targets_of(server, desired)
    endpoints, why = _endpoints(desired.servers[server], targets, sessions, reader)
    volumes = volumes_on(server, desired)
    places = tuple(p for v in volumes if (p := _place(v, report)))
    mine, others = _apart(sessions, endpoints, targets)
    reasons = [str(loss) for loss in losses(server, report.seen, desired, silent)]
    reasons += _unwhole(volumes, report, desired)
    reasons += why
    reasons += _shared(server, endpoints, desired)
    reasons += [f"{o.sid}, to target {o.target}, goes through the same portal, and is not declared" for o in others]
    declared = {v.dm for v in desired.volumes.values()}
    reasons += foreign_uses(tuple(d for s in mine for d in s.disks), declared, reader)
    if not places:
        reasons.append("no volume with a leg there is mounted for writing, so there is nothing to measure")
    if reasons:
        return None, tuple(dict.fromkeys(reasons))
    notes = _notes(server, seconds, mine, desired, reader)
    return Rehearsal(server, seconds, desired.stall_budget, endpoints, targets, volumes, places, len(mine), notes), ()


def read_sessions(reader: Reader) -> tuple[Session, ...]:
    """All of the kernel's, declared or not."""
    listing = reader.directory(paths.SYS_SESSIONS)
    return tuple(_session(sid, reader) for sid in listing.facts) if isinstance(listing, Present) else ()


def through(session: Session, endpoints: tuple[Endpoint, ...]) -> bool:
    """Whether it is connected to one of the endpoints."""
    return any((_numeric(a), port) in {(e, str(p)) for e, p in endpoints} for a, port in session.places)


def _session(sid: str, reader: Reader) -> Session:
    place = sysfs.connection(sid)
    pairs = ((text(reader, f"{place}/{p}address"), text(reader, f"{place}/{p}port")) for p in _KINDS)
    disks = reader.glob(sysfs.blocks(sid))
    target = text(reader, f"{sysfs.session(sid)}/targetname")
    return Session(sid, target, tuple(p for p in pairs if p[0]), tuple(d.rsplit("/", 1)[-1] for d in disks))


_KINDS = ("persistent_", "")


def _numeric(address: str) -> str:
    """Canonical, without a zone (fe80::1%eth0); '' for a host name."""
    from ipaddress import ip_address

    try:
        return str(ip_address(address.strip("[]").partition("%")[0]))
    except ValueError:
        return ""


def _endpoints(
    server: Server, targets: tuple[str, ...], sessions: tuple[Session, ...], reader: Reader
) -> tuple[tuple[Endpoint, ...], list[str]]:
    """Where the server is, numerically, and why that is not known of a portal."""
    found: dict[Endpoint, None] = {}
    why = []
    for portal in server.portals:
        here = _connected(portal, targets, sessions)
        if numeric := _numeric(portal.address):
            here.append((numeric, portal.port))
        else:
            # A name may have more addresses than the one that is used now, and iscsid asks again when it reconnects.
            ran = reader.query((paths.GETENT, "ahosts", "--", portal.address), RESOLVING)
            named = (line.split()[0] for line in ran.out.splitlines() if line.strip() and ran.rc == 0)
            here += [(a, portal.port) for a in map(_numeric, named) if a]
        if not here:
            why.append(f"the address of portal {portal} is not known: no session uses it, and the name has none")
        found |= dict.fromkeys(here)
    return tuple(found), why


def _connected(portal: Portal, targets: tuple[str, ...], sessions: tuple[Session, ...]) -> list[Endpoint]:
    """Where the sessions through this portal really are: a name resolved, a login redirected."""
    lower = {t.lower() for t in targets}
    mine = [
        s
        for s in sessions
        if s.target.lower() in lower
        and s.places
        and same_address(s.places[0][0], portal.address)
        and s.places[0][1] == str(portal.port)
    ]
    return [(a, int(port)) for s in mine for address, port in s.places if (a := _numeric(address)) and port.isdigit()]


def _apart(
    sessions: tuple[Session, ...], endpoints: tuple[Endpoint, ...], targets: tuple[str, ...]
) -> tuple[list[Session], list[Session]]:
    """(sessions of the server's declared targets, others through the same portals)."""
    lower = {t.lower() for t in targets}
    here = [s for s in sessions if through(s, endpoints)]
    return [s for s in here if s.target.lower() in lower], [s for s in here if s.target.lower() not in lower]


def _shared(server: str, endpoints: tuple[Endpoint, ...], desired: Desired) -> list[str]:
    return [
        f"server {other.name} has the same portal {portal}"
        for other in desired.servers.values()
        for portal in other.portals
        if other.name != server and (_numeric(portal.address), portal.port) in endpoints
    ]


def _unwhole(volumes: tuple[str, ...], report: Report, desired: Desired) -> list[str]:
    """A server whose leg is dead already can be lost as well, and shows nothing."""
    states = (health(desired.volumes[v], report.seen, desired) for v in volumes)
    return [f"volume {h.volume} is {h.state}: {h.words}" for h in states if h.state != FULL]


def _place(volume: str, report: Report) -> Place | None:
    state = report.seen.get("mount", {}).get(volume)
    mounted = state.facts.mounted if isinstance(state, Present) and isinstance(state.facts, MountState) else None
    if mounted is None or mounted.readonly:
        return None
    major, minor = (int(n) for n in mounted.number.split(":"))
    return Place(volume, mounted.path, device_number(major, minor))


def device_number(major: int, minor: int) -> int:
    """As stat(2) has it (glibc, makedev)."""
    return (minor & 0xFF) | (major & 0xFFF) << 8 | (minor & ~0xFF) << 12 | (major & ~0xFFF) << 32


def _notes(server: str, seconds: int, mine: list[Session], desired: Desired, reader: Reader) -> tuple[str, ...]:
    notes = []
    if seconds <= desired.stall_budget:
        notes.append(
            f"{seconds} s is no longer than the stall budget of {desired.stall_budget} s: the leg may not be given up"
        )
    declared = desired.servers[server].timeouts.replacement_timeout
    for session in mine:
        live = text(reader, f"{sysfs.session(session.sid)}/recovery_tmo")
        if live != str(declared):
            notes.append(f"replacement_timeout is declared as {declared} s, but {session.sid} runs with {live}")
    return tuple(notes)


def is_whole(rehearsal: Rehearsal, report: Report, desired: Desired, silent: Mapping[str, str]) -> bool:
    """Every volume in full sync again, and the server one that could be lost."""
    full = all(health(desired.volumes[v], report.seen, desired).state == FULL for v in rehearsal.volumes)
    known = all(facts_of(desired.volumes[v], report.seen) for v in rehearsal.volumes)
    return full and known and not losses(rehearsal.server, report.seen, desired, silent)
