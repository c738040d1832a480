"""The text of a node record, read as open-iscsi's own parser does (usr/idbm.c, idbm_recinfo_config).

A law: what is not managed here comes back byte for byte, so everything works on bytes, or on text decoded with
surrogateescape.
"""

from collections.abc import Mapping
from typing import NamedTuple

KEY_ROOM, VALUE_ROOM, LINE_ROOM = 128, 256, 2048  # bytes, with the NUL (usr/idbm.h); beyond it the stack is written
END = b"# END RECORD"


class Line(NamedTuple):
    """One line without its newline. `key` is '' unless it is a setting."""

    text: str
    key: str = ""
    value: str = ""


def decode(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def lines_of(raw: bytes) -> list[Line]:
    """The lines of a whole record (one that ends with a newline)."""
    return [_line(row) for row in raw.split(b"\n")[:-1]]


def settings_of(raw: bytes) -> dict[str, str]:
    """Key -> value; of a key given twice the last counts."""
    pairs = (_setting(row) for row in raw.split(b"\n")[:-1])
    return {decode(key): decode(value) for key, value in pairs if key}


def tear(raw: bytes) -> str:
    """Why this is not a whole record; '' if it is one."""
    if not raw:
        return "the file is empty"
    if b"\0" in raw:
        return "it holds NUL bytes"
    if END not in (row.rstrip() for row in raw.split(b"\n")):
        return "its END line is missing"
    if not raw.endswith(b"\n"):
        return "its last line is cut off"
    if not {"node.name", "node.conn[0].address"} <= settings_of(raw).keys():
        return "it does not say which target and portal it is for"
    return ""


def overlong(raw: bytes) -> str:
    """Which line open-iscsi could not read safely (CVE-2026-18724); '' if none."""
    for number, row in enumerate(raw.split(b"\n"), 1):
        key, value = _setting(row)
        if len(row) + 1 >= LINE_ROOM or len(key) >= KEY_ROOM or len(value) >= VALUE_ROOM:
            return f"line {number} is longer than open-iscsi can read"
    return ""


def changed(raw: bytes, changes: Mapping[str, str]) -> list[Line]:
    """The lines of a whole record with these settings. A new key follows the last one of its family
    (`node.session.auth.…`), or stands before the END line; of a key given twice the last is changed, as that one
    counts."""
    lines = lines_of(raw)
    for key, value in changes.items():
        new = Line(f"{key} = {value}", key, value)
        at = max((n for n, line in enumerate(lines) if line.key == key), default=None)
        if at is not None:
            lines[at] = new
            continue
        family = key.rpartition(".")[0] + "."
        kin = [n + 1 for n, line in enumerate(lines) if line.key.startswith(family)]
        ends = [n for n, line in enumerate(lines) if encode(line.text).rstrip() == END]
        lines.insert((kin or ends)[-1], new)
    return lines


def _line(row: bytes) -> Line:
    key, value = _setting(row)
    return Line(decode(row), decode(key), decode(value)) if value else Line(decode(row))


def _setting(row: bytes) -> tuple[bytes, bytes]:
    """(key, value), both empty for a comment, an empty line or one that open-iscsi passes over. White space must
    stand before the '='; bytes.strip and bytes.split know the same white space as isspace() does."""
    row = row.strip()
    if row.startswith(b"#"):
        return b"", b""
    key, *rest = row.split(None, 1)[:2] or [b""]
    if not rest or b"=" in key or not rest[0].startswith(b"="):
        return b"", b""
    value = rest[0][1:].lstrip()
    return (key, value) if value else (b"", b"")
