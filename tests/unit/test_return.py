"""What waits for a session's return, as a process of its own on a directory made up like sysfs."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

PROGRAM = Path(__file__).parents[2] / "contrib/libexec/wait-for-return"
SYSTEMCTL = """#!/bin/sh
echo "$*" >> {directory}/asked
case "$*" in is-active*) cat {directory}/active;; esac
"""


class Waiting:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "bin").mkdir()
        systemctl = directory / "bin/systemctl"
        systemctl.write_text(SYSTEMCTL.format(directory=directory))
        systemctl.chmod(0o755)
        self.active("inactive\nactive\n")

    def session(self, name: str, state: str) -> None:
        place = self.directory / "sessions" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "state").write_text(f"{state}\n")

    def active(self, text: str) -> None:
        (self.directory / "active").write_text(text)

    def begin(self, text: str = "") -> None:
        program = self.directory / "program"
        program.write_text((text or PROGRAM.read_text()).replace("@python@", "/usr/bin/python3"))
        program.chmod(0o755)
        path = f"{self.directory}/bin:{os.environ['PATH']}"
        self.process = subprocess.Popen([program, f"{self.directory}/sessions"], env={"PATH": path})
        time.sleep(0.6)

    def asked(self) -> list[str]:
        asked = self.directory / "asked"
        return asked.read_text().splitlines() if asked.exists() else []


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    one = Waiting(tmp_path)
    yield one
    one.process.kill()
    one.process.wait()


def test_a_session_that_is_back_starts_a_pass(waiting: Waiting) -> None:
    waiting.session("session1", "LOGGED_IN")
    waiting.session("session2", "FREE")
    waiting.begin()
    assert waiting.process.poll() is None
    assert waiting.asked() == []

    waiting.session("session2", "LOGGED_IN")

    assert waiting.process.wait(timeout=10) == 0
    assert waiting.asked()[-1] == "--no-block start lunmirror.service"


def test_one_that_goes_and_comes_starts_a_pass(waiting: Waiting) -> None:
    waiting.session("session1", "LOGGED_IN")
    waiting.begin()
    waiting.session("session1", "FAILED")
    time.sleep(0.6)

    waiting.session("session1", "LOGGED_IN")

    assert waiting.process.wait(timeout=10) == 0


def test_a_pass_that_runs_already_is_waited_for(waiting: Waiting) -> None:
    waiting.session("session1", "FREE")
    waiting.begin()
    waiting.active("activating\n")
    waiting.session("session1", "LOGGED_IN")
    time.sleep(1.5)
    assert waiting.process.poll() is None

    waiting.active("inactive\n")

    assert waiting.process.wait(timeout=10) == 0
    assert waiting.asked().count("--no-block start lunmirror.service") == 1


@pytest.mark.parametrize("sessions", [True, False])
def test_it_ends_when_no_pass_is_due(waiting: Waiting, sessions: bool) -> None:
    if sessions:
        waiting.session("session1", "FREE")
    waiting.active("inactive\ninactive\n")
    waiting.begin(PROGRAM.read_text().replace("CHECK = 10.0", "CHECK = 0.5"))

    assert waiting.process.wait(timeout=10) == 0
    assert [line for line in waiting.asked() if "start" in line] == []
