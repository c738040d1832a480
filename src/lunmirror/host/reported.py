"""What quiet passes have reported already in this boot (analysis/news.py), so that none says it twice."""

import json
from contextlib import suppress

from lunmirror.host import paths, rundir


def load() -> dict[str, str]:
    """Nothing, if there is no such file or it cannot be believed: then all is reported once more."""
    return {key: what for key, what in rundir.recall(paths.REPORTED).items() if isinstance(what, str)}


def save(past: dict[str, str], present: dict[str, str]) -> None:
    """Best effort, and nothing is written where nothing changed."""
    if past != present:
        with suppress(OSError, ValueError):
            rundir.write(paths.REPORTED, json.dumps(present).encode())
