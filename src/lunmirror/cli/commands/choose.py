"""`lunmirror choose`."""

from argparse import Namespace
from functools import partial

from lunmirror.cli import options
from lunmirror.cli.options import Parser, check_server, declared, nearest
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import UsageError
from lunmirror.engine.exits import Exit

HELP = "end a split brain: keep the legs on one server, copy them over the others"
ABOUT = """
Ends a conflict that lunmirror refuses to end by itself: a volume whose legs
each ran without the other, or one that does not start because the only leg in
view is older, or because a leg of a mirror may still return. What the legs on
that server hold is kept; what the others hold is lost, over as many passes of
`apply` as their full copy takes, and then all are compared. Otherwise this is a
pass like `apply`.
"""
EXAMPLE = "lunmirror choose vg0/data --keep filer1", "what vg0/data holds on the other server is lost"


def arguments(parser: Parser) -> None:
    parser.add("volume", metavar="VOLUME", offers="volumes", help="GROUP/NAME")
    parser.add(
        "--keep",
        metavar="SERVER",
        required=True,
        offers="servers",
        help="the server whose legs hold what is to be kept",
    )
    options.json(parser)
    options.lock_wait(parser)


def run(args: Namespace) -> Exit:
    from lunmirror.cli.passes import walk

    return walk(args, args.lock_wait, partial(_chosen, args.volume, args.keep))


def _chosen(name: str, server: str, desired: Desired) -> Desired:
    """The desired state of a pass that carries the choice out. Raises UsageError if it names nothing that is declared."""
    volume = desired.volumes.get(name)
    if volume is None:
        usual = declared(desired.volumes)
        raise UsageError(f"there is no volume {name!r}", next=nearest(name, desired.volumes, usual))
    check_server(server, desired.servers)
    legs = [desired.disks[disk].server for disk in volume.legs]
    if server not in legs:
        raise UsageError(f"volume {name} has no leg on server {server}, but on {', '.join(legs)}")
    return desired._replace(choice=(name, server))
