"""What all verbs share that look at the machine."""

import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from lunmirror import config
from lunmirror.cli import maintained, needs, output, quiet
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import ConfigError, LunmirrorError
from lunmirror.engine.exits import Exit
from lunmirror.engine.log import Log
from lunmirror.engine.model import Outcome, Report, Step
from lunmirror.host import waiting

if TYPE_CHECKING:
    from lunmirror.cli.live import Consent, Live
    from lunmirror.engine.execute import Executor
    from lunmirror.host.protocol import Host

    First = Callable[[Desired, Host, Executor, Log], tuple[Desired, tuple[Outcome, ...]]]

Reported = tuple[Exit, Report, str]


def config_path(args: Namespace) -> str:
    """Absolute, since a pass changes its working directory."""
    return os.path.abspath(str(args.config))


def load(args: Namespace, remember: bool = True) -> Desired:
    """The desired state, once the kernel has what it needs. Raises ConfigError, HostError."""
    desired = config.load(config_path(args), remember=remember)
    needs.check_modules(desired)
    return maintained.under(desired)


def report(args: Namespace, look: Callable[[Log], Reported], changes: bool = False) -> Exit:
    """Check what every look at the machine needs, look, print the report, and write the closing line of the log. Of a pass
    that `changes` the machine watchers see that it failed, if it does."""
    needs.check_packages()
    if getattr(args, "quiet", False) and args.verb == "apply":
        return quiet.report(args, look)
    started = time.monotonic()
    level = args.log_level or ("info" if getattr(args, "verbose", False) and args.verb != "status" else "")
    log = Log(args.verb, os.urandom(4).hex(), level, color=output.colored(sys.stderr))
    try:
        waiting.heed_signals()
        needs.check_machine()
        result, seen, text = look(log)
        for step in seen.steps:
            log.planned(step)
        for finding in seen.findings:
            log.finding(finding)
        output.show(text)
    except LunmirrorError as error:
        log.close(error.exit, time.monotonic() - started, error=error.what)
        if changes:
            _publish_failure(args, error, started, log)
        raise
    except Exception as bug:
        log.close(Exit.FAILED, time.monotonic() - started, error=f"internal error: {type(bug).__name__}")
        if changes:
            _publish_failure(args, bug, started, log)
        raise
    log.close(result, time.monotonic() - started, seen)
    return result


def _publish_failure(args: Namespace, error: Exception, started: float, log: Log) -> None:
    from lunmirror.cli import after

    after.failed(args.verb, error, time.monotonic() - started, log)


def walk(
    args: Namespace,
    lock_wait: float | None,
    choose: Callable[[Desired], Desired] = lambda desired: desired,
    first: "First | None" = None,
) -> Exit:
    """One pass over all layers. It changes the machine, under the run lock, if `lock_wait` (seconds) is given.
    `choose` puts an administrator's choice into the desired state. `first`: what is done before the pass, under its lock."""
    return report(args, lambda log: _walk(args, log, lock_wait, choose, first), changes=lock_wait is not None)


