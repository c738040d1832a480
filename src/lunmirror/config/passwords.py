"""The files that hold secrets. A secret is read at the last moment, and never kept, shown or logged here.

Imported by every run (the compiled form is only good while these files are unchanged), so os and stat only.
"""

import os
import stat

from lunmirror.engine.secret import LONGEST, secret_in
from lunmirror.host import safefile

ABSENT = "it does not exist"
EMPTY, TOO_LONG = "it is empty", f"it is longer than {LONGEST} bytes"
CREDENTIALS = "CREDENTIALS_DIRECTORY"  # systemd.exec(5), LoadCredential=


def locate(name: str, directory: str) -> str:
    """The absolute path of a password file: a systemd credential of that name, else relative to `directory`."""
    credentials = os.environ.get(CREDENTIALS, "")
    if is_bare(name) and credentials:
        path = os.path.join(credentials, name)
        if os.path.lexists(path):
            return path
    return os.path.normpath(os.path.join(directory, name))


def is_bare(name: str) -> bool:
    """Whether this may name a systemd credential."""
    return "/" not in name


def fault(path: str, may_be_credential: bool = False) -> str:
    """Why this file cannot hold a secret, judged without reading it; or nothing.

    A systemd credential exists only inside its unit: outside, its absence says nothing.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        if may_be_credential and not os.environ.get(CREDENTIALS):
            return ""
        return ABSENT
    except PermissionError:
        return ""  # not ours to judge; whoever applies will read it
    except (OSError, ValueError) as error:
        return (getattr(error, "strerror", None) or str(error)).lower()
    return _fault_of(status) or _fault_of_directory(path)


def is_readable(path: str) -> bool:
    """Whether this user may read the file at all."""
    return os.access(path, os.R_OK)


def stamp(path: str) -> list[int] | None:
    """What changes when the file is changed, replaced or opened to others; None if it cannot be seen."""
    try:
        s = os.lstat(path)
    except (OSError, ValueError):
        return None
    return [s.st_dev, s.st_ino, s.st_mode, s.st_uid, s.st_size, s.st_mtime_ns, s.st_ctime_ns]


def read_secret(path: str) -> str:
    """The secret in this file, without its final newline. Raises ConfigError, which never contains the secret."""
    try:
        content = safefile.read(
            path, LONGEST + 1, lambda status: _fault_of(status) or _fault_of_directory(path), follow=False
        )
    except OSError as error:
        raise refused(path, fault(path) or (error.strerror or str(error)).lower()) from None
    except ValueError as error:
        raise refused(path, fault(path) or str(error)) from None
    try:
        text = secret_in(content).reveal()
    except ValueError as error:
        raise refused(path, str(error), of_text=True) from None
    if not text.isprintable():
        raise refused(path, "the secret contains a control character", of_text=True)
    return text


def refused(path: str, reason: str, where: str = "", of_text: bool = False) -> Exception:
    """The ConfigError that says why a password file cannot be used. `of_text`: its text is at fault, not the file."""
    from lunmirror.engine.errors import ConfigError, LunmirrorError

    what, why, next = sentences(path, reason, of_text)
    return ConfigError([LunmirrorError(what, where=where or path, why=why, next=next)])


def sentences(path: str, reason: str, of_text: bool = False) -> tuple[str, str, str]:
    """(what, why, next) about a password file that cannot be used."""
    if of_text or reason in (EMPTY, TOO_LONG):
        next = f"edit {path}: the secret alone, on one line, printable, at most {LONGEST} bytes"
        return f"the password file {path} cannot be used", reason, next
    next = f"it must be a regular file of one line: chown root: {path} && chmod 0600 {path}"
    if reason == ABSENT:
        next = f"write the secret into it: install -m 0600 /dev/null {path}, then edit it"
    return f"the password file {path} cannot be used", reason, next


def _fault_of(status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return "it is a symbolic link, and must be the file itself"
    if not stat.S_ISREG(status.st_mode):
        return "it is not a regular file"
    if status.st_mode & 0o077:
        return f"others than its owner may use it (mode {stat.S_IMODE(status.st_mode):04o})"
    if status.st_size == 0:
        return EMPTY
    if status.st_size > LONGEST + 1:
        return TOO_LONG
    return safefile.distrust(status)


def _fault_of_directory(path: str) -> str:
    try:
        reason = safefile.distrust(os.stat(os.path.dirname(path)))
    except OSError as error:
        return f"its directory cannot be looked at: {error.strerror}"
    return f"its directory is not trusted: {reason}" if reason else ""
