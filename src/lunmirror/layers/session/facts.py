"""What can be known of a session: its object in sysfs, and whether the portal of a missing one answers."""

from typing import NamedTuple

from lunmirror.engine.desired import Server
from lunmirror.engine.plain import DEFAULT_IFACE

# What a session keeps from its login on, read-only in sysfs: field of desired.Timeouts -> attribute.
LIVE = {
    "noop_out_interval": "recv_tmo",
    "noop_out_timeout": "ping_tmo",
    "abort_timeout": "abort_tmo",
    "lu_reset_timeout": "lu_reset_tmo",
    "tgt_reset_timeout": "tgt_reset_tmo",
}
DIGEST = "node.conn[0].iscsi.DataDigest"  # the record key of a declared digest
DIGESTS = {1: "CRC32C", 0: "None"}  # as the kernel shows what was negotiated, and as it is declared


class Session(NamedTuple):
    """A session object of the kernel. `state` is LOGGED_IN, FAILED or FREE; times are seconds, None if the
    attribute reads `off` or is not a number. `sid` is the kernel's name, "session3".
    `twins` are further sessions of the same target and portal: each shows the same disks once more. It is the live one
    whose disks something is built on, else the first.
    `besides`: (sid, interface) of sessions that do so through another interface than the declared one.
    `urgent`: it is not live, and a volume with a leg behind it is not active: worth waiting for.
    `silence`: it reads LOGGED_IN, but its portal was asked just now and does not answer, and why; '' if it does. For
    some seconds after a death the kernel has not noticed yet.
    `since`: when the kernel last logged an error of its connection, if it is not logged in; '' if that is not known.
    `port`: the local TCP port of its connection, another one for each connection; '' if it cannot be read.
    `digest`: whether it was negotiated that data carry a CRC32C, "CRC32C" or "None"; '' where that is not asked or not shown.
    `iface`: the interface record of open-iscsi that it was logged in through.
    `clear`: why it is not encrypted, where that is required.
    `bare`: something is built on its disk without the multipath map that is declared.
    `keeper`: why it would not reconnect if it failed (iscsid is not there); '' as far as is known.
    Of a session that the kernel gave up (FREE), as far as it was asked (stuck.py): `portal`: '' if its portal accepts
    connections, else why not; `service`: after iscsid's own time was over in vain, '' if the server's service answers and has
    the target, else what is wrong there; `burden`: what would be torn off if it ended; `alone`: no session at all is logged in."""

    sid: str
    state: str
    recovery_tmo: int | None
    recv_tmo: int | None  # live noop_out_interval
    ping_tmo: int | None  # live noop_out_timeout
    twins: tuple[str, ...] = ()
    urgent: bool = False
    silence: str = ""
    keeper: str = ""
    since: str = ""
    abort_tmo: int | None = None
    lu_reset_tmo: int | None = None
    tgt_reset_tmo: int | None = None
    besides: tuple[tuple[str, str], ...] = ()
    portal: str | None = None
    service: str | None = None
    burden: str = ""
    alone: bool = False
    port: str = ""
    digest: str = ""
    iface: str = DEFAULT_IFACE
    clear: str = ""
    bare: bool = False

    @property
    def every(self) -> tuple[str, ...]:
        """All sessions that show the LUNs of this target through this portal, this one first."""
        return (self.sid, *self.twins, *(sid for sid, _ in self.besides))

    @property
    def given_up(self) -> bool:
        """Its portal was asked, so it is FREE: its disks fail every command."""
        return self.portal is not None

    @property
    def live(self) -> bool:
        """It is believed to carry I/O now."""
        return self.state == "LOGGED_IN" and not self.silence


class Stale(NamedTuple):
    """A value that is declared, not live: the session still has that of its login. Seconds, or a word."""

    name: str
    wanted: int | str
    live: int | str

    def __str__(self) -> str:
        return f"{self.name} {self.wanted} (live {self.live})"


def stale(session: Session, server: Server) -> tuple[Stale, ...]:
    """Everything that this session would have to log in again for. What cannot be read is not called stale."""
    times = server.timeouts
    pairs = ((name, getattr(times, name), getattr(session, attribute)) for name, attribute in LIVE.items())
    old = [Stale(name, wanted, live) for name, wanted, live in pairs if live is not None and live != wanted]
    if session.bare:
        old.append(Stale("multipath", "true", "a disk in use without it"))
    digests = (Stale(name, value, session.digest) for key, value, name in server.records if key == DIGEST)
    if server.interface and session.iface != server.iface:
        old.append(Stale("interface", server.iface, session.iface))
    return (*old, *(one for one in digests if session.digest and one.wanted != one.live))


class NoSession(NamedTuple):
    """No session object; `silence` is '' if the portal accepts connections, else why it does not answer.
    `others` are sessions that reach the same portal and target in another way (through a bound interface, or by
    another name of the server), as words: with one more session every disk would be there twice.
    `urgent`: a volume with a leg behind this session is not active, so it is worth waiting for the server.
    `clear`: why a login would not be encrypted, where that is required."""

    silence: str
    others: tuple[str, ...] = ()
    urgent: bool = False
    clear: str = ""
