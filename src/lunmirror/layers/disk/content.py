"""Is a device provably blank? Only asked where there is no physical volume, so never in a pass that has nothing to do.

blkid ends with 2 both for "nothing found" and for "could not read" (docs/facts/kernel.md#blkid): unreadable taken for
blank, then mkfs, is how most such tools destroyed data. So blank means: blkid finds nothing *and* zeros are really
read, at the head, at the end and at places between.

What is found is put into words that fit nothing else, since a consent repeats them and may stay in the configuration for
years: the UUID of what has one; of all else the first sector that is not zeros, by its SHA-256. "Data without a
signature" alone would also be what is left of our own physical volume once its label is damaged.
"""

from typing import NamedTuple

from lunmirror.engine.model import Unknown
from lunmirror.engine.plain import count
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.layers.disk.facts import Blank, Device, Holds, OwnTable, Unreadable
from lunmirror.lvm.read import read_status

MIB = 1 << 20
HEAD = 4 * MIB  # LVM's and every file system's first structures lie in here
TAIL = MIB  # GPT's second copy, md's 0.90 and 1.0 superblocks
TABLE = 34 * 512  # a GPT with 128 entries: protective MBR, header and entries; its second copy is a sector shorter
SAMPLES = 8  # further places of 1 MiB, evenly spread: data whose head was wiped
DEADLINE = 30.0  # seconds for each read


def content_of(reader: Reader, device: Device) -> Blank | Holds | Unreadable:
    """What `device` holds. Reads it through children with deadlines, never in this process."""
    if device.holders:
        return Holds(_in_use(device), in_use=True)
    status = reader.memoize("device-mapper", lambda: read_status(reader))
    if isinstance(status, Unknown):
        return Unreadable(f"what is built on it is not known: {status.reason}")
    signature = _signature(reader, device.node)
    if signature is not None:
        return _distinguished(reader, device, signature)
    where = f"first {HEAD >> 20} MiB, last {TAIL >> 20} MiB and {SAMPLES} places between read as zeros"
    fault = _not_zeros(reader, device, _places(device.size))
    return fault or Blank(f"blkid finds nothing on {device.node}, nothing holds it, {where}")


def own_table(reader: Reader, whole: Device, guid: str) -> Holds | OwnTable | Unreadable:
    """What a disk holds at whose end our own table was found, though the kernel shows no partition on it.

    A whole table is not written again: its partition may hold everything, and the kernel only has to read it. A torn
    one may be: but first the rest of the disk is shown to be empty, since others can have taken the disk meanwhile
    (mkswap and dd leave the table's second copy where it is).
    """
    if whole.holders:
        return Holds(_in_use(whole), in_use=True)
    signature = _signature(reader, whole.node)
    if signature == Holds(f"GPT partition table (uuid {guid.lower()})"):
        return OwnTable(whole=True)
    if signature is not None:
        return _distinguished(reader, whole, signature)
    places = [(max(offset, TABLE), length - max(TABLE - offset, 0)) for offset, length in _places(whole.size)]
    offset, length = places[-1] if places else (0, 0)
    places[-1:] = [(offset, length - TABLE)]  # the second copy
    fault = _not_zeros(reader, whole, places)
    return fault or OwnTable(
        whole=False,
        proof=f"on {whole.node} is only what was left when a partition table with the GUID that lunmirror derives for it"
        " was being written: blkid finds nothing, and outside the table it reads as zeros",
    )


class _Data(NamedTuple):
    """The first place of a device that is not all zeros; `mark` distinguishes what is there from anything else, '' if nothing
    does."""

    offset: int
    length: int
    mark: str


def _not_zeros(reader: Reader, device: Device, places: list[tuple[int, int]]) -> Holds | Unreadable | None:
    """The first of the places, (offset, length) in bytes, that was not read as zeros; None if all were."""
    found = _first_data(reader, device, places)
    if not isinstance(found, _Data):
        return found
    where = f"in the {-(-found.length >> 20)} MiB from byte {found.offset}"
    return Holds(f"data without a known signature, {where}{found.mark}", nameless=not found.mark)


def _first_data(reader: Reader, device: Device, places: list[tuple[int, int]]) -> _Data | Unreadable | None:
    if device.size < HEAD + TAIL:
        return Unreadable(f"it is only {device.size} bytes long")
    for offset, length in places:
        argv = (paths.CMP, f"--ignore-initial={offset}:0", f"--bytes={length}", device.node, "/dev/zero")
        ran = reader.query(argv, DEADLINE)
        if ran.rc == 1:
            return _Data(offset, length, _mark(reader, device.node, offset, ran.out))
        if ran.rc != 0:
            return Unreadable(
                f"the {-(-length >> 20)} MiB from byte {offset} of {device.node} could not be read: {ran.why}"
            )
    return None


