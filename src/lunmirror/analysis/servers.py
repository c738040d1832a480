"""Each server: may it be lost now, must it stay, or is it lost already? Pure, but for
`silent_servers`, which asks their portals."""

from collections.abc import Mapping
from typing import NamedTuple

from lunmirror.analysis.resting import words
from lunmirror.analysis.risk import Loss, losses
from lunmirror.engine.desired import Desired
from lunmirror.engine.model import Present, Report, World
from lunmirror.engine.plain import iso
from lunmirror.host.protocol import Reader
from lunmirror.layers.session.facts import NoSession, Session
from lunmirror.layers.session.since import Error

SPARE, NEEDED, AWAY, RESTING = "spare", "needed", "away", "in maintenance"
ANSWER = 3.0  # seconds for a portal to accept a connection


class Server(NamedTuple):
    """`state`: SPARE (nothing would be lost with it), NEEDED, AWAY (nothing can be reached through it now) or RESTING. `since`
    (ISO 8601, "" if not known) and `why`: of one that is away, or in maintenance. `losses`: what would be lost with it."""

    name: str
    state: str
    since: str
    why: str
    losses: tuple[Loss, ...]

    @property
    def away(self) -> bool:
        return self.state == AWAY


def servers(seen: World, desired: Desired, errors: Mapping[str, Error]) -> tuple[Server, ...]:
    return tuple(_server(name, seen, desired, errors) for name in desired.servers)


def _server(name: str, seen: World, desired: Desired, errors: Mapping[str, Error]) -> Server:
    found = losses(name, seen, desired)
    one = desired.maintenance
    if one and name == desired.resting and not found:
        return Server(name, RESTING, iso(one.begun), words(one), found)
    states = [seen.get("session", {}).get(path.name) for path in desired.paths() if path.server.name == name]
    reasons = [_silence(s.facts) if isinstance(s, Present) else "" for s in states]
    if reasons and all(reasons):
        since = [_since(s.facts, errors) for s in states if isinstance(s, Present)]
        return Server(name, AWAY, max(since) if all(since) else "", reasons[0], found)
    return Server(name, NEEDED if found else SPARE, "", "", found)


def _silence(facts: object) -> str:
    """Why nothing is reached through this session because its server does not answer; "" if it does, or may."""
    if isinstance(facts, NoSession):
        return facts.silence
    if not isinstance(facts, Session) or facts.live:
        return ""
    if facts.silence:
        return facts.silence
    if facts.portal is not None:  # the kernel gave it up, and its portal was asked
        return facts.portal or ""
    return f"its session is {facts.state}"


def _since(facts: object, errors: Mapping[str, Error]) -> str:
    if not isinstance(facts, Session):
        return ""
    return facts.since or (errors[facts.sid].when if facts.sid in errors else "")


def silent_servers(server: str, report: Report, desired: Desired, reader: Reader) -> dict[str, str]:
    """Every other server of which no portal with a live session accepts connections, with the reason: until a ping
    times out, the kernel believes in the session of a dead server (docs/facts/lvm.md#grey-seconds)."""
    live = [
        p
        for p in desired.paths()
        if p.server.name != server
        and isinstance(state := report.seen.get("session", {}).get(p.name), Present)
        and isinstance(state.facts, Session)
        and state.facts.live
    ]
    answers = reader.reach(tuple({p.endpoint: None for p in live}), ANSWER) if live else {}
    found: dict[str, list[str]] = {}
    for path in live:
        found.setdefault(path.server.name, []).append(answers.get(path.endpoint, ""))
    return {name: silences[0] for name, silences in found.items() if all(silences)}
