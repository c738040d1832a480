"""Programs: started clean, bounded in time and output, and abandoned where nothing can end them.

Why not subprocess: a process that waits in the kernel for a dead disk cannot be killed; it dies only when the disk
comes back, and `subprocess.run` would wait for it as long. Here a program that is past its deadline is asked to end
(SIGTERM), killed a second later, and a second after that abandoned: its pid is noted for later passes (host/stuck.py).

A program gets no standard input but the bytes it is given, a fixed environment, a session of its own, no descriptor
of ours.
"""

import errno
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from lunmirror.host import paths, words
from lunmirror.host.protocol import Ran
from lunmirror.host.stuck import Stuck, whereabouts
from lunmirror.host.waiting import SLICE, asked_to_stop, stop_if_asked

ENVIRONMENT = {
    "PATH": ":".join(paths.PROGRAM_PATH),
    "LC_ALL": "C",
    "LANG": "C",
    "TZ": "UTC",
    "HOME": "/",
    "LVM_SUPPRESS_FD_WARNINGS": "1",
}
OUTPUT_KEPT = 64 << 20  # bytes of standard output: LVM reports 6,000 volumes in 6 MiB
ERRORS_KEPT = 32 << 10  # bytes of standard error, at its beginning, and again as many at its end
GRACE = 1.0  # seconds between SIGTERM and SIGKILL, and between SIGKILL and giving up

_CHUNK = 64 << 10
_PIPE_MOST = 1 << 20  # bytes that a pipe can hold (fs.pipe-max-size)
_NO_PIDFD_PAUSE = 0.01  # seconds between looks at a child, on a kernel before 5.3
_DEFAULTED = tuple(
    getattr(signal, f"SIG{name}")
    for name in ["HUP", "INT", "QUIT", "PIPE", "TERM", "CHLD", "XFSZ", "ALRM", "USR1", "USR2", "TSTP", "TTIN", "TTOU"]
)  # Python ignores SIGPIPE and SIGXFSZ, and whoever started us may ignore more; programs would inherit it


class Job(NamedTuple):
    """One program to run. `deadline` in seconds. `changes`: it changes something, so it is not cut short lightly."""

    argv: tuple[str, ...]
    deadline: float
    stdin: bytes = b""
    changes: bool = True


def settle() -> None:
    """Make this process one that children can be started from. Once, before the first.

    posix_spawn can set neither directory nor umask nor close what we inherited ourselves, so we do it for us both.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, as some daemons leave it, waitpid would find nothing
    os.chdir("/")
    os.umask(0o022)
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(paths.NULL, os.O_RDWR)
    for name in os.listdir(paths.OWN_DESCRIPTORS):
        if int(name) > 2:
            with suppress(OSError):  # the descriptor of the listing itself is closed by now
                os.set_inheritable(int(name), False)


def find(program: str) -> str:
    """The path of a program; '' if it is not installed. The caller's PATH plays no part. An absolute path (an
    administrator's own program) is itself."""
    for directory in paths.PROGRAM_PATH if not program.startswith("/") else ("",):
        path = f"{directory}/{program}" if directory else program
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    return ""


def run_all(jobs: tuple[Job, ...], stuck: Stuck, note: Callable[[str], None]) -> tuple[Ran, ...]:
    """Run programs side by side; how each ended, in the same order. Raises Interrupted, after all have ended."""
    held = [stuck.before(job.argv, job.deadline, job.changes) for job in jobs]
    children = [Child(job, stuck, note) for job in jobs]
    for child, why in zip(children, held, strict=True):
        if why:
            child.answer = child.failed_to_start(why)
        else:
            child.start()
    _attend(children)
    if any(not job.changes for job in jobs):
        stop_if_asked()
    return tuple(child.answer for child in children if child.answer is not None)


def run_apart(what: str, work: Callable[[], None], deadline: float, stuck: Stuck, note: Callable[[str], None]) -> Ran:
    """Do something in a copy of this process, since it may never return (a write to sysfs can wait for a dead disk).

    `rc` is 0, or the errno of the OSError that `work` raised.
    """
    why = stuck.before((what,), deadline, changes=True)
    child = Child(Job((what,), deadline), stuck, note)
    if why:
        return child.failed_to_start(why)
    child.fork(work)
    _attend([child])
    assert child.answer is not None
    return child.answer


