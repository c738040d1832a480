"""The command line, understood: the table of verbs, and what is answered to a near miss."""

import argparse
from collections.abc import Iterable
from importlib import import_module
from typing import Protocol

from lunmirror.cli import options
from lunmirror.cli.options import Parser, nearest
from lunmirror.engine.errors import UsageError
from lunmirror.engine.exits import Exit


class Command(Protocol):
    """A module of cli/commands (its docstring says what is what)."""

    HELP: str
    ABOUT: str
    EXAMPLE: tuple[str, str]

    def arguments(self, parser: Parser) -> None: ...

    def run(self, args: argparse.Namespace) -> Exit: ...


# In the order of the help.
VERBS = (
    "check",
    "plan",
    "apply",
    "status",
    "can-lose",
    "choose",
    "maintenance",
    "remove",
    "metrics",
    "notify",
    "drill",
    "speed",
    "init",
    "adopt",
    "history",
    "schema",
    "explain",
    "export",
    "completion",
    "install-files",
    "help",
    "version",
)


def command(verb: str) -> Command:
    """The module of a verb. Only what is asked for is imported: a pass each minute needs one of them."""
    module: Command = import_module(f"lunmirror.cli.commands.{verb.replace('-', '_')}")
    return module


# What people type who know other programs -> what they meant.
MEANT_VERBS = {
    **dict.fromkeys(("diff", "dry-run", "preview"), "`lunmirror plan` shows what apply would do"),
    **dict.fromkeys(("show", "list", "ls", "doctor", "info", "health"), "`lunmirror status` shows the mirrors"),
    **dict.fromkeys(("validate", "lint"), "`lunmirror check` checks the configuration"),
    **dict.fromkeys(
        ("run", "sync", "repair", "converge"), "`lunmirror apply` brings the machine to the declared state"
    ),
    **dict.fromkeys(("discover", "new", "generate"), "`lunmirror init` proposes a first configuration"),
    **dict.fromkeys(("import", "takeover"), "`lunmirror adopt` prints the configuration of what is in use"),
    **dict.fromkeys(
        ("delete", "destroy", "decommission", "rm"),
        "`lunmirror remove NAME` takes what is not declared any more out of service",
    ),
    **dict.fromkeys(
        ("drain", "reboot", "standby", "downtime"),
        "`lunmirror maintenance SERVER --for 2h` takes a server out of service for a while",
    ),
    **dict.fromkeys(("events", "journal"), "`lunmirror history` shows what passes changed"),
    **dict.fromkeys(
        ("hdparm", "bench", "benchmark", "fio", "perf"),
        "`lunmirror speed` measures each leg, the mirror and the links",
    ),
    **dict.fromkeys(("log", "logs"), "the log is in the journal: `journalctl -u lunmirror`"),
    **dict.fromkeys(
        ("verify", "test"), "`lunmirror check` checks the configuration, `lunmirror status` shows the mirrors"
    ),
    **dict.fromkeys(
        (
            "fix",
            "reconcile",
            "refresh",
            "resync",
            "rebuild",
            "start",
            "up",
            "mount",
            "create",
            "extend",
            "grow",
        ),
        "declare it, then `lunmirror apply` brings the machine to the declared state",
    ),
    **dict.fromkeys(
        ("stop", "down", "umount", "unmount", "deactivate", "logout"),
        "nothing is taken out of service: `systemctl stop lunmirror.timer` only ends the passes",
    ),
    **dict.fromkeys(
        ("monitor", "watch", "top", "wait", "progress"),
        "`lunmirror status --watch` follows the mirrors, `lunmirror status --wait synced` waits for them",
    ),
    **dict.fromkeys(
        ("config", "configure", "edit", "get", "set", "keys"),
        "the configuration is a file: `lunmirror explain KEY` explains a key, `lunmirror check` checks it",
    ),
    **dict.fromkeys(
        ("man", "manual", "docs"), "`lunmirror help VERB` shows what one takes; all of it: `man lunmirror`"
    ),
}
MEANT_OPTIONS = {
    **dict.fromkeys(("--dry-run", "--check", "--noop", "-n"), "`lunmirror plan` shows what apply would do"),
    "--debug": "--log-level debug logs more",
    "--silent": "--log-level error logs less",
    **dict.fromkeys(("-c", "--config-file", "-f"), "--config PATH names the configuration"),
    **dict.fromkeys(("-j", "--format", "--output", "-o"), "--json prints one JSON document"),
    **dict.fromkeys(
        ("--diff", "--detailed", "--long", "--all", "-a"), "`lunmirror plan -v` and `lunmirror status -v` show more"
    ),
    **dict.fromkeys(("-w", "--follow"), "`lunmirror status --watch` follows the mirrors"),
    **dict.fromkeys(("--auto-approve", "--assume-yes"), "--yes does not ask before steps with a risk"),
    **dict.fromkeys(("--no-color", "--no-colour", "--color"), "colors are for terminals only; NO_COLOR=1 ends them"),
    "--list": "`lunmirror explain` without a key lists all keys",
    "--force": "nothing is forced: what may be overwritten is named in the configuration",
}


