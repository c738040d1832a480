"""What proves that a server was not restarted; and what sg_persist says."""

import pytest

from lunmirror.engine.model import ABSENT, Present, Unknown
from lunmirror.host.protocol import Ran
from lunmirror.layers.volume.marks import keys
from lunmirror.layers.volume.standing import (
    CUT,
    DOUBT,
    LATER,
    MARKLESS,
    NEW,
    NONE,
    PREFIX,
    RESTARTED,
    SAME,
    Noted,
    Standing,
    mark,
    noted,
    reconnected,
    verdict,
)

OLD, FRESH, SECOND = "boot/session1/40000", "boot/session1/40001", "boot/session2/7"
MARK = mark("pv", (OLD,))
THERE, GONE = Present((MARK,)), Present(())


@pytest.mark.parametrize(
    ("before", "links", "marks", "word"),
    [
        (None, (OLD,), GONE, NEW),
        (Noted((OLD,), MARK), (OLD,), ABSENT, SAME),
        (Noted((OLD,), NONE), (OLD,), ABSENT, SAME),
        (Noted((OLD,), LATER), (OLD,), GONE, MARKLESS),
        # Of two paths one is new: whether the other still lives, the kernel may not know yet. The mark has the word.
        (Noted((OLD, SECOND), MARK), (SECOND,), ABSENT, SAME),
        (Noted((OLD, SECOND), MARK), (SECOND, FRESH), ABSENT, DOUBT),
        (Noted((OLD, SECOND), MARK), (SECOND, FRESH), THERE, CUT),
        (Noted((OLD, SECOND), MARK), (SECOND, FRESH), GONE, RESTARTED),
        (Noted((OLD, SECOND), NONE), (SECOND, FRESH), GONE, SAME),
        (Noted((OLD,), MARK), (FRESH,), THERE, CUT),
        (Noted((OLD,), MARK), (FRESH,), GONE, RESTARTED),
        (Noted((OLD,), MARK), (FRESH,), Present((mark("pv", (FRESH,)),)), RESTARTED),
        (Noted((OLD,), NONE), (FRESH,), GONE, RESTARTED),
        (Noted((OLD,), LATER), (FRESH,), GONE, RESTARTED),
        (Noted((OLD,), MARK), (FRESH,), Unknown("it hangs"), DOUBT),
        (Noted((OLD,), MARK), (FRESH,), ABSENT, DOUBT),
        (Noted((), MARK), (), GONE, RESTARTED),  # a port that cannot be read proves nothing
    ],
)
def test_the_verdict(before, links, marks, word):
    assert verdict(None if before is None else str(before), Standing(links, marks=marks)) == word


@pytest.mark.parametrize("text", ["", "rubbish", f"{NONE} ", f"{MARK}"])
def test_a_text_that_is_not_ours_proves_nothing(text):
    assert verdict(text, Standing((OLD,), marks=GONE)) == RESTARTED


def test_what_is_noted_is_read_back():
    one = Noted((OLD, FRESH), MARK)
    assert noted(str(one)) == one
    assert MARK.startswith(PREFIX)
    assert len({MARK, mark("pv", (FRESH,)), mark("other", (OLD,))}) == 3


@pytest.mark.parametrize(
    ("attention", "boot", "word"),
    [
        (("boot 40001",), "boot", True),
        (("boot 40000",), "boot", False),
        (("boot 40000", "boot 40001"), "boot", True),  # two portals: whichever of them
        (("other 40001",), "boot", False),
        ((), "boot", False),
        (("boot 1",), "", False),
    ],
)
def test_what_udev_noted(attention, boot, word):
    assert reconnected(str(Noted((OLD,), MARK)), boot, Standing((OLD,), attention=attention)) is word


def said(rc, out="", trouble=""):
    return Ran(("sg_persist",), rc, out, "", 0.1, trouble)


@pytest.mark.parametrize(
    ("ran", "found"),
    [
        (said(0, "  PR generation=0x0, there are NO registered reservation keys\n"), ()),
        (said(0, f"  PR generation=0x1, 1 registered reservation key follows:\n    0x{MARK}\n"), (MARK,)),
        (
            said(0, "  PR generation=0x2, 2 registered reservation keys follow:\n    0xabcd1234\n    0xABCD\n"),
            ("00000000abcd1234", "000000000000abcd"),
        ),
        (said(5), ()),
        (said(9), ()),
        (said(24), ()),
        (said(None, trouble="sg_persist is not installed: it comes with package sg3-utils on Debian"), ()),
        (said(None, trouble="sg_persist did not end within 10 s"), None),
        (said(6), None),
        (said(15), None),
        (said(0, ""), None),
        (said(0, "\x00 lorem 0x12"), None),
    ],
)
def test_what_sg_persist_reports(ran, found):
    answer = keys(ran)
    assert answer == Present(found) if found is not None else isinstance(answer, Unknown)
