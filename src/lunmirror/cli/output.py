"""What is printed: to stdout the report and nothing else, to stderr errors."""

import os
import sys
from contextlib import suppress

from lunmirror.engine.errors import ConfigError, LunmirrorError
from lunmirror.engine.exits import Exit
from lunmirror.engine.plain import shown
from lunmirror.host import manager, paths, words
from lunmirror.report.style import Style


def colored(stream: object) -> bool:
    """Whether this stream is a terminal that colors are wanted on (https://no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    isatty = getattr(stream, "isatty", None)
    return isatty is not None and isatty() and not plain


def style(stream: object, exact: bool = False) -> Style:
    """How text for this stream is laid out. `exact`: times in full."""
    from time import gmtime, strftime

    now = "" if exact else strftime("%Y-%m-%dT%H:%M:%SZ", gmtime())
    return Style(colored(stream), columns() if stream is sys.stdout else 0, ascii_only(stream), now)


def ascii_only(stream: object) -> bool:
    """Whether this stream is a terminal whose locale has no UTF-8 (locale(7): the first of these that is set); or LC_ALL
    says outright that whoever reads it takes no more: Puppet's exec fails on other output where its locale is C (lab)."""
    if os.environ.get("LC_ALL") in {"C", "POSIX"}:
        return True
    isatty = getattr(stream, "isatty", None)
    named = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := os.environ.get(name))), "C")
    utf8 = named.upper().replace("-", "").partition(".")[2].startswith("UTF8")
    return isatty is not None and isatty() and not utf8


def columns() -> int:
    """Of the terminal that stdout is; 0 if it is none, or one that cannot move its cursor."""
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return 0
    with suppress(OSError):
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    return 80


def print_json(document: object) -> Exit:
    """As `print_text`."""
    import json

    return print_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def print_text(text: str) -> Exit:
    """The exit code of a verb that has nothing else to do. Raises LunmirrorError."""
    show(text)
    return Exit.CONVERGED


def show(text: str) -> bool:
    r"""To stdout, as UTF-8 whatever the locale; bytes that are none of it as \udcff, which JSON reads as well. A reader
    who left (`| head`) is no error: then false, and what is still written goes nowhere. Raises LunmirrorError."""
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


def show_error(error: LunmirrorError, as_json: bool) -> Exit:
    """Sentences on stderr; with --json the same as an object on stdout."""
    if sys.stderr is not None:
        with suppress(OSError):
            head = "<3>" if manager.is_journal(sys.stderr) else ""  # each line is an entry of its own there
            text = f"lunmirror: {shown(str(error))}".replace("\n", f"\n{head}")
            print(f"{head}{text}", file=sys.stderr)
    if as_json:
        parts = ("what", "where", "why", "next")
        problems = error.problems if isinstance(error, ConfigError) else [error]
        faults = [{part: getattr(problem, part) for part in parts} for problem in problems]
        with suppress(LunmirrorError):
            print_json({"schema": 1, "result": error.exit.name.lower(), "exit": int(error.exit), "errors": faults})
    return error.exit


def remark(words: str) -> None:
    """A sentence on stderr, beside a report that may have gone into a file."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"lunmirror: {shown(words)}", file=sys.stderr)


def flush() -> None:
    """Before the process ends without the interpreter's own ending."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()


def _discard_stdout() -> None:
    """What is left in its buffer goes nowhere, so that flushing it later does not fail again."""
    null = os.open(paths.NULL, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
