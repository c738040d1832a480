"""A device with a UUID of ours that is no declared disk is named, and nothing is done to it."""

import pytest

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import Kind, Present, Ref, Unknown
from lunmirror.layers.unrelated.facts import Unrelated
from lunmirror.layers.unrelated.plan import plan

DESIRED = Desired({}, {}, {}, {}, 15, 30)


@pytest.mark.parametrize(
    ("found", "says", "key"),
    [
        (
            Unrelated("abc", "LUN 1 of iqn.x at 192.0.2.9 (session4)", "left", True),
            "disk left once more",
            "disks.left",
        ),
        (Unrelated("abc", "file /srv/copy.img", "left", False), "of disk left, and is not that disk", "disks.left"),
        (Unrelated("abc", "disk vdb of this machine", "", False), "of a declared group", ""),
    ],
)
def test_it_is_noted_and_nothing_is_done(found: Unrelated, says: str, key: str) -> None:
    answer = plan(DESIRED, {"unrelated": {"sdx": Present(found)}}, frozenset())
    assert answer.steps == ()
    (note,) = answer.findings
    assert (note.kind, note.ref, note.key) == (Kind.NOTE, Ref("unrelated", "sdx"), key)
    assert says in note.what
    assert found.reached in note.what


def test_what_cannot_be_read_is_named_by_nobody() -> None:
    assert plan(DESIRED, {"unrelated": {"sdx": Unknown("it is gone")}}, frozenset()).findings == ()
