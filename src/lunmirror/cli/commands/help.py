"""`lunmirror help`."""

from argparse import Namespace

from lunmirror.cli import output
from lunmirror.cli.options import Parser
from lunmirror.engine.exits import Exit

HELP = "show the verbs, or what one of them takes"
ABOUT = """
Shows the verbs, or what one of them takes, with an example. The same as
`--help`.
"""
EXAMPLE = "lunmirror help choose", "the same as `lunmirror choose --help`"


def arguments(parser: Parser) -> None:
    parser.add("about", metavar="VERB", nargs="?", default="", offers="verbs", help="one verb")


def run(args: Namespace) -> Exit:
    from lunmirror.cli import parser

    asked = getattr(args, "about", args.verb)  # `help VERB`, else `VERB --help`
    if asked and asked not in parser.VERBS:
        raise parser.no_verb(asked)
    return output.print_text((parser.of_verb(asked) if asked else parser.whole()).format_help())
