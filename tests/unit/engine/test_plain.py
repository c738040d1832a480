"""Numbers and text from elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunmirror.engine.plain import count, exactly, named, number, shown


@pytest.mark.parametrize(
    ("text", "counted", "numbered"),
    [
        ("0", 0, 0),
        ("18446744073709551615", 18446744073709551615, 18446744073709551615),
        ("-1", None, -1),
        ("--1", None, None),
        ("-", None, None),
        ("", None, None),
        (" 1", None, None),
        ("+1", None, None),
        ("1_0", None, None),
        ("²", None, None),
        ("١", None, None),
        ("9" * 5000, None, None),
    ],
)
def test_a_number_is_ascii_digits(text: str, counted: int | None, numbered: int | None) -> None:
    assert (count(text), number(text)) == (counted, numbered)


@given(st.text())
def test_what_is_no_number_is_none(text: str) -> None:
    if (found := number(text)) is not None:
        assert found == int(text)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("ein Pfad/é 日本", "ein Pfad/é 日本"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\0b\rc\x7f\x9b", "a\\x00b\\rc\\x7f\\x9b"),
        ("txt.\u202egpj", "txt.\\u202egpj"),
        ("\udcff and \ud800", "\\udcff and \\ud800"),
    ],
)
def test_a_terminal_sees_no_control_character(text: str, seen: str) -> None:
    assert shown(text) == seen


@given(st.text())
def test_whatever_it_is(text: str) -> None:
    safe = shown(text)
    safe.encode()
    assert all(c.isprintable() or c in "\n\t" for c in safe)
    assert shown(safe) == safe


@pytest.mark.parametrize(
    ("names", "said"),
    [(("left",), "disk left"), (("left", "right"), "disks left and right"), (("a", "b", "c"), "disks a, b and c")],
)
def test_names_in_a_sentence(names: tuple[str, ...], said: str) -> None:
    assert named("disk", names) == said


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (0, "0 bytes"),
        (4097, "4097 bytes"),
        (512 << 20, "512 MiB"),
        (3 << 29, "1536 MiB"),
        (1 << 40, "1 TiB"),
        (1 << 60, "1024 PiB"),
        ((1 << 30) + 4096, "1048580 KiB"),
    ],
)
def test_sizes_are_exact(amount: int, said: str) -> None:
    assert exactly(amount) == said
