"""argparse, with errors of ours, and the options that several verbs share."""

import argparse
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NoReturn

from lunmirror.engine.errors import UsageError
from lunmirror.engine.log import LEVELS
from lunmirror.host import paths


class Parser(argparse.ArgumentParser):
    """A parser that raises UsageError. `known` holds its actions in their order; `offers` says by an action's name what
    a shell may complete it with: servers, volumes, keys, verbs or files."""

    def __init__(self, prog: str, **more: Any) -> None:
        self.known: list[argparse.Action] = []
        self.offers: dict[str, str] = {}
        # Without a width argparse asks the terminal for one, even to add an option, and imports shutil for that.
        form = partial(argparse.RawDescriptionHelpFormatter, width=80)
        super().__init__(prog, add_help=False, allow_abbrev=False, exit_on_error=False, formatter_class=form, **more)

    def add(self, *names: str, offers: str = "", **more: Any) -> None:
        """As add_argument."""
        action = self.add_argument(*names, **more)
        self.known.append(action)
        if offers:
            self.offers[action.dest] = offers

    @property
    def options(self) -> list[str]:
        """Every spelling of every option."""
        return [name for action in self.known for name in action.option_strings]

    def read(self, words: list[str], into: argparse.Namespace) -> list[str]:
        """Fill `into`; what is left over. Raises UsageError."""
        try:
            return self.parse_known_args(words, into)[1]
        except argparse.ArgumentError as error:
            if error.argument_name is None:
                self.error(str(error))
            raise UsageError(self._fault(error.argument_name, error.message), next=self.hint()) from None

    def error(self, message: str) -> NoReturn:
        """Something that is required is missing: argparse reports nothing else here."""
        missing = [self._shown(name) for name in message.rpartition(": ")[2].split(", ")]
        raise UsageError(f"{self.prog.removeprefix('lunmirror ')} needs {' and '.join(missing)}", next=self.hint())

    def hint(self) -> str:
        return f"`{self.prog} --help` shows what it takes"

    def _action(self, name: str) -> argparse.Action | None:
        name = name.split("/", maxsplit=1)[0]
        return next((a for a in self.known if name in (*a.option_strings, a.metavar, a.dest)), None)

    def _shown(self, name: str) -> str:
        action = self._action(name)
        return f"{name} {action.metavar}" if action and action.option_strings and action.metavar else name

    def _fault(self, name: str, message: str) -> str:
        action = self._action(name)
        if action is not None and action.choices is None and action.option_strings:
            return f"{name} takes no value" if action.nargs == 0 else f"{name} needs its {action.metavar}"
        return f"{name}: {message}"


def nearest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A sentence that names the known word nearest to this one."""
    from difflib import get_close_matches  # a mistake may take its time

    near = get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]}?" if near else otherwise


def check_server(name: str, servers: Iterable[str]) -> None:
    """Raises UsageError for a server that is not declared."""
    if name not in servers:
        raise UsageError(f"there is no server {name!r}", next=nearest(name, servers, declared(servers)))


def declared(names: Iterable[str]) -> str:
    return f"declared are: {', '.join(names)}"


# Options


def common(parser: Parser) -> None:
    """What may stand anywhere."""
    parser.add(
        "--config",
        metavar="PATH",
        default=paths.CONFIG,
        offers="files",
        help=f"the configuration (default {paths.CONFIG})",
    )
    parser.add(
        "--log-level",
        metavar="LEVEL",
        choices=tuple(LEVELS),
        default="",
        help="the least that is logged on stderr: debug, info (default; on a terminal nothing is logged by default),"
        " warning, error or critical",
    )
    parser.add("-h", "--help", action="store_true", help="show this")
    parser.add("-V", "--version", action="store_true", help="print the version")


def json(parser: Parser) -> None:
    parser.add("--json", action="store_true", help="print one JSON document in place of text")


def verbose(parser: Parser, what: str) -> None:
    parser.add("-v", "--verbose", action="store_true", help=what)


def quiet(parser: Parser, what: str) -> None:
    parser.add("-q", "--quiet", action="store_true", help=what)


def lock_wait(parser: Parser) -> None:
    parser.add(
        "--lock-wait",
        metavar="DURATION",
        type=duration("--lock-wait"),
        default=0,
        help="how long to wait for another pass to end, for example 90s or 2m (default 0s)",
    )


def duration(option: str) -> Callable[[str], int]:
    """For argparse: seconds. Raises UsageError."""
    return partial(_duration, option)


def _duration(option: str, text: str) -> int:
    from lunmirror.config.problems import InvalidValue
    from lunmirror.config.units import duration

    try:
        return duration(text)
    except InvalidValue as wrong:
        raise UsageError(f"{option}: {wrong.what}", why=wrong.why, next=wrong.next) from wrong
