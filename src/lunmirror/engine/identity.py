"""Names that lunmirror gives, derived from what a disk *is*: so that what we made can be proven ours later, and a
disk that turns up behind another's name is recognised, without any database.

A disk's are derived from server, target, LUN and its name in the configuration, never from sdX or a serial number; a file
system's from its volume's.
"""

# LVM's own alphabet for identifiers is wider; these are the characters that every version takes.
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHAPE = (6, 4, 4, 4, 4, 4, 6)
# Made once, with uuid4; changing it would make every unfinished mkfs of an older lunmirror look foreign.
_NAMESPACE = "134abc09-14dc-401c-8c82-d6971e154b7f"


def _digest(*parts: str) -> int:
    import hashlib  # here, because a pass that finds a compiled configuration needs none of this

    return int.from_bytes(hashlib.sha256("\0".join(("lunmirror", *parts)).encode()).digest(), "big")


def pv_uuid(server: str, target: str, lun: int, name: str, salt: str = "") -> str:
    """The UUID that our physical volume on this disk has, in LVM's notation (32 characters in seven parts)."""
    number = _digest("pv", server, target.lower(), str(lun), name, salt)
    characters = []
    for _ in range(sum(_SHAPE)):
        number, digit = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    parts, start = [], 0
    for length in _SHAPE:
        parts.append("".join(characters[start : start + length]))
        start += length
    return "-".join(parts)


def table_guid(server: str, target: str, lun: int, name: str, salt: str = "") -> str:
    """The GUID of the partition table that we write on this disk, upper case (RFC 9562, version 8)."""
    digits = f"{_digest('table', server, target.lower(), str(lun), name, salt):064x}"[:32]
    digits = f"{digits[:12]}8{digits[13:16]}{'89ab'[int(digits[16], 16) % 4]}{digits[17:]}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}".upper()


def filesystem_uuid(volume_uuid: str) -> str:
    """The UUID of the file system that our mkfs puts on this very volume: lower case, as mkfs takes it and blkid prints it.
    `volume_uuid` is LVM's."""
    from uuid import UUID, uuid5  # here, because a pass that finds everything mounted needs none of it

    return str(uuid5(UUID(_NAMESPACE), volume_uuid))


def lun_serial(server: str, target: str, lun: int) -> str:
    """The serial number that a storage server is to give this LUN: 32 hexadecimal digits, which LIO and tgt both make an NAA
    of. The first digit never distinguishes two: the NAA's own kind takes its place."""
    from uuid import UUID, uuid5  # here, because no pass needs it

    return uuid5(UUID(_NAMESPACE), "\0".join(("lun", server, target.lower(), str(lun)))).hex
