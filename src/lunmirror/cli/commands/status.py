"""`lunmirror status`."""

from argparse import Namespace

from lunmirror.cli import options
from lunmirror.cli.options import Parser
from lunmirror.engine.errors import UsageError
from lunmirror.engine.exits import Exit

HELP = "show how the mirrors are: what it means, why, and what to do"
ABOUT = """
Shows how the mirrors are: one line for the machine, and for each volume its
state, what that means, the cause, and what to do; then which server may be lost
now. What only follows from a cause is not shown beside it. With `-v`, or for
one VOLUME, also what lies below: legs, disks, sessions, and every finding in
full. Times are those of the pass of `apply` that noted a change first.

It changes nothing, so it ends with what is: 0 if every declared volume is in
service with full redundancy, 3 if redundancy is not full, 1 if something is out
of service, 4 if an administrator must decide. With `--wait synced` 0 means full
sync, and 3 that the time was over first.
"""
EXAMPLE = "lunmirror status -q || mail -s storage root", "from cron: nothing is printed while all is well"


def arguments(parser: Parser) -> None:
    parser.add("volume", metavar="VOLUME", nargs="?", default="", offers="volumes", help="one volume, in detail")
    options.verbose(parser, "also what lies below each volume, and every finding in full")
    options.quiet(parser, "print nothing if all is well")
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
    if args.volume and args.quiet:
        raise UsageError("--quiet is for the whole machine, not for one VOLUME", next="leave out one of them")
    for other in ("wait", "json", "volume", "quiet", "verbose"):
        if args.watch and getattr(args, other):
            raise UsageError(
                f"--watch and {'VOLUME' if other == 'volume' else f'--{other}'} do not go together",
                next="leave out one of them, say --watch",
            )
