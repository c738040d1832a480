"""What of a pass is worth keeping: its steps, and how the machine was after it, if that is another state than before. Pure."""

from typing import Any

from lunmirror.analysis.verdict import judge
from lunmirror.engine.desired import Desired
from lunmirror.engine.exits import Exit
from lunmirror.engine.journal import is_bookkeeping
from lunmirror.engine.model import Outcome, Report
from lunmirror.engine.secret import masked

MOST_STEPS = 200  # of one pass


def entry(
    report: Report,
    desired: Desired,
    result: Exit,
    before: dict[str, Any] | None,
    at: str,
    by: str,
    secrets: tuple[str, ...],
) -> dict[str, Any] | None:
    """The entry of this pass, None if it changed nothing and found nothing changed. `before`: the entry before it; `at`:
    the wall clock (ISO 8601); no text of it has one of the `secrets`."""
    machine = judge(report, desired)
    volumes = {one.volume: one.word for one in machine.volumes}
    state = {"state": machine.state, "headline": masked(machine.headline.text, secrets), "volumes": volumes}
    steps = [_step(o, secrets) for o in report.outcomes if not is_bookkeeping(o.step)]
    known = before is not None and all(before.get(key) == state[key] for key in ("state", "volumes"))
    if known and not steps:
        return None
    return {
        "at": at,
        "run": report.run,
        "verb": report.verb,
        "by": by,
        "exit": int(result),
        "seconds": round(report.seconds, 1),
        **state,
        "steps": steps[:MOST_STEPS],
    }


def _step(outcome: Outcome, secrets: tuple[str, ...]) -> dict[str, Any]:
    said = {"resource": str(outcome.step.ref), "title": masked(outcome.step.title, secrets), "status": outcome.status}
    said["seconds"] = round(outcome.seconds, 1)  # type: ignore[assignment]
    return said | ({"error": masked(outcome.error, secrets)} if outcome.error else {})
