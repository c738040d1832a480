"""A program that cannot be ended is left alone, named, and nothing is queued up behind it: not now, not next time."""

import json
import os
import time
from pathlib import Path

import pytest

from lunmirror.host import child, paths, stuck
from lunmirror.host.live import LiveHost

pytestmark = pytest.mark.real


@pytest.fixture
def unkillable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals reach nobody, as with a process in D state."""
    monkeypatch.setattr(child, "GRACE", 0.1)
    monkeypatch.setattr(os, "killpg", lambda *_: None)


@pytest.fixture
def fake_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("lvm", "iscsiadm", "blkid", "mkfs.ext4", "mount", "dd", "cmp"):
        program = tmp_path / "bin" / name
        program.write_text('#!/bin/sh\n[ "$1" = hang ] && exec sleep ${3:-3}\necho ran\n')
        program.chmod(0o755)
    monkeypatch.setattr(paths, "PROGRAM_PATH", (str(tmp_path / "bin"), *paths.PROGRAM_PATH))


pytestmark = [pytest.mark.real, pytest.mark.usefixtures("fake_programs")]


@pytest.mark.usefixtures("unkillable")
def test_it_is_abandoned_named_and_not_joined(host: LiveHost, notes: list[str], tmp_path: Path) -> None:
    started = time.monotonic()
    ran = host.query(("lvm", "hang"), 0.2)
    assert time.monotonic() - started < 1
    assert ran.rc is None
    assert ran.trouble.startswith("lvm (pid ")
    assert "did not end within 0.2 s and cannot be killed" in ran.trouble
    assert notes == [ran.trouble]

    again = host.run(("lvm", "vgs"), 5)
    assert again.rc is None
    assert "lvm was not started: lvm (pid " in again.trouble
    assert host.run(("iscsiadm",), 5).out == "ran\n"  # another family is not concerned

    # The next pass knows it too, from the file.
    assert (tmp_path / "run" / "stuck.json").stat().st_mode & 0o777 == 0o600
    assert "lvm was not started" in LiveHost().query(("lvm", "vgs"), 5).trouble


@pytest.mark.usefixtures("unkillable")
def test_once_it_is_gone_its_family_runs_again(host: LiveHost) -> None:
    host.query(("lvm", "hang", "-", "0.6"), 0.1)
    assert host.query(("lvm", "x"), 5).rc is None
    time.sleep(0.6)
    assert host.run(("lvm", "y"), 5).out == "ran\n"


@pytest.mark.usefixtures("unkillable")
def test_other_programs_wait_only_for_their_device(host: LiveHost) -> None:
    host.query(("blkid", "hang", "/dev/sdb"), 0.1)
    assert "was not started" in host.run(("blkid", "-p", "/dev/sdb"), 5).trouble
    assert "mount was not started: blkid (pid" in host.run(("mount", "/dev/sdb"), 5).trouble
    assert host.run(("blkid", "-p", "/dev/sdc"), 5).out == "ran\n"


@pytest.mark.usefixtures("unkillable")
def test_a_read_of_one_disk_holds_up_no_other(host: LiveHost) -> None:
    host.query(("dd", "hang", "if=/dev/sdb"), 0.1)
    host.query(("cmp", "hang", "/dev/sdd", "3", "/dev/zero"), 0.1)
    assert "was not started" in host.run(("blkid", "-p", "/dev/sdb"), 5).trouble
    assert "was not started" in host.run(("dd", "x", "if=/dev/sdb"), 5).trouble
    assert host.run(("dd", "x", "if=/dev/sdc", "of=/dev/null"), 5).out == "ran\n"
    assert host.run(("cmp", "x", "/dev/sdc", "/dev/zero"), 5).out == "ran\n"


def test_a_recycled_pid_is_somebody_else(host: LiveHost) -> None:
    state = stuck.stat(os.getpid())
    assert state is not None
    now = time.monotonic()
    host.stuck._own[1] = stuck.Entry(os.getpid(), state[1] - 1, ("lvm",), now, now)
    assert host.run(("lvm",), 5).out == "ran\n"
    host.stuck._own[1] = stuck.Entry(os.getpid(), state[1], ("lvm",), now, now)
    assert "was not started" in host.run(("lvm",), 5).trouble


@pytest.mark.parametrize(
    "junk", ["", "{", "[]", "[1]", "[[1,2]]", '[{"pid": 1}]', "\0\xff", '[["x","y","z","a","b"]]', "[[[]]]"]
)
def test_a_damaged_list_is_no_list(host: LiveHost, tmp_path: Path, junk: str) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "run" / "stuck.json").write_text(junk, encoding="latin-1")
    assert host.run(("lvm",), 5).out == "ran\n"


def test_a_list_that_others_can_write_is_no_list(host: LiveHost, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o777)
    state = stuck.stat(os.getpid())
    (tmp_path / "run" / "stuck.json").write_text(json.dumps([[os.getpid(), state and state[1], ["lvm"], 0, 0]]))
    assert host.run(("lvm",), 5).out == "ran\n"


def test_a_change_that_a_killed_pass_left_running_is_waited_for(host: LiveHost, tmp_path: Path) -> None:
    """kill -9 of lunmirror does not end its mkfs: the next pass must not start a second one beside it."""
    pid = os.fork()
    if pid == 0:
        LiveHost().run(("mkfs.ext4", "hang", "/dev/dm-3", "1.5"), 30)
        os._exit(0)
    while not (tmp_path / "run" / "stuck.json").exists():
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    [entry] = json.loads((tmp_path / "run" / "stuck.json").read_text())
    started = time.monotonic()
    assert host.run(("mkfs.ext4", "x", "/dev/dm-3"), 30).out == "ran\n"
    assert time.monotonic() - started > 0.5
    assert not os.path.exists(f"/proc/{entry[0]}") or (stuck.stat(entry[0]) or "Z")[0] == "Z"


def test_a_read_does_not_wait_long_for_a_change_of_another_pass(
    host: LiveHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stuck, "_READERS_WAIT", 0.2)
    state = stuck.stat(os.getpid())
    assert state is not None
    now = time.monotonic()
    host.stuck._own[1] = stuck.Entry(os.getpid(), state[1], ("lvm", "lvcreate"), now, now + 60)
    assert host.query(("lvm", "fullreport"), 5).out == "ran\n"
    assert time.monotonic() - now < 1
    assert "was not started" in host.run(("lvm", "vgcreate"), 0.2).trouble


def test_a_healthy_run_leaves_no_entry_and_a_query_no_file(host: LiveHost, tmp_path: Path) -> None:
    host.query(("lvm",), 5)
    assert not (tmp_path / "run").exists()
    host.run(("lvm",), 5)
    assert json.loads((tmp_path / "run" / "stuck.json").read_text()) == []


def test_where_a_process_waits_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    process = tmp_path / "77"
    (process / "fd").mkdir(parents=True)
    (process / "stat").write_text("77 (lvm (x) y) D " + " ".join(map(str, range(1, 40))))
    (process / "wchan").write_text("blkdev_issue_flush")
    for number, target in enumerate(("/dev/sdb", "/dev/null", "pipe:[1]", "/dev/sdb", "/dev/dm-3")):
        (process / "fd" / str(number)).symlink_to(target)
    monkeypatch.setattr(paths, "PROC", str(tmp_path))
    assert stuck.stat(77) == ("D", 19)
    assert stuck.whereabouts(77) == "; it waits in the kernel (blkdev_issue_flush) on /dev/dm-3, /dev/sdb"
    assert stuck.whereabouts(78) == ""
