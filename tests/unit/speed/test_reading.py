"""The reader: bounded in bytes and time, opened for reading only, and never another device than was meant."""

import errno
import os
import time
from pathlib import Path

import pytest

from lunmirror.speed import reading
from lunmirror.speed.aims import Aim
from lunmirror.speed.reading import AT_ONCE, LARGE, ONE_AT_A_TIME, SEVERAL, Bounds, figures, read_steadily

MIB = 1 << 20


def aim(node: str, size: int = 64 * MIB, disk: str = "left") -> Aim:
    return Aim("vg0/lv", "leg on filer1", disk, node.removeprefix("/dev/"), "253:4", "9", size, ("sda",), ("dm-4",))


class Log:
    def __init__(self) -> None:
        self.data = b""

    def add(self, data: bytes) -> int:
        self.data += data
        return 0

    def rows(self) -> list:
        return list(reading._rows(self.data))


@pytest.fixture
def file(tmp_path: Path) -> int:
    path = tmp_path / "disk"
    path.write_bytes(b"x" * (32 * MIB))
    number = os.open(path, os.O_RDONLY)
    yield number
    os.close(number)


@pytest.mark.parametrize("at_once", [1, SEVERAL])
def test_a_stream_reads_each_place_once_and_nothing_beyond(file: int, at_once: int) -> None:
    log = Log()
    assert reading._stream(file, AT_ONCE, (4 * MIB, 20 * MIB), at_once, 60.0, log, lambda: False) == 0
    assert [length for *_, length, _ in log.rows()] == [LARGE] * 16


def test_a_stream_ends_with_its_time(file: int) -> None:
    log = Log()
    begun = time.monotonic()
    reading._stream(file, ONE_AT_A_TIME, (0, 32 * MIB), 1, 0.0, log, lambda: False)
    assert log.rows() == []
    assert time.monotonic() - begun < 5


def test_a_stream_ends_when_it_is_asked_to(file: int) -> None:
    log = Log()
    reading._stream(file, AT_ONCE, (0, 32 * MIB), SEVERAL, 60.0, log, lambda: len(log.rows()) >= 2)
    assert len(log.rows()) <= 2 + SEVERAL


def test_the_first_error_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    assert reading._stream(1 << 20, AT_ONCE, (0, 32 * MIB), SEVERAL, 60.0, log, lambda: False) == errno.EBADF
    assert len(log.rows()) <= SEVERAL
    assert "descriptor" in figures(log.data).fault


def test_what_is_no_block_device_of_that_number_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A plain file stands in for a device that took over the name."""
    (tmp_path / "dm-4").write_bytes(b"x" * MIB)
    flags = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, how: (flags.append(how), real(path, how & ~os.O_DIRECT))[1])
    monkeypatch.setattr(Aim, "node", property(lambda self: str(tmp_path / "dm-4")))
    log = Log()
    read_steadily(aim("/dev/dm-4"), Bounds(1.0, 64 * MIB), log, lambda: False)

    assert [row[4] for row in log.rows()] == [errno.ENODEV]
    assert flags[0] & os.O_ACCMODE == os.O_RDONLY
    assert flags[0] & os.O_DIRECT


def test_all_three_ways_stay_within_the_bounds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dm-4").write_bytes(b"x" * (64 * MIB))
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, how: real(path, how & ~os.O_DIRECT))
    monkeypatch.setattr(Aim, "node", property(lambda self: str(tmp_path / "dm-4")))
    monkeypatch.setattr(reading, "_is_the_one", lambda file, aim: True)
    log, bounds = Log(), Bounds(30.0, 16 * MIB)
    read_steadily(aim("/dev/dm-4"), bounds, log, lambda: False)
    found = figures(log.data)

    assert sum(length for *_, length, _ in log.rows()) <= bounds.most
    assert found.fault == ""
    assert found.one is not None
    assert found.several is not None
    assert found.latency is not None
    assert found.one.bytes == found.several.bytes == 7 * MIB


@pytest.mark.parametrize("size", [0, 4096, MIB, 4 * MIB, 64 * MIB])
@pytest.mark.parametrize("disk", ["left", ""])
def test_no_place_lies_beyond_the_device(size: int, disk: str) -> None:
    one, bounds = aim("/dev/dm-4", size, disk), Bounds(1.0, 512 * MIB)
    assert reading._start(one) + reading._span(one, bounds) <= size


def test_a_read_that_never_returned_is_a_fault() -> None:
    found = figures(reading._RECORD.pack(ONE_AT_A_TIME, 1.0, 0.5, LARGE, 0))
    assert found.fault == "a read did not return within 10 s"
    assert found.one is not None
    assert found.one.per_second == 2 * LARGE


def test_a_reader_that_cannot_be_ended_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list = []

    class Stuck:
        def before(self, argv, deadline, changes):
            return "dd was not started: it waits" if noted else ""

        def add(self, pid, argv, since, until):
            noted.append((pid, argv))

    class Copy:
        pid, log = 4711, type("L", (), {"read": lambda self: b""})()

        def stop(self, deadline):
            return "the reader (pid 4711) cannot be ended; it is left alone"

    monkeypatch.setattr(reading, "Stuck", Stuck)
    monkeypatch.setattr(reading, "until", lambda ready, seconds: ready())
    one = aim("/dev/dm-4")
    assert "cannot be ended" in reading.measure(one, Bounds(1.0, MIB), lambda *words: Copy()).fault
    assert noted == [(4711, ("lunmirror speed", "/dev/dm-4"))]
    assert "not started" in reading.measure(one, Bounds(1.0, MIB), lambda *words: Copy()).fault


@pytest.mark.real
def test_a_device_that_is_gone_is_a_fault_and_no_error() -> None:
    found = reading.measure(aim("/dev/no-such-device"), Bounds(1.0, 16 * MIB))
    assert (found.one, found.several, found.latency) == (None, None, None)
    assert found.fault == "it does not exist"
