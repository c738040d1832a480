"""A report for an administrator: what is to be done or was done, what could not be, and the result in one sentence.

Steps stand under their resource, marked + (made), ~ (changed) or - (taken away). What only follows from another finding is
folded under it. The details (why, how, risk, proof) come with -v.
"""

from collections.abc import Iterable

from lunmirror.analysis.folding import fold, is_undeclared
from lunmirror.analysis.health import is_copying
from lunmirror.analysis.news import ident
from lunmirror.analysis.result import exit_of
from lunmirror.analysis.risk import facts_of
from lunmirror.engine.desired import Desired
from lunmirror.engine.exits import Exit
from lunmirror.engine.journal import is_bookkeeping
from lunmirror.engine.model import (
    Finding,
    Kind,
    MakeDirectory,
    Outcome,
    Report,
    Risk,
    Step,
    WriteFile,
)
from lunmirror.engine.plain import shown
from lunmirror.report.style import CYAN, GREEN, PLAIN, RED, YELLOW, Style, block, cells
from lunmirror.report.words import bar, how, why

_MARKS = {Kind.REFUSED: ("!", RED), Kind.BLOCKED: ("✗", RED), Kind.DEGRADED: ("!", YELLOW), Kind.NOTE: ("·", CYAN)}
_DONE = {"done": ("✓", GREEN), "failed": ("✗", RED), "skipped": ("–", YELLOW)}
_RISKS = {
    Risk.NONE: "nothing stored is at risk",
    Risk.ONLINE: "changes a volume in use, by a method that is safe under load",
    Risk.FEWER: "fewer copies than declared",
    Risk.CONSUMES: "writes over a device",
}
MADE, CHANGED, GONE = "+", "~", "-"
_COLORS = {MADE: GREEN, CHANGED: YELLOW, GONE: RED}
_MAKING = ("make", "write", "log in", "mount", "add", "leave", "take back", "let the kernel read")
_TAKING = ("remove", "delete", "drop", "take", "log out", "give up", "put", "deactivate", "end")
_OWN_WORDS = {
    Exit.CONVERGED: "everything is as declared",
    Exit.DRIFT: "changes were made",
    Exit.DEGRADED: "redundancy is not full",
    Exit.REFUSED: "an administrator must decide",
}


