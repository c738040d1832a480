"""`lunmirror drill`."""

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from lunmirror.cli import options, output
from lunmirror.cli.options import Parser, check_server
from lunmirror.engine.desired import Desired
from lunmirror.engine.exits import Exit
from lunmirror.engine.log import Log

if TYPE_CHECKING:
    from lunmirror.drill import verb

HELP = "rehearse the loss of that server: drop its traffic, measure, repair, report"
ABOUT = """
Rehearses the loss of that server on a machine in service: drops the iSCSI
traffic between this machine and its portals for a bounded time, measures what
writes to its volumes meet, lets ordinary passes repair, and reports a table and
a picture. Without `--confirm` it only reports what it would do.

It refuses unless `can-lose` says yes and every volume there is whole. The
traffic is dropped by an nftables set whose elements the kernel itself forgets
in time, so it returns whatever becomes of lunmirror. Ends with 0 if no write
took longer than the stall budget, none failed, and redundancy is full again;
else with 1. See docs/drill.md.
"""
EXAMPLE = "lunmirror drill filer1", "what a drill would do to this machine; nothing is done yet"


def arguments(parser: Parser) -> None:
    parser.add("server", metavar="SERVER", offers="servers", help="a server of the configuration")
    parser.add("--confirm", action="store_true", help="yes, drop that server's traffic now")
    parser.add(
        "--seconds",
        metavar="N",
        type=_seconds,
        help="how long the traffic is dropped, 300 at most; the default is the stall budget and 20 more",
    )
    parser.add(
        "--timeout",
        metavar="DURATION",
        type=options.duration("--timeout"),
        default=0,
        help="the longest wait for full redundancy after the traffic returned; the default is 15m",
    )
    parser.add(
        "--picture",
        metavar="PATH",
        offers="files",
        help="where the picture goes, in place of a plain file or of nothing; the default is ./lunmirror-drill-SERVER.svg",
    )
    options.json(parser)
    options.lock_wait(parser)


def run(args: Namespace) -> Exit:
    from lunmirror import config
    from lunmirror.cli import passes
    from lunmirror.drill import verb

    wish = asked(args, config.load(passes.config_path(args), compiled=""))

    def rehearse(log: Log) -> passes.Reported:
        from lunmirror.engine.execute import Executor
        from lunmirror.engine.runlock import held
        from lunmirror.host.live import LiveHost

        host = LiveHost(log.note)
        with held(args.verb, args.lock_wait):
            desired = passes.load(args)
            executor = Executor(host, log.outcome, log.waiting)
            color = output.colored(sys.stdout)
            return verb.rehearse(wish, desired, host, executor, log.run, log.progress, log.note, color)

    return passes.report(args, rehearse)


def asked(args: Namespace, desired: Desired) -> "verb.Asked":
    """Raises UsageError, also for a drill that nobody confirmed."""
    from lunmirror.drill import verb

    check_server(args.server, desired.servers)
    wish = verb.wish(args.server, desired, args.seconds, args.timeout, args.picture, args.json)
    if not args.confirm:
        raise verb.unconfirmed(wish, desired)
    return wish


def _seconds(text: str) -> int:
    from lunmirror.drill import verb

    return verb.seconds(text)
