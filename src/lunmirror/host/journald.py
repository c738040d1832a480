"""Entries of systemd's journal with a message id each, by its native protocol: a datagram, a line for each field
(systemd.io, JOURNAL_NATIVE_PROTOCOL). `journalctl -x` explains them (contrib/systemd/lunmirror.catalog).

journald cannot always attribute an entry to the unit of a process that ends soon after it wrote (systemd issue 2913).
So an entry names the unit itself, which `journalctl -u` takes from root (OBJECT_SYSTEMD_UNIT)."""

import socket
from collections.abc import Mapping
from typing import Any

from lunmirror.host import paths

# What the entry says -> its id, which never changes.
IDS = {
    "refused": "b78b94ab719447d6b34de127a34e5dda",
    "flapping": "d4a540a585964caca558c71c868750b6",
    "blocked": "f4b1647f5cc44d2d8f6c6a37302e419d",
    "degraded": "7a3e1a361293481892a19876946a6534",
    "over": "61527965c27540b699227439da295aed",
    "failed": "473af9d2bf9a409db9722487886227dd",
    "done": "4a64cd03e8774f38af1c3fc7fe7e98cf",
}
SECONDS = 1.0  # journald takes it at once, or is not well


def send(priority: int, line: str, entry: Mapping[str, Any]) -> bool:
    """Whether journald has the line, which is what the log made of this entry. Not, if what the entry says has no id."""
    said = str(entry.get("outcome", ""))
    kind = "flapping" if said == "refused" and str(entry["event"]).startswith("flapping") else said
    if kind not in IDS:
        return False
    fields = {
        "MESSAGE": line,
        "MESSAGE_ID": IDS[kind],
        "PRIORITY": str(priority),
        "SYSLOG_IDENTIFIER": "lunmirror",
        "OBJECT_SYSTEMD_UNIT": paths.OWN_UNIT,
        "LUNMIRROR_KIND": kind,
        "LUNMIRROR_LAYER": str(entry.get("layer", "")),
        "LUNMIRROR_RESOURCE": str(entry.get("resource", "")),
        "LUNMIRROR_WHAT": str(entry["event"]),
    }
    text = "".join(f"{name}={' '.join(value.split())}\n" for name, value in fields.items())
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
            door.settimeout(SECONDS)
            door.sendto(text.encode("utf-8", "replace"), paths.JOURNAL_SOCKET)
    except OSError:
        return False
    return True
