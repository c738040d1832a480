"""Files that one run leaves in /run for the next, to be believed only if nobody else can have written them: the file
and its folder belong to this user, and only this user may write to them. Imports os and stat only.
"""

import os
import stat

MOST_BYTES = 8 << 20


def read(path: str) -> bytes:
    """Its content. Raises OSError, or ValueError if somebody else may have written it or it is larger than
    MOST_BYTES."""
    _trust_folder(os.path.dirname(path))
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not _is_ours(status) or status.st_size > MOST_BYTES:
            raise ValueError("not to be trusted")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MOST_BYTES)
    finally:
        os.close(descriptor)


def write(path: str, content: bytes) -> None:
    """Replace it whole, its folder made (0700) if missing. Raises OSError, ValueError."""
    _ready(os.path.dirname(path))
    temporary = f"{path}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(temporary, flags, 0o600)
    except FileExistsError:
        os.unlink(temporary)  # left by a process of the same number that was killed; the folder is ours alone
        descriptor = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask took away
            file.write(content)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def _ready(folder: str) -> None:
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        _trust_folder(folder)


def _trust_folder(folder: str) -> None:
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or not _is_ours(status):
        raise ValueError("not to be trusted")


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022
