"""`lunmirror init`."""

import os
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from lunmirror.cli import output
from lunmirror.cli.options import Parser, check_server
from lunmirror.engine.errors import LunmirrorError, UsageError
from lunmirror.engine.exits import Exit

if TYPE_CHECKING:
    from lunmirror.setup.init import Asked

HELP = "propose a first configuration from the addresses of the servers"
ABOUT = """
Asks the servers which targets they announce, looks at what the LUNs hold that
this machine is logged in to already, and prints a commented configuration that
is valid. It never logs in: a login shows disks to this machine, and LVM's own
events start what lies on them, whoever's it is. So a LUN that is not in sight is
to be named with `--lun`. It changes nothing, and never writes over a file. Ends
with 4 if something is to be decided first: the first comment says what. Without
`--server` it asks on the terminal.
"""
EXAMPLE = (
    "lunmirror init --server filer1=192.168.1.115 --server filer2=192.168.1.120 --lun 1",
    "two servers, and LUN 1 of the only target that each announces",
)
NAMES = ("first", "second", "third", "fourth")


def arguments(parser: Parser) -> None:
    parser.add(
        "--server",
        metavar="NAME=ADDRESS",
        action="append",
        default=[],
        help="a server: the name it is to have, and its address; several portals with commas between",
    )
    parser.add(
        "--target",
        metavar="NAME=IQN",
        action="append",
        default=[],
        help="which target of that server, if it announces several",
    )
    parser.add("--lun", metavar="N", type=_lun, default=None, help="which LUN, on every server alike")
    parser.add(
        "--chap",
        metavar="NAME=USER:FILE",
        action="append",
        default=[],
        help="the CHAP name of this client for that server, and the file that holds the secret",
    )
    parser.add("--group", metavar="NAME", default="vg0", help="the name of the volume group (default vg0)")
    parser.add(
        "--out",
        metavar="FILE",
        default="",
        offers="files",
        help="write it to this file, which must not be there, in place of stdout",
    )


def run(args: Namespace) -> Exit:
    from lunmirror.cli import needs
    from lunmirror.host import waiting
    from lunmirror.host.live import LiveHost
    from lunmirror.setup.init import init

    if args.out and os.path.lexists(args.out):
        raise _is_there(args.out)
    needs.check_packages()
    given = args.server or _questions()
    asked = servers(given, args.target, args.chap)
    needs.check_machine()
    waiting.heed_signals()
    found = init(asked, args.lun, args.group, LiveHost(output.remark), os.path.abspath(args.config))
    if args.out:
        write(args.out, found.text)
    else:
        output.show(found.text)
    if found.exit is not Exit.CONVERGED:
        output.remark(
            f"something is to be decided: the first comments of the output say what (exit {int(found.exit)})"
        )
    return found.exit


def servers(given: list[str], targets: list[str], chap: list[str]) -> "tuple[Asked, ...]":
    """What the options say. Raises UsageError."""
    from lunmirror.config import names, portals
    from lunmirror.config.problems import InvalidValue
    from lunmirror.setup.init import Asked
    from lunmirror.setup.proposal import Chap

    found: dict[str, Asked] = {}
    try:
        for name, addresses in (_pair("--server", one) for one in given):
            if name in found:
                raise UsageError(
                    f"--server {name} is given twice", next="several portals of one server stand with commas between"
                )
            found[names.own(name)] = Asked(name, tuple(portals.portal(word.strip()) for word in addresses.split(",")))
        for name, target in (_pair("--target", one) for one in targets):
            check_server(name, found)
            found[name] = found[name]._replace(target=names.target(target))
        for name, words in (_pair("--chap", one) for one in chap):
            check_server(name, found)
            user, colon, file = words.rpartition(":")
            if not colon:
                raise UsageError(
                    f"--chap {name}: a file of the secret is missing", next="write --chap NAME=USER:FILE"
                )
            found[name] = found[name]._replace(
                chap=Chap(names.username(user), file=os.path.abspath(names.password_file(file)))
            )
    except InvalidValue as wrong:
        raise UsageError(wrong.what, why=wrong.why, next=wrong.next) from wrong
    return tuple(found.values())


def write(path: str, text: str) -> None:
    """A new file, whole. Raises LunmirrorError, also if there is one."""
    from lunmirror.host import safefile, words

    try:
        safefile.put_new(os.path.abspath(path), text.encode(), 0o644)
    except FileExistsError:
        raise _is_there(path) from None
    except OSError as error:
        raise LunmirrorError(f"the configuration cannot be written to {path}: {words.of(error)}") from error


def _is_there(path: str) -> LunmirrorError:
    return UsageError(
        f"{path} is there already, and nothing is written over", next="name another file, or look at that one"
    )


def _pair(option: str, words: str) -> tuple[str, str]:
    name, equals, value = words.partition("=")
    if not equals or not name or not value:
        raise UsageError(
            f"{option} {words}: a name, = and a value are meant", next=f"for example {option} filer1={_MEANT[option]}"
        )
    return name, value


_MEANT = {
    "--server": "192.168.1.115",
    "--target": "iqn.2006-01.com.openfiler:linuxtest1lv",
    "--chap": "client1:secrets/filer1",
}


def _lun(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 14):
        raise UsageError(f"--lun: {text!r} is no LUN", next="a LUN is a whole number, 0 to 16383")
    return int(text)


def _questions() -> list[str]:
    """The servers, asked for on the terminal. Raises UsageError if there is none."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("init needs --server NAME=ADDRESS", next="`lunmirror init --help` shows what it takes")
    given = []
    for number, word in enumerate(NAMES, 1):
        print(f"Address of the {word} server (empty: no more): ", end="", file=sys.stderr, flush=True)
        if not (address := sys.stdin.readline().strip()):
            break
        given.append(f"filer{number}={address}")
    if not given:
        raise UsageError("no server was named", next="`lunmirror init --help` shows what it takes")
    return given
