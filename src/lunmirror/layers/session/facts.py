"""What can be known of a session: its object in sysfs, and whether the portal of a missing one answers."""

from typing import NamedTuple


class Session(NamedTuple):
    """A session object of the kernel. `state` is LOGGED_IN, FAILED or FREE; times are seconds, None if the
    attribute reads `off` or is not a number. `sid` is the kernel's name, "session3"."""

    sid: str
    state: str
    recovery_tmo: int | None
    recv_tmo: int | None  # live noop_out_interval
    ping_tmo: int | None  # live noop_out_timeout

    @property
    def live(self) -> bool:
        return self.state == "LOGGED_IN"


class NoSession(NamedTuple):
    """No session object; `silence` is '' if the portal accepts connections, else why it does not answer."""

    silence: str
