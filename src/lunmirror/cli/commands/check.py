"""`lunmirror check`."""

import os
from argparse import Namespace

from lunmirror.cli import options, output
from lunmirror.cli.options import Parser
from lunmirror.engine.exits import Exit

HELP = "report whether the configuration is valid"
ABOUT = """
Reports whether the configuration is valid, with every mistake in it at once.
Needs no root and looks at nothing else.

With FILE it is judged as if it were in the configuration's place already: with
the files of conf.d there, and with relative password files looked for there. So
it is the validator for a template of Ansible or Puppet.
"""
EXAMPLE = "lunmirror check ./new.toml", "before the file is put in its place, /etc/lunmirror/lunmirror.toml"


def arguments(parser: Parser) -> None:
    parser.add("file", metavar="FILE", nargs="?", default="", offers="files", help="a file that is to take its place")
    options.json(parser)


def counted(number: int, what: str) -> str:
    """ "1 group", "2 groups"."""
    return f"{number} {what if number != 1 else what.removesuffix('s')}"


def run(args: Namespace) -> Exit:
    from lunmirror import config
    from lunmirror.cli.passes import config_path
    from lunmirror.config import secretfiles

    path = os.path.abspath(args.file) if args.file else config_path(args)
    desired = config.check_candidate(path, config_path(args)) if args.file else config.load(path, compiled="")
    counts = {name: len(getattr(desired, name)) for name in ("servers", "disks", "groups", "volumes")}
    short = secretfiles.short(desired)
    if args.json:
        return output.print_json({"schema": 1, "config": path, "valid": True, **counts, "short_secrets": short})
    lines = [f"{path} is valid: {', '.join(counted(n, what) for what, n in counts.items())}"]
    lines += [
        f"note: the secret in {file} has fewer than {secretfiles.SAFE} bytes: it can be guessed" for file in short
    ]
    return output.print_text("\n".join(lines) + "\n")
