"""`lunmirror can-lose`."""

from argparse import Namespace

from lunmirror.cli import options
from lunmirror.cli.options import Parser
from lunmirror.engine.exits import Exit

HELP = "report whether that server may be rebooted now: exit 0 if so, else 4"
ABOUT = """
Reports whether that server may be rebooted now without any declared volume
losing access or data. Ends with 0 if so, else with 4 and the reasons. What
cannot be known counts as a reason. A volume that is not active is judged by the
journal and by what its legs report of each other. Every server that would have
to carry on is asked whether it answers.
"""
EXAMPLE = "lunmirror can-lose filer1 && ssh filer1 reboot", "never without asking"


def arguments(parser: Parser) -> None:
    parser.add("server", metavar="SERVER", offers="servers", help="a server of the configuration")
    options.json(parser)


def run(args: Namespace) -> Exit:
    from lunmirror.cli import look, passes

    return passes.report(args, lambda log: look.can_lose(look.scene(args, log)))
