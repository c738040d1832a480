"""A copy of the process that works beside it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lunmirror.host.worker import Worker

pytestmark = pytest.mark.real


def count(log, ending) -> None:
    while not ending():
        log.add(b"x")
        time.sleep(0.01)
    log.add(b"end")


def test_its_notes_can_be_read_while_it_works() -> None:
    copy = Worker("the counter", count)
    deadline = time.monotonic() + 5
    while len(copy.log.read()) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert copy.log.read().startswith(b"xxx")
    assert copy.stop(5.0) == ""
    assert copy.log.read().endswith(b"xend")


def test_one_that_does_not_listen_is_killed() -> None:
    def deaf(log, ending) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        log.add(b"x")
        time.sleep(60)

    copy = Worker("the deaf", deaf)
    while not copy.log.read():
        time.sleep(0.01)
    assert copy.stop(0.1) == ""
    with pytest.raises(ChildProcessError):
        os.waitpid(copy.pid, 0)


def test_it_holds_no_descriptor_of_its_parent(tmp_path) -> None:
    with open(tmp_path / "lock", "w"):

        def look(log, ending) -> None:
            for name in os.listdir("/proc/self/fd"):
                try:
                    log.add(os.readlink(f"/proc/self/fd/{name}").encode() + b"\n")
                except OSError:
                    continue
            log.add(b".")

        copy = Worker("the looker", look)
        while not copy.log.read().endswith(b"."):
            time.sleep(0.01)
        copy.stop(5.0)
    assert str(tmp_path) not in copy.log.read().decode()


def test_it_ends_when_its_parent_was_killed(tmp_path) -> None:
    script = f"""
import os, sys, time
sys.path[:0] = {sys.path!r}
from lunmirror.host.worker import Worker
def work(log, ending):
    while not ending():
        time.sleep(0.01)
    open({str(tmp_path / "ended")!r}, "w").close()
copy = Worker("x", work)
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script], check=False)
    deadline = time.monotonic() + 5
    while not (tmp_path / "ended").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (tmp_path / "ended").exists()