def _walk(
    args: Namespace,
    log: Log,
    lock_wait: float | None,
    choose: Callable[[Desired], Desired],
    first: "First | None" = None,
) -> Reported:
    from contextlib import nullcontext

    from lunmirror.analysis.news import unacknowledged
    from lunmirror.analysis.result import exit_of
    from lunmirror.engine.execute import Executor
    from lunmirror.engine.flapping import Flapping
    from lunmirror.engine.reconcile import run_pass
    from lunmirror.engine.runlock import held
    from lunmirror.host import handover, paths
    from lunmirror.host.live import LiveHost

    changes = lock_wait is not None
    if changes:
        from lunmirror.cli import after
    attended = not getattr(args, "quiet", False) and first is None
    host = LiveHost(log.note)
    try:
        desired = choose(load(args, remember=changes))
    except ConfigError:
        if changes:
            from lunmirror.cli import noting

            noting.newest(args.verb, host, log)
        raise
    screen, agreed = _in_front_of_somebody(args, changes)
    if agreed:  # before the lock is taken: repairs go on while somebody thinks
        from lunmirror.report import table

        foreseen = run_pass("plan", log.run, desired, host, None, False, Flapping(handover.flapping()))
        agreed.to_plan(foreseen.steps, table.render(foreseen, desired, output.style(sys.stdout)))
    with nullcontext(False) if lock_wait is None else held(args.verb, lock_wait) as waited:
        if waited:
            desired = choose(load(args))  # it may have changed meanwhile
        desired = maintained.under(desired)  # whoever held the lock before may have begun or ended one
        approved: Callable[[Step], bool] = agreed or (lambda step: True)
        reviewed = None
        file = str(getattr(args, "plan", ""))
        if changes and file:
            from lunmirror.cli import agreed as plans

            reviewed = plans.read(file, config_path(args))
            foreseen = run_pass("plan", log.run, desired, host, None, False, Flapping(handover.flapping()))
            approved = plans.check(file, reviewed, foreseen.steps)

        def report_outcome(outcome: Outcome) -> None:
            log.outcome(outcome)
            if screen:
                screen.end(outcome)

        def begin(step: Step) -> None:
            log.waiting(step)
            if screen:
                screen.begin(step)

        executor = Executor(host, report_outcome, begin, approved) if changes else None
        early: tuple[Outcome, ...] = ()
        if first and executor:
            desired, early = first(desired, host, executor, log)

        def one_pass() -> Report:
            host.forget()
            flapping = Flapping(handover.flapping())
            detailed = getattr(args, "detailed_exitcode", False)
            seen = run_pass(args.verb, log.run, desired, host, executor, detailed, flapping, attended)
            if changes:
                handover.leave(paths.FLAPPING, flapping.previous, flapping.current)
                after.passed(seen, desired, host, log)
            if getattr(args, "verbose", False):
                return seen
            return seen._replace(findings=unacknowledged(seen.findings, desired.acknowledged))

        try:
            if executor is not None and getattr(args, "relogin", False):
                from lunmirror.engine.relogin import Stage, renew

                seen = renew(Stage(desired, host, executor, one_pass, pause))
            else:
                seen = one_pass()
            if executor is not None and desired.maintenance:
                seen = maintained.after(seen, desired, host, executor, one_pass)
            seen = seen._replace(outcomes=(*early, *seen.outcomes)) if early else seen
        finally:
            if screen:
                screen.close()
        if changes:
            remember(seen, desired, log)
        done = all(outcome.status == "done" for outcome in seen.outcomes)
        if reviewed and done and (why := plans.carried_out(reviewed)):
            log.note(why)
    if getattr(args, "out", ""):
        from lunmirror.cli import agreed as plans

        plans.write(args.out, seen.steps, config_path(args))
    return exit_of(seen), seen, _rendered(args, seen, desired, live=screen is not None)


def remember(seen: Report, desired: Desired, log: Log) -> None:
    """Keep what the pass changed; a history that cannot be written changes nothing else."""
    from lunmirror.analysis import past
    from lunmirror.analysis.result import exit_of
    from lunmirror.host import history

    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    secrets = tuple(log.secrets)
    entry = past.entry(seen, desired, exit_of(seen), history.last(), now, history.by_whom(), secrets)
    if entry is not None:
        try:
            history.add(entry)
        except (OSError, ValueError) as error:
            log.note(f"the history cannot be written: {(getattr(error, 'strerror', '') or str(error)).lower()}")


def _in_front_of_somebody(args: Namespace, changes: bool) -> "tuple[Live | None, Consent | None]":
    """What shows the steps while they run, on a terminal; and what asks before a risk, where `apply` has one to ask on."""
    if not changes or args.json or getattr(args, "quiet", False) or not output.columns():
        return None, None
    from lunmirror.cli.live import Consent, Live, answer

    style = output.style(sys.stdout)
    asks = args.verb == "apply" and not args.yes and not args.plan and sys.stdin is not None and sys.stdin.isatty()
    return Live(style, output.show), Consent(style, output.show, answer) if asks else None


def pause(seconds: float) -> None:
    """Raises Interrupted."""
    waiting.until(lambda: False, seconds)


def _rendered(args: Namespace, seen: Report, desired: Desired, live: bool) -> str:
    if getattr(args, "quiet", False):
        return ""  # cli/quiet.py reports what is new
    if args.json:
        from lunmirror.report import as_json

        return as_json.render(seen)
    from lunmirror.report import table

    verbose = getattr(args, "verbose", False)
    return table.render(seen, desired, output.style(sys.stdout, verbose), verbose, live=live)
