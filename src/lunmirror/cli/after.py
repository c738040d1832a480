"""What watchers see once a changing pass has ended, however it did. Nothing here changes what the pass came to: what
cannot be written is said in the log."""

import os
import time
from contextlib import suppress
from typing import Any

from lunmirror import __version__
from lunmirror.cli.maintained import Refused
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import BusyError, ConfigError, LunmirrorError, UsageError
from lunmirror.engine.log import Log
from lunmirror.engine.model import Present, Report, Unknown
from lunmirror.host import paths, safefile, statusfile, words
from lunmirror.host.protocol import ActionFailed, Host
from lunmirror.host.waiting import Interrupted
from lunmirror.layers.node import leftover
from lunmirror.watch import document

START = 5.0  # seconds for systemd to take a unit's start
# The pass that runs reports; one that was stopped goes on next time; what somebody asked for in vain is reported to them.
UNREPORTED = (BusyError, Interrupted, UsageError, Refused)


def passed(report: Report, desired: Desired, host: Host, log: Log) -> None:
    """The pass came to this report. The caller holds the run lock."""
    note_targets(report, desired, host, log)
    readings: dict[str, Any] = {}
    if document.any_copying(report, desired):
        from lunmirror.analysis import copying  # only a copy has a pace

        readings = copying.read(report, desired, host)
    before = statusfile.recall(__version__)
    _publish(document.document(report, desired, readings, before, int(time.time())), desired, log)


def note_targets(report: Report, desired: Desired, host: Host, log: Log) -> None:
    """Which targets are declared, so that they are known once they are not any more."""
    raw = host.read(paths.TARGETS)
    before = leftover.noted(raw)
    now = leftover.now(before, desired, report.seen)
    if now == before or isinstance(raw, Unknown):
        return
    try:
        host.make_directory(paths.STATE_DIR, 0o700)
        host.write(paths.TARGETS, leftover.render(now), raw.facts if isinstance(raw, Present) else None, 0o600)
    except ActionFailed as error:
        log.note(
            f"{paths.TARGETS} cannot be written, so a server that is taken out of the configuration is forgotten: {error}"
        )


def failed(verb: str, error: Exception, seconds: float, log: Log) -> None:
    """The pass did not come to a report. Whatever is no error of ours is a mistake of ours."""
    if isinstance(error, UNREPORTED):
        return
    if not isinstance(error, LunmirrorError):
        error = LunmirrorError(f"internal error: {type(error).__name__}", why="this is a mistake in lunmirror")
    from lunmirror.config import cache
    from lunmirror.engine.runlock import held

    said = {part: getattr(error, part) for part in ("what", "where", "why", "next")}
    if isinstance(error, ConfigError):
        said |= {part: getattr(error.problems[0], part) for part in ("where", "why", "next")}
    with suppress(LunmirrorError), held(verb, 0):
        before = statusfile.recall(__version__)
        whole = document.failed(verb, log.run, error.exit, seconds, said, before, int(time.time()))
        _publish(whole, cache.last(paths.COMPILED), log)


def _publish(whole: document.Document, desired: Desired | None, log: Log) -> None:
    if why := statusfile.keep(whole):
        log.note(f"{statusfile.path()} cannot be written, so watchers see an older one: {why}")
    if desired and desired.textfile:
        from lunmirror.watch import metrics

        if why := statusfile.publish(desired.textfile, metrics.render(whole)):
            log.note(f"watch.textfile cannot be written, so Prometheus sees an older one: {why}")
    if desired and desired.notify.wanted:
        _note(whole, desired, log)


# Who is notified


def _note(whole: document.Document, desired: Desired, log: Log) -> None:
    """Note what is to be reported, and have it reported by somebody else: a pass waits for nobody's program. Only where systemd does
    not run, or has no such unit, it is reported at once."""
    from lunmirror.host import notes
    from lunmirror.watch import events

    waiting = False

    def edit(raw: bytes | None) -> bytes | None:
        nonlocal waiting
        old = events.parse(raw)
        new = events.after_pass(old, whole, _boot(), desired.notify.reminder, os.uname().nodename)
        waiting = any(event["after"] <= whole["written_at"] for event in new.pending)
        return None if new is old else events.render(new)

    try:
        notes.change(edit)
        if waiting and not _started():
            deliver(desired, log)
    except (OSError, LunmirrorError) as error:
        said = words.of(error) if isinstance(error, OSError) else error.what
        log.note(f"what happened cannot be noted or reported now: {said}")


def _started() -> bool:
    from lunmirror.host.live import LiveHost

    if not os.path.isdir(paths.SYSTEMD_RUNNING):
        return False
    start = (paths.SYSTEMCTL, "--no-block", "start", paths.NOTIFY_UNIT)
    return LiveHost().run(start, START).rc == 0


def deliver(desired: Desired, log: Log) -> int:
    """Look whether passes run at all, report what is due, and say how many events still wait. Raises OSError, LunmirrorError."""
    from lunmirror.host import notes
    from lunmirror.host.live import LiveHost
    from lunmirror.watch import deliver, events

    with notes.held(notes.DELIVERING, 0.0) as mine:
        if not mine:  # somebody else is at it
            return len(events.parse(notes.read()).pending)
        last = statusfile.recall(__version__).get("written_at") or int(time.time() - time.monotonic())

        def edit(raw: bytes | None) -> bytes | None:
            old = events.parse(raw)
            new = events.overdue(old, last, int(time.time()), os.uname().nodename)
            return None if new is old else events.render(new)

        notes.change(edit)
        return deliver.deliver(notes, desired.notify, int(time.time()), LiveHost(log.note).run, log.note)


def trial(desired: Desired, log: Log) -> str:
    """Send a test event now; '' or why it was not taken."""
    from lunmirror.host.live import LiveHost
    from lunmirror.watch import deliver, events

    event = events.trial(int(time.time()), os.uname().nodename)
    return deliver.send(event, desired.notify, LiveHost(log.note).run)


def _boot() -> str:
    with suppress(OSError, ValueError):
        return safefile.read(paths.BOOT_ID, 100).decode("ascii", "replace").strip()
    return ""
