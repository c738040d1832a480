"""What a LUN says of itself in its vital product data, as the kernel keeps it in sysfs: never an identity here, since cheap
targets number their LUNs alike; but other programs take two disks that say the same for one. Reads no disk.

Pages and fields: SPC-4, 7.8.5 and 7.8.15; the files: drivers/scsi/scsi_sysfs.c, vpd_pg80 and vpd_pg83.
"""

from lunmirror.engine.model import Present
from lunmirror.host.protocol import Reader

SERIAL, IDENTIFICATION = 0x80, 0x83  # page codes: unit serial number, device identification
_KINDS = {1: "T10 vendor ID", 2: "EUI-64", 3: "NAA", 8: "SCSI name"}  # by the kind of designator
_NAA = 3
_TEXT = (2, 3)  # code sets: ASCII, UTF-8
_OF_THE_LUN = 0  # association; others speak of its port or target, which all of its LUNs share


def claims(reader: Reader, place: str) -> tuple[str, ...]:
    """What the LUN whose SCSI device is at `place` in sysfs calls itself: "NAA 6001405…", "serial number 0001". Nothing of
    a page that it does not have."""
    number = _text(_page(reader, f"{place}/vpd_pg80", SERIAL))
    named = designators(_page(reader, f"{place}/vpd_pg83", IDENTIFICATION))
    return (*named, *([f"serial number {number}"] if number else []))


def designators(page: bytes) -> tuple[str, ...]:
    """Those of the LUN itself, of a page without its header; what is cut short is left out."""
    found: dict[str, None] = {}
    while len(page) >= 4:
        code, kind, association, length = page[0] & 0xF, page[1] & 0xF, page[1] >> 4 & 3, page[3]
        body, page = page[4 : 4 + length], page[4 + length :]
        words = _text(body) if code in _TEXT else body.hex()
        local = kind == _NAA and words.startswith("3")  # locally assigned: tgt's is the LUN's number, on every server
        # All zeros or nothing: the target has none to give.
        if association == _OF_THE_LUN and kind in _KINDS and not local and len(body) == length and words.strip("0"):
            found[f"{_KINDS[kind]} {words}"] = None
    return tuple(found)


def _page(reader: Reader, path: str, code: int) -> bytes:
    """The page without its header of four bytes; b"" if it is not there, is another or is cut short."""
    raw = reader.read(path)
    page = raw.facts if isinstance(raw, Present) else b""
    length = int.from_bytes(page[2:4], "big")
    return page[4 : 4 + length] if page[1:2] == bytes((code,)) and len(page) >= 4 + length else b""


def _text(raw: bytes) -> str:
    return " ".join(raw.decode("utf-8", "replace").replace("\0", " ").split())
