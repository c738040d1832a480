"""dm-raid's own superblock and bitmap, byte by byte."""

import struct

import pytest

from lunmirror.engine.model import ABSENT, Present, Unknown
from lunmirror.host.protocol import Ran
from lunmirror.layers.volume.superblock import LegSuperblocks, Rubbish, Superblock, parse, read

BLOCKS = 66
SIZE = BLOCKS * 4096


def raw(position=0, events=33, failed=0, bits=b"", sectors=262144, chunk=2 << 20, devices=2) -> bytes:
    """128 MiB in 64 regions of 2 MiB, unless said otherwise."""
    data = bytearray(SIZE)
    struct.pack_into("<4sIIiQQQQ", data, 0, b"DmRd", 1, devices, position, events, failed, 2**64 - 1, 2**64 - 1)
    struct.pack_into("<4sI16sQQQII", data, 4096, b"bitm", 4, b"", events, events, sectors, 0, chunk)
    data[4352 : 4352 + len(bits)] = bits
    return bytes(data)


def facts(data: bytes) -> Superblock:
    seen = parse(data, SIZE)
    assert isinstance(seen, Present), seen
    return seen.facts


def test_in_sync_and_stopped():
    assert facts(raw(1)) == Superblock(1, 33, frozenset(), False, cleared=33)


def test_a_leg_that_ran_alone_names_the_other():
    assert facts(raw(0, 36, 0b10)).failed == {1}


@pytest.mark.parametrize(
    ("bits", "dirty"),
    [
        (b"\0" * 8, False),
        (b"\x01", True),
        (b"\0" * 7 + b"\x80", True),
        (b"\0" * 8 + b"\xff", False),  # past the last region
    ],
)
def test_a_bit_that_is_set_means_a_write_that_had_not_ended(bits, dirty):
    assert facts(raw(bits=bits)).dirty is dirty


def test_the_last_byte_counts_only_as_far_as_there_are_regions():
    assert not facts(raw(bits=b"\xf0", sectors=4 * 4096)).dirty
    assert facts(raw(bits=b"\x08", sectors=4 * 4096)).dirty


@pytest.mark.parametrize("how", [{"chunk": 0}, {"sectors": 0}, {"sectors": 1 << 50}])
def test_a_bitmap_that_cannot_be_read_may_have_one(how):
    assert facts(raw(**how)).dirty


def test_none_was_ever_written():
    assert parse(bytes(SIZE), SIZE) is ABSENT


@pytest.mark.parametrize("data", [raw()[:-1], b""])
def test_what_could_not_be_read_whole_is_unknown(data):
    assert isinstance(parse(data, SIZE), Unknown)


@pytest.mark.parametrize("data", [b"x" + raw()[1:], raw(position=2), raw(position=-1), raw(devices=65)])
def test_what_is_not_as_dm_raid_writes_it_is_rubbish(data):
    assert isinstance(parse(data, SIZE).facts, Rubbish)


def test_a_leg_that_was_being_copied_reports_so():
    data = bytearray(raw(1))
    struct.pack_into("<Q", data, 32, 4096)
    assert facts(bytes(data)).recovering
    assert not facts(raw(1)).recovering


class Disk:
    def __init__(self, out="", rc=0):
        self.out, self.rc, self.asked = out, rc, []

    def query(self, argv, deadline):
        self.asked.append(" ".join(argv))
        return Ran(argv, self.rc, self.out, "dd: I/O error", 0.1)


def test_it_is_read_past_the_page_cache_at_its_place():
    disk = Disk(raw(1).decode("utf-8", "surrogateescape"))
    assert read(disk, "/dev/sdb1", 1 << 20, 4 << 20) == Present(Superblock(1, 33, frozenset(), False, cleared=33))
    assert disk.asked == ["dd if=/dev/sdb1 bs=4096 skip=256 count=66 iflag=direct status=none"]


@pytest.mark.parametrize(("offset", "size"), [(-1, 4 << 20), (512, 4 << 20), (1 << 20, 4096)])
def test_where_its_place_is_not_known_nothing_is_read(offset, size):
    disk = Disk()
    assert isinstance(read(disk, "/dev/sdb", offset, size), Unknown)
    assert disk.asked == []


def test_an_error_is_unknown():
    assert isinstance(read(Disk(rc=1), "/dev/sdb", 1 << 20, 4 << 20), Unknown)


def leg(position, failed=(), dirty=False):
    return Superblock(position, 5, frozenset(failed), dirty)


@pytest.mark.parametrize(
    ("legs", "marked_failed", "torn", "unclean"),
    [
        ({"a": leg(0), "b": leg(1)}, set(), (), False),
        ({"a": leg(0, {1}), "b": leg(1)}, {"b"}, (), False),
        ({"a": leg(0, {1}), "b": leg(1, {0})}, {"a", "b"}, (("a", "b"),), False),
        ({"a": leg(0, {1})}, set(), (), False),  # b is not in view
        ({"a": leg(0, {1, 2}), "b": leg(1), "c": leg(2, {0})}, {"a", "b", "c"}, (("a", "c"),), False),
        ({"a": leg(0, dirty=True), "b": leg(1)}, set(), (), True),
        ({"a": leg(0, {1}, dirty=True), "b": leg(1)}, {"b"}, (), False),  # its return copies those regions
    ],
)
def test_what_legs_say_of_each_other(legs, marked_failed, torn, unclean):
    word = LegSuperblocks(legs)
    assert (word.marked_failed(), word.split_brain(), word.unclean) == (marked_failed, torn, unclean)


def test_a_leg_given_up_is_not_asked():
    assert LegSuperblocks({"a": leg(0, {1}), "b": leg(1, {0})}).split_brain(("b",)) == ()
