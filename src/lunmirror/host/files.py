"""Files: read without ever waiting, replaced whole or not at all.

A replacement is written beside the file (or in a scratch directory), brought to disk, and renamed over it; the directory is
brought to disk too. Whoever reads, and whoever boots after a power loss, finds the old file or the new one.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from lunmirror.engine.errors import HostError
from lunmirror.engine.model import ABSENT, Present, Seen, Unknown
from lunmirror.host import paths, safefile, words
from lunmirror.host.protocol import ActionFailed

MOST_READ = 16 << 20  # bytes; nothing that we read is near it
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)


def read(path: str) -> Seen[bytes]:
    """Present(bytes), Absent, or Unknown."""
    try:
        return Present(safefile.read(path, MOST_READ))
    except OSError as error:
        if error.errno not in _NOT_THERE:
            return Unknown(f"cannot read {path}: {words.of(error)}")
        # Something is there all the same, and what it is to lead to may come back: a link onto a disk not mounted yet.
        # (Not in /sys, where most of what is asked for is rightly not there.)
        dangling = not path.startswith(f"{paths.SYS}/") and os.path.islink(path)
        return Unknown(f"{path} is a symbolic link that leads nowhere") if dangling else ABSENT
    except ValueError as error:  # a NUL in the path, or one of its own reasons
        return Unknown(f"cannot read {path!r}: {error}")


def link(path: str) -> Seen[str]:
    """Present(the path with every symbolic link resolved), Absent, or Unknown."""
    try:
        # The kernel resolves it whole: os.path.realpath asks of each part of the path, and sysfs is deep.
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            return Present(os.readlink(f"{paths.OWN_DESCRIPTORS}/{handle}"))
        finally:
            os.close(handle)
    except OSError as error:
        return ABSENT if error.errno in _NOT_THERE else Unknown(f"cannot resolve {path}: {words.of(error)}")
    except ValueError as error:
        return Unknown(f"cannot resolve {path!r}: {error}")


def directory(path: str) -> Seen[tuple[str, ...]]:
    """Present(tuple of names, sorted) of a real directory, or of one that links of root's alone lead to; Absent; Unknown."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return ABSENT
    except OSError as error:  # ENOTDIR is also a file or a symbolic link in its place: there is something
        if os.path.islink(path):
            real, why = _through(path)
            return directory(real) if real else Unknown(f"cannot open the directory {path}: {why}")
        return Unknown(f"cannot open the directory {path}: {words.of(error)}")
    except ValueError as error:
        return Unknown(f"cannot open the directory {path!r}: {error}")
    try:
        return Present(tuple(sorted(os.listdir(number))))
    except OSError as error:
        return Unknown(f"cannot list {path}: {words.of(error)}")
    finally:
        os.close(number)


def _through(path: str) -> tuple[str, str]:
    from lunmirror.host import links  # hardly a machine has one: not worth importing for each run

    return links.through(path)


def glob(pattern: str) -> tuple[str, ...]:
    """Existing paths that match, sorted. Knows `*` only, within one part of the path; a leading dot matches too.

    Not the glob module: it takes a directory that cannot be listed (say, for too many open files) for an empty one.
    Raises HostError where that happens.
    """
    *parts, last = pattern.split("/")
    found = [""]
    for part in parts:
        if "*" in part:
            found = [f"{path}{name}/" for path in found for name in _names(path) if matches(name, part)]
        else:
            found = [f"{path}{part}/" for path in found]
    if "*" in last:
        return tuple(sorted(path + name for path in found for name in _names(path) if matches(name, last)))
    return tuple(sorted(path + last for path in found if os.path.lexists(path + last)))


