"""The command line: verbs, the run lock, the exit code. The only room that prints, exits, and opens the live host.

stdout carries the report and nothing else; the log and errors go to stderr. What a verb needs is imported when it is
needed, since a run from cron pays for every import.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress

from lunmirror import arguments
from lunmirror.arguments import Command
from lunmirror.desired import Desired
from lunmirror.errors import ConfigError, HostError, LunmirrorError, UsageError
from lunmirror.exits import Exit
from lunmirror.host import modules, paths, waiting, words
from lunmirror.log import LEVELS, Log
from lunmirror.model import Report
from lunmirror.plain import shown

TYPE_CHECKING = False  # a type checker takes this name for true
if TYPE_CHECKING:
    from typing import Any


def main(argv: list[str] | None = None) -> int:
    """Run one command line. As the program itself (`argv` None) this does not return."""
    if argv is None:
        # Nothing that lives as long as one pass makes rubbish in cycles, and looking for it while modules are
        # loaded costs 2 ms (docs/performance.md).
        gc.disable()
    code = int(_guarded(sys.argv[1:] if argv is None else argv))
    if argv is None:
        # Taking the interpreter down in order costs 4 ms (docs/performance.md) and is of no use: everything is
        # written, and the kernel drops locks and descriptors.
        _flush()
        os._exit(code)
    return code


def _guarded(line: list[str]) -> Exit:
    """Every ending is an exit code and a sentence."""
    as_json = "--json" in line
    try:
        command = arguments.parse(line)
        as_json = command.json
        return _VERBS[command.verb](command)
    except LunmirrorError as error:
        return _failed(error, as_json)
    except KeyboardInterrupt:
        return _failed(waiting.Interrupted(), as_json)
    except Exception as bug:
        return _failed(_internal(bug), as_json)


# Verbs that only read the configuration


def _help(command: Command) -> Exit:
    return _print(arguments.usage())


def _version(command: Command) -> Exit:
    from lunmirror import __version__

    return _print(f"lunmirror {__version__}\n")


def _check(command: Command) -> Exit:
    from lunmirror import config

    path = _config_path(command)
    desired = config.load(path, compiled="")
    counts = {name: len(getattr(desired, name)) for name in ("servers", "disks", "groups", "volumes")}
    if command.json:
        return _print_json({"schema": 1, "config": path, "right": True, **counts})
    return _print(f"{path} is right: {', '.join(f'{count} {name}' for name, count in counts.items())}\n")


def _schema(command: Command) -> Exit:
    from lunmirror import config

    return _print_json(config.json_schema())


def _explain(command: Command) -> Exit:
    from lunmirror import config

    desired = None
    with suppress(LunmirrorError):  # without a configuration, only what holds for all of them is told
        desired = config.load(_config_path(command), compiled="")
    explanation = config.explain(command.words[0], desired)
    return _print_json({"schema": 1} | explanation._asdict()) if command.json else _print(str(explanation))


# Verbs that walk the layers


def _pass(command: Command) -> Exit:
    """Look at the machine, for `apply` change it, tell, and end with what it came to."""
    wait = _duration(command, "--lock-wait")
    return _told(command, lambda log: _walk(command, log, wait))


def _status(command: Command) -> Exit:
    """Look, tell, and end with how redundancy is; with --watch or --wait go on until it is full."""
    from lunmirror import telling

    telling.check_options(command)
    timeout = _duration(command, "--timeout") if "--timeout" in command.options else None
    return _told(command, lambda log: telling.status(_scene(command, log), timeout))


def _can_lose(command: Command) -> Exit:
    from lunmirror import telling

    return _told(command, lambda log: telling.can_lose(_scene(command, log)))


def _choose(command: Command) -> Exit:
    """A pass with a person's choice between the histories of a volume."""
    if "--keep" not in command.options:
        raise arguments.wrong("choose needs --keep SERVER")
    return _pass(command)


