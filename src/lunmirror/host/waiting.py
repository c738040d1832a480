"""The one place that sleeps, and the one that knows whether somebody asked us to stop.

The first SIGTERM or SIGINT asks: the step in progress ends by itself, no other begins. The second insists: the step
in progress is ended too. Programs run in sessions of their own, so a Ctrl-C reaches only us.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import TypeVar

from lunmirror.engine.errors import LunmirrorError

Found = TypeVar("Found")

__all__ = [
    "SLICE",
    "Interrupted",
    "asked_to_stop",
    "heed_signals",
    "ignore_signals",
    "stop_if_asked",
    "until",
]


SLICE = 0.25  # seconds between looks at whether to stop
_asked: list[int] = []


class Interrupted(LunmirrorError):
    """Somebody asked us to stop; everything that was begun has ended."""

    def __init__(self) -> None:
        super().__init__(
            "stopped by a signal between two steps",
            why=f"signal {_asked[0]} arrived" if _asked else "",
            next="run it again: the next pass goes on from what it finds",
        )


def heed_signals() -> None:
    """From now on SIGTERM and SIGINT ask to stop in place of ending the process at once."""
    _asked.clear()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, frame: _asked.append(got))


def ignore_signals() -> None:
    """For the last line of a run: it is ending anyway."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def asked_to_stop() -> int:
    """How often somebody asked."""
    return len(_asked)


def stop_if_asked() -> None:
    """Raises Interrupted."""
    if _asked:
        raise Interrupted


def until(
    ready: Callable[[], Found], seconds: float, first: float = 0.05, most: float = 0.25, patient: bool = False
) -> Found:
    """Call `ready` until its answer is true or the seconds are over; its last answer.

    first, most: pause between calls, doubling from the one to the other.
    patient:     do not stop when asked to: for waits of a moment, within something that must not be cut.
    Raises Interrupted.
    """
    end = time.monotonic() + seconds
    pause = first
    while not (found := ready()):
        left = end - time.monotonic()
        if left <= 0:
            break
        if not patient:
            stop_if_asked()
        time.sleep(min(pause, left))
        pause = min(pause * 2, most)
    return found
