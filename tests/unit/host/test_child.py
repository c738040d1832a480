"""Programs, with real ones: what they get, what is kept of what they say, and that none of them can hang us."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lunmirror.engine.errors import HostError
from lunmirror.engine.model import Unknown
from lunmirror.host import child, paths, waiting
from lunmirror.host.live import LiveHost
from lunmirror.host.protocol import Ran
from lunmirror.host.stuck import stat

pytestmark = pytest.mark.real

Script = Callable[[str], str]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Makes a program out of Python source; the name to run it by."""
    directory = tmp_path / "programs"
    directory.mkdir()
    monkeypatch.setattr(paths, "PROGRAM_PATH", (str(directory), *paths.PROGRAM_PATH))

    def make(source: str, name: str = "toy") -> str:
        program = directory / name
        program.write_text(f"#!{sys.executable} -S\nimport os, signal, sys, time\n{source}\n")
        program.chmod(0o755)
        return name

    return make


def test_a_program_gets_nothing_that_we_did_not_give_it(
    host: LiveHost, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    monkeypatch.setenv("LD_PRELOAD", "")
    leak = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leak, True)
    child.settle()
    ran = host.query((script(
        "print(sorted(os.environ)); print(os.getcwd()); print(oct(os.umask(0)));"
        "print(sorted(map(int, os.listdir('/proc/self/fd')))); print(os.getsid(0) == os.getpid());"
        "print(repr(sys.stdin.read())); print(signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN)"
    ),), 5)  # fmt: skip
    os.close(leak)
    said = ran.out.splitlines()
    # Python itself ignores SIGPIPE at start and may coerce LC_CTYPE; a listing has its own descriptor, number 3.
    assert set(eval(said[0])) - {"LC_CTYPE"} == set(child.ENVIRONMENT)
    assert said[1:6] == ["/", "0o22", "[0, 1, 2, 3]", "True", "''"]


def test_signals_that_we_ignore_work_in_a_program(host: LiveHost) -> None:
    said = host.query(("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"), 5).out.split()
    blocked, ignored = int(said[1], 16), int(said[3], 16)
    assert (blocked, ignored & 0x7FFFFFFF) == (0, 0)  # above these are glibc's own two


def test_standard_input_is_what_was_given(host: LiveHost) -> None:
    data = bytes(range(256)) * 5000
    assert host.run(("sha256sum",), 5, data).out == host.run(("sha256sum", "-"), 5, data).out
    assert host.run(("wc", "-c"), 5, data).out.strip() == "1280000"
    assert host.run(("true",), 5, data).rc == 0  # one that never reads it


def test_how_it_ended_is_reported(host: LiveHost, script: Script) -> None:
    assert host.query(("true",), 5)[1:4] == (0, "", "")
    assert host.query((script("sys.exit(21)"),), 5).rc == 21
    crashed = host.query((script("os.kill(os.getpid(), 11)", "crasher"),), 5)
    assert crashed.rc == -11
    assert crashed.trouble == "crasher was killed by signal 11"


def test_output_that_is_no_text_is_kept_byte_for_byte(host: LiveHost, script: Script) -> None:
    ran = host.query((script("os.write(1, bytes(range(256))); os.write(2, b'\\xff\\xfe')"),), 5)
    assert ran.out.encode("utf-8", "surrogateescape") == bytes(range(256))
    assert ran.err.encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_much_on_standard_error_hurts_nobody(host: LiveHost, script: Script) -> None:
    ran = host.query(
        (script("[os.write(2, b'x' * 999 + b'\\n') for _ in range(1000)]; os.write(2, b'the end\\n')"),), 10
    )
    assert ran.rc == 0
    assert len(ran.err) < child.ERRORS_KEPT * 2 + 100
    assert "bytes left out" in ran.err
    assert ran.err.endswith("the end\n")


