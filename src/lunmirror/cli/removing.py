"""`lunmirror remove` from its first look to its last: what would be done, each step asked for, what came of it."""

import sys
from argparse import Namespace
from collections.abc import Callable

from lunmirror.analysis.result import exit_of
from lunmirror.cli import output, passes
from lunmirror.cli.passes import Reported
from lunmirror.engine import gate, removal
from lunmirror.engine.desired import Desired
from lunmirror.engine.execute import Executor
from lunmirror.engine.exits import Exit
from lunmirror.engine.journal import is_note
from lunmirror.engine.log import Log
from lunmirror.engine.model import Plan, Report, Step
from lunmirror.engine.reconcile import run_pass
from lunmirror.engine.runlock import held
from lunmirror.host import live
from lunmirror.host.protocol import Host
from lunmirror.report import as_json, table
from lunmirror.report.style import YELLOW, Style, block

PATIENCE = 600.0  # seconds that somebody has for each answer


def remove(args: Namespace, log: Log) -> Reported:
    """What there is to print, too. Raises LunmirrorError."""
    host = live.LiveHost(log.note)
    with held(args.verb, args.lock_wait):
        desired = passes.load(args)
        report = run_pass("plan", log.run, desired, host)
        plan = look(args, desired, report, host)
        seen = report._replace(verb=args.verb, steps=(), findings=plan.findings)
        if plan.steps and (args.yes or _asks()):
            agreed = (lambda step: True) if args.yes else _Asked(output.style(sys.stdout))
            wanted = removal.StillWanted(agreed, lambda: look_again(args, desired, host, log.run))
            outcomes = Executor(host, log.outcome, log.waiting, wanted).take(plan.steps)
            seen = seen._replace(outcomes=tuple(outcomes), findings=(*plan.findings, *wanted.moved))
            passes.remember(seen, desired, log)
        elif not plan.findings:
            seen = seen._replace(verb="plan", steps=plan.steps)
    text = as_json.render(seen) if args.json else table.render(seen, desired, output.style(sys.stdout))
    return _result(seen), seen, text


def look(args: Namespace, desired: Desired, report: Report, host: Host) -> Plan:
    return gate.enforce(removal.plan(args.name, bool(args.wipe_data), desired, report, host), frozenset())


def look_again(args: Namespace, desired: Desired, host: Host, run: str) -> Plan:
    """What the plan is now; nothing that was read before is believed."""
    host.forget()
    return look(args, desired, run_pass("plan", run, desired, host), host)


def _result(seen: Report) -> Exit:
    """A step that nobody agreed to is no failure, and not nothing either."""
    result = exit_of(seen)
    return Exit.DRIFT if result == Exit.CONVERGED and any(o.status == "skipped" for o in seen.outcomes) else result


def _asks() -> bool:
    """There is somebody to ask."""
    return bool(output.columns()) and sys.stdin is not None and sys.stdin.isatty()


class _Asked:
    """Asks for each step; the first that is not agreed to is the last."""

    def __init__(self, style: Style, answer: Callable[[float], str] | None = None) -> None:
        from lunmirror.cli.live import answer as terminal

        self.style, self.answer = style, answer or terminal

    def __call__(self, step: Step) -> bool:
        if is_note(step):
            return True
        output.show(block(["", *self.style.lines("! ", f"{step.ref}: {step.title}", YELLOW)], self.style))
        output.show(block(self.style.field("why", step.proof), self.style))
        output.show(self.style.fit("Do this? [y/N] "))
        return self.answer(PATIENCE).strip().lower() in ("y", "yes")
