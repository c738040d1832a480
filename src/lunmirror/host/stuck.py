"""Programs that are known to run, or to be stuck, beyond the pass that started them.

A process that waits in the kernel for a dead disk survives SIGKILL and may hold LVM's locks: it is abandoned, written
down here, and while it lives no program is started that would queue up behind it. The same file holds each changing
program while it runs, so that a pass that was killed cannot leave one running unknown to the next.
"""

import json
import os
import time
from contextlib import suppress
from typing import NamedTuple

from lunmirror.host import paths, rundir
from lunmirror.host.waiting import until

# These share locks or a daemon: one stuck, all stuck. Any other program only waits for the device it was given.
_ONE_AT_A_TIME = frozenset({paths.LVM, paths.DMSETUP, paths.ISCSIADM, paths.UDEVADM, paths.SYSTEMCTL})
_READERS_WAIT = 1.0  # seconds that a read waits for a running change of another pass to end


class Entry(NamedTuple):
    """A process: `started` is its start time in clock ticks since boot (a pid alone may be another's by now),
    `since` and `until` are seconds of the monotonic clock, which all processes of one boot share. Past `until` it
    is stuck."""

    pid: int
    started: int
    argv: tuple[str, ...]
    since: float
    until: float

    @property
    def lives(self) -> bool:
        state = stat(self.pid)
        return state is not None and state[1] == self.started and state[0] not in "ZX"

    def stands_before(self, argv: tuple[str, ...]) -> bool:
        """Whether a new program would wait for this one: same locks, or same device."""
        if argv[0] in _ONE_AT_A_TIME:
            return argv[0] == self.argv[0]
        mine = _devices_named(self.argv)
        return bool(mine & _devices_named(argv)) or (argv[0] == self.argv[0] and not mine)


class Stuck:
    """The list: our own of this pass, and the file that all passes share."""

    def __init__(self) -> None:
        self._own: dict[int, Entry] = {}

    def before(self, argv: tuple[str, ...], deadline: float, changes: bool) -> str:
        """Why this program may not be started now; '' if it may. Waits for one that is within its time."""
        for entry in self._entries():
            if not entry.stands_before(argv) or not entry.lives:
                continue
            now = time.monotonic()
            patience = max(0.0, min(entry.until - now, deadline if changes else _READERS_WAIT))
            gone = until(lambda e=entry: not e.lives, patience, first=0.01)  # type: ignore[misc]
            overdue = time.monotonic() >= entry.until
            if not gone and (changes or overdue):
                return (
                    f"{argv[0]} was not started: {entry.argv[0]} (pid {entry.pid}), started"
                    f" {now - entry.since:.0f} s ago, still has not ended{whereabouts(entry.pid)}"
                )
        return ""

    def add(self, pid: int, argv: tuple[str, ...], since: float, until: float) -> None:
        """Remember a process that we started."""
        state = stat(pid)
        if state is not None:
            self._own[pid] = Entry(pid, state[1], argv, since, until)
            self._save(self._entries())

    def forget(self, pid: int) -> None:
        """It ended."""
        self._own.pop(pid, None)
        self._save([e for e in self._entries() if e.pid != pid])

    def _entries(self) -> list[Entry]:
        """Ours are known even where the file cannot be written."""
        return [e for e in self._load() if e.pid not in self._own] + list(self._own.values())

    def _load(self) -> list[Entry]:
        """What cannot be read is taken for nothing: the file is only ours, and speaks only of this boot."""
        try:
            return [Entry(e[0], e[1], tuple(e[2]), e[3], e[4]) for e in json.loads(rundir.read(_file()))]
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            return []

    def _save(self, entries: list[Entry]) -> None:
        """Two passes may save at the same time (only `status` and `plan` run beside another); the later one wins. A full
        /run: the pass goes on, and within it nobody else needs the file."""
        with suppress(OSError, ValueError):
            rundir.write(_file(), json.dumps([e for e in entries if e.lives]).encode())


def _devices_named(argv: tuple[str, ...]) -> set[str]:
    """The devices that a command line names: also as dd does (`if=/dev/sdb`), and without those that answer at once."""
    words = {word.removeprefix("if=") for word in argv[1:]}
    return {word for word in words if word.startswith(paths.DEV)} - {paths.NULL, paths.ZERO}


def _file() -> str:
    return f"{paths.RUN_DIR}/{paths.STUCK}"


def stat(pid: int) -> tuple[str, int] | None:
    """A process's state letter and its start time in ticks since boot; None if it is gone."""
    fields = _read(f"{paths.PROC}/{pid}/stat").rpartition(")")[2].split()
    return (fields[0], int(fields[19])) if len(fields) > 19 else None


def whereabouts(pid: int) -> str:
    """Where in the kernel a process waits, and on which devices, as the end of a sentence; '' if it does not.

    Never reads `cmdline` or `environ`: they take the memory lock of a process that may hold it for ever.
    """
    state = stat(pid)
    if state is None or state[0] != "D":
        return ""
    where = _read(f"{paths.PROC}/{pid}/wchan").strip("0\n")
    on = ", ".join(devices(pid))
    return "; it waits in the kernel" + (f" ({where})" if where else "") + (f" on {on}" if on else "")


def devices(pid: int) -> tuple[str, ...]:
    """The devices that a process has open. A link is only read, never followed."""
    found = set()
    try:
        names = os.listdir(f"{paths.PROC}/{pid}/fd")
    except OSError:
        return ()
    for name in names:
        try:
            target = os.readlink(f"{paths.PROC}/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith(paths.DEV) and target != paths.NULL:
            found.add(target)
    return tuple(sorted(found))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(4096)
    except OSError:
        return ""
