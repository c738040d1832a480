"""What one pass tells the next about settings that somebody keeps setting back (contest.py); cleared at boot."""

import json
import os
from contextlib import suppress

from lunmirror.host import paths, rundir


def load() -> dict[str, int]:
    """Nothing, if there is no such file or it cannot be believed: then the fight begins anew, and ends likewise."""
    try:
        held = json.loads(rundir.read(paths.CONTESTED))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(held, dict):
        return {}
    return {name: times for name, times in held.items() if type(times) is int}


def save(past: dict[str, int], present: dict[str, int]) -> None:
    """Best effort: a full /run means that the next pass mends once more."""
    with suppress(OSError, ValueError):
        if present and present != past:
            rundir.write(paths.CONTESTED, json.dumps(present).encode())
        elif past and not present:
            os.unlink(paths.CONTESTED)
