"""What one pass leaves the next about settings that somebody keeps setting back (flapping.py); cleared at boot."""

import json
import os
from contextlib import suppress

from lunmirror.host import paths, rundir


def load() -> dict[str, int]:
    """Nothing, if there is no such file or it cannot be believed: then the fight begins again, and ends likewise."""
    return {name: times for name, times in rundir.recall(paths.FLAPPING).items() if type(times) is int}


def save(previous: dict[str, int], current: dict[str, int]) -> None:
    """Best effort: a full /run means that the next pass repairs once more."""
    with suppress(OSError, ValueError):
        if current and current != previous:
            rundir.write(paths.FLAPPING, json.dumps(current).encode())
        elif previous and not current:
            os.unlink(paths.FLAPPING)
