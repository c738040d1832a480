"""`lunmirror schema`."""

from argparse import Namespace

from lunmirror.cli import options, output
from lunmirror.cli.options import Parser
from lunmirror.engine.exits import Exit

HELP = "print the JSON Schema of the configuration"
ABOUT = """
Prints the JSON Schema of the configuration, by which editors complete and check
it while it is written.
"""
EXAMPLE = "lunmirror schema > lunmirror.schema.json", "for an editor with a TOML language server"


def arguments(parser: Parser) -> None:
    options.json(parser)


def run(args: Namespace) -> Exit:
    from lunmirror import config

    return output.print_json(config.json_schema())
