"""What waits for a session's return, as a process of its own on a directory made up like sysfs and on events made here."""

import fcntl
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

PROGRAM = Path(__file__).parents[2] / "contrib/libexec/wait-for-return"
START = "--no-block start lunmirror.service"
PASS, SOON = "lunmirror.service", "lunmirror-soon.timer"
SYSTEMCTL = """#!/bin/sh
echo "$*" >> {directory}/asked
[ "$1" = is-active ] && shift && cd {directory}/active && cat "$@"
"""
DMSETUP = """#!/bin/sh
cat {directory}/status
"""
FOREIGN = "vg-root: 0 8192 linear \nvg-m: 0 8192 mirror 2 253:1 253:2 16/16 1 AA 1 core\n"
WHOLE = f"{FOREIGN}vg0-lv: 0 131072 raid raid1 2 AA 131072/131072 idle 0 0 -\n"
FAILED = f"{FOREIGN}vg0-lv: 0 131072 raid raid1 2 AD 131072/131072 idle 0 0 -\n"


class Waiting:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "active").mkdir()
        (directory / "bin").mkdir()
        for name, text in (("systemctl", SYSTEMCTL), ("dmsetup", DMSETUP)):
            program = directory / "bin" / name
            program.write_text(text.format(directory=directory))
            program.chmod(0o755)
        self.active(PASS, "inactive")
        self.active(SOON, "active")
        self.mirrors(WHOLE)
        self.text = PROGRAM.read_text().replace("@python@", "/usr/bin/python3")
        assert "fcntl.ioctl(fd, DM_DEV_ARM_POLL, DM_IOCTL)" in self.text
        # A pipe stands for the control node: what is in it makes it readable, until it is "armed" again.
        self.text = self.text.replace("fcntl.ioctl(fd, DM_DEV_ARM_POLL, DM_IOCTL)", "os.read(fd, 99)")
        ours, self.dm = os.pipe()
        self.iscsi, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        theirs.setblocking(True)  # as systemd hands it over (docs/facts/events.md)
        # Far from 3 and 4, which they become in the process.
        self.theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (ours, theirs.fileno())]
        os.close(ours)
        theirs.close()
        self.process: subprocess.Popen[bytes] | None = None

    def end(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
        self.iscsi.close()
        for fd in (self.dm, *self.theirs):
            os.close(fd)

    def session(self, name: str, state: str) -> None:
        place = self.directory / "sessions" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "state").write_text(f"{state}\n")

    def active(self, unit: str, text: str) -> None:
        (self.directory / "active" / unit).write_text(f"{text}\n")

    def mirrors(self, text: str) -> None:
        (self.directory / "status").write_text(text)

    def dm_event(self) -> None:
        os.write(self.dm, b"1")

    def iscsi_event(self) -> None:
        self.iscsi.send(b"error")

    def begin(self, listens: bool = True, **constants: float) -> None:
        program = self.directory / "program"
        for name, value in constants.items():
            assert f"\n{name} = " in self.text
            self.text = self.text.replace(f"\n{name} = ", f"\n{name} = {value}  # ")
        program.write_text(self.text)
        program.chmod(0o755)
        env = {"PATH": f"{self.directory}/bin:{os.environ['PATH']}"} | ({"LISTEN_FDS": "2"} if listens else {})
        self.process = subprocess.Popen(
            [program, f"{self.directory}/sessions"],
            env=env,
            close_fds=False,
            preexec_fn=lambda: [os.dup2(fd, 3 + n) for n, fd in enumerate(self.theirs)],
        )
        time.sleep(0.6)

    def asked(self) -> list[str]:
        asked = self.directory / "asked"
        return asked.read_text().splitlines() if asked.exists() else []

    def starts(self) -> int:
        return self.asked().count(START)

    def until(self, starts: int, seconds: float = 10) -> float:
        """Seconds until so many passes were started."""
        begun = time.monotonic()
        while self.starts() < starts:
            assert time.monotonic() - begun < seconds, self.asked()
            time.sleep(0.02)
        assert self.starts() == starts
        return time.monotonic() - begun

    def ended(self) -> bool:
        assert self.process
        return self.process.wait(timeout=10) == 0

    def runs(self) -> bool:
        assert self.process
        return self.process.poll() is None


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    one = Waiting(tmp_path)
    yield one
    one.end()


@pytest.mark.parametrize("listens", [True, False])
def test_a_session_that_is_back_starts_a_pass(waiting: Waiting, listens: bool) -> None:
    waiting.session("session1", "LOGGED_IN")
    waiting.session("session2", "FREE")
    waiting.begin(listens)
    assert waiting.runs()
    assert waiting.asked() == []

    waiting.session("session2", "LOGGED_IN")

    assert waiting.until(1) < 1
    assert waiting.runs()


def test_one_that_goes_and_comes_starts_a_pass(waiting: Waiting) -> None:
    waiting.session("session1", "LOGGED_IN")
    waiting.begin()
    waiting.session("session1", "FAILED")
    time.sleep(0.6)

    waiting.session("session1", "LOGGED_IN")

    waiting.until(1)


