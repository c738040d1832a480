"""The status file in /run, and the metrics beside it: written whole after each pass, readable by everybody."""

import json
import os
from typing import Any

from lunmirror.host import paths, rundir, safefile, words

MODE = 0o644
MOST_BYTES = 8 << 20


def path() -> str:
    return f"{paths.RUN_DIR}/{paths.STATUS}"


def recall(version: str) -> dict[str, Any]:
    """What the pass before wrote, if this version of lunmirror did, and nobody else can have; else {}."""
    held = rundir.recall(path())
    return held if held.get("version") == version else {}


def keep(document: dict[str, Any]) -> str:
    """'' or why it could not be written."""
    try:
        rundir.write(path(), json.dumps(document).encode() + b"\n", MODE)
    except OSError as error:
        return words.of(error)
    except ValueError as error:
        return str(error)
    return ""


def look() -> dict[str, Any]:
    """The document, for anybody. Raises OSError, ValueError."""
    held = json.loads(safefile.read(path(), MOST_BYTES))
    if not isinstance(held, dict):
        raise ValueError("not an object")
    return held


def publish(place: str, text: str) -> str:
    """Replace the file of the metrics; '' or why it could not be written. The collector reads no name but *.prom, so the
    temporary file beside it is nobody's."""
    try:
        safefile.replace(place, text.encode("utf-8", "backslashreplace"), MODE, sync=False)
    except OSError as error:
        return f"{os.path.dirname(place)}: {words.of(error)}"
    return ""
