"""Puts files in place and notes each, so that removing undoes exactly that.

The note is a file among them ({datadir}/installed.json): paths as they are on the system, also where all of it lies
under a staging directory (`root`). A file that somebody changed since is his: it stays, and is named.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from lunmirror.engine.errors import HostError
from lunmirror.install.files import File, Layout

NOTE = "installed.json"


class Laid(NamedTuple):
    """What is noted. `files`: path -> SHA-256 of what was written. `directories`: those that were made, parents first.
    `links`: path -> target. `trees`: directories that are ours with all that is in them."""

    files: dict[str, str]
    directories: list[str]
    links: dict[str, str]
    trees: list[str]


def lay(
    root: str, note: str, files: Iterable[File], links: dict[str, str] | None = None, trees: Iterable[str] = ()
) -> Laid:
    """Write the files and links, and the note at `note` if it is not ''. What an earlier note names and this one does
    not is removed. `trees` are noted only: who
    calls puts them there, their parents are made. Files are replaced whole. Raises OSError."""
    before = read(root, note) if note else Laid({}, [], {}, [])
    os.makedirs(root, exist_ok=True)
    now = Laid({}, before.directories, dict(links or {}), list(trees))
    for file in files:
        _make_directories(root, os.path.dirname(file.path), now.directories)
        _write(_at(root, file.path), file.content, file.mode)
        now.files[file.path] = _digest(file.content)
    for path, target in now.links.items():
        _make_directories(root, os.path.dirname(path), now.directories)
        _link(_at(root, path), target)
    for tree in now.trees:
        _make_directories(root, os.path.dirname(tree), now.directories)
    if not note:
        return now
    _make_directories(root, os.path.dirname(note), now.directories)
    stale = Laid(
        {path: digest for path, digest in before.files.items() if path not in now.files},
        [],
        {path: target for path, target in before.links.items() if path not in now.links},
        [tree for tree in before.trees if tree not in now.trees],
    )
    _undo(root, stale)
    text = json.dumps({"schema": 1} | now._asdict(), indent=1, sort_keys=True) + "\n"
    _write(_at(root, note), text.encode(), 0o644)
    return now


def check_disabled(root: str, plan: Layout) -> None:
    """Raises HostError if a unit would be gone that the next boot starts."""
    wanted = Path(_at(root, plan.names["sysconfdir"])).glob("systemd/system/*.wants/lunmirror*")
    if units := " ".join(sorted({unit.name for unit in wanted})):
        raise HostError(
            f"enabled, and nothing was changed: {units}",
            why="the next boot would start what is gone",
            next=f"systemctl disable {units}; systemctl stop lunmirror.timer lunmirror-soon.timer lunmirror-return.socket lunmirror-return.service lunmirror-notify.timer; then again",
        )


def remove(root: str, note: str) -> list[str]:
    """Undo what the note lists. The files that stay since somebody changed them. Raises OSError; FileNotFoundError if
    nothing was noted."""
    if not os.path.exists(_at(root, note)):
        raise FileNotFoundError(_at(root, note))
    laid = read(root, note)
    kept = _undo(root, laid)
    os.unlink(_at(root, note))
    for directory in reversed(laid.directories):
        with suppress(OSError):  # something else is in it, or it is gone
            os.rmdir(_at(root, directory))
    return kept


def read(root: str, note: str) -> Laid:
    """What was noted; nothing if there is no note. Raises OSError, ValueError."""
    try:
        noted = json.loads(Path(_at(root, note)).read_text())
    except FileNotFoundError:
        return Laid({}, [], {}, [])
    return Laid(**{name: noted[name] for name in Laid._fields})


def _undo(root: str, laid: Laid) -> list[str]:
    kept = []
    for path, digest in laid.files.items():
        there = Path(_at(root, path))
        if not there.is_file():
            continue
        if _digest(there.read_bytes()) == digest:
            there.unlink()
        else:
            kept.append(path)
    for path, target in laid.links.items():
        there = Path(_at(root, path))
        if there.is_symlink() and os.readlink(there) == target:
            there.unlink()
    for tree in laid.trees:
        shutil.rmtree(_at(root, tree), ignore_errors=True)
    return kept


def _at(root: str, path: str) -> str:
    return os.path.join(root, path.lstrip("/"))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _make_directories(root: str, directory: str, made: list[str]) -> None:
    if directory in ("", "/") or os.path.isdir(_at(root, directory)):
        return
    _make_directories(root, os.path.dirname(directory), made)
    os.mkdir(_at(root, directory))
    os.chmod(_at(root, directory), 0o755)  # whatever the umask is
    if directory not in made:
        made.append(directory)


def _write(path: str, content: bytes, mode: int) -> None:
    """Whole or not at all."""
    with suppress(OSError):
        if not os.path.islink(path) and Path(path).read_bytes() == content:
            os.chmod(path, mode)
            return
    scratch = f"{path}.lunmirror.tmp"
    with suppress(FileNotFoundError):
        os.unlink(scratch)
    with open(scratch, "xb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(scratch, path)
    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _link(path: str, target: str) -> None:
    scratch = f"{path}.lunmirror.tmp"
    with suppress(FileNotFoundError):
        os.unlink(scratch)
    os.symlink(target, scratch)
    os.rename(scratch, path)
