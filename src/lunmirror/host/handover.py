"""What one pass leaves the next in /run: settings that another program keeps setting back (engine/flapping.py), and what
quiet passes have reported (analysis/news.py). Best effort: without it a fight begins again, and ends likewise; and what was
reported is reported once more."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress

from lunmirror.host import paths, rundir


def flapping() -> dict[str, int]:
    """Setting -> how many passes in a row have repaired it; nothing if that cannot be believed."""
    return {name: times for name, times in rundir.recall(paths.FLAPPING).items() if type(times) is int}


def reported() -> dict[str, str]:
    """Finding -> what was reported of it; nothing if that cannot be believed."""
    return {key: what for key, what in rundir.recall(paths.REPORTED).items() if isinstance(what, str)}


def leave(path: str, previous: Mapping[str, object], current: Mapping[str, object]) -> None:
    """For the next pass: what `path` holds now is `previous`. Nothing is written where nothing changed."""
    with suppress(OSError, ValueError):
        if current and current != previous:
            rundir.write(path, json.dumps(current).encode())
        elif previous and not current:
            os.unlink(path)
