"""`history` for an administrator: one line for each pass that changed something, its steps below it."""

from collections.abc import Iterable
from typing import Any

from lunmirror.report.style import CYAN, GREEN, RED, YELLOW, Style, block

FEW = 3  # steps that are shown of one pass, unless all are asked for
_COLORS = {"ok": GREEN, "copying": YELLOW, "degraded": YELLOW, "down": RED}
_DONE = {"done": ("✓", GREEN), "failed": ("✗", RED), "skipped": ("–", YELLOW)}


def render(found: Iterable[dict[str, Any]], style: Style, verbose: bool = False) -> str:
    """Ends in a newline; what is not as lunmirror writes it is shown as far as it goes."""
    lines: list[str] = []
    for one in found:
        state = str(one.get("state", "?"))
        head = f"{style.clock(str(one.get('at', '?')))}  {state:8}  "
        lines += style.lines(head, str(one.get("headline", "")), _COLORS.get(state, CYAN), indent=4)
        steps = [s for s in one.get("steps", ()) if isinstance(s, dict)]
        about = f"{one.get('verb', '?')} by {one.get('by', '?')}, {_counted(steps)} in {one.get('seconds', '?')} s"
        lines += style.lines("    ", f"{about} (exit {one.get('exit', '?')})")
        failed = [s for s in steps if s.get("status") != "done"]
        shown = (
            steps if verbose or len(steps) <= FEW else [*steps[:FEW], *(s for s in failed if s not in steps[:FEW])]
        )
        for step in shown:
            lines += _step(step, style)
        if len(shown) < len(steps):
            lines += style.lines("    ", f"and {len(steps) - len(shown)} more (-v shows all)")
    return block(lines, style) if lines else "nothing was changed yet, as far as is kept\n"


def _step(step: dict[str, Any], style: Style) -> list[str]:
    mark, code = _DONE.get(str(step.get("status")), ("?", CYAN))
    title = f"{step.get('resource', '?')}: {step.get('title', '')} ({step.get('seconds', '?')} s)"
    lines = style.lines(f"    {mark} ", title, code)
    return lines + (style.lines("      ", str(step["error"])) if step.get("error") else [])


def _counted(steps: list[dict[str, Any]]) -> str:
    return "1 step" if len(steps) == 1 else f"{len(steps)} steps"
