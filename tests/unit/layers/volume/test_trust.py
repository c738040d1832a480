"""Which legs are older, by their counters: the table of docs/facts/md-events.md."""

import pytest

from lunmirror.engine import journal
from lunmirror.engine.model import Kind, Present
from lunmirror.layers.volume.superblock import LegSuperblocks, Superblock
from lunmirror.layers.volume.trust import judge
from unit.layers.volume.test_plan import BOTH, ONLY_A, A, B, group, lv, notes, planned, wanted

PART = {A: "part-a", B: "part-b"}


def stopped(left, right, past=BOTH, rest=None, counters=None, rubbish=()):
    """`left` and `right`: (events, the legs named as failed, dirty) of each leg; None: not in view."""
    said = {
        pv: Superblock(n, leg[0], frozenset(leg[1]), leg[2], part=PART[pv])
        for n, (pv, leg) in enumerate(((A, left), (B, right)))
        if leg
    }
    noted = {PART[pv]: value for pv, value in (counters or {}).items()}
    known = {PART[pv]: value for pv, value in (rest or {}).items()}
    past = past._replace(counters=noted, rest=known) if isinstance(past, journal.Entry) else past
    accounts = LegSuperblocks(said, dict.fromkeys(rubbish, "it is rubbish"))
    return lv(letters="  ", active=False, ratio=(0, 0), past=past, superblocks=Present(accounts))


CLEAN, CUT = False, True
REST = {A: 33, B: 33}
TABLE = {
    "equal": (stopped((34, (), CLEAN), (34, (), CLEAN), rest=REST), set()),
    "the second is older": (stopped((34, (), CLEAN), (33, (), CLEAN), rest=REST), {B}),
    "the first is older": (stopped((33, (), CLEAN), (34, (), CLEAN), rest=REST), {A}),
    "a power cut between two superblocks": (stopped((35, (), CUT), (34, (), CUT), rest=REST), set()),
    "the same the other way round": (stopped((34, (), CUT), (35, (), CUT), rest=REST), set()),
    "the same, where only one leg has bits": (stopped((34, (), CLEAN), (35, (), CUT), rest=REST), set()),
    "after a power cut, one as it was at rest": (stopped((33, (), CLEAN), (34, (), CUT), rest=REST), {A}),
    "after a power cut, older than at rest": (stopped((32, (), CLEAN), (34, (), CUT), rest=REST), {A}),
    "after a power cut, another activation than noted": (stopped((37, (), CUT), (38, (), CUT), rest=REST), {A}),
    "two activations later, as far as is known": (stopped((33, (), CLEAN), (35, (), CLEAN), rest=REST), {A}),
    "after a power cut, counted since": (
        stopped((37, (), CUT), (38, (), CUT), rest=REST, counters={A: 37, B: 37}),
        set(),
    ),
    "after a power cut, in the first activation": (
        stopped((26, (), CUT), (25, (), CUT), counters={A: 24, B: 24}),
        set(),
    ),
    "it fell behind": (stopped((40, (1,), CLEAN), (34, (), CLEAN), rest=REST, counters={A: 34, B: 34}), set()),
    "it fell behind, and was put back": (stopped((40, (1,), CLEAN), (33, (), CLEAN), counters={A: 34, B: 34}), {B}),
    "alone, below what was noted": (stopped(None, (33, (), CLEAN), counters={A: 34, B: 34}), {B}),
    "alone, as noted": (stopped(None, (34, (), CLEAN), counters={A: 34, B: 34}), set()),
    "both below": (stopped((33, (), CLEAN), (33, (), CLEAN), counters={A: 34, B: 34}), {A, B}),
    "given up already": (stopped((34, (), CLEAN), (33, (), CLEAN), past=ONLY_A._replace(rebuild=(B,))), set()),
    "another leg's metadata volume was noted": (
        stopped((4, (), CLEAN), (4, (), CLEAN), past=BOTH)._replace(
            past=Present(BOTH._replace(counters={"old": 40}))
        ),
        set(),
    ),
    "rubbish": (stopped((34, (), CLEAN), None, rubbish=(B,)), {B}),
}


@pytest.mark.parametrize("name", TABLE)
def test_which_legs_are_older(name):
    facts, older = TABLE[name]
    verdict = judge(facts)
    assert (set(verdict.older), verdict.split_brain) == (older, ())


