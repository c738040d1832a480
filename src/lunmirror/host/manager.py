"""systemd, where it is our parent: whether stderr is its journal, and the unit's status line."""

import os
from contextlib import suppress
from typing import Protocol


class _HasFileno(Protocol):
    def fileno(self) -> int: ...


def is_journal(stream: _HasFileno | None) -> bool:
    """Whether what is written there goes to the journal (systemd.exec(5), JOURNAL_STREAM)."""
    named = os.environ.get("JOURNAL_STREAM", "")
    if not named or stream is None:
        return False
    with suppress(OSError, ValueError, AttributeError):
        state = os.fstat(stream.fileno())
        return named == f"{state.st_dev}:{state.st_ino}"
    return False


def status(text: str) -> None:
    """What `systemctl status` shows of the unit (sd_notify(3)); nothing without systemd."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place:
        return
    import socket  # here, because a pass with nothing to do says nothing

    line = " ".join(text.split())[:300]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
        door.settimeout(1.0)
        door.sendto(f"STATUS={line}".encode(), f"\0{place[1:]}" if place.startswith("@") else place)
