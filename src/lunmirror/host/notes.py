"""What somebody was notified (watch/events.py), in one file beside the journal: changed whole, by one process at a time."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lunmirror.host import paths, rundir, safefile
from lunmirror.host.waiting import until

CHANGING, DELIVERING = "notes.lock", "notify.lock"  # in RUN_DIR
PATIENCE = 5.0  # seconds that a change waits for another one
MOST_BYTES = 4 << 20


def read() -> bytes | None:
    """The file's bytes; None if there is none, or none that is root's alone. Raises OSError."""
    try:
        return safefile.read(paths.NOTES, MOST_BYTES, safefile.distrust, follow=False)
    except (FileNotFoundError, ValueError):
        return None


def change(edit: Callable[[bytes | None], bytes | None]) -> None:
    """Replace the file by what `edit` makes of it, unless that is None. Raises OSError, HostError."""
    with held(CHANGING, PATIENCE):
        after = edit(read())
        if after is None:
            return
        directory = os.path.dirname(paths.NOTES)
        if not os.path.isdir(directory):
            os.makedirs(directory, 0o700)
            safefile.sync_directory(os.path.dirname(directory))
        safefile.replace(paths.NOTES, after)


@contextmanager
def held(name: str, patience: float) -> Iterator[bool]:
    """Hold one of the two locks, or go on without after so many seconds: true if it is held. Raises OSError, HostError."""
    directory = rundir.open_directory()
    try:
        lock = rundir.open_lock(directory, name)
    finally:
        os.close(directory)
    try:
        yield until(lambda: rundir.lock_now(lock), patience, first=0.01)
    finally:
        os.close(lock)
