"""`lunmirror notify`."""

import os
import sys
from argparse import Namespace

from lunmirror.cli import options, output
from lunmirror.cli.options import Parser
from lunmirror.engine.errors import HostError, UsageError
from lunmirror.engine.exits import Exit

HELP = "send the notifications that wait, or a test"
ABOUT = """
Sends the events that passes noted to whoever `notify` in the configuration
names: lunmirror-notify.service runs this whenever there is one, and its timer
each quarter of an hour, since a pass that does not run reports nothing. By hand
it is of use with --test.
"""
EXAMPLE = "lunmirror notify --test", "whether a mail arrives"


def arguments(parser: Parser) -> None:
    options.json(parser)
    parser.add("--test", action="store_true", help="send a test event, and report whether it was taken")


def run(args: Namespace) -> Exit:
    """Raises ConfigError, HostError, UsageError."""
    from lunmirror import config
    from lunmirror.cli import after, needs
    from lunmirror.cli.passes import config_path
    from lunmirror.engine.errors import ConfigError
    from lunmirror.engine.log import Log
    from lunmirror.host import paths

    needs.check_machine()
    log = Log(args.verb, os.urandom(4).hex(), args.log_level, color=output.colored(sys.stderr))
    try:
        desired = config.load(config_path(args), remember=False)
    except ConfigError:
        # That it is not valid is itself something to report.
        known = None if args.test else config.last(paths.COMPILED)
        if known is None:
            raise
        desired = known
    if not desired.notify.wanted:
        if args.test:
            raise UsageError(
                "nobody is to be notified", next='declare [notify] mail = "root", or a command (docs/watch.md)'
            )
        return _said(args, 0)
    if args.test:
        why = after.trial(desired, log)
        if why:
            raise HostError(
                "the test event was not taken", why=why, next="run the program by hand, or ask the mail log"
            )
        return _said(args, 0, "the test event was taken\n")
    return _said(args, after.deliver(desired, log))


def _said(args: Namespace, waiting: int, text: str = "") -> Exit:
    if args.json:
        return output.print_json({"schema": 1, "waiting": waiting})
    return output.print_text(text or (f"{waiting} events still wait to be reported\n" if waiting else ""))
