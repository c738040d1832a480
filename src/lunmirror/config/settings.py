"""What may stand in [servers.X.settings]: any key of a node record that lunmirror does not manage itself.

Source of the names and lengths: open-iscsi's usr/idbm.h and idbm_fields.h (docs/facts/open-iscsi.md#record-format).
"""

import re
from typing import Any

from lunmirror.config.names import VALUE_BYTES, trimmed
from lunmirror.config.problems import InvalidValue, shown

KEY_PATTERN = r"^node\.[A-Za-z0-9_.\[\]]{1,122}$"  # open-iscsi keeps a key in 128 bytes

# Managed keys, and the setting of lunmirror's own that writes them.
MANAGED = {
    "node.startup": "startup",
    "node.conn[0].startup": "startup",
    "node.session.timeo.replacement_timeout": "replacement_timeout",
    "node.conn[0].timeo.noop_out_interval": "noop_out_interval",
    "node.conn[0].timeo.noop_out_timeout": "noop_out_timeout",
    "node.conn[0].timeo.login_timeout": "login_timeout",
    "node.session.initial_login_retry_max": "login_retries",
    "node.session.auth.authmethod": "chap",
    "node.session.auth.username": "chap",
    "node.session.auth.password": "chap",
    "node.session.auth.username_in": "chap",
    "node.session.auth.password_in": "chap",
    "node.conn[0].address": "portals",
    "node.conn[0].port": "portals",
}

# Keys that nobody may set, and why.
FORBIDDEN = {
    "node.name": "it is the identity of the record: the disk's target says it",
    "node.tpgt": "it is the identity of the record: discovery says it",
    "node.leading_login": "with it nothing logs in at all unless interface files exist (iscsiadm exits 19)",
    "node.session.nr_sessions": "one session for each portal and target is what the mirror is built on",
    "node.session.reopen_max": "0 means to try for ever; any other value destroys the session of a server that is"
    " away for long",
    "node.session.scan": "the disk of a new session is found by the scan after login",
}


# What else a node record holds in open-iscsi 2.0.874 to 2.1.10 (usr/idbm_fields.h, usr/idbm.c: idbm_recinfo_node).
FREE = frozenset(
    {
        "node.boot_lun",
        "node.session.initial_cmdsn",
        "node.session.cmds_max",
        "node.session.queue_depth",
        "node.session.xmit_thread_priority",
        "node.session.auth.chap_algs",
        *(f"node.session.err_timeo.{name}_timeout" for name in ("abort", "lu_reset", "tgt_reset", "host_reset")),
        *(f"node.session.iscsi.{name}" for name in ("FastAbort", "InitialR2T", "ImmediateData", "ERL")),
        *(f"node.session.iscsi.{name}" for name in ("FirstBurstLength", "MaxBurstLength", "MaxOutstandingR2T")),
        *(f"node.session.iscsi.{name}" for name in ("DefaultTime2Retain", "DefaultTime2Wait", "MaxConnections")),
        *(f"node.conn[0].tcp.{name}" for name in ("window_size", "type_of_service")),
        *(f"node.conn[0].timeo.{name}_timeout" for name in ("logout", "auth")),
        *(f"node.conn[0].iscsi.{name}" for name in ("HeaderDigest", "DataDigest", "IFMarker", "OFMarker")),
        *(f"node.conn[0].iscsi.{name}" for name in ("MaxRecvDataSegmentLength", "MaxXmitDataSegmentLength")),
    }
)
NEARNESS = (
    0.85  # of difflib, of the last word: a letter or two off. One that is near to none may be a newer open-iscsi's
)


def _meant(value: str) -> str:
    """The known key that this is a misspelling of; '' if it is known itself, or near to none."""
    known = {*FREE, *MANAGED, *FORBIDDEN}
    if value in known:
        return ""
    from difflib import get_close_matches

    last = {name.rpartition(".")[2].lower(): name for name in known}
    near = get_close_matches(value.rpartition(".")[2].lower(), last, n=1, cutoff=NEARNESS)
    return last[near[0]] if near else ""


def key(value: Any) -> str:
    """The name of a record key that may be declared freely. Raises InvalidValue."""
    if not isinstance(value, str) or not re.fullmatch(KEY_PATTERN[1:-1], value):
        raise InvalidValue(
            f"{shown(value)} is not a key of an open-iscsi node record",
            why="such keys begin with node. and have letters, digits, _ . [ ] only",
            next='for example "node.session.cmds_max"; the whole name stands in quotes',
        )
    if value in MANAGED:
        raise InvalidValue(
            f"lunmirror manages {value} itself", next=f"declare {MANAGED[value]} of the server instead"
        )
    if value in FORBIDDEN:
        raise InvalidValue(f"{value} cannot be declared", why=FORBIDDEN[value], next="remove it")
    if value.startswith("node.discovery_"):
        raise InvalidValue(
            f"{value} cannot be declared", why="it records where the record came from", next="remove it"
        )
    if near := _meant(value):
        raise InvalidValue(
            f"{value} is not a key that open-iscsi knows",
            why="a key that it does not know breaks every listing of its database",
            next=f"did you mean {near}?",
        )
    if value.startswith("node.conn[") and not value.startswith("node.conn[0]."):
        raise InvalidValue(
            f"{value} cannot be declared", why="open-iscsi has one connection, conn[0]", next="remove it"
        )
    return value


def value(given: Any) -> str:
    """A value as the record holds it. Never repeated in a message: it may be a secret put in the wrong place."""
    if isinstance(given, bool):
        words = "Yes" if given else "No"
        raise InvalidValue("true and false are not values of open-iscsi", next=f'write "{words}"')
    if isinstance(given, int):
        if abs(given) > 2**63:
            raise InvalidValue("the number is larger than open-iscsi can keep")
        return str(given)
    if isinstance(given, dict):
        raise InvalidValue(
            "must be a text or a whole number, not a table",
            why="the dots in a record key's name make tables unless the name is quoted",
            next='write the whole name in quotes: "node.session.cmds_max" = "128"',
        )
    if not isinstance(given, str):
        raise InvalidValue("must be a text in quotes or a whole number")
    try:
        return trimmed(given, "a value", VALUE_BYTES)
    except InvalidValue:
        raise InvalidValue(
            "the value cannot be kept in a node record",
            why=f"open-iscsi keeps 1 to {VALUE_BYTES} bytes of one line, without spaces at its ends",
            next="correct it",
        ) from None


def settings(given: Any) -> dict[str, str]:
    """All of one server's free settings; for pydantic. Raises InvalidValue at the first fault."""
    if not isinstance(given, dict):
        raise InvalidValue(f"must be a table of record keys, not {shown(given)}")
    return {key(name): value(content) for name, content in given.items()}
