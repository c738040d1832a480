"""LVM's label: the sector that pvcreate wrote in the lab's machine, and what is none."""

from lunmirror.engine.model import ABSENT, Present, Unknown
from lunmirror.lvm.label import parse

UUID = "ofp7cT-qdmt-8Js5-FTVw-T43G-dMLn-E5NU78"


def head(sector: int = 1, uuid: str = UUID, offset: int = 32, type_: bytes = b"LVM2 001") -> bytes:
    raw = bytearray(4096)
    at = sector * 512
    raw[at : at + 8], raw[at + 8 : at + 16] = b"LABELONE", sector.to_bytes(8, "little")
    raw[at + 16 : at + 20], raw[at + 20 : at + 24] = b"\x12\x34\x56\x78", offset.to_bytes(4, "little")
    raw[at + 24 : at + 32] = type_
    plain = uuid.replace("-", "").encode()
    raw[at + offset : at + offset + len(plain)] = plain
    return bytes(raw)


def test_the_label_is_found_in_the_first_four_sectors():
    assert [parse(head(sector)) for sector in range(4)] == [Present(UUID)] * 4
    assert parse(head(4)) == ABSENT


def test_no_label():
    assert parse(bytes(4096)) == ABSENT
    assert parse(head(type_=b"LVM1 001")) == ABSENT


def test_what_cannot_be_told_is_unknown():
    assert isinstance(parse(b""), Unknown)
    assert isinstance(parse(head(offset=500)), Unknown)
    assert isinstance(parse(head(uuid="\0" * 32)), Unknown)