def test_a_pass_that_runs_already_is_waited_for(waiting: Waiting) -> None:
    waiting.session("session1", "FREE")
    waiting.begin()
    waiting.active(PASS, "activating")
    waiting.session("session1", "LOGGED_IN")
    time.sleep(1.5)
    assert waiting.starts() == 0

    waiting.active(PASS, "inactive")

    waiting.until(1)


def test_one_that_comes_back_while_a_pass_runs_is_not_missed(waiting: Waiting) -> None:
    """The pass that another session's return started does not see it any more."""
    waiting.session("session1", "FREE")
    waiting.session("session2", "FREE")
    waiting.begin()
    waiting.session("session1", "LOGGED_IN")
    waiting.until(1)
    waiting.active(PASS, "activating")
    waiting.session("session2", "LOGGED_IN")
    time.sleep(0.6)
    waiting.active(PASS, "inactive")

    waiting.until(2)


def test_a_session_that_flaps_starts_few_passes(waiting: Waiting) -> None:
    waiting.session("session1", "LOGGED_IN")
    waiting.begin(FIRST=0.5, LONGEST=2.0)
    for _ in range(14):
        waiting.session("session1", "FAILED")
        time.sleep(0.3)
        waiting.session("session1", "LOGGED_IN")
        time.sleep(0.3)

    assert 3 <= waiting.starts() <= 7  # at 0, 0.5, 1.5, 3.5, 5.5, 7.5, 9.5 s at the latest


@pytest.mark.parametrize(
    "status",
    [
        FAILED,
        WHOLE.replace("AA 131072", "Aa 131072"),
        WHOLE.replace("1 AA 1", "1 DA 1"),
        WHOLE.replace("16/16", "3/16"),
    ],
)
def test_a_leg_that_is_given_up_starts_a_pass(waiting: Waiting, status: str) -> None:
    """As systemd starts it: by the event."""
    waiting.session("session1", "LOGGED_IN")
    waiting.mirrors(status)
    waiting.dm_event()
    waiting.begin()

    assert waiting.until(1) < 1

    waiting.mirrors(WHOLE)  # the copy ended
    waiting.dm_event()

    waiting.until(2)


def test_events_that_change_nothing_start_no_pass(waiting: Waiting) -> None:
    """A snapshot of somebody's, a volume that another program makes; a mirror of somebody's that stays broken."""
    waiting.session("session1", "LOGGED_IN")
    waiting.dm_event()
    waiting.begin()
    waiting.mirrors(f"{WHOLE}other: 0 8192 raid raid1 2 AD 8192/8192 idle 0 0 -\n")
    waiting.dm_event()
    waiting.until(1)
    for _ in range(5):
        waiting.dm_event()
        time.sleep(0.3)

    assert waiting.starts() == 1


def test_a_connection_lost_for_an_instant_starts_a_pass(waiting: Waiting) -> None:
    """Its server may have been restarted, and a volatile cache with it: no look sees the session absent."""
    waiting.session("session1", "LOGGED_IN")
    waiting.iscsi_event()
    waiting.begin()

    waiting.until(1)


def test_a_lost_connection_starts_none_before_it_is_back(waiting: Waiting) -> None:
    waiting.session("session1", "FAILED")
    waiting.iscsi_event()
    waiting.begin()
    time.sleep(1)
    assert waiting.starts() == 0

    waiting.session("session1", "LOGGED_IN")

    waiting.until(1)


@pytest.mark.parametrize("sessions", [True, False])
def test_it_ends_when_all_are_logged_in_and_no_pass_is_due(waiting: Waiting, sessions: bool) -> None:
    if sessions:
        waiting.session("session1", "LOGGED_IN")
    waiting.active(SOON, "inactive")
    waiting.begin(CHECK=0.5)

    assert waiting.ended()
    assert waiting.starts() == 0


def test_for_a_session_that_no_pass_waits_for_it_waits_a_while(waiting: Waiting) -> None:
    """After a cut until the timer's next pass has seen it; of somebody else's that stays away not for ever."""
    waiting.session("session1", "FAILED")
    waiting.active(SOON, "inactive")
    waiting.begin(CHECK=0.2, ABSENT=2.0)
    time.sleep(0.6)
    assert waiting.runs()

    assert waiting.ended()


def test_without_device_mappers_events_it_says_so(waiting: Waiting) -> None:
    """An older kernel: systemd gives up after a few tries."""
    waiting.text = waiting.text.replace("os.read(fd, 99)", "fcntl.ioctl(fd, DM_DEV_ARM_POLL, DM_IOCTL)")
    waiting.dm_event()
    waiting.begin()

    assert waiting.process
    assert waiting.process.wait(timeout=10) == 1
    assert waiting.starts() == 0


def test_waiting_costs_less_than_half_a_percent_of_a_cpu(waiting: Waiting) -> None:
    for n in range(10):
        waiting.session(f"session{n}", "FREE" if n else "LOGGED_IN")
    waiting.begin()
    assert waiting.process
    spent = Path(f"/proc/{waiting.process.pid}/schedstat")  # nanoseconds on a CPU first
    before, begun = int(spent.read_text().split()[0]), time.monotonic()
    time.sleep(4)
    used = (int(spent.read_text().split()[0]) - before) / 1e9

    assert used / (time.monotonic() - begun) < 0.005
