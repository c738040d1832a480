"""`plan --out FILE` and `apply --plan FILE`: exactly what was reviewed, or nothing."""

import json
import os
import time
from collections.abc import Iterable

from lunmirror.config import sources
from lunmirror.engine.errors import LunmirrorError, UsageError
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Step
from lunmirror.host import paths, safefile, words
from lunmirror.report.agreed import Agreed, Plain, digest, document, faults, is_plan

VALID = 24 * 3600  # seconds
MOST_BYTES = 8 << 20
NO_PLAN = "it is not a plan that lunmirror wrote"
_ANOTHER = "name the file that `lunmirror plan --out FILE` wrote"  # never this path: a plan would take its place


class Stale(LunmirrorError):
    """A plan that cannot be carried out as it was reviewed."""

    exit = Exit.REFUSED


def write(path: str, steps: Iterable[Step], config: str) -> None:
    """Only an older plan, or an empty file, is written over. Raises LunmirrorError."""
    if reason := _in_the_way(path):
        raise UsageError(
            f"{path} is there already, and {reason}", next="name another file: only a plan is written over"
        )
    now = int(time.time())
    body = document(steps, _machine(), _config(config), now, now + VALID)
    try:
        safefile.replace(os.path.abspath(path), (json.dumps(body, indent=1) + "\n").encode(), sync=True)
    except (OSError, ValueError) as error:
        said = words.of(error) if isinstance(error, OSError) else str(error)
        raise LunmirrorError(f"the plan cannot be written to {path}: {said}") from error


def _in_the_way(path: str) -> str:
    """What stands at this path and must stay, in words; '' if nothing does."""
    try:
        content = safefile.read(path, MOST_BYTES, follow=False)
        return "" if not content or is_plan(json.loads(content)) else NO_PLAN
    except FileNotFoundError:
        return ""
    except OSError as error:
        return "it is a symbolic link" if os.path.islink(path) else f"it cannot be read: {words.of(error)}"
    except (ValueError, RecursionError) as error:
        return NO_PLAN if isinstance(error, UnicodeDecodeError | json.JSONDecodeError) else str(error)


def read(path: str, config: str) -> Plain:
    """The plan in this file. Raises Stale if it is none for this machine now."""
    try:
        body = json.loads(safefile.read(path, MOST_BYTES, safefile.distrust))
    except OSError as error:
        raise LunmirrorError(f"the plan {path} cannot be read: {words.of(error)}", next=_ANOTHER) from error
    except (ValueError, RecursionError) as error:
        reason = NO_PLAN if isinstance(error, UnicodeDecodeError | json.JSONDecodeError) else str(error)
        raise _stale(path, [reason], _ANOTHER) from error
    if not is_plan(body):
        raise _stale(path, [NO_PLAN], _ANOTHER)
    found = faults(body, _machine(), _config(config), int(time.time()))
    if found:
        raise _stale(path, found)
    try:
        used = _used()
    except (OSError, ValueError, RecursionError) as error:
        reason = f"whether it was carried out already is not known: {paths.PLANS} cannot be read"
        raise _stale(path, [reason]) from error
    if body["id"] in used:
        raise _stale(path, ["it was carried out already"])
    return dict(body)


def check(path: str, body: Plain, foreseen: Iterable[Step]) -> Agreed:
    """What may be done of what is to be done now. Raises Stale, with the difference, if that is not all of it."""
    agreed = Agreed(body)
    if found := agreed.differences(foreseen):
        more = f", and {len(found) - 5} more" if len(found) > 5 else ""
        raise _stale(path, ["the machine is not as it was: now there is also to do " + "; ".join(found[:5]) + more])
    return agreed


def carried_out(body: Plain) -> str:
    """It is not good for a second time; '' or why that cannot be noted."""
    now = int(time.time())
    try:
        used = {name: end for name, end in _used().items() if end > now} | {body["id"]: body["expires"]}
        os.makedirs(paths.STATE_DIR, 0o700, exist_ok=True)
        safefile.replace(paths.PLANS, json.dumps(used).encode(), sync=True)
    except (OSError, ValueError, RecursionError) as error:
        said = words.of(error) if isinstance(error, OSError) else str(error)
        return f"that the plan was carried out cannot be noted in {paths.PLANS}: {said}"
    return ""


def _used() -> dict[str, int]:
    """The plans that were carried out, and when they expire. Raises OSError, ValueError, RecursionError if that is not
    known."""
    try:
        found = json.loads(safefile.read(paths.PLANS, MOST_BYTES, safefile.distrust, follow=False))
    except FileNotFoundError:
        return {}
    if not isinstance(found, dict):
        raise ValueError("it is not as lunmirror writes it")
    return {name: end for name, end in found.items() if isinstance(end, int)}


def _stale(path: str, reasons: list[str], next: str = "") -> Stale:
    return Stale(
        f"nothing was done: the plan {path} cannot be carried out as it was reviewed",
        why="; ".join(reasons),
        next=next or f"make and review a new one: `lunmirror plan --out {path}`",
    )


def _machine() -> str:
    try:
        return safefile.read(paths.MACHINE_ID, 100).decode("ascii", "replace").strip()
    except (OSError, ValueError):
        return ""


def _config(path: str) -> str:
    return digest({"texts": [list(one) for one in sources.read(path)]})
