"""The files of a configuration: found, read whole and trusted, before anyone parses them.

Every run imports this, cached or not, so it imports nothing but os and stat: the errors module is imported when
there is an error. When lunmirror runs as root, a file that somebody else could write is not a configuration.
"""

import os
from typing import TypeAlias

from lunmirror.host import paths, safefile

Fault: TypeAlias = tuple[str, str, str, str]  # path, what, why, next

MOST_BYTES = 1 << 20  # of one file
MOST_FILES = 256  # in conf.d
DIRECTORY = "conf.d"
SUFFIX = ".toml"


def read(path: str) -> list[tuple[str, str]]:
    """(path, text) of the main file and of conf.d/*.toml beside it, in lexical order.

    Raises ConfigError naming every file that cannot be used.
    """
    faults: list[Fault] = []
    path = os.path.abspath(path)
    directory = os.path.dirname(path)
    texts = [_read_file(path, faults, main=True)]
    parts = _parts(os.path.join(directory, DIRECTORY), faults)
    texts += [_read_file(part, faults) for part in parts]
    _distrust_directory(directory, faults)
    if not faults:
        _distrust_targets([path, *parts], faults)
    if faults:
        raise _error(faults)
    return [text for text in texts if text is not None]


def read_candidate(file: str, path: str) -> list[tuple[str, str]]:
    """What `read` would give of `path` if `file` were put in its place, judged by what is in it only: whoever writes it there
    gives it its owner and mode. Raises ConfigError naming every file that cannot be used."""
    faults: list[Fault] = []
    text = _read_file(os.path.abspath(file), faults, main=True, judged=False)
    beside = os.path.join(os.path.dirname(os.path.abspath(path)), DIRECTORY)
    parts = [_read_file(part, faults) for part in _parts(beside, faults)]
    if faults:
        raise _error(faults)
    return [one for one in (text, *parts) if one is not None]


def _parts(directory: str, faults: list[Fault]) -> list[str]:
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        faults.append((directory, "this is a file, and must be a directory of TOML files", "", "move it away"))
        return []
    except OSError as error:
        faults.append(_cannot_read(directory, error))
        return []
    _distrust_directory(directory, faults)
    names = sorted(name for name in names if name.endswith(SUFFIX) and not name.startswith("."))
    if len(names) > MOST_FILES:
        faults.append((directory, f"there are {len(names)} TOML files here; at most {MOST_FILES} are read", "", ""))
        return []
    return [os.path.join(directory, name) for name in names]


def _read_file(path: str, faults: list[Fault], main: bool = False, judged: bool = True) -> tuple[str, str] | None:
    def judge(status: os.stat_result) -> str:
        if judged and (reason := safefile.distrust(status)):
            faults.append((path, "this file is not trusted", reason, f"chown root: {path} && chmod go-w {path}"))
        return ""

    try:
        content = safefile.read(path, MOST_BYTES, judge)
    except FileNotFoundError:
        if main:
            start = (
                f"copy the example {_example()} to this path and write your own servers into it; or start from what is there:"
                " `lunmirror init` proposes a configuration from the servers' addresses, `lunmirror adopt` prints that of a"
                " machine that was set up by hand; or name another file with --config"
            )
            faults.append((path, "there is no configuration here", "", start))
        else:
            faults.append((path, "the file cannot be read: it is a link to nothing", "", "repair or remove the link"))
        return None
    except OSError as error:
        faults.append(_cannot_read(path, error))
        return None
    except ValueError as error:  # a NUL in the path, or no plain file
        faults.append(
            (path, f"this cannot be read as a configuration: {error}", "", "name a TOML file of at most 1 MiB")
        )
        return None
    return _decoded(path, content, faults)


def _example() -> str:
    """The shipped example: where a package or `make install` lays it, else as the program itself brings it."""
    own = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "files/etc/lunmirror.toml")
    return next(filter(os.path.exists, paths.EXAMPLES), own)


def _decoded(path: str, content: bytes, faults: list[Fault]) -> tuple[str, str] | None:
    try:
        return path, content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        why = f"the byte 0x{content[error.start]:02x} cannot stand there"
        faults.append((f"{path}:{line}", "the file is not UTF-8", why, "save it as UTF-8; TOML is always UTF-8"))
        return None


def _distrust_targets(files: list[str], faults: list[Fault]) -> None:
    """Whoever can write to the directory behind a link can put another file there."""
    for directory in dict.fromkeys(os.path.dirname(os.path.realpath(file)) for file in files if os.path.islink(file)):
        _distrust_directory(directory, faults)


def _distrust_directory(directory: str, faults: list[Fault]) -> None:
    try:
        reason = safefile.distrust(os.stat(directory))
    except (OSError, ValueError):
        return  # what is wrong with the directory was said when its file could not be read
    if reason:
        faults.append(
            (directory, "this directory is not trusted", reason, f"chown root: {directory} && chmod go-w {directory}")
        )


def _cannot_read(path: str, error: Exception) -> tuple[str, str, str, str]:
    why = (getattr(error, "strerror", None) or str(error)).lower()
    next = "run as root" if isinstance(error, PermissionError) else ""
    return path, "this cannot be read", why, next


def _error(faults: list[tuple[str, str, str, str]]) -> Exception:
    from lunmirror.engine.errors import ConfigError, LunmirrorError

    return ConfigError([LunmirrorError(what, where=where, why=why, next=next) for where, what, why, next in faults])
