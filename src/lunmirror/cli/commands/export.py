"""`lunmirror export`."""

from argparse import Namespace

from lunmirror.cli import output
from lunmirror.cli.options import Parser, check_server
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import LunmirrorError, UsageError
from lunmirror.engine.exits import Exit
from lunmirror.engine.plain import shown
from lunmirror.host import words

HELP = "print the storage server's own configuration, for LIO or tgt"
ABOUT = """
Prints what that storage server has to export, from the same configuration:
distinct serial numbers derived from server, target and LUN, the clients that may
log in and nobody else, write-through, no UNMAP. Needs `[servers.SERVER.export]`.

With --check FILE nothing is printed but what differs on that server: FILE is
what it says of itself, as `targetctl save FILE` (LIO) or `tgtadm --lld iscsi --op
show --mode target` (tgt) has it. It may be /dev/stdin. 0: as declared, 2: not.

It changes nothing, here or there, and prints no secret: where CHAP is declared,
the server refuses logins until the secrets are in the place that is named. What
is to be done besides is written to stderr. See docs/servers.md.
"""
MOST = 64 << 20  # characters of a server's own words
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
    parser.add(
        "--check",
        metavar="FILE",
        default="",
        offers="files",
        help="print how what the storage server exports now, as it says itself in FILE, differs from what is declared",
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
    if args.check:
        return _check(args.server, kind, desired, args.check)
    printer = {"lio": lio, "tgt": tgt}[kind]
    text, notes = printer.render(args.server, desired), printer.notes(args.server, desired)
    for note in notes:
        output.remark(note)
    return output.print_text(text)


def options_hint(server: str) -> str:
    return f'or declare servers.{server}.export.format = "tgt"'


def _check(server: str, kind: str, desired: Desired, path: str) -> Exit:
    """Raises LunmirrorError if the file cannot be read, or is something else."""
    from lunmirror.export import compare

    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            said = file.read(MOST)
        found = {"lio": compare.of_lio, "tgt": compare.of_tgt}[kind](server, desired, said)
    except OSError as error:
        raise LunmirrorError(f"{path} cannot be read: {words.of(error)}") from error
    except ValueError as error:
        says = {"lio": "`targetctl save FILE`", "tgt": "`tgtadm --lld iscsi --op show --mode target`"}[kind]
        raise LunmirrorError(
            f"{path} is not what {kind} says of itself",
            why=str(error),
            next=f"give it what {says} says on server {server}",
        ) from error
    output.print_text("".join(f"{shown(line)}\n" for line in found) or f"server {server} exports what is declared\n")
    return Exit.DRIFT if found else Exit.CONVERGED
