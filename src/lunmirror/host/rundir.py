"""The folder under /run where passes tell each other who runs and what is stuck: root's own, and a real folder.

/run is cleared at boot, so nothing in it outlives the processes that it speaks of.
"""

import os
from contextlib import suppress

from lunmirror.errors import HostError
from lunmirror.host import paths, words

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC


def open_folder(make: bool) -> int:
    """A descriptor of the folder. `make` it (0700) if it is missing. Raises OSError; HostError if it is not ours."""
    if make:
        with suppress(FileExistsError):
            os.mkdir(paths.RUN_DIR, 0o700)
    folder = os.open(paths.RUN_DIR, _FOLDER)
    state = os.fstat(folder)
    if state.st_uid != os.geteuid() or state.st_mode & 0o022:
        os.close(folder)
        raise HostError(
            f"{paths.RUN_DIR} is not root's alone: owner {state.st_uid}, mode {state.st_mode & 0o7777:04o}",
            why="somebody else made it, and could make lunmirror trust what it holds",
            next="look at it, move it away, and run again",
        )
    if state.st_mode & 0o7777 != 0o700:
        os.fchmod(folder, 0o700)
    return folder


def read(folder: int, name: str, most: int = 1 << 20) -> bytes:
    """At most `most` bytes of a regular file in the folder; nothing if there is none. Raises OSError."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _OPEN, dir_fd=folder)
    except FileNotFoundError:
        return b""
    try:
        return os.read(file, most)
    finally:
        os.close(file)


def replace(folder: int, name: str, content: bytes) -> None:
    """Put a whole small file in its place. Raises OSError."""
    with suppress(FileNotFoundError):
        os.unlink(paths.SCRATCH, dir_fd=folder)
    file = os.open(paths.SCRATCH, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN, 0o600, dir_fd=folder)
    try:
        os.write(file, content)
    finally:
        os.close(file)
    os.rename(paths.SCRATCH, name, src_dir_fd=folder, dst_dir_fd=folder)


def open_lock(folder: int, name: str) -> int:
    """A descriptor of the lock file, made if missing. Raises OSError; HostError if it is no plain file of ours."""
    file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | _OPEN, 0o600, dir_fd=folder)
    state = os.fstat(file)
    if state.st_uid != os.geteuid() or state.st_mode & 0o170000 != 0o100000:
        os.close(file)
        raise HostError(f"{paths.RUN_DIR}/{name} is not a plain file of root's", next="remove it and run again")
    return file


def trouble(error: OSError) -> HostError:
    """The folder cannot be used, in words."""
    return HostError(
        f"cannot use {paths.RUN_DIR}: {words.of(error)}",
        why="a pass keeps its lock there, so that two never run at once",
        next=f"make sure that {paths.RUN_DIR} can be made and is a folder",
    )
