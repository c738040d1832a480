"""Sessions and legs while the drill runs, looked at several times a second by a copy of the process: a pass may take
longer than what is to be seen. Notes only changes. Touches no disk.
"""

import json
import time
from collections.abc import Callable
from typing import NamedTuple

from lunmirror.drill.plan import Rehearsal, read_sessions, through
from lunmirror.drill.probe import Notes
from lunmirror.engine.desired import Desired
from lunmirror.engine.model import Present
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import session, text
from lunmirror.host.waiting import until
from lunmirror.layers.volume.observe import health
from lunmirror.lvm.read import DmLine, read_status

PERIOD = 0.2  # seconds

WHOLE, REBUILDING, GIVEN_UP, UNKNOWN = "whole", "rebuilding", "given up", "unknown"


class Sample(NamedTuple):
    """At `at` (monotonic clock): session id -> state, volume id -> one of the words above."""

    at: float
    sessions: dict[str, str]
    volumes: dict[str, str]

    @property
    def connected(self) -> int:
        return sum(state == "LOGGED_IN" for state in self.sessions.values())


def samples(log: bytes) -> tuple[Sample, ...]:
    """What a log of `watch` holds; a line that is only half there is left out."""
    lines = log.decode(errors="replace").split("\n")[:-1]
    return tuple(Sample(*json.loads(line)) for line in lines)


def watch(rehearsal: Rehearsal, desired: Desired, reader: Reader, log: Notes, ending: Callable[[], bool]) -> None:
    """Look until asked to end."""
    last: tuple[dict[str, str], dict[str, str]] | None = None
    while not ending():
        begun = time.monotonic()
        reader.forget()
        now = (_sessions(rehearsal, reader), _volumes(rehearsal, desired, reader))
        if now != last:
            log.add(json.dumps([begun, *now]).encode() + b"\n")
            last = now
        until(ending, max(0.01, begun + PERIOD - time.monotonic()), patient=True)


def state_of(line: DmLine | None) -> str:
    """A volume with several declared legs, as device-mapper shows it."""
    if line is None:
        return UNKNOWN
    if line.target == "linear":
        return GIVEN_UP  # a mirror that lost its leg
    letters, done, total, _ = health("raid1" if line.target == "raid" else line.target, line)
    if not letters:
        return UNKNOWN
    if set(letters) - {"A", "a"}:
        return GIVEN_UP
    return WHOLE if set(letters) == {"A"} and done == total else REBUILDING


def _sessions(rehearsal: Rehearsal, reader: Reader) -> dict[str, str]:
    targets = {t.lower() for t in rehearsal.targets}
    mine = (s for s in read_sessions(reader) if s.target.lower() in targets and through(s, rehearsal.endpoints))
    return {s.sid: text(reader, f"{session(s.sid)}/state") for s in mine}


def _volumes(rehearsal: Rehearsal, desired: Desired, reader: Reader) -> dict[str, str]:
    status = read_status(reader)
    found = status.facts if isinstance(status, Present) else {}
    lines = {v: found.get(desired.volumes[v].dm, ()) for v in rehearsal.volumes}
    return {v: state_of(mine[0] if len(mine) == 1 else None) for v, mine in lines.items()}
