"""A pass of the timer or of cron: what is new is reported, once, and nothing if nothing is.

In systemd's journal as entries with their priority, elsewhere as text on stdout, never as both. What was reported is kept in
/run (host/handover.py), so a boot begins with nothing.
"""

import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any

from lunmirror.analysis.news import after, ident_of_failure, news
from lunmirror.cli import after as after_pass
from lunmirror.cli import needs, output
from lunmirror.engine.errors import LunmirrorError
from lunmirror.engine.exits import Exit
from lunmirror.engine.log import Log
from lunmirror.engine.model import Report, Step
from lunmirror.host import handover, manager, paths, waiting

Look = Callable[[Log], tuple[Exit, Report, str]]


def report(args: Namespace, look: Look) -> Exit:
    """As passes.report."""
    started = time.monotonic()
    past = handover.reported()
    journal = manager.is_journal(sys.stderr)
    log = _UnitLog(args.verb, os.urandom(4).hex(), args.log_level, journal=_entry if journal else None, reported=past)
    if not journal and not args.log_level:
        log.stream = None  # text on stdout instead
    try:
        waiting.heed_signals()
        needs.check_machine()
        result, seen, _ = look(log)
    except Exception as error:
        if isinstance(error, LunmirrorError):
            manager.status(error.what)
        after_pass.failed(args.verb, error, time.monotonic() - started, log)
        raise
    found = news(past, seen.findings)
    for finding in found.new:
        log.finding(finding)
    for what in found.over:
        log.over(what)
    fresh = tuple(o for o in seen.outcomes if f"!{ident_of_failure(o)}" not in past and o.status != "skipped")
    is_news = bool(found.new or found.over or fresh)
    log.close(result, time.monotonic() - started, seen, news=is_news)
    handover.leave(paths.REPORTED, past, after(seen.findings, seen.outcomes))
    manager.status(_status(result, seen))
    if is_news and log.stream is None:
        from lunmirror.report import table

        text = table.render(seen._replace(findings=found.new, outcomes=fresh), None, over=found.over)
        output.show(text)
    return result


def _status(result: Exit, seen: Report) -> str:
    """For `systemctl status`: the gravest thing that was found."""
    weights = {"refused": 0, "blocked": 1, "degraded": 2}
    grave = sorted((f for f in seen.findings if f.kind.value in weights), key=lambda f: weights[f.kind.value])
    return f"{grave[0].kind.value}: {grave[0].what}" if grave else result.meaning


def _entry(priority: int, line: str, entry: Mapping[str, Any]) -> bool:
    from lunmirror.host import journald  # a pass with nothing new says nothing

    return journald.send(priority, line, entry)


class _UnitLog(Log):
    """Says in the unit's status line, too, what the pass is at."""

    def waiting(self, step: Step) -> None:
        deadline = getattr(step.action, "deadline", 0)
        manager.status(f"{step.ref}: {step.title}" + (f", at most {deadline:g} s" if deadline else ""))
