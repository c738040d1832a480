import pytest

from lunmirror.engine.model import Present, Unknown
from lunmirror.host.mountinfo import at, parse, read_mounts
from unit.layers.filesystem.world import Machine, mountline


def test_a_line_with_escapes_and_any_number_of_optional_fields():
    raw = b"36 35 98:0 /sub /mnt/a\\040b rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"
    (entry,) = parse(raw).facts
    assert entry == (
        36,
        35,
        "98:0",
        "/sub",
        "/mnt/a b",
        ("rw", "noatime"),
        "ext3",
        "/dev/root",
        ("rw", "errors=continue"),
    )
    (entry,) = parse(b"36 35 98:0 / /mnt rw - ext3 /dev/root rw\n").facts
    assert entry.path == "/mnt"


def test_the_topmost_of_stacked_mounts_is_found_by_parentage():
    lower, upper = mountline(id=40, parent=26), mountline(id=41, parent=40, number="0:50", type="tmpfs")
    for raw in (lower + upper, upper + lower):
        assert at(parse(raw).facts, "/mnt/test").id == 41
    assert at(parse(lower).facts, "/mnt") is None


@pytest.mark.parametrize(
    "raw", [b"", b"\n", b"x\n", b"1 2 3 4 5 6 - a b\n", b"1 2 3 4 5 6 7 a b c\n", b"a 2 3:4 / / rw - a b c\n"]
)
def test_what_is_not_as_documented_is_unknown(raw):
    assert isinstance(parse(raw), Unknown)


def test_bytes_that_are_no_text_can_be_shown():
    (entry,) = parse(b"36 35 98:0 / /mnt/\xff rw - ext3 /dev/root rw\n").facts
    entry.path.encode()


def test_reading():
    assert isinstance(read_mounts(Machine()), Present)
    machine = Machine()
    machine.files["/proc/self/mountinfo"] = Unknown("no /proc")
    assert "no /proc" in read_mounts(machine).reason
    del machine.files["/proc/self/mountinfo"]
    assert isinstance(read_mounts(machine), Unknown)
