"""What is on a disk, in words that a consent may repeat: read by the real blkid, cmp and dd, from a file."""

import subprocess
import uuid
from pathlib import Path

import pytest

from lunmirror.engine.model import Present
from lunmirror.host.protocol import Ran
from lunmirror.layers.disk.content import HEAD, MIB, content_of, table_guid_on
from lunmirror.layers.disk.facts import Blank, Device, Holds

SIZE = 64 * MIB


class Files:
    """A reader of real files. `lacking` is a program that fails."""

    def __init__(self, lacking: str = "") -> None:
        self.lacking = lacking

    def memoize(self, name, look):
        return Present({})

    def query(self, argv: tuple[str, ...], deadline: float) -> Ran:
        if argv[0] == self.lacking:
            return Ran(argv, 1, "", "I/O error", 0.0)
        path = "/usr/sbin:/usr/bin:/sbin:/bin"
        done = subprocess.run(argv, capture_output=True, timeout=deadline, env={"LC_ALL": "C", "PATH": path})
        out, err = (text.decode("utf-8", "surrogateescape") for text in (done.stdout, done.stderr))
        return Ran(argv, done.returncode, out, err, 0.0)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    file = tmp_path / "disk"
    with file.open("wb") as opened:
        opened.truncate(SIZE)
    return file


def put(disk: Path, at: int, content: bytes) -> None:
    with disk.open("r+b") as opened:
        opened.seek(at)
        opened.write(content)


def look(disk: Path, lacking: str = ""):
    return content_of(Files(lacking), Device("sdb", str(disk), SIZE, "8:16", "1", ()))


@pytest.mark.real
def test_zeros_are_blank(disk: Path) -> None:
    assert isinstance(look(disk), Blank)


@pytest.mark.real
@pytest.mark.parametrize("at", [0, 5000, HEAD - 1, SIZE - 1])
def test_data_without_a_signature_are_distinguished(disk: Path, at: int) -> None:
    put(disk, at, b"a")
    first = look(disk)
    assert isinstance(first, Holds)
    assert not first.nameless
    assert f"(sector {at // 512}, sha256 " in first.what
    assert look(disk) == first, "the same words for the same content"
    put(disk, at, b"b")
    assert look(disk).what != first.what


@pytest.mark.real
@pytest.mark.parametrize("lacking", ["dd"])
def test_what_cannot_be_distinguished_reports_so(disk: Path, lacking: str) -> None:
    put(disk, 0, b"a")
    assert look(disk, lacking) == Holds("data without a known signature, in the 4 MiB from byte 0", nameless=True)


@pytest.mark.real
def test_a_signature_without_a_uuid_is_distinguished_too(disk: Path) -> None:
    put(disk, 0, b"hsqs" + bytes(24) + b"\x04\0\0\0")  # squashfs 4.0
    first = look(disk)
    assert "squashfs" in first.what
    assert "(sector 0, sha256 " in first.what
    assert not first.nameless
    put(disk, 500, b"x")
    assert look(disk).what != first.what
    assert look(disk, "dd").nameless


@pytest.mark.real
@pytest.mark.parametrize("sector", [512, 4096])
def test_our_table_is_known_whatever_the_size_of_a_sector(disk: Path, sector: int) -> None:
    guid = uuid.UUID("9f1d5d25-95a2-8c1b-8f4f-0123456789ab")
    device = Device("sdb", str(disk), SIZE, "8:16", "1", ())
    assert table_guid_on(Files(), device) == ""
    put(disk, SIZE - sector, b"EFI PART".ljust(56, b"\0") + guid.bytes_le)
    assert table_guid_on(Files(), device) == str(guid).upper()
