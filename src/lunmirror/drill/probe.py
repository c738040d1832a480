"""The writer: small synced writes, one after the other, each timed. It runs in a copy of the process (host/worker.py),
since one write may take as long as the outage does.
"""

import errno
import os
import stat
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple, Protocol

from lunmirror.host.waiting import until

NAME = ".lunmirror-drill"
MAGIC = b"lunmirror drill: this file may be removed\n"
BLOCK = 4096  # bytes
BLOCKS = 16
INTERVAL = 0.05  # seconds from the beginning of a write to that of the next
_RECORD = struct.Struct("<ddq")  # begun, seconds, errno
PENDING = -1.0


class Notes(Protocol):
    """A log of host/worker.py."""

    def add(self, data: bytes) -> int: ...

    def change(self, at: int, data: bytes) -> None: ...


class Write(NamedTuple):
    """One write. `begun` is on the monotonic clock, `seconds` None while it has not returned, `error` an errno or 0."""

    begun: float
    seconds: float | None
    error: int

    def lasted(self, now: float) -> float:
        """Seconds, until `now` for one that has not returned."""
        return now - self.begun if self.seconds is None else self.seconds


def writes(log: bytes) -> tuple[Write, ...]:
    """What a log of `write_steadily` holds."""
    whole = len(log) - len(log) % _RECORD.size
    rows = _RECORD.iter_unpack(log[:whole])
    return tuple(Write(begun, None if seconds == PENDING else seconds, error) for begun, seconds, error in rows)


def write_steadily(directory: str, device: int, log: Notes, ending: Callable[[], bool]) -> None:
    """Write into a file of our own in `directory`, the root of the file system on `device`, until asked to end; then
    remove the file. An error is noted, and the writing goes on; without a file there is one note, the error."""
    begun = time.monotonic()
    try:
        place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if os.fstat(place).st_dev != device:
            raise OSError(errno.ENODEV, "another file system is mounted there")
        file = _fresh(place)
    except OSError as error:
        log.add(_RECORD.pack(begun, time.monotonic() - begun, error.errno or errno.EIO))
        return
    try:
        for block in _turns(ending):
            begun = time.monotonic()
            at = log.add(_RECORD.pack(begun, PENDING, 0))
            fault = 0
            try:
                os.pwrite(file, _content(), block * BLOCK)
            except OSError as error:
                fault = error.errno or errno.EIO
            spent = time.monotonic() - begun
            log.change(at, _RECORD.pack(begun, spent, fault))
            until(lambda: False, INTERVAL - spent, patient=True)
    finally:
        with suppress(OSError):
            os.unlink(NAME, dir_fd=place)


def _turns(ending: Callable[[], bool]) -> Iterator[int]:
    block = 0
    while not ending():
        yield block
        block = (block + 1) % BLOCKS


def _fresh(place: int) -> int:
    """Our file, all its blocks allocated and on disk, so that the writes to come change nothing but their block. What a
    killed drill left is removed; anything else of that name is not ours, and refused. Raises OSError."""
    with suppress(FileNotFoundError):
        _remove_left_over(place)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_DSYNC
    file = os.open(NAME, flags, 0o600, dir_fd=place)
    try:
        os.pwrite(file, _content() * BLOCKS, 0)
        os.fsync(file)
    except OSError:
        os.unlink(NAME, dir_fd=place)
        raise
    return file


def _remove_left_over(place: int) -> None:
    file = os.open(NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
    try:
        state = os.fstat(file)
        ours = stat.S_ISREG(state.st_mode) and os.pread(file, len(MAGIC), 0) in (MAGIC, b"")
    finally:
        os.close(file)
    if not ours:
        raise OSError(errno.EEXIST, f"{NAME} is there, and not ours")
    os.unlink(NAME, dir_fd=place)


def _content() -> bytes:
    """A block; the time makes each one different from what was there."""
    return (MAGIC + b"%.6f\n" % time.time()).ljust(BLOCK, b"\n")
