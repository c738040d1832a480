"""Whether sessions are up, by the kernel's own word. For waiting only: what counts is what the session layer sees then."""

from lunmirror.engine.model import Present
from lunmirror.host import files, paths


def logged_in(wanted: tuple[tuple[str, str, int], ...]) -> bool:
    """A session to each (target, address, port) reads LOGGED_IN. Addresses as the node records spell them."""
    left = {(target.lower(), address.lower(), str(port)) for target, address, port in wanted}
    for directory in files.glob(f"{paths.SYS_SESSIONS}/session*"):
        if _text(f"{directory}/state") == "LOGGED_IN":
            sid = directory.rpartition("/session")[2]
            connection = f"{paths.SYS_CONNECTIONS}/connection{sid}:0"
            left.discard((_text(f"{directory}/targetname"), *_place(connection)))
    return not left


def _place(connection: str) -> tuple[str, str]:
    return _text(f"{connection}/persistent_address"), _text(f"{connection}/persistent_port")


def _text(path: str) -> str:
    seen = files.read(path)
    if not isinstance(seen, Present):
        return ""
    text: str = seen.facts.decode(errors="replace").strip()
    return text if path.endswith("/state") else text.lower()
