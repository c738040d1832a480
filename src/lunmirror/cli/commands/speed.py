"""`lunmirror speed`."""

import sys
from argparse import Namespace

from lunmirror.cli import options, output
from lunmirror.cli.options import Parser
from lunmirror.engine.exits import Exit
from lunmirror.engine.log import Log

HELP = "measure how fast each leg and the mirror are read, and the link to each server"
ABOUT = """
Measures how fast each leg alone and the mirror are read: with one reader, with
eight at once, and in single small reads. Beside it stands what the link to that
server could carry, the share of it that was reached, and what holds it back, if
that can be seen. It shows how each portal is reached: interface, speed, MTU.

It only reads, past the page cache, one device at a time, and no more than
`--seconds` and `--most` say; no pass changes anything meanwhile. A leg that does not answer, is suspended or is not
proven to be the declared disk is not read. Ends with 0 if all was measured, with
3 if something was not, with 4 if nothing was.
"""
EXAMPLE = "lunmirror speed vg0/testlv", "each leg of that volume, and the mirror"


def arguments(parser: Parser) -> None:
    parser.add(
        "volume",
        metavar="VOLUME",
        nargs="?",
        default="",
        offers="volumes",
        help="only this volume (GROUP/NAME or NAME)",
    )
    parser.add(
        "--seconds",
        metavar="N",
        type=_seconds,
        help="how long each of the two streams of a device is read, 1 to 30; the default is 2",
    )
    parser.add("--most", metavar="SIZE", help="the most that is read of each device; the default is 512MiB")
    options.json(parser)


def run(args: Namespace) -> Exit:
    from functools import partial

    from lunmirror.cli import look, passes
    from lunmirror.engine.runlock import held
    from lunmirror.speed import verb

    alone = partial(held, args.verb, verb.WAIT)
    bounds = verb.bounds(args.seconds, args.most)

    def measure(log: Log) -> passes.Reported:
        scene = look.scene(args, log)
        volumes = (look.volume_named(args.volume, scene.desired),) if args.volume else tuple(scene.desired.volumes)
        report = scene.look()
        asked = verb.Asked(volumes, bounds, args.json)
        style = output.style(sys.stdout)
        result, text = verb.look(asked, scene.desired, scene.host, report, log.run, log.progress, style, alone=alone)
        return result, report, text

    return passes.report(args, measure)


def _seconds(words: str) -> int:
    from lunmirror.speed import verb

    return verb.seconds(words)
