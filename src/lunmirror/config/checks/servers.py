"""Contradictions among servers, and in who is notified."""

from typing import Any

from lunmirror.config import budget
from lunmirror.config.problems import Key, Problems, quoted
from lunmirror.config.timeouts import is_seconds
from lunmirror.config.walk import each


def aborts(document: Any, problems: Problems) -> None:
    """Record keys that lunmirror reckons with: a value that is no number of seconds makes the reckoning untrue."""
    for name, server in each(document.servers):
        for key in budget.ABORTS:
            value = (server.settings or {}).get(key)
            if value is not None and not (is_seconds(value) and int(value) > 0):
                problems.add(
                    ("servers", name, "settings", key),
                    f"{quoted(value)} is not a whole number of seconds",
                    why="how long a hung server can hold up I/O is calculated from it",
                    next=f'write "{budget.ABORT_TIMEOUT}", or remove it',
                )


def portals(document: Any, problems: Problems) -> None:
    seen: dict[Any, str] = {}
    for name, server in each(document.servers):
        for number, portal in enumerate(server.portals or ()):
            key: Key = ("servers", name, "portals", number)
            first = seen.setdefault(portal, name)
            if first != name:
                problems.add(
                    key,
                    f"the portal {portal} belongs to server {first} already",
                    why="two servers are two failure domains; two legs behind one portal would die together",
                    next="correct the address, or declare one server with both targets",
                )
            elif portal in server.portals[:number]:
                problems.add(key, f"the portal {portal} is listed twice", next="remove one of the two")


def encryption(document: Any, problems: Problems) -> None:
    """What is bound to the tunnel's interface goes through it, whatever the routes say; nothing else is sure to."""
    for name, server in each(document.servers):
        key: Key = ("servers", name, "interface")
        if server.require_encryption and not server.interface and not problems.touch(key):
            problems.add(
                key,
                "interface is missing, and require_encryption is true",
                why="only a session that is bound to the tunnel's interface is sure to go through it",
                next='write interface = "wg0", the WireGuard interface to this server (docs/network.md)',
            )


def notify(document: Any, problems: Problems) -> None:
    notify = document.notify
    if notify is None:
        return
    if not notify.command and not notify.mail and not any(problems.touch(("notify", k)) for k in ("command", "mail")):
        problems.add(
            ("notify",), "notify says neither command nor mail", next='add mail = "root", or remove the table'
        )
    if notify.command and notify.command[0] and not notify.command[0].startswith("/"):
        problems.add(
            ("notify", "command"),
            f"the program {quoted(notify.command[0])} is not an absolute path",
            why="it runs without a shell, and nobody's PATH plays a part",
            next="write its whole path",
        )
