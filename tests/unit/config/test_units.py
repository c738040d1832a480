import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunmirror.config import units
from lunmirror.config.problems import InvalidValue
from lunmirror.engine.desired import Size

MI = 2**20


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("90s", 90), ("2m", 120), ("1h", 3600), ("24h", 86400), ("15 s", 15)]
)
def test_durations(text, seconds):
    assert units.duration(text) == seconds


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (15, "for example"),
        (True, "for example"),
        (1.5, "for example"),
        ("15", '"15s"'),
        ("15sec", '"15s"'),
        ("2 minutes", '"2m"'),
        ("500ms", "for example"),
        ("1.5m", "for example"),
        ("-5s", "for example"),
        ("", "for example"),
        ("1m30s", "for example"),
        ("25h", "24h"),
        ("99999999999999999999999s", "for example"),
        ("15s\n", "for example"),
        ("١٥s", "for example"),
    ],
)
def test_durations_refused(value, hint):
    with pytest.raises(InvalidValue) as caught:
        units.duration(value)
    assert hint in caught.value.what + caught.value.next


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MiB", Size(bytes=512 * MI)),
        ("512 MiB", Size(bytes=512 * MI)),
        ("1.5GiB", Size(bytes=1536 * MI)),
        ("1B", Size(bytes=1)),
        ("2TiB", Size(bytes=2 * 2**40)),
        ("128 extents", Size(extents=128)),
        ("1 extent", Size(extents=1)),
    ],
)
def test_sizes(text, size):
    assert units.size(text) == size


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("512MB", '"512MiB"'),
        ("512M", '"512MiB"'),
        ("512m", '"512MiB"'),
        ("512mib", '"512MiB"'),
        ("1,5GiB", "decimal sign"),
        ("100%FREE", "a share of what is free"),
        ("512", "use one of"),
        ("5 parsecs", "use one of"),
        ("0MiB", "nothing"),
        ("0 extents", "1 to"),
        ("1.5 extents", "use one of"),
        ("0.3B", "smaller unit"),
        ("-1GiB", "for example"),
        ("8EiB", "larger than"),
        ("9999999999 extents", "1 to"),
        (512, "for example"),
        (None, "for example"),
    ],
)
def test_sizes_refused(value, hint):
    with pytest.raises(InvalidValue) as caught:
        units.size(value)
    assert hint in caught.value.what + caught.value.why + caught.value.next


@pytest.mark.parametrize(("judge", "value"), [(units.size, "rest"), (units.duration, "soon")])
def test_what_stands_in_quotes_is_not_told_to_stand_in_quotes(judge, value):
    with pytest.raises(InvalidValue) as caught:
        judge(value)
    assert "in quotes" not in caught.value.what
    with pytest.raises(InvalidValue, match="in quotes"):
        judge(5)


def test_a_disk_has_no_extents():
    with pytest.raises(InvalidValue, match="counts extents"):
        units.size_in_bytes("5 extents")
    assert units.size_in_bytes("2GiB") == 2 * 2**30


@given(st.integers(0, units.LONGEST))
def test_a_duration_in_words_reads_back(seconds):
    assert units.duration(units.in_words(seconds)) == seconds


@given(st.integers(1, 10**6), st.sampled_from(sorted(units.BYTES)))
def test_whole_sizes_are_exact(number, unit):
    expected = number * units.BYTES[unit]
    if expected <= units.LARGEST:
        assert units.size(f"{number}{unit}") == Size(bytes=expected)


def said_in_sentences(wrong):
    assert (wrong.what + wrong.why + wrong.next).isprintable()


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none())
def test_anything_is_judged(value):
    for judge in (units.duration, units.size, units.size_in_bytes):
        try:
            judge(value)
        except InvalidValue as wrong:
            said_in_sentences(wrong)
