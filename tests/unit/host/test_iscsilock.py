"""open-iscsi's lock: held as it holds it, never stolen from the living, never left to block the next pass."""

import os
import time
from pathlib import Path

import pytest

from lunmirror.host import iscsilock, paths
from lunmirror.host.live import LiveHost
from lunmirror.host.protocol import ActionFailed


@pytest.fixture
def directory() -> Path:
    path = Path(paths.ISCSI_LOCK_DIR)
    path.mkdir(mode=0o770)
    return path


def taken_by_open_iscsi(directory: Path) -> Path:
    (directory / "lock").touch()
    os.link(directory / "lock", directory / "lock.write")
    return directory / "lock.write"


def test_it_is_held_around_the_rename_only(host: LiveHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    lock = Path(paths.ISCSI_LOCK_DIR) / "lock.write"
    for name in ("fsync", "rename"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, r=real: (held.append((n, lock.exists())), r(*a))[1])
    host.write(str(tmp_path / "default"), b"x", None, 0o600, locked=True)
    assert held == [("fsync", False), ("rename", True), ("fsync", False)]
    assert os.listdir(paths.ISCSI_LOCK_DIR) == []
    host.remove(str(tmp_path / "default"), b"x", locked=True)
    assert os.listdir(paths.ISCSI_LOCK_DIR) == []


def test_it_is_released_when_the_change_fails(host: LiveHost, tmp_path: Path) -> None:
    with pytest.raises(ActionFailed, match="is gone"):
        host.write(str(tmp_path / "default"), b"x", b"before", 0o600, locked=True)
    assert os.listdir(paths.ISCSI_LOCK_DIR) == []


def test_somebody_elses_is_waited_for_and_left_alone(
    host: LiveHost, notes: list[str], directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = taken_by_open_iscsi(directory)
    monkeypatch.setattr(iscsilock, "LOCK_WAIT", 0.2)
    with pytest.raises(ActionFailed, match="locked by another program"):
        host.write(str(tmp_path / "default"), b"x", None, 0o600, locked=True)
    assert lock.exists()
    assert sorted(os.listdir(directory)) == ["lock", "lock.write"]
    assert not (tmp_path / "default").exists()
    assert not (tmp_path / paths.SCRATCH).exists()
    assert notes == []


@pytest.mark.real
def test_it_is_taken_as_soon_as_it_is_free(host: LiveHost, directory: Path, tmp_path: Path) -> None:
    lock = taken_by_open_iscsi(directory)
    pid = os.fork()
    if pid == 0:
        time.sleep(0.3)
        lock.unlink()
        os._exit(0)
    started = time.monotonic()
    host.write(str(tmp_path / "default"), b"x", None, 0o600, locked=True)
    os.waitpid(pid, 0)
    assert 0.25 < time.monotonic() - started < 1


@pytest.mark.parametrize("jump", [iscsilock.ABANDONED + 1, -iscsilock.ABANDONED - 3600])
def test_an_old_one_is_broken_and_that_is_reported(
    host: LiveHost, notes: list[str], directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    taken_by_open_iscsi(directory)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + jump)
    host.write(str(tmp_path / "default"), b"x", None, 0o600, locked=True)
    assert (tmp_path / "default").exists()
    assert len(notes) == 1
    assert "broke open-iscsi's database lock, taken " in notes[0]


@pytest.mark.real
def test_ours_left_by_a_kill_does_not_block(host: LiveHost, notes: list[str], tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        os.rename = lambda *_: os.kill(os.getpid(), 9)
        host.write(str(tmp_path / "default"), b"x", None, 0o600, locked=True)
    os.waitpid(pid, 0)
    assert os.listdir(paths.ISCSI_LOCK_DIR) == ["lock.write"]
    started = time.monotonic()
    host.write(str(tmp_path / "default"), b"x", None, 0o600, locked=True)
    assert time.monotonic() - started < 1
    assert notes == [f"broke open-iscsi's database lock, left behind by lunmirror (pid {pid}), which was killed"]


def test_a_directory_of_somebody_elses_is_not_trusted(host: LiveHost, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    Path(paths.ISCSI_LOCK_DIR).symlink_to("elsewhere")
    with pytest.raises(ActionFailed, match="cannot lock open-iscsi's database"):
        host.write(str(tmp_path / "default"), b"x", None, 0o600, locked=True)
    Path(paths.ISCSI_LOCK_DIR).unlink()
    if os.geteuid() == 0:
        Path(paths.ISCSI_LOCK_DIR).mkdir()
        os.chown(paths.ISCSI_LOCK_DIR, 1234, 1234)
        with pytest.raises(ActionFailed, match="belongs to user 1234"):
            host.write(str(tmp_path / "default"), b"x", None, 0o600, locked=True)
    assert not (tmp_path / "default").exists()