def matches(name: str, pattern: str) -> bool:
    """Whether the name is the pattern with something, or nothing, for each `*`."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    if not name.startswith(first):
        return False
    at = len(first)
    for piece in rest[:-1]:
        at = name.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return len(name) - at >= len(rest[-1]) and name.endswith(rest[-1])


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return []
        raise HostError(
            f"cannot list {path}: {words.of(error)}",
            why="going on would take what is in it for absent",
            next="correct that, then run again; nothing was decided on it",
        ) from error


def replace(
    path: str,
    content: bytes,
    before: bytes | None,
    mode: int,
    scratch: str,
    lock: Callable[[], AbstractContextManager[None]],
) -> None:
    """Put `content` in the place of `before` (None: of nothing). `lock` is held around the last look and the rename.

    The owner of a replaced file stays; of fstab also its mode, and the symbolic link that it may be.
    Raises ActionFailed.
    """
    with _in_words(f"cannot write {path}"):
        path = _place(path)
        old = _state(path)
        if old is not None and path == _place(paths.FSTAB):
            mode = stat.S_IMODE(old.st_mode)
        temporary = f"{scratch or os.path.dirname(path)}/{paths.SCRATCH}"
        try:
            safefile.create(temporary, content, mode, (old.st_uid, old.st_gid) if old else None)
            with lock():
                _must_still_be(path, before)
                os.rename(temporary, path)
        except BaseException:
            safefile.remove_if_there(temporary)
            raise
        safefile.sync_directory(os.path.dirname(path))


def remove(path: str, before: bytes, lock: Callable[[], AbstractContextManager[None]]) -> None:
    """Remove a file that holds exactly `before`. Raises ActionFailed."""
    with _in_words(f"cannot remove {path}"):
        with lock():
            _must_still_be(path, before)
            os.unlink(path)
        safefile.sync_directory(os.path.dirname(path))


def make_directory(path: str, mode: int) -> None:
    """Make a directory and its missing parents, all with this mode whatever the umask. A directory that is there is left
    as it is. Raises ActionFailed."""
    with _in_words(f"cannot make the directory {path}"):
        missing = []
        at = path
        while _state(at) is None:
            missing.append(at)
            at = os.path.dirname(at)
        for part in reversed(missing):
            os.mkdir(part, mode)
            os.chmod(part, mode)
            safefile.sync_directory(os.path.dirname(part))
        if not missing and not stat.S_ISDIR(os.lstat(path).st_mode) and not _through(path)[0]:
            raise ActionFailed(f"cannot make the directory {path}: something else has that name")


def write_value(path: str, value: str) -> None:
    """Write one value into a kernel attribute, in one write. Raises OSError."""
    number = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | safefile.QUIET)
    try:
        os.write(number, value.encode())
    finally:
        os.close(number)


def _place(path: str) -> str:
    """Where the file really is. Only fstab may be a symbolic link (image-based systems keep it elsewhere)."""
    return os.path.realpath(path) if path == paths.FSTAB else path


def _state(path: str) -> os.stat_result | None:
    """lstat; None if there is nothing."""
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _must_still_be(path: str, before: bytes | None) -> None:
    """What was observed must still hold, at the last instant before it is replaced."""
    try:
        now: bytes | None = safefile.read(path, MOST_READ, follow=False)
    except FileNotFoundError:
        now = None
    except ValueError as error:
        raise ActionFailed(f"{path}: {error}; nothing was changed") from None
    if now != before:
        what = "is gone" if now is None else "appeared" if before is None else "changed"
        raise ActionFailed(f"{path} {what} since it was observed; nothing was changed, the next pass looks again")


def no_room(directory: str) -> str:
    """Why nothing can be written below it: its file system is read-only, or full; '' if neither, or it is not known."""
    try:
        status = os.statvfs(directory)
    except OSError:
        return ""
    if status.f_flag & os.ST_RDONLY:
        return words.of(OSError(errno.EROFS, ""))
    return words.of(OSError(errno.ENOSPC, "")) if status.f_blocks and not status.f_bavail else ""


def flush(path: str) -> None:
    """fsync of a file and of the three directories above it, which may be new as well; nothing where there is no file."""
    with _in_words(f"cannot bring {path} to the disk"):
        try:
            number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):  # older records are a file where newer ones have a directory
            return
        try:
            os.fsync(number)
        finally:
            os.close(number)
        for _ in range(3):
            path = os.path.dirname(path)
            safefile.sync_directory(path)


@contextmanager
def _in_words(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ActionFailed(f"{what}: {words.of(error)}") from error
    except ValueError as error:  # a NUL in the path
        raise ActionFailed(f"{what}: {error}") from error
