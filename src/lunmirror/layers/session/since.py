"""Since when a session is blocked: sysfs keeps no time, but the kernel logs the error that stopped it.

`connection3:0: detected conn error (1022)` is printed once when a connection fails (scsi_transport_iscsi.c,
iscsi_conn_error_event), and again if a new one fails while iscsid retries; no line says that it recovered. So the
last one is reported, as what it is; and nothing, where the kernel's log has forgotten it.
"""

import re
from typing import NamedTuple

from lunmirror.engine.model import Present, Report
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.layers.session.facts import Session

DEADLINE = 5.0  # seconds; it reads memory
COMMAND = (paths.DMESG, "--kernel", "--time-format", "iso")  # util-linux 2.24
_ERROR = re.compile(r"^(\S+)\s+connection(\d+):0: (detected conn error \(\d+\))", re.M)


class Error(NamedTuple):
    """`when` is ISO 8601 as the kernel's log has it, `what` its words."""

    when: str
    what: str


def last_errors(reader: Reader) -> dict[str, Error]:
    """Session ("session3") -> the last error of its connection, as far as the kernel's log reaches."""
    ran = reader.query(COMMAND, DEADLINE)
    return {f"session{number}": Error(when, what) for when, number, what in _ERROR.findall(ran.out)}


def of_blocked(report: Report, reader: Reader) -> dict[str, Error]:
    """The same of those sessions that are not logged in now. Asks only if there is such a session."""
    states = report.seen.get("session", {}).values()
    blocked = {s.facts.sid for s in states if isinstance(s, Present) and _is_blocked(s.facts)}
    return {sid: error for sid, error in last_errors(reader).items() if sid in blocked} if blocked else {}


def _is_blocked(session: object) -> bool:
    return isinstance(session, Session) and session.state != "LOGGED_IN"  # of one just silent it says nothing yet
