"""Whose a group is: marks read and written, and what is a consent."""

import pytest

from lunmirror.layers.group.owner import Bond, Mark, bond, consents, initiator_of, read, renewed, taken_over

US, THEM = "3f0c8b1de3d94e6bb0a4a2f1c5d6e7f8", "0123456789abcdef0123456789abcdef"
NAME, OTHER_NAME = "iqn.1993-08.org.debian:01:4f3e2d1c0b9a", "iqn.1993-08.org.debian:01:000000000002"
HERE = f"{US}/{NAME}"


@pytest.mark.parametrize("mark", [Mark(US), Mark(US, NAME), Mark(US, NAME, 3), Mark(US, "", 1), Mark("hal-9000")])
def test_a_mark_is_read_as_it_is_written(mark: Mark) -> None:
    assert read(mark.text) == mark
    assert set(mark.tag) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-/=!:&#")


@pytest.mark.parametrize(
    "odd", ["", "#", "#x", f"{US}#-1", f"{US}#٣", f"{US}#9999999999", f"{US}/{NAME}#", "/#1", "a/b/c#1#2"]
)
def test_an_odd_mark_is_never_ours(odd: str) -> None:
    assert bond(odd, HERE) is (Bond.OTHER if odd else Bond.NONE)


@pytest.mark.parametrize(
    ("mark", "here", "is_"),
    [
        ("", HERE, Bond.NONE),
        (HERE, HERE, Bond.OURS),
        (f"{HERE}#7", HERE, Bond.OURS),
        (US, HERE, Bond.OLDER),
        (US, US, Bond.OURS),
        (f"{US}/{OTHER_NAME}", HERE, Bond.NAMESAKE),
        (HERE, US, Bond.NAMESAKE),
        (f"{THEM}/{NAME}", HERE, Bond.OTHER),
        (THEM, HERE, Bond.OTHER),
    ],
)
def test_bonds(mark: str, here: str, is_: Bond) -> None:
    assert bond(mark, here) is is_


@pytest.mark.parametrize(
    ("take_from", "mark", "yes"),
    [
        (THEM, THEM, True),
        (THEM, f"{THEM}/{OTHER_NAME}", True),
        (f"{THEM}/{OTHER_NAME}", f"{THEM}/{OTHER_NAME}", True),
        (THEM, f"{THEM}/{OTHER_NAME}#1", False),  # spent
        (f"{THEM}/{OTHER_NAME}", f"{THEM}/{OTHER_NAME}#1", False),
        (f"{THEM}/{OTHER_NAME}#1", f"{THEM}/{OTHER_NAME}#1", True),
        (f"{THEM}/{OTHER_NAME}#1", f"{THEM}/{OTHER_NAME}#2", False),
        (US, f"{US}/{OTHER_NAME}", False),  # a clone's machine-id is everybody's
        (f"{US}/{OTHER_NAME}", f"{US}/{OTHER_NAME}", True),
        ("", "", False),
        ("", THEM, False),
        (THEM, "", False),
    ],
)
def test_a_consent_names_one_mark(take_from: str, mark: str, yes: bool) -> None:
    assert consents(take_from, mark, HERE) is yes


def test_each_takeover_makes_a_mark_that_was_never_there() -> None:
    mark, seen = THEM, set()
    for here in (HERE, f"{THEM}/{OTHER_NAME}") * 3:
        mark = taken_over(mark, here).text
        assert mark not in seen
        seen.add(mark)
    assert renewed(f"{US}#2", HERE).text == f"{HERE}#2"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (f"## comment\nInitiatorName={NAME}\n", NAME),
        (f"  InitiatorName = {NAME.upper()}  \nInitiatorName=iqn.2001-01.x:second\n", NAME),
        (f"#InitiatorName={NAME}\n", ""),
        ("GenerateName=yes\n", ""),
        ("InitiatorName=\n", ""),
        ("InitiatorName=my host\n", ""),
        ("InitiatorName=iqn.2001-01.x:" + "y" * 300, ""),
        ("InitiatorName=iqn.2001-01.x:ä", ""),
        ("", ""),
    ],
)
def test_the_initiators_name(content: str, name: str) -> None:
    assert initiator_of(content) == name
