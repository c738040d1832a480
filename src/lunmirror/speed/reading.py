"""The reader: a copy of the process (host/worker.py) that reads one device, since one read may never return.

Three ways, one after the other: one read of 1 MiB at a time, as `hdparm -t` and a copying program do; several at once,
as a busy volume does; and single small reads, which show the time of one way there and back. All past the page cache
(O_DIRECT), so that what is measured is the wire and the server, and nothing that is cached here is pushed out.
"""

import errno
import os
import stat
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from mmap import mmap
from statistics import median
from threading import Lock, Thread
from typing import NamedTuple, Protocol

from lunmirror.host.stuck import Stuck
from lunmirror.host.waiting import until
from lunmirror.host.words import of
from lunmirror.host.worker import Worker
from lunmirror.speed.aims import Aim

LARGE, SMALL = 1 << 20, 4096  # bytes
SEVERAL = 8  # reads at once
SMALL_MOST, SMALL_SECONDS = 200, 1.0
PATIENCE = 10.0  # seconds that reads under way may take beyond their time
ENDING = 2.0  # seconds for the copy to end
ONE_AT_A_TIME, AT_ONCE, SINGLE, END = range(4)
_RECORD = struct.Struct("<qddqq")  # way, begun (monotonic), seconds, bytes, errno


class Bounds(NamedTuple):
    """Of each device: `seconds` for each of the two streams, `most` bytes in all."""

    seconds: float
    most: int

    @property
    def deadline(self) -> float:
        return 2 * self.seconds + SMALL_SECONDS + PATIENCE


class Rate(NamedTuple):
    """What a stream came to: `bytes` in `seconds`."""

    bytes: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.bytes / self.seconds


class Measured(NamedTuple):
    """None for what was not measured; `latency` is the median of a small read in seconds; `fault`: what went wrong, ''
    for nothing."""

    one: Rate | None
    several: Rate | None
    latency: float | None
    fault: str = ""


class Notes(Protocol):
    """A log of host/worker.py."""

    def add(self, data: bytes) -> int: ...


def measure(aim: Aim, bounds: Bounds, aside: Callable[..., Worker] = Worker) -> Measured:
    """Read it, in a copy of the process that is ended in any case. One that cannot be ended is noted for later passes,
    and its device is not read again while it lives. Raises Interrupted."""
    stuck, argv = Stuck(), ("lunmirror speed", aim.node)
    if why := stuck.before(argv, 0.0, changes=False):
        return Measured(None, None, None, why)
    begun = time.monotonic()
    copy = aside(f"the reader of {aim.node}", partial(read_steadily, aim, bounds))
    trouble = ""
    try:
        until(lambda: _ended(copy.log.read()), bounds.deadline)
    finally:
        if trouble := copy.stop(ENDING):
            stuck.add(copy.pid, argv, begun, time.monotonic())
    return figures(copy.log.read(), trouble)


def figures(log: bytes, trouble: str = "") -> Measured:
    """What a log of `read_steadily` holds."""
    rows = list(_rows(log))
    faults = [number for _, _, _, _, number in rows if number]
    fault = trouble or (of(OSError(faults[0], os.strerror(faults[0]))) if faults else "")
    if not fault and not _ended(log):
        fault = f"a read did not return within {PATIENCE:g} s"
    single = [seconds for way, _, seconds, length, _ in rows if way == SINGLE and length]
    return Measured(_rate(rows, ONE_AT_A_TIME), _rate(rows, AT_ONCE), median(single) if single else None, fault)


