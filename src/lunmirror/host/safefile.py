"""Files read without ever waiting, and replaced whole or not at all: the one place that opens what may not be trusted.

Reading opens a FIFO or a terminal without waiting for it, and gives only what a plain file holds. A replacement is written
beside the file and renamed over it: whoever reads finds the old file or the new one. Who may have written a file is asked
of its status (`distrust`, `is_own`). Imports os and stat only, since every run imports it.
"""

import errno
import os
import stat
from collections.abc import Callable

QUIET = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # a pipe or a terminal in a file's place cannot hold us up
READ = os.O_RDONLY | QUIET
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20
_OTHERS_MAY_WRITE = 0o022


def read(
    path: str, most: int, judge: Callable[[os.stat_result], str] = lambda status: "", follow: bool = True
) -> bytes:
    """All of a plain file of at most `most` bytes. `judge` says of its status why it is not to be read, '' if it is;
    without `follow` a symbolic link is not followed. Raises OSError, and ValueError with the reason in words."""
    number = os.open(path, READ | (0 if follow else os.O_NOFOLLOW))
    try:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is a directory" if stat.S_ISDIR(status.st_mode) else "it is not a regular file")
        if reason := judge(status):
            raise ValueError(reason)
        content = bytearray()
        while data := os.read(number, min(_CHUNK, most + 1 - len(content))):
            content += data
            if len(content) > most:
                raise ValueError(f"it is larger than {_size(most)}")
        return bytes(content)
    finally:
        os.close(number)


def create(path: str, content: bytes, mode: int, owner: tuple[int, int] | None = None, sync: bool = True) -> None:
    """A new file with this content, and this mode whatever the umask; nobody else can read it before it has its mode. A
    file of that name, left by a process that was killed, goes. `sync`: brought to the disk. Raises OSError."""
    remove_if_there(path)
    number = os.open(path, CREATE, 0o600)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(number, left) :]
        if owner is not None and owner != (os.geteuid(), os.getegid()):
            os.fchown(number, *owner)
        os.fchmod(number, mode)
        if sync:
            os.fsync(number)
    finally:
        os.close(number)


def replace(path: str, content: bytes, mode: int = 0o600, sync: bool = True) -> None:
    """Put a whole file in the place of another, or of none. Raises OSError."""
    temporary = f"{path}.{os.getpid()}"
    try:
        create(temporary, content, mode, sync=sync)
        os.rename(temporary, path)
    except OSError:
        remove_if_there(temporary)
        raise
    if sync:
        sync_directory(os.path.dirname(path))


def put_new(path: str, content: bytes, mode: int) -> None:
    """A whole file where there is none. Raises OSError: FileExistsError if there is one."""
    temporary = f"{path}.{os.getpid()}"
    try:
        create(temporary, content, mode)
        os.link(temporary, path)
    finally:
        remove_if_there(temporary)
    sync_directory(os.path.dirname(path))


def remove_if_there(path: str) -> None:
    """Raises OSError if it is there and cannot be removed. On a read-only file system what comes next says so."""
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EROFS):
            raise


def sync_directory(path: str) -> None:
    """Bring the names in a directory to the disk. Raises OSError."""
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def distrust(status: os.stat_result) -> str:
    """Why root must not trust a file or directory, in words; '' if it may. Only root is this careful."""
    if os.geteuid() != 0:
        return ""
    if status.st_uid != 0:
        return f"it belongs to user {status.st_uid}, not to root"
    if status.st_mode & _OTHERS_MAY_WRITE and not stat.S_ISLNK(status.st_mode):
        return f"others than root may write to it (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def is_own(status: os.stat_result) -> bool:
    """It belongs to this user, and nobody else may write to it."""
    return status.st_uid == os.geteuid() and not status.st_mode & _OTHERS_MAY_WRITE


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count} bytes"
