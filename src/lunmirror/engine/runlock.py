"""One changing pass at a time. The kernel drops the locks with the process that held them, however that ended.

Two locks: a file in /run that says who holds it, and device-mapper's control node, root's alone (0600), which nobody
removes while LVM is to work. The file by itself is not enough: after `rm -r /run/lunmirror` a second pass makes another
one, and two passes run at once. Neither LVM nor udev locks the node (flock(2) is between those who ask for it only).

`plan`, `status` and `check` change nothing and take no lock: they leave not even a directory behind.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lunmirror.engine.errors import BusyError
from lunmirror.host import paths, rundir
from lunmirror.host.waiting import until

_NAME = paths.RUN_LOCK.rsplit("/", 1)[1]


@contextmanager
def held(verb: str, wait: float) -> Iterator[bool]:
    """Hold the run lock; true if it had to be waited for. `wait` at most so many seconds.

    Raises BusyError naming the holder, HostError if the directory cannot be used or trusted, Interrupted.
    """
    lock = _Lock()
    try:
        waited = not lock.take()
        if waited and not until(lock.take, wait):
            raise BusyError(
                f"another pass is running: {lock.holder()}",
                next="wait for it (--lock-wait 60s), or look at it with ps",
            )
        lock.sign(f"{os.getpid()} {verb} {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n")
        yield waited
        lock.sign("")
    finally:
        lock.close()


class _Lock:
    """Descriptors of the two; -1: not open, and of the node also: there is none."""

    def __init__(self) -> None:
        self._file = -1
        self._node = _open_node()
        self._removed = False  # the file is ours, and somebody else holds the node: his file was removed

    def take(self) -> bool:
        """Whether both are held now. Raises HostError."""
        while self._file < 0 or not _is_path(self._file):
            self._reopen()
        if not rundir.lock_now(self._file):
            self._removed = False
            return False
        self._removed = self._node >= 0 and not rundir.lock_now(self._node)
        if self._removed or not _is_path(self._file):  # removed between opening and locking
            fcntl.flock(self._file, fcntl.LOCK_UN)
            return False
        return True

    def sign(self, text: str) -> None:
        """Say in the file who holds it."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text.encode(), 0)

    def holder(self) -> str:
        """What the holder wrote about itself."""
        if self._removed:
            return f"its lock in {paths.RUN_DIR} was removed while it ran"
        holder = os.pread(self._file, 200, 0).decode(errors="replace").split()
        return "pid {}, {}, since {}".format(*holder) if len(holder) == 3 else "it has just begun"

    def close(self) -> None:
        for number in (self._file, self._node):
            if number >= 0:
                os.close(number)

    def _reopen(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        try:
            directory = rundir.open_directory()
            try:
                self._file = rundir.open_lock(directory, _NAME)
            finally:
                os.close(directory)
        except OSError as error:
            raise rundir.trouble(error) from error


def _open_node() -> int:
    """Device-mapper's control node; -1 if there is none, or if others than root could hold its lock for ever."""
    with suppress(OSError):
        node = os.open(paths.DM_CONTROL, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
        status = os.fstat(node)
        if status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o077:
            return node
        os.close(node)
    return -1


def _is_path(lock: int) -> bool:
    """Whether whoever comes next would open this very file."""
    try:
        return os.path.samestat(os.fstat(lock), os.stat(f"{paths.RUN_DIR}/{_NAME}", follow_symlinks=False))
    except OSError:
        return False
