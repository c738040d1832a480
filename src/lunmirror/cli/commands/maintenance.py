"""`lunmirror maintenance`."""

from argparse import Namespace
from functools import partial

from lunmirror.cli import options
from lunmirror.cli.options import Parser, check_server
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import UsageError
from lunmirror.engine.exits import Exit

HELP = "take a server out of service for a while, or back into service"
ABOUT = """
With --for: takes a server out of service, so that it can be rebooted, updated or
repaired in peace. Refused, with the reasons, if anything would lose access or
data (`can-lose`). The journal is written first, then the server is logged out
of: its legs are given up at once, and nobody waits for them. Until the end no
pass logs in there or repairs its legs, and what is expected of it is no alarm;
everything else is reported as ever. At its time it ends by itself, and the next
pass brings the server back: a raid1 copies what was written meanwhile, a volume
of type mirror is copied in full, since its leg there is taken out. With --end it
ends now. Without either it reports what is in maintenance. One server at a time.
"""
EXAMPLE = (
    "lunmirror maintenance filer2 --for 2h",
    "then reboot filer2; `lunmirror maintenance filer2 --end` when it is back",
)


def arguments(parser: Parser) -> None:
    parser.add(
        "server", metavar="SERVER", nargs="?", default="", offers="servers", help="a server of the configuration"
    )
    parser.add(
        "--for",
        metavar="DURATION",
        dest="span",
        type=options.duration("--for"),
        default=None,
        help="take it out of service for so long, at most 24h; once more: so long from now",
    )
    parser.add("--end", action="store_true", help="end it now, and bring the server back")
    options.json(parser)
    options.lock_wait(parser)


def run(args: Namespace) -> Exit:
    if args.span is not None and args.end:
        raise UsageError("--for and --end do not go together", next="leave out one of them")
    if args.span is None and not args.end:
        return _listed(args)
    from lunmirror.cli import maintained, passes
    from lunmirror.host import history

    if args.end:
        first = partial(maintained.end, args.server)
        return passes.walk(args, args.lock_wait, partial(_checked, args.server), first)
    if not args.server:
        raise UsageError(
            "maintenance --for needs SERVER", next="name the server: `lunmirror maintenance filer2 --for 2h`"
        )
    if args.span < LEAST:
        raise UsageError(f"--for cannot be less than {LEAST} s", next="write for example --for 30m or --for 2h")
    first = partial(maintained.begin, args.server, args.span, history.by_whom())
    return passes.walk(args, args.lock_wait, partial(_checked, args.server), first)


LEAST = 60  # seconds: shorter than a timer's pause it would be over before anybody could use it


def _checked(server: str, desired: Desired) -> Desired:
    """Raises UsageError for a server that is not declared."""
    if server:
        check_server(server, desired.servers)
    return desired


def _listed(args: Namespace) -> Exit:
    """What is in maintenance, from the note alone: no lock, no look at the machine."""
    import time

    from lunmirror.analysis import resting
    from lunmirror.cli import maintained, names, output
    from lunmirror.engine import maintenance
    from lunmirror.engine.errors import HostError
    from lunmirror.engine.model import Present, Unknown
    from lunmirror.engine.plain import iso
    from lunmirror.host import paths

    raw = maintained.read()
    if isinstance(raw, Unknown):
        raise HostError(f"{paths.MAINTENANCE} cannot be read: {raw.reason}", next="run it as root")
    found = maintenance.parse(raw)
    if isinstance(found, Unknown):
        raise HostError(
            f"whether a server is in maintenance is not known: {found.reason}",
            next="`lunmirror maintenance --end` removes that note",
        )
    one = found.facts if isinstance(found, Present) else None
    declared = names.of("servers", args.config)
    if args.server and declared and not (one and one.server == args.server):
        check_server(args.server, declared)
    if one and args.server not in ("", one.server):
        one = None
    if args.json:
        body = {"server": one.server, "begun": iso(one.begun), "until": iso(one.until), "by": one.by} if one else None
        return output.print_json({"schema": 1, "maintenance": body})
    if one is None:
        which = f"server {args.server}" if args.server else "no server"
        return output.print_text(f"{which} is {'not ' if args.server else ''}in maintenance\n")
    over = "; its time is over, and the next pass brings the server back" if time.time() >= one.until else ""
    return output.print_text(f"{resting.words(one)}; {one.by} began it at {iso(one.begun)}{over}\n")
