"""A directory that was moved elsewhere, with a symbolic link in its place: followed if nobody but root can turn it."""

import os
import stat

from lunmirror.host import words

MOST_FOLLOWED = 40  # links on one way, as the kernel has it (path_resolution(7))


def through(path: str) -> tuple[str, str]:
    """(the directory that an absolute path leads to, every link resolved, ''); or ('', why it is not followed).

    Each link and each directory on the way must be root's (or this user's), and writable for nobody else. A directory that is,
    and sticky, may stand on the way: in it nobody can rename or remove what is root's.
    """
    todo, at, followed = [p for p in reversed(path.split("/")) if p not in ("", ".")], "/", 0
    try:
        while True:
            status = os.lstat(at)
            if status.st_uid not in (0, os.geteuid()):
                return "", f"{at} belongs to user {status.st_uid}, who could have it lead elsewhere"
            if stat.S_ISLNK(status.st_mode):
                followed += 1
                if followed > MOST_FOLLOWED:
                    return "", "its symbolic links lead in a circle"
                leads = os.readlink(at)
                todo += [p for p in reversed(leads.split("/")) if p not in ("", ".")]
                at = "/" if leads.startswith("/") else os.path.dirname(at)
                continue
            if not stat.S_ISDIR(status.st_mode):
                return "", f"{at} is not a directory"
            if status.st_mode & 0o022 and (not status.st_mode & stat.S_ISVTX or not todo):
                return "", f"others may write to {at} (mode {stat.S_IMODE(status.st_mode):04o})"
            if not todo:
                return at, ""
            part = todo.pop()
            at = os.path.dirname(at) if part == ".." else os.path.join(at, part)
    except FileNotFoundError:
        return "", f"it is a symbolic link that leads nowhere: there is no {at}"
    except OSError as error:
        return "", f"{at}: {words.of(error)}"
