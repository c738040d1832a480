"""One changing pass at a time. The kernel drops the lock with the process that held it, however that ended.

`plan`, `status` and `check` change nothing and take no lock: they leave not even a folder behind.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lunmirror.errors import BusyError
from lunmirror.host import paths, rundir
from lunmirror.host.waiting import until

_NAME = paths.RUN_LOCK.rsplit("/", 1)[1]


@contextmanager
def held(verb: str, wait: float) -> Iterator[bool]:
    """Hold the run lock; true if it had to be waited for. `wait` at most so many seconds.

    Raises BusyError naming the holder, HostError if the folder cannot be used or trusted, Interrupted.
    """
    try:
        folder = rundir.open_folder(make=True)
        try:
            lock = rundir.open_lock(folder, _NAME)
        finally:
            os.close(folder)
    except OSError as error:
        raise rundir.trouble(error) from error
    try:
        waited = not _try(lock)
        if waited and not until(lambda: _try(lock), wait):
            raise BusyError(
                f"another pass is running: {_holder(lock)}",
                next="wait for it (--lock-wait 60s), or look at it with ps",
            )
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()} {verb} {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n".encode(), 0)
        yield waited
        os.ftruncate(lock, 0)
    finally:
        os.close(lock)


def _try(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(lock: int) -> str:
    """What the holder wrote about itself."""
    said = os.pread(lock, 200, 0).decode(errors="replace").split()
    return "pid {}, {}, since {}".format(*said) if len(said) == 3 else "it has just begun"
