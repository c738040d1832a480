"""`lunmirror remove`."""

from argparse import Namespace

from lunmirror.cli import options
from lunmirror.cli.options import Parser
from lunmirror.engine.errors import UsageError
from lunmirror.engine.exits import Exit

HELP = "take what is not declared any more out of service, step by step"
ABOUT = """
Takes out of service what the configuration does not name any more and lunmirror
made or managed: a volume (GROUP/NAME) is unmounted, its line in fstab removed,
and it is deactivated; an empty disk that its group does not declare any more is
taken out of the group; a server (or a target, by its own name) is logged out
of, and its node records are deleted. Each step is named, and asked for on a
terminal; without a terminal, and without `--yes`, it only shows what it would
do (exit 2). What the volume holds stays, unless `--wipe-data` names that very
volume. Refused is what is declared, in use otherwise, not known, or not whole
in sight.
"""
EXAMPLE = "lunmirror remove vg0/old", "what vg0/old holds stays; it can be declared again"


def arguments(parser: Parser) -> None:
    parser.add(
        "name",
        metavar="NAME",
        help="GROUP/NAME of a volume, a disk, a server or a target that is not declared any more",
    )
    parser.add(
        "--wipe-data",
        metavar="GROUP/NAME",
        default="",
        help="also remove the volume, and lose all that it holds, on every leg: its name once more",
    )
    parser.add("-y", "--yes", action="store_true", help="do not ask before each step")
    options.json(parser)
    options.lock_wait(parser)


def run(args: Namespace) -> Exit:
    if args.wipe_data and args.wipe_data != args.name:
        raise UsageError(
            f"--wipe-data names {args.wipe_data}, and {args.name} is to be removed",
            next="name the volume whose data are to be lost both times, or leave --wipe-data out",
        )
    if args.wipe_data and "/" not in args.name:
        raise UsageError(
            f"--wipe-data names {args.name}, which is no volume",
            why="only the data of a volume, by its GROUP/NAME, are ever wiped by lunmirror",
            next="leave --wipe-data out; a disk, a server or a target keeps what it holds",
        )
    from lunmirror.cli import passes, removing

    return passes.report(args, lambda log: removing.remove(args, log), changes=False)
