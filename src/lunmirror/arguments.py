"""The command line: one table of verbs and options, and the small parser over it.

Not argparse: importing it and building its parsers costs every run from cron 8 ms (docs/performance.md).
"""

from collections.abc import Iterable

from lunmirror.errors import UsageError
from lunmirror.host import paths

# Option -> (the name of its value, or '' for none; meaning).
OPTIONS = {
    "--config": ("PATH", f"the configuration (default {paths.CONFIG})"),
    "--log-level": ("LEVEL", "the least that is logged: debug, info (default), warning, error or critical"),
    "--json": ("", "print one JSON document in place of text"),
    "--detailed-exitcode": ("", "end with 2, not 0, if anything was changed"),
    "--lock-wait": ("DURATION", "how long to wait for another pass to end, say 90s or 2m (default 0s)"),
    "--relogin": (
        "",
        "log in anew where timeouts are declared, not live: one server at a time, while all else is in sync",
    ),
    "--watch": ("", "go on showing until redundancy is full, or until interrupted"),
    "--wait": ("synced", "end when every declared volume is in full sync"),
    "--timeout": (
        "DURATION",
        "the longest wait: for status --wait (default: for ever), for the healing of a drill (15m)",
    ),
    "--keep": ("SERVER", "the server whose legs hold what is to be kept"),
    "--confirm": ("", "yes, drop that server's traffic now"),
    "--seconds": ("N", "how long it is dropped, 300 at most (default: the stall budget and 20 more)"),
    "--picture": ("PATH", "where the picture goes (default ./lunmirror-drill-SERVER.svg)"),
    "--version": ("", "print the version"),
    "--help": ("", "print this"),
}
ANYWHERE = ("--config", "--log-level", "--version", "--help")

# Verb -> (its arguments, its own options, meaning).
VERBS: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "check": ((), ("--json",), "say whether the configuration is right; needs no root and looks at nothing else"),
    "plan": ((), ("--json",), "show what apply would do, and change nothing"),
    "apply": (
        (),
        ("--json", "--detailed-exitcode", "--relogin", "--lock-wait"),
        "bring this machine to the declared state",
    ),
    "status": (
        (),
        ("--json", "--watch", "--wait", "--timeout"),
        "show the mirrors as they are, from volume down to server, and which server may be lost",
    ),
    "can-lose": (("SERVER",), ("--json",), "tell whether that server may be rebooted now: exit 0 if so, else 4"),
    "choose": (
        ("VOLUME",),
        ("--keep", "--json", "--lock-wait"),
        "end a conflict: keep the legs on one server, copy them over the others",
    ),
    "drill": (
        ("SERVER",),
        ("--confirm", "--seconds", "--timeout", "--picture", "--json", "--lock-wait"),
        "rehearse the loss of that server: drop its traffic, measure the stall, heal, report",
    ),
    "schema": ((), ("--json",), "print the JSON Schema of the configuration"),
    "explain": (("KEY",), ("--json",), "tell what a key of the configuration means"),
}


class Command:
    """A command line, understood. `options` holds those that were given, flags as ''."""

    def __init__(self, verb: str, options: dict[str, str], words: tuple[str, ...]) -> None:
        self.verb, self.options, self.words = verb, options, words

    @property
    def json(self) -> bool:
        return "--json" in self.options


def parse(words: list[str]) -> Command:
    """Options may stand anywhere, their values after a space or `=`. `--help` and `--version` are verbs of their own.
    Raises UsageError."""
    options: dict[str, str] = {}
    plain: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            plain += rest
            break
        if not word.startswith("-") or word == "-":
            plain.append(word)
            continue
        name, given, value = ("--help", "", "") if word == "-h" else word.partition("=")
        options[name] = _value(name, bool(given), value, rest)
    for name in ("--help", "--version"):
        if name in options:
            return Command(name, options, ())
    return _checked(plain, options)


def usage() -> str:
    """The help text."""
    lines = ["usage: lunmirror [--config PATH] [--log-level LEVEL] VERB [OPTION...]", ""]
    for verb, (arguments, own, meaning) in VERBS.items():
        lines.append(f"  {' '.join((verb, *arguments)):16} {meaning}")
        lines.append(f"  {'':16} {' '.join(_shown(name) for name in own)}")
    lines += ["", *(f"  {_shown(name)[1:-1]:22} {OPTIONS[name][1]}" for name in OPTIONS), ""]
    lines.append("Exit codes and more: man lunmirror")
    return "\n".join(lines) + "\n"


def _shown(name: str) -> str:
    value = OPTIONS[name][0]
    return f"[{name} {value}]" if value else f"[{name}]"


def _value(name: str, given: bool, value: str, rest: list[str]) -> str:
    if name not in OPTIONS:
        raise wrong(f"there is no option {name}", name, OPTIONS)
    wanted = OPTIONS[name][0]
    if not wanted and given:
        raise wrong(f"{name} takes no value")
    if wanted and not given:
        if not rest:
            raise wrong(f"{name} needs its {wanted}")
        return rest.pop(0)
    return value


def _checked(plain: list[str], options: dict[str, str]) -> Command:
    if not plain:
        raise wrong("a verb is missing")
    verb, *words = plain
    if verb not in VERBS:
        raise wrong(f"there is no verb {verb!r}", verb, VERBS)
    arguments, own, _ = VERBS[verb]
    for name in options:
        if name not in (*own, *ANYWHERE):
            raise wrong(f"{verb} has no option {name}")
    if len(words) < len(arguments):
        raise wrong(f"{verb} needs a {arguments[len(words)]}")
    if len(words) > len(arguments):
        raise wrong(
            f"{verb} takes nothing more than {' '.join((verb, *arguments))}: {words[len(arguments)]!r} is too much"
        )
    return Command(verb, options, tuple(words))


def wrong(what: str, said: str = "", known: Iterable[str] = ()) -> UsageError:
    """The error; with the known word that is nearest to what was said."""
    from difflib import get_close_matches  # a mistake may take its time

    near = get_close_matches(said, list(known), n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    return UsageError(
        what, next=f"{meant}usage: lunmirror [--config PATH] {'|'.join(VERBS)} [--json] (lunmirror --help)"
    )
