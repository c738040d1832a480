"""A report for a program. The shape is a contract: `schema` counts up when it changes incompatibly."""

import json
from enum import Enum
from typing import Any

from lunmirror.analysis.result import exit_of
from lunmirror.engine.model import Finding, Outcome, Report, Step
from lunmirror.report.words import how

SCHEMA = 1


def render(report: Report) -> str:
    """One JSON document, ending in a newline. File contents appear only as masked diffs."""
    return json.dumps(document(report), ensure_ascii=False, indent=2) + "\n"


def document(report: Report) -> dict[str, Any]:
    result = exit_of(report)
    return {
        "schema": SCHEMA,
        "verb": report.verb,
        "run": report.run,
        "result": result.name.lower(),
        "exit": int(result),
        "seconds": round(report.seconds, 3),
        "steps": [step(s) for s in report.steps],
        "outcomes": [_outcome(o) for o in report.outcomes],
        "findings": [_finding(f) for f in report.findings],
    }


def step(one: Step) -> dict[str, Any]:
    return {
        "resource": {"layer": one.ref.layer, "name": one.ref.name},
        "title": one.title,
        "drift": [d._asdict() for d in one.drift],
        "how": how(one),
        "risk": one.risk.value,
        "proof": one.proof,
        "predicted_after": [str(r) for r in one.after],
    }


def _outcome(one: Outcome) -> dict[str, Any]:
    return {"step": step(one.step), "status": one.status, "seconds": round(one.seconds, 3), "error": one.error}


def _finding(one: Finding) -> dict[str, Any]:
    plain = {k: v.value if isinstance(v, Enum) else v for k, v in one._asdict().items() if k != "ref"}
    return {"resource": {"layer": one.ref.layer, "name": one.ref.name}} | plain
