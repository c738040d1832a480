"""The writer, on an ordinary directory."""

import errno
import os
from pathlib import Path

import pytest

from lunmirror.drill import probe
from lunmirror.drill.probe import MAGIC, NAME, write_steadily, writes


class SharedLog:
    def __init__(self) -> None:
        self.data = bytearray()

    def add(self, data: bytes) -> int:
        self.data += data
        return len(self.data) - len(data)

    def change(self, at: int, data: bytes) -> None:
        self.data[at : at + len(data)] = data


def ending_after(turns: int):
    left = iter(range(turns))
    return lambda: next(left, None) is None


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "INTERVAL", 0.0)


def write(directory: Path, turns: int = 20, device: int | None = None) -> tuple[probe.Write, ...]:
    log = SharedLog()
    write_steadily(str(directory), directory.stat().st_dev if device is None else device, log, ending_after(turns))
    return writes(bytes(log.data))


def test_every_write_is_timed_and_the_file_removed(tmp_path: Path) -> None:
    seen = write(tmp_path)
    assert len(seen) == 20
    assert all(w.seconds is not None and w.seconds >= 0 and w.error == 0 for w in seen)
    assert [w.begun for w in seen] == sorted(w.begun for w in seen)
    assert os.listdir(tmp_path) == []


def test_a_write_under_way_is_known_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, real, calls = SharedLog(), os.pwrite, []

    def hang(file, data, at):
        calls.append(at)
        if len(calls) == 3:
            raise KeyboardInterrupt  # as if it had never come back
        return real(file, data, at)

    monkeypatch.setattr(os, "pwrite", hang)
    with pytest.raises(KeyboardInterrupt):
        write_steadily(str(tmp_path), tmp_path.stat().st_dev, log, ending_after(9))
    *done, pending = writes(bytes(log.data))
    assert [w.seconds is None for w in (*done, pending)] == [False, True]
    assert pending.lasted(pending.begun + 7) == 7


def test_an_error_is_noted_and_the_writing_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.pwrite, []

    def fail(file, data, at):
        calls.append(at)
        if len(calls) == 4:
            raise OSError(errno.EIO, "no")
        return real(file, data, at)

    monkeypatch.setattr(os, "pwrite", fail)
    assert [w.error for w in write(tmp_path, 6)] == [0, 0, errno.EIO, 0, 0, 0]


def test_another_file_system_in_its_place_is_not_written_to(tmp_path: Path) -> None:
    (only,) = write(tmp_path, device=12345)
    assert only.error == errno.ENODEV
    assert os.listdir(tmp_path) == []


def test_what_a_killed_drill_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(MAGIC + b"12\n")
    assert len(write(tmp_path, 3)) == 3
    assert os.listdir(tmp_path) == []


def test_anything_else_of_that_name_is_refused_and_left(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("my diary")
    (only,) = write(tmp_path)
    assert only.error == errno.EEXIST
    assert (tmp_path / NAME).read_text() == "my diary"


def test_a_link_of_that_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(MAGIC)
    (tmp_path / NAME).symlink_to("other")
    (only,) = write(tmp_path)
    assert only.error == errno.ELOOP
    assert (tmp_path / "other").read_bytes() == MAGIC


def test_half_a_note_is_left_out() -> None:
    log = SharedLog()
    log.add(probe._RECORD.pack(1.0, 2.0, 0) + b"half")
    assert writes(bytes(log.data)) == (probe.Write(1.0, 2.0, 0),)
