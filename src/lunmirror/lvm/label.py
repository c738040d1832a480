"""LVM's label, read off a device itself: which physical volume it says to be. Only asked where udev's word would keep a
declared disk from LVM.

In one of the first four sectors (lvm2, lib/label/label.h and lib/format_text/layout.h): "LABELONE", the sector's number
(8 bytes), a checksum (4), the offset of what follows (4, little-endian), "LVM2 001"; there the UUID, 32 characters.
"""

from lunmirror.engine.model import ABSENT, Present, Seen, Unknown
from lunmirror.host import paths
from lunmirror.host.protocol import Reader

SECTOR, LENGTH, DEADLINE = 512, 4096, 10.0  # bytes, bytes, seconds
GROUPS = (6, 4, 4, 4, 4, 4, 6)  # how LVM writes a UUID


def read_label(reader: Reader, node: str) -> Seen[str]:
    """Present(UUID), Absent if there is no label, Unknown if that is not known. Past the page cache, in a child."""
    argv = (paths.DD, f"if={node}", f"bs={LENGTH}", "skip=0", "count=1", "iflag=direct", "status=none")
    ran = reader.query(argv, DEADLINE)
    if ran.rc != 0:
        return Unknown(f"{node} could not be read: {ran.why}")
    return parse(ran.out.encode("utf-8", "surrogateescape"))


def parse(raw: bytes) -> Seen[str]:
    if len(raw) != LENGTH:
        return Unknown(f"only {len(raw)} of {LENGTH} bytes could be read")
    for start in range(0, 4 * SECTOR, SECTOR):
        sector = raw[start : start + SECTOR]
        if sector[:8] != b"LABELONE" or sector[24:32] != b"LVM2 001":
            continue
        at = int.from_bytes(sector[20:24], "little")
        plain = sector[at : at + 32]
        if len(plain) != 32 or not plain.isalnum():
            return Unknown("its LVM label is not in LVM's format")
        found, text = [], plain.decode()
        for length in GROUPS:
            found.append(text[:length])
            text = text[length:]
        return Present("-".join(found))
    return ABSENT
