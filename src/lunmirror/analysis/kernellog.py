"""The last connection error of each session that is not logged in now (layers/session/since.py)."""

from collections.abc import Mapping

from lunmirror.engine.model import Present, Report
from lunmirror.host.protocol import Reader
from lunmirror.layers.session.facts import Session
from lunmirror.layers.session.since import COMMAND, Error
from lunmirror.layers.session.since import last_errors as _all

__all__ = ["COMMAND", "Error", "last_errors"]


def last_errors(report: Report, reader: Reader) -> Mapping[str, Error]:
    """Session ("session3") -> its last connection error, of those that are not logged in now. Asks only if there is
    such a session."""
    states = report.seen.get("session", {}).values()
    blocked = {s.facts.sid for s in states if isinstance(s, Present) and _is_blocked(s.facts)}
    return {sid: error for sid, error in _all(reader).items() if sid in blocked} if blocked else {}


def _is_blocked(session: object) -> bool:
    return isinstance(session, Session) and session.state != "LOGGED_IN"  # of one just silent it says nothing yet
