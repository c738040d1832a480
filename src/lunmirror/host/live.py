"""The machine itself: the one implementation of the host protocol that touches it.

Reads never raise, and never wait without a deadline. Changes raise ActionFailed and nothing else, but for
Interrupted, when somebody asked us to stop: then nothing further is begun.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from lunmirror.engine.model import Seen
from lunmirror.host import child, files, words
from lunmirror.host.child import Job
from lunmirror.host.protocol import ActionFailed, Ran
from lunmirror.host.stuck import Stuck
from lunmirror.host.sysfs import logged_in
from lunmirror.host.waiting import stop_if_asked, until

T = TypeVar("T")

VALUE_DEADLINE = 10.0  # seconds that a write to sysfs may take


PORTAL_TRY = 2.0  # seconds for one attempt of all portals, while absent servers are waited for


class LiveHost:
    """This machine. `note` hears what no answer carries: a lock broken, a program abandoned."""

    def __init__(self, note: Callable[[str], None] = lambda text: None) -> None:
        self.note = note
        self.stuck = Stuck()
        self.answers: dict[tuple[str, ...], Ran] = {}
        self.found: dict[str, Any] = {}
        self.in_vain: dict[tuple[str, str, int], float] = {}
        child.settle()

    # Reading

    def query(self, argv: tuple[str, ...], deadline: float) -> Ran:
        if argv not in self.answers:
            self.answers[argv] = self._run(Job(argv, deadline, changes=False))
        return self.answers[argv]

    def memoize(self, name: str, look: Callable[[], T]) -> T:
        if name not in self.found:
            self.found[name] = look()
        found: T = self.found[name]
        return found

    def forget(self) -> None:
        self.answers.clear()
        self.found.clear()

    def read(self, path: str) -> Seen[bytes]:
        return files.read(path)

    def glob(self, pattern: str) -> tuple[str, ...]:
        return files.glob(pattern)

    def link(self, path: str) -> Seen[str]:
        return files.link(path)

    def directory(self, path: str) -> Seen[tuple[str, ...]]:
        return files.directory(path)

    def reach(self, endpoints: tuple[tuple[str, int], ...], deadline: float) -> dict[tuple[str, int], str]:
        from lunmirror.host.reach import reach  # only a pass with a session missing asks

        stop_if_asked()
        return reach(endpoints, deadline, self.stuck, self.note)

    def waited(self, session: tuple[str, str, int]) -> float:
        return self.in_vain.get(session, 0.0)

    def date(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def now(self) -> float:
        return time.monotonic()

    # Changing

    def run(self, argv: tuple[str, ...], deadline: float, stdin: bytes = b"") -> Ran:
        self._change()
        return self._run(Job(argv, deadline, stdin))

    def run_together(self, runs: tuple[tuple[tuple[str, ...], float], ...]) -> tuple[Ran, ...]:
        self._change()
        return child.run_all(tuple(Job(argv, deadline) for argv, deadline in runs), self.stuck, self.note)

    def write(
        self, path: str, content: bytes, before: bytes | None, mode: int, scratch: str = "", locked: bool = False
    ) -> None:
        self._change()
        files.replace(path, content, before, mode, scratch, self._lock(locked))

    def no_room(self, directory: str) -> str:
        return files.no_room(directory)

    def flush(self, path: str) -> None:
        files.flush(path)

    def remove(self, path: str, before: bytes, locked: bool = False) -> None:
        self._change()
        files.remove(path, before, self._lock(locked))

    def write_value(self, path: str, value: str) -> None:
        self._change()
        ran = child.run_apart(
            f"writing {path}", lambda: files.write_value(path, value), VALUE_DEADLINE, self.stuck, self.note
        )
        if ran.rc != 0:
            why = ran.trouble or words.of(OSError(ran.rc, ""))
            raise ActionFailed(f"cannot write {value!r} to {path}: {why}")

    def make_directory(self, path: str, mode: int) -> None:
        self._change()
        files.make_directory(path, mode)

    def await_path(self, patterns: tuple[str, ...], deadline: float) -> None:
        self._change()
        if not until(lambda: any(map(files.glob, patterns)), deadline):
            raise ActionFailed(f"{' or '.join(patterns)} did not appear within {deadline:g} s")

    def await_portals(self, endpoints: tuple[tuple[str, int], ...], deadline: float) -> None:
        self._change()
        until(lambda: not any(self.reach(endpoints, PORTAL_TRY).values()), deadline)

    def await_sessions(self, wanted: tuple[tuple[str, str, int], ...], deadline: float) -> None:
        self._change()
        if not until(lambda: logged_in(files, wanted), deadline):
            self.in_vain |= {one: deadline for one in wanted if not logged_in(files, (one,))}

    def _run(self, job: Job) -> Ran:
        stop_if_asked()
        return child.run_all((job,), self.stuck, self.note)[0]

    def _change(self) -> None:
        """Whatever was remembered may be untrue after this."""
        stop_if_asked()
        self.forget()

    def _lock(self, wanted: bool) -> Callable[[], AbstractContextManager[None]]:
        if not wanted:
            return nullcontext
        from lunmirror.host import iscsilock  # only a record that is written or removed needs it

        return lambda: iscsilock.held(self.note)
