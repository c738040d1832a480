"""`lunmirror explain`."""

from argparse import Namespace
from contextlib import suppress

from lunmirror.cli import options, output
from lunmirror.cli.options import Parser
from lunmirror.errors import LunmirrorError
from lunmirror.exits import Exit

HELP = "explain a key of the configuration"
ABOUT = """
Explains a key of the configuration: its meaning, its unit, its default, where
it is written, and when it takes effect.
"""
EXAMPLE = "lunmirror explain policy.stall_budget", "how long a write may pause while a server dies"


def arguments(parser: Parser) -> None:
    parser.add("key", metavar="KEY", offers="keys", help="a key, whole or its last word")
    options.json(parser)


def run(args: Namespace) -> Exit:
    from lunmirror import config
    from lunmirror.cli.passes import config_path

    desired = None
    with suppress(LunmirrorError):  # without a configuration: what holds for all of them
        desired = config.load(config_path(args), compiled="")
    found = config.explain(args.key, desired)
    return output.print_json({"schema": 1} | found._asdict()) if args.json else output.print_text(str(found))
