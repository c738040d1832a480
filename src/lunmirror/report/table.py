"""A report for an administrator: what is to be done or was done, what could not be, and the result in one sentence."""

from lunmirror.desired import Desired
from lunmirror.model import Finding, Kind, Outcome, Report, Risk, Step
from lunmirror.plain import shown
from lunmirror.report.result import exit_of
from lunmirror.report.words import how, why

_MARKS = {Kind.REFUSED: ("✋", "31"), Kind.BLOCKED: ("✗", "31"), Kind.DEGRADED: ("!", "33"), Kind.NOTE: ("·", "36")}
_DONE = {"done": ("✓", "32"), "failed": ("✗", "31"), "skipped": ("–", "33")}
_RISKS = {
    Risk.NONE: "nothing stored is at risk",
    Risk.ONLINE: "changes a volume in use, by a method that is safe under load",
    Risk.CONSUMES: "writes over a device",
}


class Paint:
    """Terminal colours, or none."""

    def __init__(self, color: bool) -> None:
        self.color = color

    def __call__(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text


def render(report: Report, desired: Desired, color: bool = False) -> str:
    """The whole report, ending in a newline. Every finding comes with its reason and the next move."""
    paint = Paint(color)
    parts = [_step(s, n, paint) for n, s in enumerate(report.steps, 1)]
    parts += [_outcome(o, paint) for o in report.outcomes]
    parts += [finding_text(f, paint) for f in sorted(report.findings, key=_weight)]
    parts.append(_closing(report, paint))
    return "\n".join(parts) + "\n"


def _weight(finding: Finding) -> int:
    """The gravest last, next to the result, where the eye is."""
    return (Kind.NOTE, Kind.DEGRADED, Kind.BLOCKED, Kind.REFUSED).index(finding.kind)


def _step(step: Step, number: int, paint: Paint) -> str:
    lines = [f"{paint(f'{number:3}', '1')}  {paint(str(step.ref), '36')}: {shown(step.title)}"]
    if step.after:
        lines.append(f"     after {', '.join(map(str, step.after))} (predicted: it cannot be seen yet)")
    lines += [f"     why   {shown(reason)}" for reason in dict.fromkeys(map(why, step.drift))]
    lines += [
        f"     {'how  ' if n == 0 else '     '} {_tint(shown(line), paint)}"
        for n, line in enumerate(how(step).splitlines())
    ]
    lines.append(f"     risk  {_RISKS[step.risk]}{f'; {shown(step.proof)}' if step.proof else ''}")
    return "\n".join(lines)


def _tint(line: str, paint: Paint) -> str:
    if line.startswith("+") and not line.startswith("+++"):
        return paint(line, "32")
    if line.startswith("-") and not line.startswith("---"):
        return paint(line, "31")
    return line


def _outcome(outcome: Outcome, paint: Paint) -> str:
    mark, code = _DONE[outcome.status]
    title = f"{shown(outcome.step.title)} ({outcome.seconds:.1f} s)"
    head = f"{paint(mark, code)} {paint(str(outcome.step.ref), '36')}: {title}"
    return head + (f"\n    {shown(outcome.error)}" if outcome.error else "")


def finding_text(finding: Finding, paint: Paint) -> str:
    mark, code = _MARKS[finding.kind]
    head = f"{paint(mark, code)} {paint(finding.kind.value, code)} {paint(str(finding.ref), '36')}: {shown(finding.what)}"
    details = (("why", finding.why), ("next", finding.next), ("key", finding.key))
    return head + "".join(f"\n    {label:5} {shown(text)}" for label, text in details if text)


def _closing(report: Report, paint: Paint) -> str:
    result = exit_of(report)
    if report.verb == "plan":
        counted = f"{len(report.steps)} steps to take" if report.steps else "nothing to do"
    else:
        tally = {s: sum(o.status == s for o in report.outcomes) for s in ("done", "failed", "skipped")}
        counted = ", ".join(f"{n} {s}" for s, n in tally.items() if n) or "nothing to do"
    code = "32" if result == 0 else "33" if result in (2, 3) else "31"
    return f"{paint(f'{report.verb}: {counted}', '1')} in {report.seconds:.1f} s; {paint(result.meaning, code)} (exit {int(result)})"
