"""What the rest of lunmirror may ask of a machine. `live` is the real one, tests/sim a simulated one.

Reads answer `Present`, `Absent` or `Unknown`, never an exception, so that no caller can take a failure for absence.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

from lunmirror.engine.model import Seen

T = TypeVar("T")

# As the C library and LVM say them, in small letters.
CAUSES = ("read-only file", "no space left", "too many open files", "permission denied")


class Ran(NamedTuple):
    """How a program ended. `rc` is None if it did not end by itself within its deadline or could not be started;
    `trouble` then says which, in words. `seconds` is wall-clock time."""

    argv: tuple[str, ...]
    rc: int | None
    out: str
    err: str
    seconds: float
    trouble: str = ""

    @property
    def why(self) -> str:
        """One line for an administrator: the trouble, or what the program wrote last, or its exit code. Before the last line the
        first that names a cause of the kernel's: LVM writes that some lines above ("Failed to commit VG vg0")."""
        lines = [line.strip()[:300] for line in (self.err.strip() or self.out.strip()).splitlines()]
        cause = next((line for line in lines[:-1] if any(c in line.lower() for c in CAUSES)), "")
        detail = f": {'; '.join(filter(None, (cause, lines[-1])))}" if lines else ""
        return self.trouble or f"{self.argv[0].rsplit('/', 1)[-1]} ended with exit code {self.rc}{detail}"


class Reader(Protocol):
    """Reading only. Observers get this and nothing more."""

    def query(self, argv: tuple[str, ...], deadline: float) -> Ran:
        """Run a program that changes nothing. The answer is remembered until the next change through this host,
        or until `forget`."""
        ...

    def forget(self) -> None:
        """Whoever watches the machine asks again: nothing is remembered after this."""
        ...

    def memoize(self, name: str, look: Callable[[], T]) -> T:
        """What `look` finds, remembered by that name until the next change through this host, as queries are."""
        ...

    def read(self, path: str) -> Seen[bytes]:
        """Present(bytes), Absent, or Unknown."""
        ...

    def glob(self, pattern: str) -> tuple[str, ...]:
        """Existing paths that match, sorted. Only for /sys, /dev, /run and directories whose absence means 'none'."""
        ...

    def link(self, path: str) -> Seen[str]:
        """Present(str): the path with every symbolic link resolved; Absent if it does not exist."""
        ...

    def directory(self, path: str) -> Seen[tuple[str, ...]]:
        """Present(tuple of names, sorted) of a real directory, or of one that links of root's alone lead to; Absent; Unknown
        for anything else."""
        ...

    def reach(self, endpoints: tuple[tuple[str, int], ...], deadline: float) -> dict[tuple[str, int], str]:
        """Connect to every (address, port) at once, close again. '' = answers; else why not. Seconds."""
        ...

    def waited(self, session: tuple[str, str, int]) -> float:
        """Seconds that this run has waited in vain, at one time, for a session to (target, address, port) to log in."""

    def now(self) -> float:
        """Seconds on a clock that only moves forward."""
        ...

    def date(self) -> str:
        """The wall clock, UTC, ISO 8601 with seconds: for people and for the journal, never for a decision."""
        ...


class Host(Reader, Protocol):
    """Changing. Only the executor gets this. Every method raises `ActionFailed` with the reason."""

    def run(self, argv: tuple[str, ...], deadline: float, stdin: bytes = b"") -> Ran: ...

    def run_together(self, runs: tuple[tuple[tuple[str, ...], float], ...]) -> tuple[Ran, ...]:
        """Run several programs at once: (argv, deadline) each; answers in the same order."""
        ...

    def write(
        self, path: str, content: bytes, before: bytes | None, mode: int, scratch: str = "", locked: bool = False
    ) -> None: ...

    def no_room(self, directory: str) -> str:
        """Why nothing can be written below a directory, in words; '' if that is not certain."""
        ...

    def flush(self, path: str) -> None:
        """Bring a file that another program wrote to the disk, and its name too. One that is not there is no failure."""
        ...

    def remove(self, path: str, before: bytes, locked: bool = False) -> None: ...

    def write_value(self, path: str, value: str) -> None: ...

    def make_directory(self, path: str, mode: int) -> None: ...

    def await_path(self, patterns: tuple[str, ...], deadline: float) -> None: ...

    def await_portals(self, endpoints: tuple[tuple[str, int], ...], deadline: float) -> None:
        """Wait until every (address, port) accepts connections, at most `deadline` seconds. Silence is no failure."""
        ...

    def await_sessions(self, wanted: tuple[tuple[str, str, int], ...], deadline: float) -> None:
        """Wait until a session to each (target, address, port) is logged in, at most `deadline` seconds. That one is
        late is no failure."""
        ...


class ActionFailed(Exception):
    """A change could not be made; the message says why, in words."""
