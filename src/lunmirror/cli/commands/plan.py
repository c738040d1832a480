"""`lunmirror plan`."""

from argparse import Namespace

from lunmirror.cli import options
from lunmirror.cli.options import Parser
from lunmirror.exits import Exit

HELP = "show what apply would do, and change nothing"
ABOUT = """
Shows what `apply` would do, and changes nothing: each step with the drift that
it answers, the exact command or file, and its risk. Ends with 2 if there is a
step to take.
"""
EXAMPLE = "lunmirror plan", "after each change of the configuration, before `lunmirror apply`"


def arguments(parser: Parser) -> None:
    options.json(parser)


def run(args: Namespace) -> Exit:
    from lunmirror.cli.passes import walk

    return walk(args, None)
