"""`lunmirror check`."""

from argparse import Namespace

from lunmirror.cli import options, output
from lunmirror.cli.options import Parser
from lunmirror.exits import Exit

HELP = "report whether the configuration is valid"
ABOUT = """
Reports whether the configuration is valid, with every mistake in it at once.
Needs no root and looks at nothing else.
"""
EXAMPLE = "lunmirror check --config ./lunmirror.toml", "before the file is put in its place"


def arguments(parser: Parser) -> None:
    options.json(parser)


def counted(number: int, what: str) -> str:
    """ "1 group", "2 groups"."""
    return f"{number} {what if number != 1 else what.removesuffix('s')}"


def run(args: Namespace) -> Exit:
    from lunmirror import config
    from lunmirror.cli.passes import config_path

    path = config_path(args)
    desired = config.load(path, compiled="")
    counts = {name: len(getattr(desired, name)) for name in ("servers", "disks", "groups", "volumes")}
    if args.json:
        return output.print_json({"schema": 1, "config": path, "valid": True, **counts})
    return output.print_text(f"{path} is valid: {', '.join(counted(n, what) for what, n in counts.items())}\n")
