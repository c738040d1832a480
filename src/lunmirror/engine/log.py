"""What a run says on stderr: one JSON line for each step and finding, one closing line for the run, no secret.

structlog writes them, and renders for people where stderr is a terminal. It costs 130 ms to import (asyncio among
others; docs/performance.md), so it is imported with the first line; a pass that finds nothing to do and nothing amiss
has none to write, at the usual level.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from functools import partial
from typing import Any, TextIO

from lunmirror.analysis.news import Known
from lunmirror.analysis.news import ident_of_failure as _failure
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Drift, Finding, Kind, Outcome, Report, Run, Step, WriteFile
from lunmirror.engine.plain import shown
from lunmirror.engine.secret import MASK, masked
from lunmirror.report.words import command_line, how

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # syslog(3)

# Takes a line with its priority and the entry that it was made of; whether it did, else it is written.
Journal = Callable[[int, str, MutableMapping[str, Any]], bool]

_OUTCOMES = {"done": "info", "failed": "error", "skipped": "warning"}
# A note stays true pass after pass: said each time, it would cost every run from cron the import of structlog.
_FINDINGS = {Kind.REFUSED: "error", Kind.BLOCKED: "error", Kind.DEGRADED: "warning", Kind.NOTE: "debug"}
_RESULTS = {Exit.CONVERGED: "info", Exit.DRIFT: "info", Exit.DEGRADED: "warning"}


class Log:
    """The log of one run. `level` is the least that is logged, "" for the usual: info, and on a terminal nothing but what
    no report shows; `clock` gives seconds since 1970; `color` is for a terminal that colors are wanted on."""

    def __init__(
        self,
        verb: str,
        run: str,
        level: str = "",
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.time,
        color: bool = False,
        journal: Journal | None = None,
        reported: Known | None = None,
    ) -> None:
        self.verb, self.run, self.clock, self.color = verb, run, clock, color
        self.stream = stream if stream is not None else sys.stderr
        self.spoken = not level and self._is_terminal()
        self.least = LEVELS[level or "info"]
        self.journal, self.reported = journal, reported
        self.secrets: set[str] = set()
        self._logger: Any = None

    def keep_secret(self, *secrets: str) -> None:
        """From now on none of these appears in any line."""
        self.secrets.update(filter(None, secrets))

    def outcome(self, outcome: Outcome) -> None:
        """One step was taken, or not."""
        step = outcome.step
        self._keep_secrets_of(step)
        keys = _about(step) | {"duration": round(outcome.seconds, 3), "outcome": outcome.status}
        level = _OUTCOMES[outcome.status]
        if self.reported is not None and (outcome.status == "skipped" or f"!{_failure(outcome)}" in self.reported):
            level = "debug"
        self._say(level, step.title, keys | ({"error": outcome.error} if outcome.error else {}))

    def waiting(self, step: Step) -> None:
        """A step begins; of a wait it is said what is waited for, and how long at most."""
        if not hasattr(step.action, "deadline") or isinstance(step.action, Run) or self.reported is not None:
            return
        self._say(
            "info",
            f"{step.title}, at most {getattr(step.action, 'deadline', 0):g} s",
            _about(step) | {"outcome": "waiting"},
        )

    def planned(self, step: Step) -> None:
        """One step would be taken."""
        self._keep_secrets_of(step)
        self._say("debug", step.title, _about(step) | {"outcome": "planned"})

    def over(self, what: str) -> None:
        """Something that was said before holds no more."""
        self._say("info", f"over: {what}", {"outcome": "over"})

    def finding(self, finding: Finding) -> None:
        """Something that no step repairs."""
        keys = {"layer": finding.ref.layer, "resource": finding.ref.name, "outcome": finding.kind.value}
        keys |= {name: text for name in ("why", "next", "key") if (text := getattr(finding, name))}
        level = _FINDINGS[finding.kind]
        self._say("info" if level == "debug" and self.reported is not None else level, finding.what, keys)

    def note(self, text: str) -> None:
        """Something worth saying that belongs to no step."""
        self._say("warning", text, {})
        if self.spoken:
            self._write(f"lunmirror: {shown(text)}")

    def progress(self, text: str) -> None:
        """Where a verb that takes minutes has come to."""
        self._say("info", text, {})
        if self.spoken:
            self._write(shown(text))

    def close(
        self, result: Exit, seconds: float, report: Report | None = None, error: str = "", news: bool = False
    ) -> None:
        """The last line of a run: what it came to; at level debug if it had nothing to do and all is well, or, where only
        news are logged, nothing new. `error` says why there is no report."""
        counts = _counts(report) if report else {}
        keys: dict[str, Any] = {"result": result.name.lower(), "exit": int(result), **counts}
        keys |= {"duration": round(seconds, 3)} | ({"error": error} if error else {})
        level = _RESULTS.get(result, "error")
        if level == "info" and report is not None and not report.outcomes:
            level = "debug"
        if self.reported is not None and report is not None and not news:
            level = "debug"
        self._say(level, "run ended", keys)

    def _say(self, level: str, event: str, keys: dict[str, Any]) -> None:
        if LEVELS[level] < self.least or self.stream is None or self.spoken:
            return
        if self._logger is None:
            self._logger = self._make_logger()
        getattr(self._logger, level)(event, **keys)

    def _make_logger(self) -> Any:
        import structlog

        render: list[Any]
        if self._is_terminal():
            render = [_plain, structlog.dev.ConsoleRenderer(colors=self.color)]
        else:
            line = structlog.processors.JSONRenderer()
            render = [lambda logger, level, entry: ((line(logger, level, dict(entry)),), {"entry": entry})]
        return structlog.wrap_logger(
            _Lines(self._write, self.journal), processors=[self._ordered, self._redacted, *render]
        )

    def _is_terminal(self) -> bool:
        return self.stream is not None and self.stream.isatty()

    def _write(self, line: str) -> None:
        """A log that cannot be written must not stop the work."""
        with suppress(OSError, ValueError):
            self.stream.write(line + "\n")
            self.stream.flush()

    def _ordered(self, logger: Any, level: str, entry: MutableMapping[str, Any]) -> dict[str, Any]:
        """A structlog processor: the common keys first."""
        head = {"timestamp": timestamp(self.clock()), "level": level, "event": entry["event"]}
        return head | {"run": self.run, "verb": self.verb} | dict(entry)

    def _redacted(self, logger: Any, level: str, entry: MutableMapping[str, Any]) -> dict[str, Any]:
        """A structlog processor: no known secret, and nothing under a name that speaks of a password."""
        secrets = tuple(self.secrets)
        return {key: _masked(key, value, secrets) for key, value in entry.items()}

    def _keep_secrets_of(self, step: Step) -> None:
        if isinstance(step.action, WriteFile):
            self.keep_secret(*step.action.secrets)


def _plain(logger: Any, level: str, entry: MutableMapping[str, Any]) -> dict[str, Any]:
    """A structlog processor: no text moves a terminal's cursor."""
    return {key: shown(value) if isinstance(value, str) else value for key, value in entry.items()}


