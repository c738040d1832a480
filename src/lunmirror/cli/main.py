"""`lunmirror`: one command line, its verb, its exit code."""

import gc
import os
import sys

from lunmirror.cli import output, parser
from lunmirror.engine.errors import LunmirrorError
from lunmirror.engine.exits import Exit
from lunmirror.host import waiting


def main(argv: list[str] | None = None) -> int:
    """Run one command line. As the program itself (`argv` None) this does not return."""
    if argv is None:
        # Nothing that lives as long as one pass makes rubbish in cycles, and looking for it costs 2 ms
        # (docs/performance.md).
        gc.disable()
    code = int(_guarded(sys.argv[1:] if argv is None else argv))
    if argv is None:
        # Taking the interpreter down in order costs 4 ms (docs/performance.md) and is of no use: everything is
        # written, and the kernel drops locks and descriptors.
        output.flush()
        os._exit(code)
    return code


def _guarded(line: list[str]) -> int:
    """Every ending is an exit code and a sentence."""
    code = _run(line)
    return code.for_systemd if "--unit" in line else int(code)


def _run(line: list[str]) -> Exit:
    as_json = "--json" in line
    try:
        args = parser.parse(line)
        if args.version:
            return parser.command("version").run(args)
        if args.help or not args.verb:
            return parser.command("help").run(args)
        return parser.command(args.verb).run(args)
    except LunmirrorError as error:
        return output.show_error(error, as_json)
    except KeyboardInterrupt:
        return output.show_error(waiting.Interrupted(), as_json)
    except Exception as bug:
        return output.show_error(_explained(bug), as_json)


def _explained(bug: Exception) -> LunmirrorError:
    """What is missing on this machine; else a mistake of ours. The traceback only on request: it helps nobody at 3 a.m."""
    if os.environ.get("LUNMIRROR_DEBUG") == "1":
        import traceback

        traceback.print_exception(bug)
    from lunmirror.cli import needs

    if missing := needs.package_at_fault():
        return missing
    place = bug.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    at = f" at {os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}" if place else ""
    return LunmirrorError(
        f"internal error: {type(bug).__name__}{at}",
        why="this is a mistake in lunmirror",
        next="run it again with LUNMIRROR_DEBUG=1 and report what it prints on the issue tracker of lunmirror",
    )
