"""`lunmirror export`."""

from argparse import Namespace

from lunmirror.cli import output
from lunmirror.cli.options import Parser, check_server
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import LunmirrorError, UsageError
from lunmirror.engine.exits import Exit
from lunmirror.engine.plain import shown
from lunmirror.host import words

HELP = "print the storage server's own configuration, for LIO or tgt; on that server, put it in place"
ABOUT = """
Prints what that storage server has to export, from the same configuration:
distinct serial numbers derived from server, target and LUN, the clients that may
log in and nobody else, write-through, no UNMAP. Needs `[servers.SERVER.export]`.

With --check FILE nothing is printed but what differs on that server: FILE is
what it says of itself, as `targetctl save FILE` (LIO) or `tgtadm --lld iscsi --op
show --mode target` (tgt) has it. It may be /dev/stdin. 0: as declared, 2: not.

With --apply, on the storage server itself and as root, it makes the targets so:
only those that differ, only while nobody is logged in to them, and no other.
Nothing that is stored is touched: a backing that is mounted, in use or holds
something that is not ours is refused. With --check alone, the same without any
change. The secrets are read from the password files there.

Else it changes nothing, here or there, and prints no secret: where CHAP is declared,
the server refuses logins until the secrets are in the place that is named. What
is to be done besides is written to stderr. See docs/servers.md.
"""
HERE = "-"  # --check without a file
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
        nargs="?",
        const=HERE,
        default="",
        offers="files",
        help="print how what the storage server exports now, as it says itself in FILE, differs from what is declared;"
        " without FILE, as it says on this machine, which is that server",
    )
    parser.add("--apply", action="store_true", help="on that server: make its targets as declared")


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
    if args.apply and args.check:
        raise UsageError("--apply and --check exclude each other", next="use --check first, then --apply")
    if args.apply or args.check == HERE:
        return _here(args, kind, desired)
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


def _here(args: Namespace, kind: str, desired: Desired) -> Exit:
    """On the storage server itself. Raises LunmirrorError."""
    from contextlib import nullcontext

    from lunmirror.cli import needs
    from lunmirror.engine.log import Log
    from lunmirror.engine.runlock import held
    from lunmirror.export import work
    from lunmirror.host import waiting
    from lunmirror.host.live import LiveHost

    needs.check_packages()
    needs.check_root()
    waiting.heed_signals()
    log = Log(args.verb, "", args.log_level)
    with held(args.verb, 0) if args.apply else nullcontext():
        result, text = work.here(args.server, kind, desired, LiveHost(log.note), bool(args.apply))
    output.show(text)
    return result
