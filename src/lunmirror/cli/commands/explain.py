"""`lunmirror explain`."""

import sys
from argparse import Namespace
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from lunmirror.cli import options, output
from lunmirror.cli.options import Parser
from lunmirror.engine.errors import LunmirrorError, UsageError
from lunmirror.engine.exits import Exit
from lunmirror.report.style import Style, block

HELP = "explain a key of the configuration"
ABOUT = """
Explains a key of the configuration: its meaning, its unit, its default, where
it is written, and when it takes effect. Any part of a name will do, and any
word that a key speaks of: several keys are listed. Without one, all are.
"""
EXAMPLE = "lunmirror explain policy.stall_budget", "how long a write may pause while a server dies"


ROW = "  takes effect: "  # as wide as a row's name is


def arguments(parser: Parser) -> None:
    parser.add(
        "key",
        metavar="KEY",
        nargs="?",
        default="",
        offers="keys",
        help="a key, a part of its name, or a word that it speaks of; without one, all keys are listed",
    )
    options.json(parser)


def run(args: Namespace) -> Exit:
    from lunmirror import config
    from lunmirror.cli.passes import config_path

    if not args.key:
        rows = config.search("")
        return (
            output.print_json({"schema": 1, "keys": [row._asdict() for row in rows]}) if args.json else listed(rows)
        )
    desired = None
    with suppress(LunmirrorError):  # without a configuration: what holds for all of them
        desired = config.load(config_path(args), compiled="")
    try:
        found = config.explain(args.key, desired)
    except UsageError:
        rows = config.search(args.key)
        if not rows or args.json:
            raise
        if len(rows) > 1:
            return listed(rows)
        found = config.explain(rows[0].key, desired)
    if args.json:
        return output.print_json({"schema": 1} | found._asdict())
    same = [row for row in config.search("") if row.key in (found.key, *found.also)]
    if len({row.title for row in same}) > 1:  # one word for several things
        return listed(same)
    return output.print_text(wrapped(str(found), output.style(sys.stdout)))


def listed(rows: Iterable[Any]) -> Exit:
    """Keys with their titles."""
    style, known = output.style(sys.stdout), list(rows)
    wide = max(len(row.key) for row in known)
    lines = [line for row in known for line in style.lines(f"{row.key:{wide}}  ", row.title)]
    return output.print_text(block(lines, style))


def wrapped(text: str, style: Style) -> str:
    """Each row of an explanation within the terminal; examples are not torn."""
    lines: list[str] = []
    for line in text.splitlines():
        head, rest = line[: len(ROW)], line[len(ROW) :]
        if head.startswith("  ") and head.rstrip().endswith(":"):
            lines += [line] if head.strip() == "example:" else style.lines(head, rest)
        else:
            bare = line.lstrip()
            lines += style.lines(line[: len(line) - len(bare)], bare)
    return block(lines, style)
