from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunmirror.layers.node.plan import TEMPLATE
from lunmirror.layers.node.record import changed, decode, encode, lines_of, overlong, settings_of, tear
from lunmirror.layers.render import Unwritable, fault, render

RECORDS = sorted((Path(__file__).parent / "records").iterdir())
RAW = RECORDS[0].read_bytes()
WORDS = (
    st.text("abcXYZ019_.-=#äß \udcff", min_size=1, max_size=40)
    .map(str.strip)
    .filter(lambda word: not fault(word, 256))
)


def write(raw, changes):
    return encode(render(TEMPLATE, lines=changed(raw, changes), written=changes))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name)
def test_a_real_record_comes_back_as_it_was(path):
    raw = path.read_bytes()
    assert (tear(raw), overlong(raw)) == ("", "")
    assert write(raw, {}) == raw
    assert settings_of(raw)["node.conn[0].address"] == "192.168.1.115"
    assert len(settings_of(raw)) == raw.count(b" = ")


@pytest.mark.parametrize("size", range(0, len(RAW) - 1, 37))
def test_every_record_cut_short_is_torn(size):
    assert tear(RAW[:size])


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "empty"),
        (RAW[:-1], "cut off"),
        (RAW.replace(b"# END RECORD\n", b""), "END line"),
        (RAW.replace(b"manual", b"\0\0", 1), "NUL"),
        (b"\0" * 4096, "NUL"),
        (b"# BEGIN RECORD 2.1.8\n# END RECORD\n", "which target"),
    ],
)
def test_what_is_torn_reports_why(raw, why):
    assert why in tear(raw)


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        (b"a = b", {"a": "b"}),
        (b"  a\t=\tb c  \r", {"a": "b c"}),
        (b"a =b", {"a": "b"}),
        (b"a = =b", {"a": "=b"}),
        (b"a= b", {}),  # open-iscsi wants white space before the sign
        (b"a=b", {}),
        (b"a b = c", {}),
        (b"a =", {}),
        (b"a", {}),
        (b"#a = b", {}),
        (b"", {}),
        (b"a = 1\na = 2", {"a": "2"}),
        (b"a = \xff", {"a": "\udcff"}),
        (b"a = b\xc2\xa0", {"a": "b\xa0"}),  # no-break space is no white space to isspace()
    ],
)
def test_lines_are_read_as_open_iscsi_reads_them(line, settings):
    assert settings_of(line + b"\n") == settings


def test_only_the_line_that_differs_changes():
    new = write(RAW, {"node.startup": "automatic"})
    assert new == RAW.replace(b"node.startup = manual", b"node.startup = automatic")


def test_of_a_key_given_twice_the_one_that_counts_changes():
    twice = RAW.replace(b"# END", b"node.startup = onboot\n# END")
    new = write(twice, {"node.startup": "automatic"})
    assert new == RAW.replace(b"# END", b"node.startup = automatic\n# END")


def test_a_new_key_joins_its_family():
    new = write(RAW, {"node.session.auth.username": "joe", "node.session.auth.password": "x"})
    before, after = new.split(b"node.session.auth.username = joe\nnode.session.auth.password = x\n")
    assert before.endswith(b"node.session.auth.chap_algs = MD5\n")
    assert before + after == RAW


def test_a_new_key_without_family_stands_before_the_end():
    assert write(RAW, {"lone.key": "1"}) == RAW.replace(b"# END", b"lone.key = 1\n# END")


@given(
    st.lists(st.binary(max_size=60)), st.dictionaries(st.sampled_from(["node.startup", "a.b", "node.name"]), WORDS)
)
def test_every_other_byte_is_kept(junk, changes):
    """Whatever stands between the lines of a record is there afterwards, byte for byte and in place."""
    raw = b"\n".join([b"# BEGIN RECORD 2.1.8", b"node.startup = manual", *junk, b"# END RECORD", b""])
    new = write(raw, changes)
    assert settings_of(new) == settings_of(raw) | changes
    kept = [
        line.text for line in lines_of(raw) if line.key not in changes or settings_of(raw).get(line.key) != line.value
    ]
    remaining = iter(line.text for line in lines_of(new))
    assert all(any(line == other for other in remaining) for line in kept)
    assert write(new, {}) == new
    assert write(new, changes) == write(write(new, changes), changes)


@given(st.binary())
def test_nothing_is_lost_in_decoding(raw):
    assert encode(decode(raw)) == raw
    assert write(raw + b"\n", {}) == raw + b"\n"
    tear(raw)
    overlong(raw)


@pytest.mark.parametrize("value", ["", "a\nb", "a\0", " a", "a ", "a\r", "\ta", "x" * 256, "ä" * 128])
def test_values_that_would_not_come_back_are_never_written(value):
    with pytest.raises(Unwritable) as failure:
        write(RAW, {"node.startup": value})
    assert not value or value not in str(failure.value)


def test_the_longest_value_is_written():
    assert settings_of(write(RAW, {"node.startup": "x" * 255}))["node.startup"] == "x" * 255
    assert overlong(write(RAW, {"node.startup": "x" * 255})) == ""


@pytest.mark.parametrize("line", [b"k = " + b"x" * 256, b"k" * 128 + b" = x", b"#" * 2047])
def test_lines_that_overflow_are_found(line):
    assert overlong(RAW.replace(b"# END", line + b"\n# END")) == "line 67 is longer than open-iscsi can read"


@pytest.mark.parametrize("value", ["{{ 7*7 }}", "{% raw %}", "<&>", "$(id)", "`id`", "ünï"])
def test_values_are_text_not_templates(value):
    assert settings_of(write(RAW, {"node.startup": value}))["node.startup"] == value


def test_a_name_missing_from_the_view_is_an_error():
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        render(TEMPLATE, lines=lines_of(RAW))
