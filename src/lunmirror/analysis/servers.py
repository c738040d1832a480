"""Each server: may it be lost now, must it stay, or is it lost already? Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from lunmirror.desired import Desired
from lunmirror.layers.session.facts import NoSession, Session
from lunmirror.layers.session.since import Error
from lunmirror.model import Present, World
from lunmirror.report.risk import Loss, losses

SPARE, NEEDED, AWAY = "spare", "needed", "away"


class Server(NamedTuple):
    """`state`: SPARE (nothing would be lost with it), NEEDED or AWAY (nothing can be reached through it now). `since`
    (ISO 8601, "" if not known) and `why`: of one that is away. `losses`: what would be lost with it."""

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
