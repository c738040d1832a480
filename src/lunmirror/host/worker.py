"""A copy of this process that does one thing beside it for minutes, and notes what it sees in memory that both share.

Notes lie in a memfd: unlike a pipe it is never full, so a copy is never held up by a parent that is busy; and unlike a
file it needs no disk. The copy ends when it is asked to, and when its parent is gone however that ended.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from lunmirror.host import paths
from lunmirror.host.stuck import whereabouts
from lunmirror.host.waiting import until

GRACE = 1.0  # seconds between SIGKILL and giving up


class SharedLog:
    """What a copy notes: bytes that only grow, but for the places that it writes over."""

    def __init__(self) -> None:
        self.number = os.memfd_create("lunmirror", os.MFD_CLOEXEC)
        self.length = 0  # as the writer counts it

    def add(self, data: bytes) -> int:
        """Where it was put."""
        at = self.length
        os.pwrite(self.number, data, at)
        self.length += len(data)
        return at

    def change(self, at: int, data: bytes) -> None:
        os.pwrite(self.number, data, at)

    def read(self) -> bytes:
        """All of it."""
        return os.pread(self.number, os.fstat(self.number).st_size, 0)


Work = Callable[[SharedLog, Callable[[], bool]], None]  # the second argument says whether to end


class Worker:
    """A running copy. Its `log` can be read at any time, also after its end."""

    def __init__(self, name: str, work: Work) -> None:
        self.name, self.log = name, SharedLog()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _live(self.log, work, parent)
            finally:
                os._exit(0)

    def stop(self, deadline: float) -> str:
        """Ask it to end; '' when it has, else why not: then it is left alone. `deadline` in seconds."""
        for number, patience in ((signal.SIGTERM, deadline), (signal.SIGKILL, GRACE)):
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            if self._ended(patience):
                return ""
        return f"{self.name} (pid {self.pid}) cannot be ended{whereabouts(self.pid)}; it is left alone"

    def _ended(self, seconds: float) -> bool:
        return until(self._reaped, seconds, first=0.01, patient=True)

    def _reaped(self) -> bool:
        try:
            return os.waitpid(self.pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True


def _live(log: SharedLog, work: Work, parent: int) -> None:
    """In the copy: nothing of the parent's is kept but the log (the run lock and its terminal are others')."""
    signals: list[int] = []
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, frame: signals.append(got))
    null = os.open(paths.NULL, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.closerange(3, log.number)
    os.closerange(log.number + 1, 1 << 20)
    work(log, lambda: bool(signals) or os.getppid() != parent)