def test_half_an_answer_is_none(host: LiveHost, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "OUTPUT_KEPT", 4 << 20)
    chatty = script("[os.write(1, b'x' * 100_000) for _ in range(100)]")
    ran = host.query((chatty,), 10)
    assert (ran.rc, len(ran.out)) == (None, child.OUTPUT_KEPT)
    assert ran.trouble == f"toy printed 10000000 bytes, more than the {child.OUTPUT_KEPT} that are read"
    assert host.run((chatty,), 10).rc == 0  # a change that succeeded has succeeded, however much it said


def test_a_deadline_ends_it(host: LiveHost) -> None:
    started = time.monotonic()
    ran = host.query(("sleep", "60"), 0.2)
    assert time.monotonic() - started < 1
    assert ran.rc is None
    assert "did not end within 0.2 s and was ended" in ran.trouble


def test_one_that_ignores_sigterm_is_killed(host: LiveHost, script: Script) -> None:
    program = script("signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(60)")
    started = time.monotonic()
    ran = host.query((program,), 0.5)
    assert child.GRACE < time.monotonic() - started < child.GRACE + 2
    assert ran.rc is None
    assert not os.path.exists(f"/proc/{int(ran.out)}")


def test_what_it_started_ends_with_it(host: LiveHost, script: Script) -> None:
    program = script("pid = os.fork()\nif pid: print(pid, flush=True)\ntime.sleep(60)")
    ran = host.query((program,), 0.5)
    grandchild = int(ran.out)
    assert waiting.until(lambda: (stat(grandchild) or ("Z", 0))[0] == "Z", 2)


def test_a_daemon_that_holds_its_output_open_does_not_hold_us(host: LiveHost, script: Script) -> None:
    """iscsiadm starts iscsid, lvm starts dmeventd; both inherit our pipes."""
    program = script("if os.fork() == 0:\n os.setsid(); time.sleep(5); os._exit(0)\nprint('done')")
    started = time.monotonic()
    ran = host.query((program,), 4)
    assert (ran.rc, ran.out) == (0, "done\n")
    assert time.monotonic() - started < 2


def test_programs_run_side_by_side_and_answer_in_order(host: LiveHost) -> None:
    started = time.monotonic()
    answers = host.run_together(tuple((("sh", "-c", f"sleep 0.5; echo {n}"), 5.0) for n in range(4)))
    assert time.monotonic() - started < 1.5
    assert [ran.out.strip() for ran in answers] == ["0", "1", "2", "3"]


def test_one_that_hangs_does_not_fail_its_neighbours(host: LiveHost) -> None:
    slow, quick = host.run_together(((("sleep", "60"), 0.3), (("echo", "ok"), 5.0)))
    assert (slow.rc, quick.rc, quick.out) == (None, 0, "ok\n")


def test_a_missing_program_is_named_with_its_package(host: LiveHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "PROGRAM_PATH", ("/nowhere",))
    said = host.query(("iscsiadm", "-m", "node"), 5)
    assert said.rc is None
    assert said.why == (
        "iscsiadm is not installed: it comes with package open-iscsi on Debian, iscsi-initiator-utils on RHEL"
    )
    assert host.run(("lvm",), 5).trouble == "lvm is not installed: it comes with package lvm2"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", "lvm ended with exit code 5"),
        ("  one\n  two\n", "lvm ended with exit code 5: two"),
        (
            "  Rounding up.\n  /etc/lvm/archive/x: open failed: Read-only file system\n  Failed to commit VG vg0\n",
            "lvm ended with exit code 5: /etc/lvm/archive/x: open failed: Read-only file system; Failed to commit VG vg0",
        ),
        (
            "  Cannot archive volume group metadata for vg0 to read-only filesystem.\n  Failed to commit VG vg0\n",
            "lvm ended with exit code 5: Cannot archive volume group metadata for vg0 to read-only filesystem.; Failed to"
            " commit VG vg0",
        ),
        ("  x: No space left on device\n", "lvm ended with exit code 5: x: No space left on device"),
    ],
)
def test_the_cause_is_reported_with_the_last_line(said: str, told: str) -> None:
    assert Ran(("lvm",), 5, "", said, 0.1).why == told


