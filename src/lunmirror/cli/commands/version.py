"""`lunmirror version`."""

from argparse import Namespace

from lunmirror.cli import options, output
from lunmirror.cli.options import Parser
from lunmirror.engine.exits import Exit

HELP = "print the version"
ABOUT = """
Prints the version. The same as `--version` and `-V`.
"""
EXAMPLE = "lunmirror version", "for a report of a fault"


def arguments(parser: Parser) -> None:
    options.json(parser)


def run(args: Namespace) -> Exit:
    from lunmirror import __version__

    if getattr(args, "json", False):
        return output.print_json({"schema": 1, "version": __version__})
    return output.print_text(f"lunmirror {__version__}\n")
