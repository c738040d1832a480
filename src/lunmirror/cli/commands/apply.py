"""`lunmirror apply`."""

from argparse import Namespace

from lunmirror.cli import options
from lunmirror.cli.options import Parser
from lunmirror.engine.errors import UsageError
from lunmirror.engine.exits import Exit

HELP = "bring this machine to the declared state"
ABOUT = """
Brings this machine to the declared state: looks, does what is missing, looks
again, and ends. What is not declared is not touched, and what could lose data
is refused. Only one runs at a time. On a terminal it shows what it is at, and
asks once before steps that write over a device or start on fewer legs.
"""
EXAMPLE = "lunmirror apply --lock-wait 2m", "now, even if the timer's pass is still running"
RELOGIN = """
where timeouts are declared but not live, since a session keeps those of its login, log out and in again: one server
at a time, only while every other leg of every volume with a leg there is in sync and can be reached, and with full
sync waited for before the next. Mounted volumes stay in service; a raid1 copies what was written meanwhile, a volume
of type mirror is copied in full. If copying takes longer than ten minutes it ends with 3, and the next `apply
--relogin` goes on
"""


def arguments(parser: Parser) -> None:
    options.verbose(parser, "log each step on stderr, too, and show every note")
    options.quiet(parser, "report only what is new since the last quiet pass, and nothing if nothing is: for cron")
    parser.add(
        "-y",
        "--yes",
        action="store_true",
        help="on a terminal: do not ask before steps that write over a device or start on"
        " fewer legs; elsewhere nobody is asked",
    )
    parser.add(
        "--plan",
        metavar="FILE",
        default="",
        offers="files",
        help="do exactly what `plan --out FILE` wrote and somebody reviewed, or nothing: if the machine, the configuration or"
        " what a step rests on is another by now, if it expired, was edited or carried out already, it is refused with the"
        " difference",
    )
    parser.add(
        "--unit",
        action="store_true",
        help="for a systemd unit: as --quiet, as entries of the journal with their priority; the unit's status line; and"
        " exit codes that systemd has no other name for: 103 for 3, 104 for 4",
    )
    options.json(parser)
    parser.add("--detailed-exitcode", action="store_true", help="end with 2, not 0, if anything was changed")
    parser.add("--relogin", action="store_true", help=" ".join(RELOGIN.split()))
    options.lock_wait(parser)


def run(args: Namespace) -> Exit:
    from lunmirror.cli.passes import walk

    if args.plan and (args.unit or args.quiet or args.relogin):
        raise UsageError("--plan does not go with --quiet, --unit or --relogin", next="leave out one of them")
    for other in ("json", "verbose", "relogin"):
        if (args.unit or args.quiet) and getattr(args, other):
            raise UsageError(f"--quiet and --unit do not go with --{other}", next="leave out one of them")
    args.quiet = args.quiet or args.unit
    return walk(args, args.lock_wait)