class Paint:
    """Terminal colours, or none."""

    def __init__(self, color: bool) -> None:
        self.color = color

    def __call__(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text


def render(
    report: Report,
    desired: Desired | None,
    style: Style = PLAIN,
    verbose: bool = False,
    live: bool = False,
    over: Iterable[str] = (),
) -> str:
    """The whole report, ending in a newline. `live`: the outcomes were shown while they came; `over`: what was reported
    before, and holds no more."""
    lines = _steps(report.steps, style, verbose)
    if not live:
        lines += [line for o in report.outcomes for line in outcome_lines(o, style)]
    lines += [line for what in over for line in style.lines("✓ over: ", what, GREEN)]
    lines += _findings(report.findings, desired, style, verbose)
    lines += _copies(report, desired, style)
    lines += [*([""] if lines and report.verb == "plan" else []), *_closing(report, style)]
    return block(lines, style)


# Steps


def is_risky(step: Step) -> bool:
    """It writes over a device, gives something up, or goes on with fewer copies: who sits at a terminal is asked first."""
    return step.risk in (Risk.CONSUMES, Risk.FEWER) or step.proof.startswith("consent: ")


def is_at_risk(step: Step) -> bool:
    """What is there may be lost by it, as a consent or an administrator says, or redundancy is."""
    wiped = step.risk is Risk.CONSUMES and step.proof.startswith("asked: ")
    return wiped or step.risk is Risk.FEWER or step.proof.startswith("consent: ")


def mark_of(step: Step) -> str:
    if isinstance(step.action, MakeDirectory) or (isinstance(step.action, WriteFile) and step.action.before is None):
        return MADE
    if step.title.startswith(_MAKING):
        return MADE
    return GONE if step.title.startswith(_TAKING) else CHANGED


def summary(steps: Iterable[Step]) -> str:
    """ "6 to create, 2 to change, 0 at risk"."""
    known = [step for step in steps if not is_bookkeeping(step)]
    marks = [mark_of(step) for step in known]
    removed = [f"{marks.count(GONE)} to remove"] if GONE in marks else []
    words = [f"{marks.count(MADE)} to create", f"{marks.count(CHANGED)} to change", *removed]
    return ", ".join([*words, f"{sum(map(is_at_risk, known))} at risk"])


def _steps(steps: tuple[Step, ...], style: Style, verbose: bool) -> list[str]:
    by_resource: dict[str, list[Step]] = {}
    for step in steps:
        if verbose or not is_bookkeeping(step):
            by_resource.setdefault(str(step.ref), []).append(step)
    lines: list[str] = []
    for resource, mine in by_resource.items():
        lines.append(style.paint(resource, CYAN))
        for step in mine:
            lines += _step(step, style, verbose)
    return lines


def _step(step: Step, style: Style, verbose: bool) -> list[str]:
    mark = mark_of(step)
    lines = style.lines(f"  {mark} ", step.title, _COLORS[mark])
    if verbose:
        lines += _details(step, style)
    elif is_risky(step):
        lines += style.field("risk", _risk(step), YELLOW)
    return lines


def _risk(step: Step) -> str:
    return f"{_RISKS[step.risk]}{f'; {step.proof}' if step.proof else ''}"


def _details(step: Step, style: Style) -> list[str]:
    after = ", ".join(map(str, step.after))
    lines = style.field("after", f"{after} (predicted: it cannot be seen yet)") if after else []
    for reason in dict.fromkeys(map(why, step.drift)):
        lines += style.field("why", reason)
    # Not wrapped: a command is copied, and a difference is read by its columns.
    lines += [
        f"    {'how' if n == 0 else '':8}{_tint(shown(line), style)}" for n, line in enumerate(how(step).splitlines())
    ]
    return lines + style.field("risk", _risk(step))


def _tint(line: str, style: Style) -> str:
    if line.startswith("+") and not line.startswith("+++"):
        return style.paint(line, GREEN)
    if line.startswith("-") and not line.startswith("---"):
        return style.paint(line, RED)
    return line


def outcome_lines(outcome: Outcome, style: Style) -> list[str]:
    """One step that has ended."""
    mark, code = _DONE[outcome.status]
    title = f"{outcome.step.title} ({outcome.seconds:.1f} s)"
    lines = style.lines(f"{mark} ", f"{outcome.step.ref}: {title}", code)
    return lines + (style.lines("    ", outcome.error) if outcome.error else [])


# Findings


def _findings(found: tuple[Finding, ...], desired: Desired | None, style: Style, verbose: bool) -> list[str]:
    """The gravest last, next to the result, where the eye is."""
    notes = [f for f in found if f.kind is Kind.NOTE]
    lines = []
    for note in notes:
        brief = note._replace(what=f"{note.what} (-v: why, and how to acknowledge it)", why="", next="")
        lines += finding_lines(
            note if verbose or (desired is not None and is_undeclared(note, desired)) else brief, style, verbose
        )
    if desired is None or verbose:
        rest = sorted((f for f in found if f.kind is not Kind.NOTE), key=_weight)
        return lines + [line for f in rest for line in finding_lines(f, style, verbose)]
    for trouble in sorted(fold(found, desired), key=lambda t: _weight(t.root)):
        lines += finding_lines(trouble.root, style)
        if trouble.folded:
            lines += style.field("so", f"{_named(trouble.folded)} (-v shows each)")
    return lines


def _copies(report: Report, desired: Desired | None, style: Style) -> list[str]:
    """A bar for each volume that is being copied."""
    lines = []
    for volume in desired.volumes.values() if desired else ():
        facts = facts_of(volume, report.seen)
        if facts and is_copying(facts) and facts.total:
            share = facts.done / facts.total
            words = f"{bar(share, cells(style))} {int(1000 * share) / 10:g} %; see `lunmirror status --watch`"
            lines += style.lines(f"  {volume.id}  ", words)
    return lines


def _named(folded: tuple[Finding, ...]) -> str:
    return ", ".join(dict.fromkeys(f"{f.ref} is {f.kind.value}" for f in folded))


def _weight(finding: Finding) -> int:
    return (Kind.NOTE, Kind.DEGRADED, Kind.BLOCKED, Kind.REFUSED).index(finding.kind)


def finding_lines(finding: Finding, style: Style, verbose: bool = False) -> list[str]:
    mark, code = _MARKS[finding.kind]
    lines = style.lines(f"{mark} {finding.kind.value} ", f"{finding.ref}: {finding.what}", code, indent=4)
    lines += style.field("why", finding.why) + style.field("next", finding.next)
    if verbose:
        lines += style.field("key", finding.key)
        if finding.kind is Kind.NOTE:
            lines += style.field("number", f"{ident(finding)}, for policy.acknowledged")
    return lines


# The result


def _closing(report: Report, style: Style) -> list[str]:
    result = exit_of(report)
    code = GREEN if result == 0 else YELLOW if result in (2, 3) else RED
    meaning = _OWN_WORDS.get(result, result.meaning)
    if report.verb == "plan":
        known = [step for step in report.steps if not is_bookkeeping(step)]
        nothing = "nothing but notes to take" if result == Exit.DRIFT else "nothing to do"
        said = summary(report.steps) if known else nothing
        tail = "" if result == Exit.DRIFT else f"; {meaning}"
        return style.lines("Plan: ", f"{said}{tail} (exit {int(result)})", code)
    tally = {s: sum(o.status == s for o in report.outcomes) for s in ("done", "failed", "skipped")}
    counted = ", ".join(f"{n} {s}" for s, n in tally.items() if n) or "nothing to do"
    took = f"{counted} in {report.seconds:.1f} s"
    return style.lines(f"{report.verb}: ", f"{took}; {meaning} (exit {int(result)})", code)
