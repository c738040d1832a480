"""Does the way to a disk carry large answers? Asked of a disk that LVM was never shown, before anything reads it.

Where the MTU differs along the way, and nothing says so, a session logs in and answers pings, and every read of more than a
frame waits until the kernel gives up: LVM, blkid and mkfs among them. So one small and one large read come first, each by
a child with a deadline, past the page cache (a cached read is always of a page at least).
"""

from lunmirror.host import paths, sysfs
from lunmirror.host.protocol import Reader
from lunmirror.layers.disk.facts import Device, Unreadable
from lunmirror.lvm.origin import origins

SMALL, LARGE = 512, 256 << 10  # bytes
DEADLINE = 6.0  # seconds for each read
PROBE = 1.5  # seconds for the portal to accept a connection


def swallowed(reader: Reader, device: Device) -> Unreadable | None:
    """What is wrong, if a small read of the device answers, a large one does not within its time, and its server's portal
    still accepts connections; None in every other case: who asks next judges that."""
    if reader.query(_read(device, SMALL), DEADLINE).rc != 0:
        return None
    if reader.query(_read(device, LARGE), DEADLINE).rc is not None:
        return None
    if not _answers(reader, device):
        return None  # it died between the two
    return Unreadable(
        f"a read of {SMALL} bytes answers, one of {LARGE >> 10} KiB does not within {DEADLINE:g} s, and the portal accepts"
        " connections",
        large=True,
    )


def _read(device: Device, size: int) -> tuple[str, ...]:
    words = (f"if={device.node}", f"of={paths.NULL}", f"bs={size}", "count=1", "iflag=direct", "status=none")
    return (paths.DD, *words)


def _answers(reader: Reader, device: Device) -> bool:
    """Whether the portal of the device's session does; a connection is made of small packets alone."""
    sids = {origin.sid for origin in origins(reader, device.kernel) if origin.sid}
    endpoints = tuple(filter(None, (sysfs.endpoint(reader, sid) for sid in sids)))
    return bool(endpoints) and "" in reader.reach(endpoints, PROBE).values()
