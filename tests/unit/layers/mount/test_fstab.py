import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunmirror.engine.model import Present, Unknown
from lunmirror.host.mountinfo import parse, unescape
from lunmirror.layers.mount import fstab
from unit.layers.filesystem.world import volume

FILE = b"# a comment, /mnt/test\n\nUUID=1 /  ext4\terrors=remount-ro 0 1\n"
LINE = b"/dev/vg0/testlv /mnt/test ext4 defaults,_netdev,nofail,x-systemd.device-timeout=120s 0 2"


def test_our_line():
    assert fstab.declared(volume(), 30) == LINE


def test_the_users_options_come_first():
    own = ("noatime", "nofail", "x-systemd.device-timeout=5s")
    assert fstab.options_for(own, 30) == (*own, "_netdev")


def test_blanks_and_backslashes_are_escaped_and_read_back():
    declared = volume(path="/mnt/my\tbig disk\\#1\n/dev/sda /x")
    line = fstab.declared(declared, 30)
    assert b"\n" not in line
    (entry,) = fstab.entries(line)
    assert entry.path.decode() == declared.mount.path
    assert len(entry.fields) == 6


def test_a_line_is_appended():
    assert fstab.put(FILE, LINE, None) == FILE + LINE + b"\n"
    assert fstab.put(FILE[:-1], LINE, None) == FILE + LINE + b"\n"
    assert fstab.put(b"", LINE, None) == LINE + b"\n"


def test_a_line_is_replaced_where_it_stands():
    before = FILE + b"/dev/vg0/testlv /mnt/old ext4\n" + b"# end"
    (line,) = fstab.about(fstab.entries(before), volume(), ())
    assert fstab.put(before, LINE, line.number) == FILE + LINE + b"\n# end"


@pytest.mark.parametrize(
    ("old", "kept"),
    [
        (b"/dev/vg0/testlv /mnt/old ext4 defaults 0 0  # ask  Ann first", b" # ask  Ann first"),
        (b"/dev/vg0/testlv /mnt/old ext4 defaults # no dump", b" # no dump"),
        (b"/dev/vg0/testlv\t/mnt/old ext4 defaults 0 0 torn", b""),
        (b"/dev/vg0/testlv /mnt/#old ext4 #defaults 0 0", b""),
        (b"/dev/vg0/testlv /mnt/old ext4 defaults 0 0 ", b""),
        (b"/dev/vg0/testlv /mnt/old", b""),
    ],
)
def test_a_remark_behind_the_fields_stays(old, kept):
    assert fstab.put(FILE + old + b"\n", LINE, 4) == FILE + LINE + kept + b"\n"


def test_spacing_belongs_to_the_owner_of_the_file():
    (line,) = fstab.entries(
        b"  /dev/mapper/vg0-testlv\t/mnt//test/   " + LINE.split(b" ", 2)[2].replace(b" ", b"\t") + b" # mine"
    )
    assert fstab.says(line, volume(), 30)


def test_every_other_difference_is_drift():
    fields = LINE.split(b" ")
    for at, other in enumerate((b"/dev/sda", b"/mnt/x", b"xfs", b"defaults", b"1", b"1")):
        (line,) = fstab.entries(b" ".join((*fields[:at], other, *fields[at + 1 :])))
        assert not fstab.says(line, volume(), 30)
    assert not fstab.says(fstab.entries(b" ".join(fields[:4]))[0], volume(), 30)


def test_names_with_dashes():
    assert fstab.devices(volume(name="a-b", group="c-d")) == ("/dev/c-d/a-b", "/dev/mapper/c--d-a--b")


@given(st.binary(), st.binary().map(fstab.escape))
def test_any_other_byte_stays_when_a_line_is_appended(before, line):
    after = fstab.put(before, line, None)
    assert after in (before + line + b"\n", before + b"\n" + line + b"\n")
    assert after.split(b"\n")[: before.count(b"\n")] == before.split(b"\n")[: before.count(b"\n")]


lines = st.one_of(
    st.binary(),
    st.lists(
        st.sampled_from([b"/dev/vg0/testlv", b"/mnt/test", b"#", b" ", b"\t", b"\n", b"\r", b"\\040", b"ext4"])
    ).map(b"".join),
)


@given(st.lists(lines).map(b"\n".join))
def test_any_other_byte_stays_when_a_line_is_replaced(before):
    for line in fstab.entries(before):
        assert fstab.about(fstab.Lines((line,)), volume(), ()) in ((), (line,))
        fstab.says(line, volume(), 30)
        old, new = before.split(b"\n"), fstab.put(before, LINE, line.number).split(b"\n")
        assert len(old) == len(new)
        assert [at for at, _ in enumerate(old) if old[at] != new[at]] in ([], [line.number - 1])
        assert new[line.number - 1].startswith(LINE)
        assert fstab.says(fstab.entries(new[line.number - 1])[0], volume(), 30)


@given(st.binary())
def test_escaping_is_undone_by_reading(field):
    escaped = fstab.escape(field)
    assert unescape(escaped) == field
    assert not set(escaped) & set(b' \t\n\r#"')


table = st.lists(
    st.sampled_from([b"26", b" ", b"-", b"\n", b"1:0", b"/", b"\\040", b"\\777", b"rw,ro", b"ext4", b"\xff"])
).map(b"".join)


@given(st.one_of(st.binary(), table))
def test_no_mount_table_raises(raw):
    assert isinstance(parse(raw), Present | Unknown)
