"""What a LUN says of itself, from the bytes of its pages; and disks that say the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunmirror.engine.model import ABSENT, Kind, Present, Seen, Unknown
from lunmirror.layers.disk.claims import equal_names
from lunmirror.layers.disk.facts import Lun
from lunmirror.layers.disk.vpd import claims, designators
from unit.analysis.worlds import desired, lun

T10, NAA, OF_THE_TARGET = (2, 1), (1, 3), (1, 0x13)
LIO = bytes.fromhex("60014051234567890abcdef012345678")


def designator(kind: tuple[int, int], body: bytes) -> bytes:
    return bytes((*kind, 0, len(body))) + body


def page(code: int, body: bytes) -> bytes:
    return bytes((0, code)) + len(body).to_bytes(2, "big") + body


class Files:
    def __init__(self, **files: bytes | Seen) -> None:
        self.files = files

    def read(self, path: str) -> Seen[bytes]:
        found = self.files.get(path.rpartition("/")[2], ABSENT)
        return Present(found) if isinstance(found, bytes) else found


def test_every_designator_of_the_lun_and_the_serial_number() -> None:
    named = designator(T10, b"LIO-ORG \0x:1234") + designator(NAA, LIO) + designator(OF_THE_TARGET, b"\x51" * 8)
    files = Files(vpd_pg83=page(0x83, named), vpd_pg80=page(0x80, b"  1234567890 \0"))
    assert claims(files, "/sys/x") == (
        "T10 vendor ID LIO-ORG x:1234",
        "NAA 60014051234567890abcdef012345678",
        "serial number 1234567890",
    )


@pytest.mark.parametrize("body", [b"", b"\0" * 8])
def test_a_name_that_is_none_is_none(body: bytes) -> None:
    assert designators(designator(NAA, body)) == ()
    assert claims(Files(vpd_pg80=page(0x80, b" \0 ")), "/sys/x") == ()


@pytest.mark.parametrize(
    "answer", [ABSENT, Unknown("no"), b"", b"\0\x83", page(0x80, b"x"), page(0x83, b"x" * 9)[:8]]
)
def test_a_page_that_is_missing_or_cut_short_says_nothing(answer: bytes | Seen) -> None:
    assert claims(Files(vpd_pg83=answer), "/sys/x") == ()


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(raw: bytes) -> None:
    assert all(isinstance(name, str) for name in designators(raw))
    claims(Files(vpd_pg80=raw, vpd_pg83=raw), "/sys/x")


def notes(**said: tuple[str, tuple[str, ...]]) -> list[str]:
    seen: dict[str, Seen[Lun]] = {}
    for disk, (wwid, names) in said.items():
        state = lun(disk)
        seen[disk] = Present(state.facts._replace(wwid=wwid, claims=names))
    found = equal_names(desired(), {"disk": seen})
    assert all(f.kind is Kind.NOTE for f in found)
    return [f"{f.what}; {f.why}" for f in found]


def test_disks_that_differ_in_all_are_no_matter() -> None:
    assert notes(left=("a", ("NAA 1", "serial number 1")), right=("b", ("NAA 2", "serial number 2"))) == []


def test_a_serial_number_alone_may_be_the_same() -> None:
    (note,) = notes(left=("a", ("serial number 1",)), right=("b", ("serial number 1",)))
    assert note.startswith("disks left and right report the same serial number 1; ")


def test_what_the_same_disks_share_is_one_note() -> None:
    (note,) = notes(left=("a", ("NAA 1", "serial number 1")), right=("a", ("NAA 1", "serial number 1")))
    assert note.startswith("disks left and right report the same identity 'a'; ")
    assert "They also share: NAA 1, serial number 1." in note


def test_other_disks_that_share_something_else_are_another_note() -> None:
    found = notes(left=("a", ("NAA 1",)), right=("a", ("NAA 2",)), third=("c", ("NAA 2",)))
    assert [note.split(" report")[0] for note in found] == ["disks left and right", "disks right and third"]


def test_a_lun_that_says_nothing_is_like_no_other() -> None:
    assert notes(left=("", ()), right=("", ())) == []