def test_the_callers_path_plays_no_part(host: LiveHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "true").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "true").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.query(("true",), 5).rc == 0


def test_an_argument_with_a_nul_is_an_answer_not_an_accident(host: LiveHost) -> None:
    ran = host.query(("echo", "a\0b"), 5)
    assert ran.rc is None
    assert "cannot be started" in ran.trouble


def test_no_descriptor_is_left_over(host: LiveHost) -> None:
    before = os.listdir("/proc/self/fd")
    host.run(("cat",), 5, b"x")
    host.run(("nosuch",), 5)
    host.query(("sleep", "9"), 0.1)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_exhausted_descriptors_are_an_answer(host: LiveHost) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        ran = host.query(("true",), 5)
        seen = host.read("/etc/passwd")
        with pytest.raises(HostError, match="too many open files"):
            host.glob("/sys/class/block/*")  # an empty answer would read as "no disks"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert ran.trouble == "true cannot be started: this process has too many open files"
    assert seen == Unknown("cannot read /etc/passwd: this process has too many open files")
    assert host.run(("true",), 5).rc == 0


def test_without_a_pidfd_all_the_same(host: LiveHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    assert host.query(("echo", "x"), 5).out == "x\n"
    assert host.query(("sleep", "60"), 0.1).rc is None


def test_answers_are_remembered_until_a_change(host: LiveHost, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1")
    look = ("cat", str(tmp_path / "f"))
    assert host.query(look, 5).out == "1"
    (tmp_path / "f").write_text("2")
    assert host.query(look, 5).out == "1"
    host.run(("true",), 5)
    assert host.query(look, 5).out == "2"
    for change in (
        lambda: host.write(str(tmp_path / "g"), b"", None, 0o600),
        lambda: host.remove(str(tmp_path / "g"), b""),
        lambda: host.make_directory(str(tmp_path / "h"), 0o755),
        lambda: host.await_path((str(tmp_path / "h"),), 1),
        lambda: host.write_value(str(tmp_path / "f"), "2"),
        lambda: host.run_together(()),
    ):
        host.query(look, 5)
        change()
        assert host.answers == {}


# Being told to stop


@pytest.fixture
def heeding() -> None:
    waiting.heed_signals()
    yield
    waiting._asked.clear()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.usefixtures("heeding")
def test_a_step_in_progress_ends_by_itself_and_no_other_begins(
    host: LiveHost, script: Script, tmp_path: Path
) -> None:
    program = script(f"os.kill(os.getppid(), 15); time.sleep(0.5); open({str(tmp_path / 'whole')!r}, 'w')")
    assert host.run((program,), 5).rc == 0
    assert (tmp_path / "whole").exists()
    with pytest.raises(waiting.Interrupted):
        host.run(("true",), 5)
    with pytest.raises(waiting.Interrupted):
        host.write(str(tmp_path / "not"), b"", None, 0o600)
    assert not (tmp_path / "not").exists()


@pytest.mark.usefixtures("heeding")
def test_the_second_signal_ends_the_step(host: LiveHost, script: Script) -> None:
    program = script("os.kill(os.getppid(), 15); time.sleep(0.1); os.kill(os.getppid(), 15); time.sleep(60)")
    started = time.monotonic()
    ran = host.run((program,), 30)
    assert time.monotonic() - started < 3
    assert "was running when lunmirror was asked to stop" in ran.trouble


@pytest.mark.usefixtures("heeding")
def test_a_read_in_progress_is_not_waited_for(host: LiveHost, script: Script) -> None:
    started = time.monotonic()
    with pytest.raises(waiting.Interrupted):
        host.query((script("os.kill(os.getppid(), 2); time.sleep(60)"),), 30)
    assert time.monotonic() - started < 3


@pytest.mark.usefixtures("heeding")
def test_waiting_for_a_path_stops_at_once(host: LiveHost) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(waiting.Interrupted):
        host.await_path(("/nowhere/*",), 30)
