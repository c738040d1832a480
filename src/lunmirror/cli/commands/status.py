"""`lunmirror status`."""

from argparse import Namespace

from lunmirror.cli import options
from lunmirror.cli.options import Parser
from lunmirror.errors import UsageError
from lunmirror.exits import Exit

HELP = "show the mirrors, from volume down to server, and which server may be lost"
ABOUT = """
Shows the mirrors as they are: group, volume, leg, disk, session, server; which
server could be lost now, and if not, what would be lost with it and why; since
when redundancy is missing, and how fast a copy goes. Times are those of the
pass of `apply` that noted a change first: nobody looks in between.

It changes nothing, so it ends with what is: 0 if every declared volume is in
service with full redundancy, 3 if redundancy is not full, 1 if something is out
of service, 4 if an administrator must decide. With `--wait synced` 0 means full
sync, and 3 that the time was over first.
"""
EXAMPLE = "lunmirror status --wait synced --timeout 30m", "in a script: go on once all is in full sync"


def arguments(parser: Parser) -> None:
    options.json(parser)
    parser.add(
        "--watch",
        action="store_true",
        help="go on until redundancy is full, or until interrupted: a bar for each volume on a terminal, else a line for"
        " each change",
    )
    parser.add(
        "--wait",
        choices=("synced",),
        metavar="synced",
        help="end when every declared volume is in service and in full sync, or when an administrator must decide",
    )
    parser.add(
        "--timeout",
        metavar="DURATION",
        type=options.duration("--timeout"),
        help="with --wait: end after so long all the same, with 3 (or 1, if something is out of service then); the default"
        " is to wait without end",
    )


def run(args: Namespace) -> Exit:
    from lunmirror.cli import look, passes

    check(args)
    return passes.report(args, lambda log: look.status(look.scene(args, log)))


def check(args: Namespace) -> None:
    """Raises UsageError for options that do not go together."""
    if args.timeout is not None and not args.wait:
        raise UsageError("--timeout is only for --wait", next="write --wait synced --timeout 10m")
    for other in ("wait", "json"):
        if args.watch and getattr(args, other):
            raise UsageError(f"--watch and --{other} do not go together", next="leave out one of them, say --watch")
