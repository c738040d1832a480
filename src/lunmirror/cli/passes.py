"""What all verbs share that look at the machine."""

import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable

from lunmirror import config
from lunmirror.cli import needs, output
from lunmirror.desired import Desired
from lunmirror.errors import LunmirrorError
from lunmirror.exits import Exit
from lunmirror.host import waiting
from lunmirror.log import Log
from lunmirror.model import Report

Reported = tuple[Exit, Report, str]


def config_path(args: Namespace) -> str:
    """Absolute, since a pass changes its working directory."""
    return os.path.abspath(str(args.config))


def load(args: Namespace, remember: bool = True) -> Desired:
    """The desired state, once the kernel has what it needs. Raises ConfigError, HostError."""
    desired = config.load(config_path(args), remember=remember)
    needs.check_modules(desired)
    return desired


def report(args: Namespace, look: Callable[[Log], Reported], changes: bool = False) -> Exit:
    """Check what every look at the machine needs, look, print the report, and write the closing line of the log. Of a pass
    that `changes` the machine watchers are told that it failed, if it does."""
    needs.check_packages()
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
            _tell_failure(args, error, started, log)
        raise
    except Exception as bug:
        what = f"internal error: {type(bug).__name__}"
        log.close(Exit.FAILED, time.monotonic() - started, error=what)
        if changes:
            _tell_failure(args, LunmirrorError(what, why="this is a mistake in lunmirror"), started, log)
        raise
    log.close(result, time.monotonic() - started, seen)
    return result


def _tell_failure(args: Namespace, error: LunmirrorError, started: float, log: Log) -> None:
    from lunmirror.cli import after

    after.failed(args.verb, error, time.monotonic() - started, log)


def walk(
    args: Namespace, lock_wait: float | None, choose: Callable[[Desired], Desired] = lambda desired: desired
) -> Exit:
    """One pass over all layers. It changes the machine, under the run lock, if `lock_wait` (seconds) is given.
    `choose` puts an administrator's choice into the desired state."""
    return report(args, lambda log: _walk(args, log, lock_wait, choose), changes=lock_wait is not None)


def _walk(args: Namespace, log: Log, lock_wait: float | None, choose: Callable[[Desired], Desired]) -> Reported:
    from contextlib import nullcontext

    from lunmirror.execute import Executor
    from lunmirror.flapping import Flapping
    from lunmirror.host import flapping as notes
    from lunmirror.host.live import LiveHost
    from lunmirror.reconcile import run_pass
    from lunmirror.report.result import exit_of
    from lunmirror.runlock import held

    changes = lock_wait is not None
    if changes:
        from lunmirror.cli import after
    host = LiveHost(log.note)
    desired = choose(load(args, remember=changes))
    with nullcontext(False) if lock_wait is None else held(args.verb, lock_wait) as waited:
        if waited:
            desired = choose(load(args))  # it may have changed meanwhile
        executor = Executor(host, log.outcome, log.waiting) if changes else None

        def one_pass() -> Report:
            host.forget()
            flapping = Flapping(notes.load())
            detailed = getattr(args, "detailed_exitcode", False)
            seen = run_pass(args.verb, log.run, desired, host, executor, detailed, flapping)
            if changes:
                notes.save(flapping.previous, flapping.current)
                after.passed(seen, desired, host, log)
            return seen

        if executor is not None and getattr(args, "relogin", False):
            from lunmirror.relogin import Stage, renew

            seen = renew(Stage(desired, host, executor, one_pass, pause))
        else:
            seen = one_pass()
    return exit_of(seen), seen, _rendered(args, seen, desired)


def pause(seconds: float) -> None:
    """Raises Interrupted."""
    waiting.until(lambda: False, seconds)


def _rendered(args: Namespace, seen: Report, desired: Desired) -> str:
    if args.json:
        from lunmirror.report import as_json

        return as_json.render(seen, desired)
    from lunmirror.report import table

    return table.render(seen, desired, output.colored(sys.stdout))