def _drill(command: Command) -> Exit:
    """A rehearsal of a server's death, once it is confirmed."""
    from lunmirror import config
    from lunmirror.drill import verb

    wish = verb.asked(command, config.load(_config_path(command), compiled=""), lambda name: _duration(command, name))
    wait = _duration(command, "--lock-wait")

    def rehearse(log: Log) -> tuple[Exit, Report, str]:
        from lunmirror.execute import Executor
        from lunmirror.host.live import LiveHost
        from lunmirror.runlock import held

        host = LiveHost(log.note)
        with held(command.verb, wait):
            desired = config.load(_config_path(command))
            executor = Executor(host, log.outcome)
            return verb.rehearse(wish, desired, host, executor, log.run, log.progress, log.note, _color())

    return _told(command, rehearse)


def _told(command: Command, walk: Callable[[Log], tuple[Exit, Report, str]]) -> Exit:
    """Whatever looks at the machine: what it needs, the report on stdout, the closing line of the log."""
    started = time.monotonic()
    log = Log(command.verb, os.urandom(4).hex(), _log_level(command))
    try:
        waiting.heed_signals()
        _require_machine()
        result, report, text = walk(log)
        for step in report.steps:
            log.planned(step)
        for finding in report.findings:
            log.finding(finding)
        _print(text)
    except LunmirrorError as error:
        log.close(error.exit, time.monotonic() - started, error=error.what)
        raise
    except Exception as bug:
        log.close(Exit.FAILED, time.monotonic() - started, error=f"internal error: {type(bug).__name__}")
        raise
    log.close(result, time.monotonic() - started, report)
    if command.verb == "apply" and not report.outcomes:  # what is run each minute, and nothing that it does not need
        modules.keep()
    return result


def _walk(command: Command, log: Log, wait: float) -> tuple[Exit, Report, str]:
    from lunmirror import config
    from lunmirror.contest import Contest
    from lunmirror.execute import Executor
    from lunmirror.host import contested
    from lunmirror.host.live import LiveHost
    from lunmirror.reconcile import run_pass
    from lunmirror.report.result import exit_of
    from lunmirror.runlock import held

    path = _config_path(command)
    changes = command.verb != "plan"
    host = LiveHost(log.note)
    desired = _with_choice(command, config.load(path, remember=changes))
    with held(command.verb, wait) if changes else nullcontext(False) as waited:
        if waited:
            desired = _with_choice(command, config.load(path))  # it may have changed meanwhile
        executor = Executor(host, log.outcome) if changes else None

        def walk() -> Report:
            host.forget()
            contest = Contest(contested.load())
            detailed = "--detailed-exitcode" in command.options
            report = run_pass(command.verb, log.run, desired, host, executor, detailed, contest)
            if changes:
                contested.save(contest.past, contest.present)
            return report

        report = _renewed(desired, host, executor, walk) if "--relogin" in command.options else walk()
    return exit_of(report), report, _rendered(command, report, desired)


def _renewed(desired: Desired, host: Any, executor: Any, walk: Callable[[], Report]) -> Report:
    """A pass, and the sessions renewed that hold on to what is no longer declared."""
    from lunmirror.relogin import Stage, renew

    return renew(Stage(desired, host, executor, walk, lambda seconds: waiting.until(lambda: False, seconds)))


def _scene(command: Command, log: Log) -> Any:
    """What the verbs that only tell need of this process: a `telling.Scene`."""
    from lunmirror import config
    from lunmirror.host.live import LiveHost
    from lunmirror.reconcile import run_pass
    from lunmirror.telling import Scene

    host = LiveHost(log.note)
    desired = config.load(_config_path(command), remember=False)

    def look() -> Report:
        host.forget()
        return run_pass(command.verb, log.run, desired, host)

    return Scene(
        command=command,
        desired=desired,
        host=host,
        look=look,
        pause=lambda seconds: waiting.until(lambda: False, seconds),
        show=_show,
        columns=_columns,
        color=_color(),
    )


def _with_choice(command: Command, desired: Desired) -> Desired:
    """The desired state of a pass that carries out a choice. Raises UsageError if it names nothing that is declared."""
    if command.verb != "choose":
        return desired
    name, server = command.words[0], command.options["--keep"]
    volume = desired.volumes.get(name)
    if volume is None:
        raise arguments.wrong(f"there is no volume {name!r}", name, desired.volumes)
    if server not in desired.servers:
        raise arguments.wrong(f"there is no server {server!r}", server, desired.servers)
    legs = [desired.disks[disk].server for disk in volume.legs]
    if server not in legs:
        raise arguments.wrong(f"volume {name} has no leg on server {server}, but on {', '.join(legs)}")
    return desired._replace(choice=(name, server))