def _attend(children: "list[Child]") -> None:
    poll = select.poll()
    ears: dict[int, Child] = {}
    for child in children:
        for number in child.descriptors():
            poll.register(number, select.POLLIN)
            ears[number] = child
    while living := [c for c in children if c.answer is None]:
        pause = min(c.pause() for c in living)
        for number, _ in poll.poll(pause * 1000):
            if not ears[number].hear(number):
                poll.unregister(number)
        for child in living:
            child.tend()


class Child:
    """One program, from its start until its end is known or it is given up. `answer` is None until then."""

    def __init__(self, job: Job, stuck: Stuck, note: Callable[[str], None]) -> None:
        self.job, self.stuck, self.note = job, stuck, note
        self.answer: Ran | None = None
        self.out, self.err = Output(OUTPUT_KEPT, 0), Output(ERRORS_KEPT, ERRORS_KEPT)
        self.pipes: dict[int, Output] = {}
        self.pid = 0
        self.pidfd = -1
        self.started = time.monotonic()
        self.turn = self.started + job.deadline  # when the next, harsher way to end it is due
        self.attempts = 0  # how many ways to end it were tried

    @property
    def name(self) -> str:
        return self.job.argv[0]

    def start(self) -> None:
        """Start the program; `answer` is set at once if that fails."""
        path = find(self.name)
        if not path:
            self.answer = self.failed_to_start(words.not_installed(self.name))
            return
        opened: list[int] = []
        try:
            opened.append(_input(self.job.stdin))
            for kept in (self.out, self.err):
                ours, theirs = os.pipe()
                opened.append(theirs)
                os.set_blocking(ours, False)
                self.pipes[ours] = kept
            self.pid = os.posix_spawn(
                path,
                self.job.argv,
                ENVIRONMENT,
                file_actions=[(os.POSIX_SPAWN_DUP2, number, standard) for standard, number in enumerate(opened)],
                setsid=True,
                setsigmask=(),
                setsigdef=_DEFAULTED,
            )
        except (OSError, ValueError) as error:
            self._close()
            reason = words.of(error) if isinstance(error, OSError) else str(error)  # ValueError: a NUL in an argument
            self.answer = self.failed_to_start(f"{self.name} cannot be started: {reason}")
            return
        finally:
            for number in opened:
                os.close(number)
        self._begin()

    def fork(self, work: Callable[[], None]) -> None:
        """Do `work` in a copy of ourselves, without any descriptor of ours (the run lock is one)."""
        try:
            self.pid = os.fork()
        except OSError as error:
            self.answer = self.failed_to_start(f"{self.name}: {words.of(error)}")
            return
        if self.pid == 0:
            rc = 255
            try:
                os.setsid()
                for number in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, signal.SIG_DFL)
                os.closerange(3, 1 << 20)
                work()
                rc = 0
            except OSError as error:
                rc = error.errno or 255
            finally:
                os._exit(rc)
        self._begin()

    def _begin(self) -> None:
        with suppress(OSError, AttributeError):  # without it (before Linux 5.3) pause() is short enough
            self.pidfd = os.pidfd_open(self.pid)
        if self.job.changes:
            self.stuck.add(self.pid, self.job.argv, self.started, self.turn + 2 * GRACE)

    def descriptors(self) -> list[int]:
        """What to listen to."""
        return [] if self.answer else [*self.pipes, *([self.pidfd] if self.pidfd >= 0 else [])]

    def pause(self) -> float:
        """Seconds until it wants to be tended even if nothing is heard."""
        longest = SLICE if self.pidfd >= 0 else _NO_PIDFD_PAUSE
        return max(0.0, min(self.turn - time.monotonic(), longest))

    def hear(self, number: int) -> bool:
        """Take what there is to read. Whether there can be more."""
        kept = self.pipes.get(number)
        return kept is not None and _take(number, kept) != b""

    def tend(self) -> None:
        """See whether it ended; if its time is over, end it."""
        try:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else reaped it: how it ended will never be known
            self._finish(None, f"{self.name} ended, and its exit code was lost")
            return
        if ended:
            self._drain()
            self._finish(*self._judge(os.waitstatus_to_exitcode(status)))
            return
        insisted = asked_to_stop() > (1 if self.job.changes else 0)
        if time.monotonic() >= self.turn or (insisted and self.attempts == 0):
            self._end()

    def _end(self) -> None:
        """The next harsher way to end it."""
        self.attempts += 1
        self.turn = time.monotonic() + GRACE
        if self.attempts == 1:
            self._signal(signal.SIGTERM)
        elif self.attempts == 2:
            self._signal(signal.SIGKILL)
        else:
            self._abandon()

    def _signal(self, number: int) -> None:
        """To the program and what it started: it leads a session, so a process group, of its own."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _abandon(self) -> None:
        text = (
            f"{self.name} (pid {self.pid}) {self._overdue()} and cannot be killed{whereabouts(self.pid)};"
            f" it is left alone, and nothing that would wait for it is started while it lives"
        )
        self.stuck.add(self.pid, self.job.argv, self.started, time.monotonic())
        self.note(text)
        self._finish(None, text, gone=False)

    def _judge(self, rc: int) -> tuple[int | None, str]:
        if self.attempts:
            return None, f"{self.name} (pid {self.pid}) {self._overdue()} and was ended{self._last_output()}"
        if self.out.dropped and not self.job.changes:
            # Half an answer may lack just the line that says "present".
            return None, f"{self.name} printed {self.out.total} bytes, more than the {OUTPUT_KEPT} that are read"
        if rc < 0:
            return rc, f"{self.name} was killed by signal {-rc}{self._last_output()}"
        return rc, ""

    def _overdue(self) -> str:
        if asked_to_stop() and time.monotonic() - self.started < self.job.deadline:
            return "was running when lunmirror was asked to stop"
        return f"did not end within {self.job.deadline:g} s"

    def _last_output(self) -> str:
        lines = self.err.text().strip().splitlines()
        return f"; its last output: {lines[-1].strip()[:300]}" if lines else ""

    def _drain(self) -> None:
        """What is still in the pipes. Not until their end: a daemon that the program left behind may hold them open
        for ever (iscsiadm starts iscsid, lvm starts dmeventd), and may go on writing."""
        for number, kept in self.pipes.items():
            end = kept.total + _PIPE_MOST
            while kept.total < end and _take(number, kept):
                pass

    def _finish(self, rc: int | None, trouble: str, gone: bool = True) -> None:
        self._close()
        if gone and self.job.changes:
            self.stuck.forget(self.pid)
        seconds = time.monotonic() - self.started
        self.answer = Ran(self.job.argv, rc, self.out.text(), self.err.text(), seconds, trouble)

    def failed_to_start(self, trouble: str) -> Ran:
        return Ran(self.job.argv, None, "", "", time.monotonic() - self.started, trouble)

    def _close(self) -> None:
        for number in (*self.pipes, *([self.pidfd] if self.pidfd >= 0 else [])):
            os.close(number)
        self.pipes.clear()
        self.pidfd = -1


class Output:
    """The first bytes of a stream and the last ones; what lies between is counted and dropped."""

    def __init__(self, head: int, tail: int) -> None:
        self.most_head, self.most_tail = head, tail
        self.head, self.tail = bytearray(), bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        self.total += len(data)
        room = self.most_head - len(self.head)
        self.head += data[:room]
        self.tail += data[room:]
        del self.tail[: max(0, len(self.tail) - self.most_tail)]

    @property
    def dropped(self) -> int:
        """Bytes."""
        return self.total - len(self.head) - len(self.tail)

    def text(self) -> str:
        """Decoded so that no byte is lost or fatal."""
        gap = f"\n[… {self.dropped} bytes left out …]\n".encode() if self.dropped and self.tail else b""
        return (self.head + gap + self.tail).decode("utf-8", "surrogateescape")


def _take(number: int, kept: Output) -> bytes | None:
    """One read: what came, b"" at the end of the stream, None if there is nothing now."""
    try:
        data = os.read(number, _CHUNK)
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return b""
    kept.add(data)
    return data


def _input(data: bytes) -> int:
    """A descriptor to read `data` from; a file in memory, so that no program can make us wait by not reading."""
    if not data:
        return os.open(paths.NULL, os.O_RDONLY | os.O_CLOEXEC)
    number = os.memfd_create("lunmirror", os.MFD_CLOEXEC)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(number, left) :]
        os.lseek(number, 0, os.SEEK_SET)
    except OSError:
        os.close(number)
        raise
    return number
