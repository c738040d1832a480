"""What a report comes to: one exit code."""

from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Finding, Kind, Report

# What users have in their hands. As long as none of these is blocked, a server that is away costs only redundancy.
SERVING = frozenset({"volume", "filesystem", "mount"})


def exit_of(report: Report) -> Exit:
    """The worst thing in the report decides."""
    kinds = {finding.kind for finding in report.findings}
    if Kind.REFUSED in kinds:
        return Exit.REFUSED
    if any(outcome.status == "failed" for outcome in report.outcomes) or _out_of_service(report.findings):
        return Exit.FAILED
    if report.verb == "plan" and report.steps:
        return Exit.DRIFT
    if kinds & {Kind.DEGRADED, Kind.BLOCKED}:
        return Exit.DEGRADED
    if report.detailed and report.outcomes:
        return Exit.DRIFT
    return Exit.CONVERGED


def _out_of_service(findings: tuple[Finding, ...]) -> bool:
    """Something that users need is blocked, or nothing is known about it."""
    return any(f.kind is Kind.BLOCKED and f.ref.layer in SERVING for f in findings)
