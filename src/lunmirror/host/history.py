"""What passes changed, kept for the administrator who asks in the morning: one line of JSON for each, the newest last.

A line is added whole and brought to the disk; one that a power cut tore is passed over by who reads. The file is bounded: when
it is full, its older half goes, by replacing it whole. It decides nothing: a pass that cannot write it says so and goes on.
"""

import json
import os
import stat
from contextlib import suppress
from typing import Any

from lunmirror.host import paths, safefile

MOST_BYTES = 512 << 10  # then only the newest half stays
_ADD = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | safefile.QUIET


def add(entry: dict[str, Any], path: str = "") -> None:
    """Raises OSError, ValueError if the file is not ours alone."""
    path = path or paths.HISTORY
    directory = os.path.dirname(path)
    os.makedirs(directory, 0o700, exist_ok=True)
    line = json.dumps(entry, ensure_ascii=True).encode() + b"\n"
    file = os.open(path, _ADD, 0o600)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or not safefile.is_own(status):
            raise ValueError(f"{path} is not a file of ours")
        torn = status.st_size and not _read(path, status.st_size - 1).endswith(b"\n")
        os.write(file, b"\n" + line if torn else line)
        os.fsync(file)
        full = status.st_size + len(line) > MOST_BYTES
    finally:
        os.close(file)
    if full:
        kept = _read(path, MOST_BYTES // 2).partition(b"\n")[2]
        safefile.replace(path, kept, sync=True)


def entries(path: str = "") -> list[dict[str, Any]]:
    """All that can be read, the oldest first; none if nothing was ever kept. Raises OSError."""
    with suppress(FileNotFoundError):
        lines = _read(path or paths.HISTORY, 0).splitlines()
        return [one for line in lines if (one := _parsed(line)) is not None]
    return []


def last(path: str = "") -> dict[str, Any] | None:
    """The newest entry, read from the end of the file."""
    path = path or paths.HISTORY
    with suppress(OSError):
        size = os.stat(path).st_size
        for line in reversed(_read(path, max(0, size - 65536)).splitlines()):
            if (one := _parsed(line)) is not None:
                return one
    return None


def _read(path: str, begin: int) -> bytes:
    file = os.open(path, safefile.READ | os.O_NOFOLLOW)
    try:
        return os.pread(file, 2 * MOST_BYTES, begin)
    finally:
        os.close(file)


def _parsed(line: bytes) -> dict[str, Any] | None:
    with suppress(ValueError, RecursionError):
        one = json.loads(line)
        if isinstance(one, dict) and isinstance(one.get("at"), str):
            return one
    return None


def by_whom() -> str:
    """Who started this run, as far as the kernel and the environment show: "systemd", "cron", "alice (sudo)", "root"."""
    if os.environ.get("INVOCATION_ID") and os.environ.get("JOURNAL_STREAM"):
        return "systemd"
    with suppress(OSError), open(f"{paths.PROC}/{os.getppid()}/comm", "rb") as comm:
        if comm.read(64).strip().lower() in (b"cron", b"crond"):
            return "cron"
    if user := os.environ.get("SUDO_USER"):
        return f"{user} (sudo)"
    return "root" if os.geteuid() == 0 else f"uid {os.geteuid()}"
