"""`lunmirror history`."""

import sys
from argparse import Namespace

from lunmirror.cli import options, output
from lunmirror.cli.options import Parser
from lunmirror.engine.errors import HostError, UsageError
from lunmirror.engine.exits import Exit

HELP = "show what passes changed, and when the state of a volume became another"
ABOUT = """
Shows what passes changed, and when the state of a volume became another: time,
state, verb, who started it, steps. The newest stands last. It is kept in
/var/lib/lunmirror/history.jsonl, up to half a megabyte; older entries go.
"""
EXAMPLE = "lunmirror history --last 5 -v", "what happened last, with every step"


def arguments(parser: Parser) -> None:
    parser.add("--last", metavar="N", type=_count, default=20, help="how many entries (default 20; 0 for all)")
    options.verbose(parser, "every step of each pass, and times in full")
    options.json(parser)


def run(args: Namespace) -> Exit:
    from lunmirror.host import history, paths
    from lunmirror.report import past

    try:
        found = history.entries()
    except OSError as error:
        raise HostError(
            f"{paths.HISTORY} cannot be read: {(error.strerror or '').lower()}", next="run it as root"
        ) from error
    found = found[-args.last :] if args.last else found
    if args.json:
        return output.print_json({"schema": 1, "history": found})
    return output.print_text(past.render(found, output.style(sys.stdout, args.verbose), args.verbose))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise UsageError(f"--last cannot be {text}", next="write a number of entries, for example --last 5")
    return int(text)