def test_each_newer_in_something():
    facts = stopped((34, (1,), CLEAN), (40, (), CLEAN), counters=REST)
    assert judge(facts).split_brain == ((A, B),)
    answer = planned(Present(facts))
    assert [f.kind for f in answer.findings] == [Kind.REFUSED]
    assert notes(answer)[0].diverged


@pytest.mark.parametrize(
    "facts",
    [
        stopped((33, (), CLEAN), (34, (), CLEAN)),
        stopped((33, (), CUT), (34, (), CUT)),
        stopped((34, (), CLEAN), (53, (), CLEAN), rest=REST, counters={A: 34, B: 34}),
        stopped((34, (), CUT), (53, (), CUT), rest=REST, counters={A: 34, B: 34}),
    ],
)
def test_a_higher_count_is_not_newer_if_it_began_again(facts):
    assert judge(facts).split_brain == ((B, A),)
    answer = planned(Present(facts))
    assert [f.kind for f in answer.findings] == [Kind.REFUSED]
    assert notes(answer)[0].diverged


def test_one_that_accuses_and_was_put_back_is_just_older():
    verdict = judge(stopped((34, (1,), CLEAN), (40, (), CLEAN), counters={A: 36, B: 36}))
    assert (set(verdict.older), verdict.split_brain) == ({A}, ())


def test_a_leg_being_copied_is_not_compared():
    facts = stopped((34, (), CLEAN), (30, (), CLEAN))
    legs = facts.superblocks.facts.legs
    said = LegSuperblocks({A: legs[A], B: legs[B]._replace(recovering=True)})
    assert judge(facts._replace(superblocks=Present(said))).older == {}


@pytest.mark.parametrize(
    ("rest", "seen", "sure"),
    [
        ({}, 26, 25),  # it may be one that goes back
        ({"a": 25}, 26, 26),  # written to since: for good
        ({"a": 25}, 27, 26),
        ({"a": 25}, 42, 41),
    ],
)
def test_what_a_counter_can_no_more_be_below(rest, seen, sure):
    entry = journal.in_service(BOTH._replace(rest=rest), {"a": seen}, "boot/7")
    assert (entry.counters, entry.counted) == ({"a": sure}, "boot/7")


def test_before_the_first_write_nothing_is_noted():
    entry = BOTH._replace(rest={"a": 25, "b": 25})
    assert journal.in_service(entry, {"a": 25, "b": 25}, "boot/7") is entry


# What is not understood


def test_an_unknown_layout_starts_nothing_alone():
    odd = lv(type="raid1", letters="  ", ratio=(0, 0), target="linear", past=BOTH)
    answer = planned(Present(odd))
    assert [f.kind for f in answer.findings] == [Kind.REFUSED]
    [entry] = notes(answer)
    assert entry.layout == "linear"
    assert planned(Present(odd._replace(past=Present(entry), past_raw=journal.render(entry)))).steps == ()

    alone = lv(letters="  ", active=False, ratio=(0, 0), past=entry, superblocks=Present(LegSuperblocks({})))
    answer = planned(Present(alone), vg=group(hidden=("right",)))
    assert (answer.steps, [f.kind for f in answer.findings]) == ((), [Kind.REFUSED])
    assert "seen as a linear" in answer.findings[0].why

    assert notes(planned(Present(lv(past=entry))))[0].layout == ""


def test_of_a_mirror_no_leg_is_copied_from_then():
    entry = BOTH._replace(layout="linear")
    answer = planned(Present(lv("mirror", "  ", active=False, ratio=(0, 0), past=entry)), wanted("mirror"))
    assert (answer.steps, [f.kind for f in answer.findings]) == ((), [Kind.BLOCKED])


def test_what_is_refused_is_noted_all_the_same():
    """A leg died while the volume had a word of health that nobody knows."""
    answer = planned(Present(lv(letters="AD", health="odd", past=BOTH)))
    assert [f.kind for f in answer.findings] == [Kind.BLOCKED]
    assert notes(answer)[0].running == (A,)
    answer = planned(Present(lv(letters="AD", past=BOTH)), wanted(choice=("vg0/lv", "filer2")))
    assert [f.kind for f in answer.findings] == [Kind.NOTE]
    assert notes(answer)[0].running == (A,)
