"""What is expected while a server is in maintenance, and therefore no alarm. Pure.

| what is found                                                | said                          |
|--------------------------------------------------------------|-------------------------------|
| no session to that server; its disks cannot be seen          | nothing: one note says all     |
| a group misses a member that lies on that server             | nothing                        |
| a volume in service lacks its leg there, and no other         | nothing                        |
| the same volume lacks another leg too, or is out of service  | as ever                        |
| anything that an administrator must decide                    | as ever                        |

What can be lost is judged as ever: of the other server `can-lose` says no.
"""

from lunmirror.analysis.risk import copies, facts_of, past_of
from lunmirror.engine.desired import Desired, Maintenance, Volume
from lunmirror.engine.model import Finding, Kind, Present, Ref, World
from lunmirror.engine.plain import iso
from lunmirror.layers.group.facts import Member, VolumeGroup
from lunmirror.layers.session.facts import Session


def words(one: Maintenance) -> str:
    """ "server filer2 is in maintenance until TIME"."""
    return f"server {one.server} is in maintenance until {iso(one.until)}"


def end(one: Maintenance) -> str:
    """What an administrator may do about it."""
    return f"nothing: after that the next pass brings it back; `lunmirror maintenance {one.server} --end` does it now"


def is_expected(volume: Volume, seen: World, desired: Desired) -> bool:
    """It is in service, and all that it lacks is its leg on the server that is in maintenance."""
    if not desired.resting or desired.resting not in _servers(volume, desired):
        return False
    facts = facts_of(volume, seen)
    past = past_of(facts) if facts else None
    if facts is None or not facts.active or facts.failed or past is None or past.diverged or past.layout:
        return False
    legs = copies(volume, seen, desired)
    staying = [one for one in legs if desired.resting not in one.servers]
    there = {name for one in staying for name in one.servers}
    others = _servers(volume, desired) - {desired.resting}
    return bool(staying) and all(one.good for one in staying) and others <= there


def reported(findings: tuple[Finding, ...], seen: World, desired: Desired) -> tuple[Finding, ...]:
    """The findings of a pass without what is expected, and with a note of what is not there, and why."""
    one = desired.maintenance
    if one is None:
        return findings
    if one.over:
        return (*findings, _over(one, desired))
    left = tuple(f for f in findings if not _is_expected(f, seen, desired))
    why = f"{one.by} began it at {iso(one.begun)}; lunmirror does not log in there, and repairs none of its legs meanwhile"
    note = Finding(_ref(one.server, desired), Kind.NOTE, words(one), why, end(one), f"servers.{one.server}")
    return (*left, note)


def _over(one: Maintenance, desired: Desired) -> Finding:
    if not one.server:
        next_ = "`lunmirror maintenance --end` removes that note; until then no server counts as in maintenance"
        return Finding(
            Ref("node", "maintenance"),
            Kind.DEGRADED,
            "whether a server is in maintenance is not known",
            one.over,
            next_,
        )
    why = f"{one.over}; {one.by} began it at {iso(one.begun)}, and nobody ended it"
    next_ = f"nothing: server {one.server} is brought back as after an outage"
    key = f"servers.{one.server}"
    return Finding(
        _ref(one.server, desired), Kind.NOTE, f"the maintenance of server {one.server} is over", why, next_, key
    )


def _ref(server: str, desired: Desired) -> Ref:
    names = [path.name for path in desired.paths() if path.server.name == server]
    return Ref("session", names[0]) if names else Ref("node", server)


def _servers(volume: Volume, desired: Desired) -> set[str]:
    return {desired.disks[disk].server for disk in volume.legs}


def _is_expected(finding: Finding, seen: World, desired: Desired) -> bool:
    layer, name = finding.ref
    if finding.kind not in (Kind.BLOCKED, Kind.DEGRADED):
        return False
    if layer == "session":
        return name in {path.name for path in desired.paths() if path.server.name == desired.resting}
    if layer == "disk":
        return name in desired.disks and desired.disks[name].server == desired.resting and _left(seen, desired)
    if layer == "group":
        return finding.kind is Kind.DEGRADED and _lacks_only_its_members(name, seen, desired)
    if layer == "volume" and name in desired.volumes:
        return finding.kind is Kind.DEGRADED and is_expected(desired.volumes[name], seen, desired)
    return False


def _left(seen: World, desired: Desired) -> bool:
    """No session to that server is live."""
    states = [seen.get("session", {}).get(p.name) for p in desired.paths() if p.server.name == desired.resting]
    return not any(isinstance(s, Present) and isinstance(s.facts, Session) and s.facts.live for s in states)


def _lacks_only_its_members(name: str, seen: World, desired: Desired) -> bool:
    state = seen.get("group", {}).get(name)
    if not isinstance(state, Present) or not isinstance(state.facts, VolumeGroup):
        return False
    missing = [m for m in state.facts.members if not m.device]
    return bool(missing) and all(_server(m, desired) == desired.resting for m in missing)


def _server(member: Member, desired: Desired) -> str:
    disk = desired.disks.get(member.disk)
    return disk.server if disk else ""
