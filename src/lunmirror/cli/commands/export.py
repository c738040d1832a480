"""`lunmirror export`."""

from argparse import Namespace

from lunmirror.cli import output
from lunmirror.cli.options import Parser, check_server
from lunmirror.engine.errors import UsageError
from lunmirror.engine.exits import Exit

HELP = "print the storage server's own configuration, for LIO or tgt"
ABOUT = """
Prints what that storage server has to export, from the same configuration:
distinct serial numbers derived from server, target and LUN, the clients that may
log in and nobody else, write-through, no UNMAP. Needs `[servers.SERVER.export]`.

It changes nothing, here or there, and prints no secret: where CHAP is declared,
the server refuses logins until the secrets are in the place that is named. What
is to be done besides is written to stderr. See docs/servers.md.
"""
EXAMPLE = "lunmirror export filer1 --format tgt > lunmirror-filer1.conf", "the file for /etc/tgt/conf.d on filer1"


def arguments(parser: Parser) -> None:
    parser.add("server", metavar="SERVER", offers="servers", help="a server of the configuration")
    parser.add(
        "--format",
        metavar="FORMAT",
        choices=("lio", "tgt"),
        default="",
        help="lio (saveconfig.json of rtslib) or tgt (targets.conf); the default is servers.SERVER.export.format",
    )


def run(args: Namespace) -> Exit:
    from lunmirror import config
    from lunmirror.cli.passes import config_path
    from lunmirror.export import lio, tgt

    desired = config.load(config_path(args), compiled="")
    check_server(args.server, desired.servers)
    export = desired.servers[args.server].export
    kind = args.format or (export.format if export else "lio")
    if not kind:
        raise UsageError("export needs --format lio or --format tgt", next=options_hint(args.server))
    printer = {"lio": lio, "tgt": tgt}[kind]
    text, notes = printer.render(args.server, desired), printer.notes(args.server, desired)
    for note in notes:
        output.remark(note)
    return output.print_text(text)


def options_hint(server: str) -> str:
    return f'or declare servers.{server}.export.format = "tgt"'
