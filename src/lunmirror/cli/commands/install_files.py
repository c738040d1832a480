"""`lunmirror install-files`."""

import os
import sys
from argparse import Namespace

from lunmirror.cli import output
from lunmirror.cli.options import Parser
from lunmirror.engine.errors import HostError
from lunmirror.engine.exits import Exit

HELP = "lay down units, manual page, examples and completion, after pip or pipx"
ABOUT = """
Lays down what belongs beside the program: systemd units and drop-ins, this
manual page, examples, the JSON Schema, shell completion, a cron line. For a
program that pip or pipx installed; packages and `make install` do the same.

Nothing is enabled or started, and no configuration is made. What was laid down
is noted, and `--remove` takes away exactly that; a file that somebody changed
since stays, and is named.
"""
EXAMPLE = "lunmirror install-files --root /tmp/stage", "as it would lie under /, to be looked at first"


def arguments(parser: Parser) -> None:
    parser.add("--root", metavar="DIR", default="/", offers="files", help="a directory that stands for / (default /)")
    parser.add("--prefix", metavar="PATH", help="where the files go (default: what the list of files says)")
    parser.add("--program", metavar="PATH", help="what the units start (default: this program)")
    parser.add("--system", metavar="NAME", default="", help="debian or rpm (default: found out from the units there)")
    parser.add("--remove", action="store_true", help="take away what was laid down")


def run(args: Namespace) -> Exit:
    from lunmirror import install

    given = {name: value for name in ("prefix", "program") if (value := getattr(args, name) or "")}
    own = os.path.abspath(sys.argv[0])
    if not args.program and os.path.basename(own) == "lunmirror":
        given["program"] = own
    plan = install.layout(given, args.system)
    note = f"{plan.names['datadir']}/{install.NOTE}"
    try:
        if set(install.read(args.root, note).trees):
            raise HostError(
                f"make install laid these files down, with a program of its own (noted in {note})",
                next="choose one: `make uninstall`, or leave it as it is",
            )
        if args.remove:
            install.check_disabled(args.root, plan)
            kept = install.remove(args.root, note)
            text = "".join(f"kept, since it was changed after it was laid down: {path}\n" for path in kept)
            return output.print_text(f"{text}removed what {note} named\n")
        laid = install.lay(args.root, note, plan.files)
    except FileNotFoundError as error:
        raise HostError(f"nothing was laid down here: there is no {error.filename or error}") from error
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise HostError(f"the files cannot be written{where}: {error.strerror}", next="run it as root") from error
    return output.print_text("".join(f"{path}\n" for path in laid.files))
