"""open-iscsi's own lock on its node database, taken as open-iscsi takes it, for milliseconds.

The lock is the name `lock.write` in /run/lock/iscsi: link() makes it, and fails if it is there. open-iscsi links its
file `lock`; we link a file of our own that says who we are, which open-iscsi never looks at. So a lock that a killed
lunmirror left behind is known for what it is at once; one that somebody else left behind is known by its age, because
nobody waits longer than 30 s for it, and 2.1.8 then goes on without it (docs/facts/open-iscsi.md#lock).
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from lunmirror.host import paths, stuck, words
from lunmirror.host.protocol import ActionFailed
from lunmirror.host.waiting import until

LOCK_WAIT = 10.0  # seconds that we wait for the lock
ABANDONED = 30.0  # seconds after which open-iscsi itself gives up waiting

_HERE = os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def held(note: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock. `note` hears of a lock that had to be broken. Raises ActionFailed."""
    try:
        directory = _directory()
    except OSError as error:
        raise ActionFailed(
            f"cannot lock open-iscsi's database in {paths.ISCSI_LOCK_DIR}: {words.of(error)}"
        ) from error
    try:
        _take(directory, note)
        try:
            yield
        finally:
            _unlink(directory, paths.ISCSI_LOCK)
    finally:
        os.close(directory)


def _directory() -> int:
    """A descriptor of the lock directory. /run/lock may be writable by everyone, so it must be a real one of root's."""
    with suppress(FileExistsError):
        os.mkdir(paths.ISCSI_LOCK_DIR, 0o770)
    directory = os.open(paths.ISCSI_LOCK_DIR, os.O_RDONLY | os.O_DIRECTORY | _HERE)
    owner = os.fstat(directory).st_uid
    if owner != os.geteuid():
        os.close(directory)
        raise ActionFailed(
            f"{paths.ISCSI_LOCK_DIR} belongs to user {owner}, not to root: remove it, nothing was changed"
        )
    return directory


def _take(directory: int, note: Callable[[str], None]) -> None:
    try:
        _sign(directory)
        if not until(lambda: _link(directory, note), LOCK_WAIT, first=0.01, most=0.01, patient=True):
            raise ActionFailed(
                f"open-iscsi's database is locked by another program for more than {LOCK_WAIT:g} s"
                f" ({paths.ISCSI_LOCK_DIR}/{paths.ISCSI_LOCK}); nothing was changed, the next pass tries again"
            )
    except OSError as error:
        raise ActionFailed(
            f"cannot lock open-iscsi's database in {paths.ISCSI_LOCK_DIR}: {words.of(error)}"
        ) from error
    finally:
        _unlink(directory, paths.ISCSI_LOCK_OWN)


def _sign(directory: int) -> None:
    """The file that we link: our pid and start time."""
    _unlink(directory, paths.ISCSI_LOCK_OWN)
    number = os.open(paths.ISCSI_LOCK_OWN, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _HERE, 0o600, dir_fd=directory)
    try:
        state = stuck.stat(os.getpid())
        os.write(number, f"lunmirror {os.getpid()} {state[1] if state else 0}\n".encode())
    finally:
        os.close(number)


def _link(directory: int, note: Callable[[str], None]) -> bool:
    try:
        os.link(
            paths.ISCSI_LOCK_OWN, paths.ISCSI_LOCK, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False
        )
    except FileExistsError:
        if why := _abandoned(directory):
            note(f"broke open-iscsi's database lock, {why}")
            _unlink(directory, paths.ISCSI_LOCK)
        return False
    return True


def _abandoned(directory: int) -> str:
    """Why nobody holds the lock that is there; '' if somebody may."""
    try:
        number = os.open(paths.ISCSI_LOCK, os.O_RDONLY | os.O_NONBLOCK | _HERE, dir_fd=directory)
    except FileNotFoundError:
        return ""
    try:
        owner = os.read(number, 100).split()
        # Linking and unlinking change ctime: that of a lock is when it was last taken. A clock that was set back
        # makes it lie in the future.
        age = abs(time.time() - os.fstat(number).st_ctime)
    finally:
        os.close(number)
    if len(owner) == 3 and owner[0] == b"lunmirror" and owner[1].isdigit() and owner[2].isdigit():
        state = stuck.stat(int(owner[1]))
        if state is None or state[1] != int(owner[2]):
            return f"left behind by lunmirror (pid {int(owner[1])}), which was killed"
        return ""
    return f"taken {age:.0f} s ago and never released" if age > ABANDONED else ""


def _unlink(directory: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
