"""`lunmirror completion`."""

from argparse import Namespace

from lunmirror.cli import output
from lunmirror.cli.options import Parser
from lunmirror.engine.exits import Exit

SHELLS = ("bash", "zsh", "fish")
NAMES = ("servers", "volumes")

HELP = "print the completion script of a shell"
ABOUT = """
Prints the script by which a shell completes verbs, options, and the names of
servers and volumes: `bash`, `zsh` or `fish`. `servers` and `volumes` print the
names that these scripts ask for, nothing if there is no configuration that this
user may read.
"""
EXAMPLE = "source <(lunmirror completion bash)", "for this shell; packages install the scripts for every shell"


def arguments(parser: Parser) -> None:
    parser.add("what", metavar="SHELL", choices=(*SHELLS, *NAMES), help="bash, zsh or fish; servers or volumes")


def run(args: Namespace) -> Exit:
    from lunmirror.cli import completion, names

    if args.what in NAMES:
        found = names.of(args.what, args.config)
        return output.print_text("".join(f"{name}\n" for name in found))
    return output.print_text(completion.script(args.what))
