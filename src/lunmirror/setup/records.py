"""What the node records of a server say, as lines of its table: nothing that lunmirror would set by itself anyway."""

from collections.abc import Iterable
from typing import NamedTuple

from lunmirror.config import names
from lunmirror.config.problems import InvalidValue
from lunmirror.engine.desired import Desired, Server, Timeouts
from lunmirror.engine.model import World, facts_of
from lunmirror.engine.plain import count
from lunmirror.layers.node.facts import Record
from lunmirror.layers.node.settings import AUTHMETHOD, PASSWORD, PASSWORD_IN, STARTUP, TIMEOUTS, USERNAME, USERNAME_IN
from lunmirror.setup import proposal

DIGEST = "node.conn[0].iscsi.DataDigest"
# open-iscsi's own (usr/idbm.c, idbm_setup_defaults; iscsid.conf of Debian): what nobody chose on this machine.
DEFAULTS = {
    "replacement_timeout": (120,),
    "noop_out_interval": (5, 10),
    "noop_out_timeout": (5, 15),
    "login_timeout": (15, 30),
    "login_retries": (4, 8),
}
# The least and the most that the configuration takes.
LIMITS = {"replacement_timeout": (0, 86400), "login_timeout": (1, 600), "login_retries": (1, 100)}
PINGS = (1, 600)


class Said(NamedTuple):
    """`settings` and `chap` as in proposal.Server; `refused`: what cannot be expressed."""

    settings: tuple[tuple[str, str, str], ...]
    chap: proposal.Chap | None
    refused: tuple[str, ...]


def said(server: Server, desired: Desired, seen: World, derived: Timeouts) -> Said:
    """`derived`: what lunmirror would set for this server by itself."""
    mine = (path.name for path in desired.paths() if path.server.name == server.name)
    records = [record for name in mine if (record := facts_of(seen["node"].get(name), Record))]
    if not records:
        return Said((), None, ())
    bound = [("interface", f'"{server.interface}"', "")] if server.interface else []
    lines = [*bound, *_startup(records), *_timeouts(records, derived), *_digest(records)]
    chap, refused = _chap(server.name, records)
    return Said(tuple(lines), chap, refused)


def _startup(records: list[Record]) -> Iterable[tuple[str, str, str]]:
    words = {str(record.settings.get(key, "manual")) for record in records for key in STARTUP}
    if "automatic" not in words:
        word = "onboot" if "onboot" in words else "manual"
        yield "startup", f'"{word}"', "As the records have it. lunmirror logs in whatever this says."


def _timeouts(records: list[Record], derived: Timeouts) -> Iterable[tuple[str, str, str]]:
    """Those that somebody chose: on all records alike, neither open-iscsi's own nor lunmirror's."""
    keys = {name: key for key, name in TIMEOUTS.items()}
    for name, usual in DEFAULTS.items():
        values = {count(str(record.settings.get(keys[name], ""))) for record in records}
        value = values.pop() if len(values) == 1 else None
        least, most = LIMITS.get(name, PINGS)
        if value is None or value in (*usual, getattr(derived, name)) or not least <= value <= most:
            continue
        text = str(value) if name == "login_retries" else f'"{value}s"'
        yield name, text, "Somebody chose this value in the records. Without the line lunmirror derives its own."


def _digest(records: list[Record]) -> Iterable[tuple[str, str, str]]:
    if {record.settings.get(DIGEST) for record in records} == {"CRC32C"}:
        yield "data_digest", '"CRC32C"', ""


def _chap(server: str, records: list[Record]) -> tuple[proposal.Chap | None, tuple[str, ...]]:
    """The names of CHAP, if the records have any, and why they cannot be declared, if so. The secrets are only compared."""
    keys = (USERNAME, PASSWORD, USERNAME_IN, PASSWORD_IN)
    if not any(record.settings.get(key) for record in records for key in (*keys[:2], USERNAME_IN)):
        if any(record.settings.get(AUTHMETHOD) == "CHAP" for record in records):
            return None, (f"server {server}: its records ask for CHAP and hold no name",)
        return None, ()
    if any(record.settings.get(key) != records[0].settings.get(key) for record in records for key in keys):
        return None, (
            f"server {server}: its records differ in their CHAP names or secrets, and a server has one pair",
        )
    user, secret, user_in, secret_in = (records[0].settings.get(key, "") for key in keys)
    if not user or not secret or bool(user_in) != bool(secret_in):
        return None, (f"server {server}: its records hold half of a CHAP name and secret",)
    try:
        named = [names.username(name) for name in (user, user_in) if name]
    except InvalidValue as wrong:
        return None, (f"server {server}: a CHAP name of its records cannot be declared: {wrong.what}",)
    return proposal.Chap(named[0], named[1] if user_in else "", records[0].path), ()