class _Lines:
    """Where structlog sends a finished line, under the name of its level."""

    def __init__(self, write: Callable[[str], None], journal: Journal | None) -> None:
        for name, priority in PRIORITIES.items():
            setattr(self, name, partial(_written, write, journal, priority))


def _written(
    write: Callable[[str], None], journal: Journal | None, priority: int, line: str, entry: Any = None
) -> None:
    if journal is None or not journal(priority, line, entry):
        write(f"<{priority}>{line}" if journal else line)


def timestamp(seconds: float) -> str:
    """UTC, as ISO 8601 has it, to the microsecond."""
    whole, micro = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{micro:06d}Z"


def _about(step: Step) -> dict[str, Any]:
    return {
        "layer": step.ref.layer,
        "resource": step.ref.name,
        "drift": [_drift(d) for d in step.drift],
        "command": _command(step),
    }


def _drift(drift: Drift) -> dict[str, str]:
    hidden = "password" in drift.key.lower()
    return {"key": drift.key} | {n: MASK if hidden else getattr(drift, n) for n in ("desired", "observed")}


def _command(step: Step) -> str:
    """One line; the report has the rest."""
    match step.action:
        case Run(argv):
            return command_line(argv)
        case WriteFile(path):
            return f"replace {path}"
    return how(step)


def _counts(report: Report) -> dict[str, int]:
    statuses = {status: sum(o.status == status for o in report.outcomes) for status in ("done", "failed", "skipped")}
    kinds = {kind.value: sum(f.kind is kind for f in report.findings) for kind in Kind}
    return {"planned": len(report.steps), **statuses, **kinds}


def _masked(key: str, value: Any, secrets: tuple[str, ...]) -> Any:
    if "password" in key.lower():
        return MASK
    if isinstance(value, str):
        return masked(value, secrets)
    if isinstance(value, dict):
        return {k: _masked(k, v, secrets) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", v, secrets) for v in value]
    return value
