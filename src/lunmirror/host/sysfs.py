"""What the kernel shows in small files: read as text, a number, or the names in a directory; and where it shows sessions."""

from typing import Protocol

from lunmirror.engine.model import Present, Seen
from lunmirror.engine.plain import DEFAULT_IFACE
from lunmirror.engine.plain import number as plain_number
from lunmirror.host import paths

UNSET = ("", "(null)", "<NULL>")  # how the kernel shows a string that nobody set


class Reads(Protocol):
    """A host, or host/files.py itself."""

    def read(self, path: str) -> Seen[bytes]: ...

    def directory(self, path: str) -> Seen[tuple[str, ...]]: ...


def text(reader: Reads, path: str) -> str:
    """An attribute, stripped; '' when it is absent or cannot be read, as of a session that ends while it is looked at."""
    return text_of(reader.read(path))


def text_of(seen: Seen[bytes]) -> str:
    """What was read, stripped; '' if nothing was."""
    return seen.facts.decode(errors="replace").strip() if isinstance(seen, Present) else ""


def number(reader: Reads, path: str) -> int | None:
    """An attribute that is a whole number; None when it is not, or cannot be read."""
    return plain_number(text(reader, path))


def names(reader: Reads, path: str) -> tuple[str, ...]:
    """What is in a directory; nothing where that is not known."""
    seen = reader.directory(path)
    return seen.facts if isinstance(seen, Present) else ()


def session(sid: str) -> str:
    """The directory of a session ("session3")."""
    return f"{paths.SYS_SESSIONS}/{sid}"


def blocks(sid: str) -> str:
    """The glob of the block devices that a session shows."""
    return f"{session(sid)}/device/target*/*:*:*:*/block/*"


def connection(sid: str) -> str:
    """The directory of a session's one connection, which is named after it (scsi_transport_iscsi.c)."""
    return f"{paths.SYS_CONNECTIONS}/{sid.replace('session', 'connection', 1)}:0"


def kind(reader: Reads, interface: str) -> str:
    """What a network interface is: vlan, bond, wireguard, …; '' for a card."""
    lines = (line.partition("=") for line in text(reader, f"{paths.SYS_NET}/{interface}/uevent").splitlines())
    return next((value for key, _, value in lines if key == "DEVTYPE"), "")


def in_clear(reader: Reads, interface: str) -> str:
    """Why what goes through an interface that is there is not encrypted; '' if it is, or there is none."""
    if not text(reader, f"{paths.SYS_NET}/{interface}/operstate") or kind(reader, interface) == "wireguard":
        return ""
    return f"{interface} is {kind(reader, interface) or 'a network card'}, and no WireGuard tunnel"


def endpoint(reader: Reads, sid: str) -> tuple[str, int] | None:
    """Where a session is connected, as reach takes it; None where that is not known, or not how: through an interface record
    of another name than a network interface has."""
    address, port = text(reader, f"{connection(sid)}/address"), number(reader, f"{connection(sid)}/port")
    interface = text(reader, f"{session(sid)}/ifacename")
    if not address[:1].isalnum() or port is None:
        return None
    if interface in (DEFAULT_IFACE, *UNSET):
        return address, port
    return (f"{address}%{interface}", port) if text(reader, f"{paths.SYS_NET}/{interface}/operstate") else None


def logged_in(reader: Reads, wanted: tuple[tuple[str, str, int], ...]) -> bool:
    """Whether a session to each (target, address, port) reads LOGGED_IN. Addresses as the node records spell them. For
    waiting only: what counts is what the session layer sees then."""
    left = {(target.lower(), address.lower(), str(port)) for target, address, port in wanted}
    for sid in names(reader, paths.SYS_SESSIONS):
        if text(reader, f"{session(sid)}/state") == "LOGGED_IN":
            target, place = text(reader, f"{session(sid)}/targetname"), connection(sid)
            address, port = (text(reader, f"{place}/persistent_{part}") for part in ("address", "port"))
            left.discard((target.lower(), address.lower(), port))
    return not left