def _mark(reader: Reader, node: str, offset: int, difference: str) -> str:
    """What distinguishes this content from any other: where it begins, and the digest of the sector there. '' if that cannot be
    had. `difference`: by cmp, of the first byte that differs, counted from `offset` ("… differ: byte 1, line 1"; in the C
    locale "char")."""
    words = difference.rpartition(" differ: ")[2].split()
    byte = count(words[1].rstrip(",")) if len(words) > 1 else None
    if not byte:
        return ""
    number = (offset + byte - 1) // 512
    content = _sector(reader, node, number)
    if len(content) != 512:
        return ""
    from hashlib import sha256  # here, because only a disk that is refused needs it

    return f" (sector {number}, sha256 {sha256(content).hexdigest()[:16]})"


def _sector(reader: Reader, node: str, number: int) -> bytes:
    """The 512 bytes there; none if they cannot be read."""
    ran = reader.query((paths.DD, f"if={node}", "bs=512", f"skip={number}", "count=1", "status=none"), DEADLINE)
    return ran.out.encode("utf-8", "surrogateescape") if ran.rc == 0 else b""


def _distinguished(reader: Reader, device: Device, found: Holds | Unreadable) -> Holds | Unreadable:
    """A signature without a UUID, distinguished from every other of its kind by what lies there."""
    if isinstance(found, Unreadable) or not found.nameless:
        return found
    data = _first_data(reader, device, _places(device.size))
    return Holds(found.what + data.mark) if isinstance(data, _Data) and data.mark else found


def table_guid_on(reader: Reader, whole: Device) -> str:
    """The GUID in the second copy of a GPT, in the disk's last sector, of 512 or 4096 bytes; '' if there is none.

    A crash while a table is written can leave the second copy alone, which blkid does not recognise (it wants the
    protective MBR first: util-linux, libblkid/src/partitions/gpt.c).
    """
    return _guid_at(reader, whole, 1) or _guid_at(reader, whole, 8)


def _guid_at(reader: Reader, whole: Device, before_end: int) -> str:
    """The same, of a header that lies that many times 512 bytes before the end."""
    header = _sector(reader, whole.node, whole.size // 512 - before_end)
    if not header.startswith(b"EFI PART") or len(header) < 72:
        return ""
    guid = header[56:72]  # mixed-endian, UEFI specification 5.3.2
    parts = (guid[3::-1], guid[5:3:-1], guid[7:5:-1], guid[8:10], guid[10:])
    return "-".join(part.hex() for part in parts).upper()


def _places(size: int) -> list[tuple[int, int]]:
    """(offset, length) in bytes of what is read, on 4 KiB boundaries."""
    stride = (size - HEAD - TAIL) // (SAMPLES + 1)
    middle = [(HEAD + stride * (i + 1)) // 4096 * 4096 for i in range(SAMPLES)] if stride > MIB else []
    return [(0, HEAD), *((m, MIB) for m in middle), (size - TAIL, TAIL)]


def _signature(reader: Reader, node: str) -> Holds | Unreadable | None:
    """What blkid's low-level probe finds; None if it says it finds nothing."""
    ran = reader.query((paths.BLKID, "-p", "-o", "export", node), DEADLINE)
    if ran.rc == 2 and not ran.out.strip() and not ran.err.strip():
        return None
    if ran.rc == 8:
        return Holds("several signatures that contradict each other", nameless=True)
    if ran.rc != 0:
        return Unreadable(f"blkid could not recognise what is on {node}: {ran.why}")
    lines = [line for line in ran.out.splitlines() if line.strip()]
    if not lines:
        return Unreadable(f"blkid says that it found something on {node}, and does not say what")
    if strange := next((line for line in lines if not _is_tag(line)), ""):
        return Unreadable(f"blkid gave a line about {node} that cannot be read: {strange[:200]!r}")
    tags = dict(line.partition("=")[::2] for line in lines)
    if all(tag == "DEVNAME" or tag.startswith("PART_ENTRY_") for tag in tags):
        return None  # only what the table says of this partition: nothing in it
    return Holds(_describe(tags), nameless=not _uuid(tags))


def _in_use(device: Device) -> str:
    return f"something in use: {', '.join(device.holders)} {'is' if len(device.holders) == 1 else 'are'} built on it"


def _is_tag(line: str) -> bool:
    key, equals, _ = line.partition("=")
    return bool(equals) and key.isascii() and key.isidentifier() and key == key.upper()


def _describe(tags: dict[str, str]) -> str:
    """One stable phrase, since a consent in the configuration has to repeat it."""
    if "TYPE" in tags:
        phrase = f"{tags['TYPE']} signature"
    elif "PTTYPE" in tags:
        kind = {"dos": "MBR", "gpt": "GPT"}.get(tags["PTTYPE"], tags["PTTYPE"])
        phrase = f"{kind} partition table"
    else:
        phrase = "signature of a kind that blkid does not name"
    label = f" labelled '{tags['LABEL']}'" if tags.get("LABEL") else ""
    uuid = _uuid(tags)
    return phrase + label + (f" (uuid {uuid})" if uuid else "")


def _uuid(tags: dict[str, str]) -> str:
    return tags.get("UUID") or tags.get("PTUUID") or ""
