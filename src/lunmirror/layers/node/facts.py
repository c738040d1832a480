"""What can be known of a node record: one file of open-iscsi's database."""

from collections.abc import Mapping
from typing import NamedTuple

from lunmirror.engine.desired import Path, Portal
from lunmirror.engine.model import Present, World
from lunmirror.engine.secret import Secret


class Record(NamedTuple):
    """A whole record. `settings` holds every `key = value`, in the file's order; `raw` the file's bytes.
    `tpgt` is the target portal group tag, None in a flat record that does not know it.

    root:    the directory that nodes/ lies in, links resolved: on its file system, and open-iscsi reads no file in it.
    secrets: the declared ones by record key, as read from their password files.
    trouble: why a declared secret could not be read; '' if all could.
    strays:  portals for which the target has a further record that nobody declares and that is `automatic`.
    spellings: other spellings of the target's name that have an `automatic` record, too.
    besides: other interfaces through which this portal has an `automatic` record, too; only where one is declared.
    """

    path: str
    tpgt: int | None
    settings: dict[str, str | Secret]
    raw: bytes
    root: str = ""
    secrets: Mapping[str, Secret] = {}
    trouble: str = ""
    strays: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Record(path={self.path!r}, tpgt={self.tpgt!r})"  # `raw` may hold secrets


class Torn(NamedTuple):
    """A record without its END line, or that is no record at all: open-iscsi writes without rename (issue #462),
    so a crash leaves these. Nothing in it can be trusted. `why` says what is wrong; `tpgt` is from its path."""

    path: str
    raw: bytes
    why: str = ""
    tpgt: int | None = None

    def __repr__(self) -> str:
        return f"Torn(path={self.path!r}, why={self.why!r})"


class Missing(NamedTuple):
    """No record, and the server answers and announces the target at the declared portal with this tag. `path` is
    the file that the record will have."""

    tpgt: int
    path: str


class Leftover(NamedTuple):
    """A target that was declared, on that server, and is not any more; and for which portals it has records."""

    target: str
    server: str
    portals: tuple[Portal, ...]


class Unbound(NamedTuple):
    """No record, and no interface record to make it with. `path` is the file that the interface record will have, in the
    directory `home`, which is there or not."""

    path: str
    home: str
    is_there: bool


def spelt(path: Path, seen: World) -> str:
    """The portal's address as its record spells it, which is how the kernel then shows it; as declared, if there is no
    record yet."""
    state = seen.get("node", {}).get(path.name)
    record = state.facts if isinstance(state, Present) else None
    found = record.settings.get("node.conn[0].address") if isinstance(record, Record) else None
    return str(found or path.portal.address)
