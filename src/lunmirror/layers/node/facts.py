"""What can be known of a node record: one file of open-iscsi's database."""

from typing import NamedTuple


class Record(NamedTuple):
    """A whole record. `settings` holds every `key = value`, in the file's order; `raw` the file's bytes.
    `tpgt` is the target portal group tag, None in a flat record that does not know it."""

    path: str
    tpgt: int | None
    settings: dict[str, str]
    raw: bytes


class Torn(NamedTuple):
    """A record without its END line, or that is no record at all: open-iscsi writes without rename (issue #462),
    so a crash leaves these. Nothing in it can be trusted."""

    path: str
    raw: bytes
