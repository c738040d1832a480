"""The directory under /run where one pass leaves something for the next: who runs, what is stuck, the compiled configuration.

/run is cleared at boot, so nothing in it outlives the processes that it speaks of. What is in it is believed only if nobody
else can have written it: the file and its directory belong to this user, and only this user may write to them. Others may
pass through the directory (0755), since watchers read one of its files; the rest are closed to them (0600).
"""

import fcntl
import json
import os
import stat
from contextlib import suppress
from typing import Any

from lunmirror.engine.errors import HostError
from lunmirror.host import paths, safefile, words

MOST_BYTES = 8 << 20
MODE = 0o755
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def read(path: str) -> bytes:
    """The content of one file. Raises OSError, or ValueError if somebody else may have written it."""
    _trust(os.path.dirname(path))
    return safefile.read(path, MOST_BYTES, lambda status: "" if safefile.is_own(status) else "not ours", follow=False)


def recall(path: str) -> dict[str, Any]:
    """What a pass left there as a JSON object; {} if there is none, or it cannot be believed."""
    try:
        held = json.loads(read(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return held if isinstance(held, dict) else {}


def write(path: str, content: bytes, mode: int = 0o600) -> None:
    """Replace one file whole, its directory made (0755) if missing. Raises OSError, ValueError."""
    directory = os.path.dirname(path)
    _make(directory)
    _trust(directory)
    safefile.replace(path, content, mode, sync=False)  # /run is memory


def _make(directory: str) -> None:
    """With its mode, whatever the umask."""
    with suppress(FileExistsError):
        os.mkdir(directory, 0o700)
        os.chmod(directory, MODE)


def _trust(directory: str) -> None:
    status = os.lstat(directory)
    if not stat.S_ISDIR(status.st_mode) or not safefile.is_own(status):
        raise ValueError("not to be trusted")


def open_directory() -> int:
    """A descriptor of the directory, made (0755) if it is missing. Raises OSError; HostError if it is not ours."""
    _make(paths.RUN_DIR)
    directory = os.open(paths.RUN_DIR, _DIRECTORY)
    state = os.fstat(directory)
    if not safefile.is_own(state):
        os.close(directory)
        raise HostError(
            f"{paths.RUN_DIR} is not root's alone: owner {state.st_uid}, mode {state.st_mode & 0o7777:04o}",
            why="somebody else made it, and could make lunmirror trust what it holds",
            next="look at it, move it away, and run again",
        )
    if state.st_mode & 0o7777 != MODE:
        os.fchmod(directory, MODE)
    return directory


def open_lock(directory: int, name: str) -> int:
    """A descriptor of the lock file, made if missing. Raises OSError; HostError if it is no plain file of ours."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(name, flags, 0o600, dir_fd=directory)
    state = os.fstat(file)
    if state.st_uid != os.geteuid() or not stat.S_ISREG(state.st_mode):
        os.close(file)
        raise HostError(f"{paths.RUN_DIR}/{name} is not a regular file of root's", next="remove it and run again")
    return file


def lock_now(number: int) -> bool:
    """Whether the lock of this descriptor could be had without waiting. Raises OSError."""
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def trouble(error: OSError) -> HostError:
    """The directory cannot be used, in words."""
    return HostError(
        f"cannot use {paths.RUN_DIR}: {words.of(error)}",
        why="a pass keeps its lock there, so that two never run at once",
        next=f"make sure that {paths.RUN_DIR} can be made and is a directory",
    )
