"""The settings of a node record that lunmirror manages: each row is a record key and the TOML key that declares it.

Meanings, defaults and limits: docs/facts/open-iscsi.md#record-keys; open-iscsi's usr/idbm_fields.h.
"""

from collections.abc import Mapping
from typing import NamedTuple

from lunmirror.engine.desired import Chap, Server
from lunmirror.engine.secret import Secret

AUTHMETHOD = "node.session.auth.authmethod"
USERNAME = "node.session.auth.username"
PASSWORD = "node.session.auth.password"
USERNAME_IN = "node.session.auth.username_in"
PASSWORD_IN = "node.session.auth.password_in"
SECRET_KEYS = frozenset({PASSWORD, PASSWORD_IN})

# `--loginall=automatic` matches a record if either is automatic, so both always go together.
STARTUP = ("node.startup", "node.conn[0].startup")

# Record key -> field of desired.Timeouts; the TOML key has the field's name.
TIMEOUTS = {
    "node.session.timeo.replacement_timeout": "replacement_timeout",
    "node.conn[0].timeo.noop_out_interval": "noop_out_interval",
    "node.conn[0].timeo.noop_out_timeout": "noop_out_timeout",
    "node.conn[0].timeo.login_timeout": "login_timeout",
    "node.session.initial_login_retry_max": "login_retries",
    "node.session.err_timeo.abort_timeout": "abort_timeout",
    "node.session.err_timeo.lu_reset_timeout": "lu_reset_timeout",
    "node.session.err_timeo.tgt_reset_timeout": "tgt_reset_timeout",
}

ABORTS = tuple(key for key in TIMEOUTS if ".err_timeo." in key)

# Every version since 2.0-873 (2012) knows these, so they may be added to a record that lacks them. Any other key may not: one that the
# installed version does not know makes `iscsiadm -m node` fail for the whole fleet (siderolabs extensions #1182).
BOUND = ("iface.iscsi_ifacename", "iface.net_ifacename")  # what a session is bound by is read from the node record
KNOWN_TO_ALL = frozenset({*BOUND, *STARTUP, *TIMEOUTS, AUTHMETHOD, USERNAME, PASSWORD, USERNAME_IN, PASSWORD_IN})


# What no configuration may change (config/settings.py), and iscsid.conf may: set where the record has it. Two sessions
# of one kind show every disk twice, as two devices.
PINNED = {"node.session.nr_sessions": "1"}


class Wish(NamedTuple):
    """One declared setting: record key, value, and the TOML key path that declares it."""

    record_key: str
    value: str | Secret
    key: str


def password_files(chap: Chap | None) -> dict[str, str]:
    """The files that hold the declared secrets, by record key."""
    if chap is None:
        return {}
    files = {PASSWORD: chap.outgoing.password_file}
    if chap.mutual:
        files[PASSWORD_IN] = chap.mutual.password_file
    return files


def wishes(server: Server, secrets: Mapping[str, Secret]) -> tuple[Wish, ...]:
    """All that the records of this server shall say. A secret that could not be read is left out, and with it all
    of CHAP: half of it would only break a login that works."""
    table = f"servers.{server.name}"
    return (
        *(Wish(key, server.startup, f"{table}.startup") for key in STARTUP),
        *(
            Wish(key, str(getattr(server.timeouts, name)), _declared(table, key, name))
            for key, name in TIMEOUTS.items()
        ),
        *(_chap(server.chap, secrets, f"{table}.chap") if server.chap else ()),
        *(Wish(key, server.interface, f"{table}.interface") for key in BOUND if server.interface),
        *(Wish(key, value, f"{table}.{name}") for key, value, name in server.records),
        *(Wish(key, value, f'{table}.settings."{key}"') for key, value in server.settings),
    )


def _declared(table: str, key: str, name: str) -> str:
    """The TOML key path; what has no name of its own may be set under the record's."""
    return f'{table}.settings."{key}"' if key in ABORTS else f"{table}.{name}"


def _chap(chap: Chap, secrets: Mapping[str, Secret], table: str) -> tuple[Wish, ...]:
    if not password_files(chap).keys() <= secrets.keys():
        return ()
    # CHAP is used whenever credentials are set, whatever authmethod says; both are set, so that it says the truth.
    wanted = [
        Wish(AUTHMETHOD, "CHAP", table),
        Wish(USERNAME, chap.outgoing.username, f"{table}.username"),
        Wish(PASSWORD, secrets[PASSWORD], f"{table}.password_file"),
    ]
    if chap.mutual:
        wanted += [
            Wish(USERNAME_IN, chap.mutual.username, f"{table}.mutual.username"),
            Wish(PASSWORD_IN, secrets[PASSWORD_IN], f"{table}.mutual.password_file"),
        ]
    return tuple(wanted)
