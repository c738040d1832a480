"""What the journal knows against a leg goes where the leg goes."""

import pytest

from lunmirror.engine.model import Present, Unknown
from unit.layers.volume.test_plan import BOTH, ONLY_A, A, B, C, commands, group, lv, notes, planned

DISTRUSTED = ONLY_A._replace(rebuild=(B,), why={B: "older"}, last={B: "t"})


@pytest.mark.parametrize("active", [False, True])
def test_a_distrusted_leg_that_was_moved_is_still_distrusted(active: bool) -> None:
    """pvmove takes what is wrong with it along."""
    how = {"letters": "AA"} if active else {"letters": "  ", "active": False, "ratio": (0, 0)}

    answer = planned(Present(lv(pvs=(A, C), past=DISTRUSTED, **how)))

    assert [(n.running, n.rebuild, n.why) for n in notes(answer)] == [((A,), (C,), {C: "older"})]
    assert commands(answer) == []


def test_a_leg_that_is_copied_in_its_place_is_another() -> None:
    answer = planned(Present(lv(letters="Aa", pvs=(A, C), past=DISTRUSTED)), vg=group())

    assert all(C not in n.rebuild for n in notes(answer))


def test_what_is_known_of_the_others_is_not_changed() -> None:
    answer = planned(
        Present(lv(letters="AA", pvs=(A, C), past=ONLY_A._replace(last={C: "t"}, rebuild=(B,), why={B: "older"})))
    )

    assert all(C not in n.rebuild for n in notes(answer))


def test_while_it_is_being_moved_nothing_is_forgotten() -> None:
    """Until pvmove is done the leg lies on no physical volume."""
    facts = lv(letters="AA", past=DISTRUSTED, altered="pvmove", tags=(f"lunmirror.distrust={B}/older",))
    answer = planned(Present(facts._replace(legs=(facts.legs[0], facts.legs[1]._replace(pvs=())))))

    assert all(n.rebuild == (B,) for n in notes(answer))
    assert commands(answer) == []


def test_a_journal_from_before_another_host_takes_no_tag_away() -> None:
    """Not even while the superblocks cannot be read."""
    tags = (f"lunmirror.distrust={B}/older",)
    stopped = lv(letters="  ", active=False, ratio=(0, 0), past=BOTH, tags=tags, superblocks=Unknown("it hung"))
    vg = group()

    assert commands(planned(Present(stopped), vg=vg)) == [f"lvchange --deltag {tags[0]} vg0/lv"]
    assert commands(planned(Present(stopped), vg=vg._replace(host="me#1"))) == []