def _rendered(command: Command, report: Report, desired: Desired) -> str:
    if command.json:
        from lunmirror.report import as_json

        return as_json.render(report, desired)
    from lunmirror.report import table

    return table.render(report, desired, _color())


_VERBS: dict[str, Callable[[Command], Exit]] = {
    "check": _check,
    "plan": _pass,
    "apply": _pass,
    "status": _status,
    "can-lose": _can_lose,
    "choose": _choose,
    "drill": _drill,
    "schema": _schema,
    "explain": _explain,
    "--help": _help,
    "--version": _version,
}


def _require_machine() -> None:
    """What every pass needs. Raises HostError."""
    if os.geteuid() != 0:
        raise HostError(
            "only root may look at and change storage",
            why=f"this is user {os.geteuid()}",
            next="run it with sudo; `lunmirror check` needs no root",
        )
    if not os.path.isdir(paths.SYS_BLOCK):
        raise HostError(
            f"there is no {paths.SYS_BLOCK}",
            why="disks and sessions are found through sysfs, and nothing can be known without it",
            next="mount it (mount -t sysfs sysfs /sys), or run on the machine itself, not in a container",
        )


def _config_path(command: Command) -> str:
    return os.path.abspath(command.options.get("--config", paths.CONFIG))


def _log_level(command: Command) -> str:
    level = command.options.get("--log-level", "info")
    if level not in LEVELS:
        raise UsageError(f"--log-level cannot be {level!r}", next=f"use one of {', '.join(LEVELS)}")
    return level


def _duration(command: Command, option: str) -> int:
    """Seconds; 0 if it was not given."""
    if option not in command.options:
        return 0
    from lunmirror.config.problems import Wrong
    from lunmirror.config.units import duration

    try:
        return duration(command.options[option])
    except Wrong as wrong:
        raise UsageError(f"{option}: {wrong.what}", why=wrong.why, next=wrong.next) from wrong


def _columns() -> int:
    """Of the terminal that stdout is; 0 if it is none, or one that cannot move its cursor."""
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return 0
    with suppress(OSError):
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    return 80


def _color() -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return sys.stdout is not None and sys.stdout.isatty() and not plain


def _print_json(document: object) -> Exit:
    import json

    return _print(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _print(text: str) -> Exit:
    _show(text)
    return Exit.CONVERGED


def _show(text: str) -> bool:
    """To stdout, as UTF-8 whatever the locale; bytes that are none of it as \\udcff, which JSON reads as well. A reader who left (`| head`) is no error: then false, and what is still
    written goes nowhere. Raises LunmirrorError."""
    if sys.stdout is None:
        return False
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _discard_stdout()
        return False
    except OSError as error:
        _discard_stdout()
        raise LunmirrorError(f"the report cannot be written to standard output: {words.of(error)}") from error
    return True


def _discard_stdout() -> None:
    """What is left in its buffer goes nowhere, so that flushing it later does not fail again."""
    null = os.open(paths.NULL, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()


def _failed(error: LunmirrorError, as_json: bool) -> Exit:
    """Sentences on stderr; with --json the same as an object on stdout."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"lunmirror: {shown(str(error))}", file=sys.stderr)
    if as_json:
        parts = ("what", "where", "why", "next")
        problems = error.problems if isinstance(error, ConfigError) else [error]
        faults = [{part: getattr(problem, part) for part in parts} for problem in problems]
        with suppress(LunmirrorError):
            _print_json({"schema": 1, "result": error.exit.name.lower(), "exit": int(error.exit), "errors": faults})
    return error.exit


def _internal(bug: Exception) -> LunmirrorError:
    """A mistake of ours. The traceback only on request: it helps nobody at 3 a.m."""
    if os.environ.get("LUNMIRROR_DEBUG") == "1":
        import traceback

        traceback.print_exception(bug)
    place = bug.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    at = f" at {os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}" if place else ""
    return LunmirrorError(
        f"internal error: {type(bug).__name__}{at}",
        why="this is a mistake in lunmirror",
        next="run it again with LUNMIRROR_DEBUG=1 and report what it prints on the issue tracker of lunmirror",
    )