def read_steadily(aim: Aim, bounds: Bounds, log: Notes, ending: Callable[[], bool]) -> None:
    """Open the device for reading, make sure that it is the one, and read it in the three ways."""
    try:
        file = os.open(aim.node, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    except OSError as error:
        log.add(_RECORD.pack(END, time.monotonic(), 0.0, 0, error.errno or errno.EIO))
        return
    try:
        fault = 0 if _is_the_one(file, aim) else errno.ENODEV
        if not fault:
            half = _span(aim, bounds) // 2
            start = _start(aim)
            fault = _stream(file, ONE_AT_A_TIME, (start, start + half), 1, bounds.seconds, log, ending)
            fault = fault or _stream(
                file, AT_ONCE, (start + half, start + 2 * half), SEVERAL, bounds.seconds, log, ending
            )
            fault = fault or _single(file, aim, log, ending)
        log.add(_RECORD.pack(END, time.monotonic(), 0.0, 0, fault))
    finally:
        os.close(file)


def _is_the_one(file: int, aim: Aim) -> bool:
    """The device behind the descriptor; it keeps its name for as long as it is open."""
    major, minor = (int(n) for n in aim.number.split(":"))
    state = os.fstat(file)
    return stat.S_ISBLK(state.st_mode) and state.st_rdev == os.makedev(major, minor)


def _span(aim: Aim, bounds: Bounds) -> int:
    """Bytes that the two streams may read in all: of the mirror another half of the volume than of its legs, so that it
    is not read from what the servers just cached."""
    return min(bounds.most - SMALL_MOST * SMALL, aim.size // 2) // (2 * LARGE) * (2 * LARGE)


def _start(aim: Aim) -> int:
    return 0 if aim.disk else aim.size // 2 // LARGE * LARGE


def _stream(
    file: int,
    way: int,
    places: tuple[int, int],
    at_once: int,
    seconds: float,
    log: Notes,
    ending: Callable[[], bool],
) -> int:
    """Read from the one place to the other, so many at once, for so long; 0 or the first errno."""
    lock, state = Lock(), _Progress(places[0], 0)
    end = time.monotonic() + seconds

    def read() -> None:
        with mmap(-1, LARGE) as buffer:
            while True:
                with lock:
                    offset = state.offset
                    if state.fault or offset >= places[1] or time.monotonic() >= end or ending():
                        return
                    state.offset += LARGE
                record = _read(file, way, buffer, offset)
                with lock:
                    log.add(_RECORD.pack(*record))
                    state.fault = state.fault or record[4]

    threads = [Thread(target=read) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return state.fault


class _Progress:
    """What the threads of a stream share."""

    def __init__(self, offset: int, fault: int) -> None:
        self.offset, self.fault = offset, fault


def _single(file: int, aim: Aim, log: Notes, ending: Callable[[], bool]) -> int:
    """Small reads, one at a time, evenly spread."""
    stride = max(SMALL, aim.size // SMALL_MOST // SMALL * SMALL)
    end = time.monotonic() + SMALL_SECONDS
    with mmap(-1, SMALL) as buffer:
        for offset in range(0, min(aim.size, stride * SMALL_MOST) // SMALL * SMALL, stride):
            if time.monotonic() >= end or ending():
                break
            record = _read(file, SINGLE, buffer, offset)
            log.add(_RECORD.pack(*record))
            if record[4]:
                return record[4]
    return 0


def _read(file: int, way: int, buffer: mmap, offset: int) -> tuple[int, float, float, int, int]:
    begun = time.monotonic()
    length = fault = 0
    try:
        length = os.preadv(file, [buffer], offset)
    except OSError as error:
        fault = error.errno or errno.EIO
    return way, begun, time.monotonic() - begun, length, fault


def _rows(log: bytes) -> Iterator[tuple[int, float, float, int, int]]:
    yield from _RECORD.iter_unpack(log[: len(log) - len(log) % _RECORD.size])


def _ended(log: bytes) -> bool:
    return any(way == END for way, *_ in _rows(log))


def _rate(rows: list[tuple[int, float, float, int, int]], way: int) -> Rate | None:
    mine = [(begun, begun + seconds, length) for kind, begun, seconds, length, _ in rows if kind == way and length]
    took = max(end for _, end, _ in mine) - min(begun for begun, _, _ in mine) if mine else 0.0
    return Rate(sum(length for *_, length in mine), took) if took > 0 else None