def parse(line: list[str]) -> argparse.Namespace:
    """The verb (`verb`, '' for none) and its arguments. Options may stand anywhere, values after a space or `=`.
    Raises UsageError."""
    args = argparse.Namespace(verb="")
    head = _head("")
    rest = head.read(line, args)
    at = _first_plain(rest)
    if at is None or rest[at] not in VERBS:
        for name in _unknown(rest[:at], head.options):
            raise UsageError(f"there is no option {name}", next=_option_meant(name, head.options))
    if at is None:
        if args.help or args.version:
            return args
        raise UsageError("a verb is missing", next=head.hint())
    args.verb = verb = rest.pop(at)
    if verb not in VERBS:
        raise no_verb(verb)
    if args.help or args.version:
        return args
    parser = of_verb(verb)
    for name in _unknown(rest, parser.options):
        raise UsageError(f"{verb} has no option {name}", next=_option_meant(name, parser.options))
    if extra := [word for word in parser.read(rest, args) if word != "--"]:
        raise UsageError(f"{verb}: {extra[0]!r} is too much", next=parser.hint())
    return args


def no_verb(name: str) -> UsageError:
    """The answer to a verb that is none."""
    usual = f"the verbs are {', '.join(VERBS)}"
    return UsageError(f"there is no verb {name!r}", next=MEANT_VERBS.get(name) or nearest(name, VERBS, usual))


def whole() -> Parser:
    """What may stand before any verb, and what the verbs are."""
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:{width}}  {command(verb).HELP}" for verb in VERBS)
    return _head(
        f"verbs:\n{verbs}\n\n`lunmirror help VERB` shows the options of one. Exit codes and more: man lunmirror"
    )


def _head(epilog: str) -> Parser:
    parser = Parser(
        "lunmirror",
        usage="lunmirror [--config PATH] [--log-level LEVEL] VERB [OPTION...]",
        description="Keeps LVM mirrors over two iSCSI servers as declared.",
        epilog=epilog,
    )
    options.common(parser)
    return parser


def of_verb(verb: str) -> Parser:
    """The parser of one verb, with what may stand anywhere."""
    module = command(verb)
    line, purpose = module.EXAMPLE
    epilog = f"example:\n  {line}\n      {purpose}"
    parser = Parser(f"lunmirror {verb}", description=module.ABOUT.strip(), epilog=epilog)
    module.arguments(parser)
    options.common(parser)
    return parser


def _first_plain(words: list[str]) -> int | None:
    """Where the first word is that is no option; after `--` every word is plain."""
    for number, word in enumerate(words):
        if word == "--":
            return number + 1 if number + 1 < len(words) else None
        if not word.startswith("-") or word == "-":
            return number
    return None


def _unknown(words: list[str], known: Iterable[str]) -> Iterable[str]:
    for word in words:
        if word == "--":
            return
        name = word.partition("=")[0]
        if name.startswith("-") and name != "-" and not name[1:].isdigit() and name not in known:
            yield name


def _option_meant(name: str, known: Iterable[str]) -> str:
    having = [verb for verb in VERBS if name in of_verb(verb).options]
    if having:
        return f"{name} is an option of {', '.join(having)}"
    return MEANT_OPTIONS.get(name) or nearest(name, known, f"the options are {', '.join(known)}")
