"""`lunmirror plan`."""

from argparse import Namespace

from lunmirror.cli import options
from lunmirror.cli.options import Parser
from lunmirror.engine.exits import Exit

HELP = "show what apply would do, and change nothing"
ABOUT = """
Shows what `apply` would do, and changes nothing: the steps by resource, marked +
(made), ~ (changed) or - (taken away), and what is at risk. With `-v` each with
the drift that it answers, the exact command or file, its risk and the proof
that nothing is lost. Ends with 2 if there is a step to take.
"""
EXAMPLE = "lunmirror plan", "after each change of the configuration, before `lunmirror apply`"


def arguments(parser: Parser) -> None:
    options.verbose(parser, "also why, exactly how, and at what risk; and log on stderr")
    parser.add(
        "--out",
        metavar="FILE",
        default="",
        offers="files",
        help="write the plan to this file, for `apply --plan FILE`; it is good for a day, for this machine and configuration",
    )
    options.json(parser)


def run(args: Namespace) -> Exit:
    from lunmirror.cli.passes import walk

    return walk(args, None)
