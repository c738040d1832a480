"""`lunmirror adopt`."""

import os
from argparse import Namespace
from typing import TYPE_CHECKING

from lunmirror.cli import output
from lunmirror.cli.options import Parser
from lunmirror.engine.exits import Exit

if TYPE_CHECKING:
    from lunmirror.host.protocol import Reader

HELP = "print the configuration of a machine that was set up by hand"
ABOUT = """
Prints, as commented TOML, the configuration of what is in use on this machine:
sessions, disks, volume groups, volumes, file systems and mounts, whoever made
them. It only reads. What it prints was planned before: `plan` on it changes
settings, and nothing that is stored. Ends with 4 if something in use cannot be
expressed: the first comment of the output says what, and why. A secret is never
printed: CHAP becomes the name of a file, with a comment on how to fill it.
"""
EXAMPLE = "lunmirror adopt > /root/lunmirror.toml", "then read it, `lunmirror check` it, and put it in its place"


def arguments(parser: Parser) -> None:
    """None of its own."""


def run(args: Namespace) -> Exit:
    from lunmirror.cli import needs
    from lunmirror.host import waiting
    from lunmirror.host.live import LiveHost

    needs.check_packages()
    waiting.heed_signals()
    needs.check_machine()
    return answer(LiveHost(output.remark), os.path.abspath(args.config))


def answer(reader: "Reader", place: str) -> Exit:
    """The configuration on stdout; on stderr that something is not in it, which nobody sees in a redirected file."""
    from lunmirror.setup.adopt import adopt

    found = adopt(reader, place)
    output.show(found.text)
    if found.refused:
        output.remark(
            f"not all is expressed ({found.refused}): the first comments of the output say what (exit {int(found.exit)})"
        )
    return found.exit
