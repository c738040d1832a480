"""The journal: what it learns from what a volume runs on, and which legs it lets start alone."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunmirror.engine import journal
from lunmirror.engine.journal import Entry, KernelState, advance, choose, fit_to_start
from lunmirror.engine.model import ABSENT, Present, Unknown

BOTH = Entry("vg0/testlv", ("A", "B"), "t0", 7, {})
A_ALONE = Entry("vg0/testlv", ("A",), "t1", 8, {"B": "t1"})


def test_no_news_is_the_same_entry():
    assert advance(BOTH, "vg0/testlv", ("B", "A"), 99, "t9") is BOTH


def test_a_leg_that_drops_out_is_remembered_with_its_time():
    assert advance(BOTH, "vg0/testlv", ("A",), 8, "t1") == A_ALONE


def test_a_leg_that_is_whole_again_is_good_again():
    assert advance(A_ALONE, "vg0/testlv", ("A", "B"), 9, "t2") == Entry("vg0/testlv", ("A", "B"), "t2", 9, {})


def test_running_on_none_of_the_good_legs_is_split_brain():
    seen = advance(A_ALONE, "vg0/testlv", ("B",), 9, "t2")
    assert (seen.running, seen.diverged, seen.last) == (("B",), ("A",), {"A": "t2"})


def test_split_brain_stays_until_an_administrator_chooses():
    seen = advance(advance(A_ALONE, "vg0/testlv", ("B",), 9, "t2"), "vg0/testlv", ("A", "B"), 10, "t3")
    assert seen.diverged == ("A",)
    decided = choose(seen, "vg0/testlv", ("A",), ("B",), 11, "t4")
    assert (decided.running, decided.diverged, decided.rebuild, decided.scrub) == (("A",), (), ("B",), "wanted")


def test_a_rebuilt_leg_is_no_longer_given_up():
    decided = choose(A_ALONE, "vg0/testlv", ("A",), ("B",), 11, "t4")
    assert advance(decided, "vg0/testlv", ("A", "B"), 12, "t5").rebuild == ()


@pytest.mark.parametrize(
    ("entry", "legs", "good"),
    [
        (None, ("A",), ()),
        (BOTH, ("A",), ("A",)),
        (BOTH, ("B",), ("B",)),
        (A_ALONE, ("A",), ("A",)),
        (A_ALONE, ("B",), ()),
        (A_ALONE, ("A", "B"), ("A",)),
        (A_ALONE._replace(diverged=("B",)), ("A",), ()),
    ],
)
def test_which_legs_may_start_alone(entry, legs, good):
    assert fit_to_start(entry, legs, entry.seqno if entry else 0, 0) == good


words = st.text(max_size=20)
entries = st.builds(
    Entry,
    words,
    st.lists(words, min_size=1, max_size=4).map(tuple),
    words,
    st.integers(0, 1 << 40),
    st.dictionaries(words, words, max_size=4),
    st.lists(words, max_size=3).map(tuple),
    st.lists(words, max_size=3).map(tuple),
    st.sampled_from(["", "wanted", "running"]),
    words,
    st.lists(words, max_size=3).map(tuple),
    words,
)


@given(entries)
def test_what_is_written_is_what_is_read(entry):
    assert journal.parse(Present(journal.render(entry))) == Present(entry)


@given(st.binary(max_size=300))
def test_bytes_that_are_no_journal_are_unknown(raw):
    assert isinstance(journal.parse(Present(raw)), Unknown)


@given(entries, st.sampled_from(sorted(Entry._fields)), st.sampled_from([None, 3, [], {}, [1], ""]))
def test_a_field_of_another_kind_is_never_believed(entry, field, value):
    document = json.loads(journal.render(entry)) | {field: value}
    read = journal.parse(Present(json.dumps(document).encode()))
    assert isinstance(read, Unknown) or read.facts._asdict().keys() == entry._asdict().keys()


def test_no_file_is_no_memory_and_a_torn_one_is_unknown():
    assert journal.parse(ABSENT) is ABSENT
    assert isinstance(journal.parse(Present(journal.render(BOTH)[:-9])), Unknown)
    assert isinstance(journal.parse(Present(b'{"schema": 2}')), Unknown)


def test_a_new_boot_is_noted_and_nothing_else():
    assert advance(BOTH, "vg0/testlv", ("A", "B"), 9, "t2", KernelState("boot1")) == BOTH._replace(boot="boot1")
    assert advance(BOTH, "vg0/testlv", ("A", "B"), 9, "t2", KernelState()) is BOTH


@pytest.mark.parametrize(
    ("noted", "now", "unseen"),
    [("b1", "b2", True), ("b1", "b1", False), ("", "b2", False), ("b1", "", False)],
)
def test_whether_it_was_seen_since_this_machine_started(noted, now, unseen):
    assert journal.unseen_before(BOTH._replace(boot=noted), now) is unseen
    assert not journal.unseen_before(None, now)


@pytest.mark.parametrize(
    ("scrub", "unclean", "after"),
    [
        ("", False, ""),
        ("", True, "repair"),
        ("wanted", False, "wanted"),
        ("running", False, "wanted"),
        ("running", True, "repair"),
        ("repairing", False, "repair"),
        ("checking", False, "repair"),
    ],
)
def test_what_the_kernel_forgets_at_a_start_is_begun_again(scrub, unclean, after):
    started = journal.restarted(BOTH._replace(scrub=scrub, boot="b1"), "b2", unclean)
    assert (started.scrub, started.boot) == (after, "b2")


def test_a_word_that_it_never_writes_is_not_believed():
    raw = journal.render(BOTH._replace(scrub="perhaps"))
    assert isinstance(journal.parse(Present(raw)), Unknown)


def test_one_of_an_older_lunmirror_is_read():
    raw = json.loads(journal.render(BOTH))
    del raw["boot"]
    assert journal.parse(Present(json.dumps(raw).encode())) == Present(BOTH)


HERE = KernelState("boot1", "9", ("B",))
COPYING = A_ALONE._replace(boot="boot1", copying=("B",), instance="9")


def test_a_copy_under_way_is_noted_with_its_activation():
    seen = advance(A_ALONE, "vg0/testlv", ("A",), 9, "t2", HERE)
    assert seen == COPYING
    assert advance(seen, "vg0/testlv", ("A",), 9, "t3", HERE) is seen
    assert advance(A_ALONE, "vg0/testlv", ("A",), 9, "t2", HERE._replace(instance="")) == A_ALONE._replace(
        boot="boot1"
    )


def test_a_copy_that_is_not_seen_any_more_is_forgotten():
    assert advance(COPYING, "vg0/testlv", ("A",), 9, "t3", HERE._replace(copying=())) == A_ALONE._replace(
        boot="boot1"
    )
    assert advance(COPYING, "vg0/testlv", ("A",), 9, "t3").copying == ()


@pytest.mark.parametrize(
    ("sight", "running", "diverged"),
    [
        (KernelState("boot1", "9"), ("B",), ()),
        (KernelState("boot1", "10"), ("B",), ("A",)),  # another activation
        (KernelState("boot2", "9"), ("B",), ("A",)),  # another boot, whose numbers begin again
        (KernelState("boot1", ""), ("B",), ("A",)),
        (KernelState("", "9"), ("B",), ("A",)),
        (KernelState("boot1", "9"), ("C",), ("A",)),  # a leg that was not copied
        (KernelState("boot1", "9"), ("B", "C"), ("A",)),
    ],
)
def test_a_leg_copied_in_this_activation_has_everything(sight, running, diverged):
    """The good leg dies between the end of the copy and the next pass."""
    seen = advance(COPYING, "vg0/testlv", running, 9, "t3", sight)
    assert (seen.running, seen.diverged, seen.last["A"]) == (running, diverged, "t3")
    assert (seen.copying, seen.instance) == ((), "")


def test_split_brain_stays_one_if_a_copy_ends_well():
    torn = COPYING._replace(diverged=("C",))
    assert advance(torn, "vg0/testlv", ("B",), 9, "t3", KernelState("boot1", "9")).diverged == ("C",)


def test_where_the_boot_cannot_be_told_no_activation_can():
    seen = advance(A_ALONE, "vg0/testlv", ("A",), 9, "t2", KernelState("", "9", ("B",)))
    assert advance(seen, "vg0/testlv", ("B",), 9, "t3", KernelState("", "9")).diverged == ("A",)


def test_a_start_forgets_what_was_copied():
    started = journal.restarted(COPYING, "boot1", unclean=False)
    assert (started.copying, started.instance) == ((), "")


def test_the_name_follows_a_rename():
    assert advance(BOTH, "vg0/data", ("A", "B"), 9, "t2").volume == "vg0/data"


@pytest.mark.parametrize(
    ("missing", "known"), [("running", False), ("diverged", False), ("rebuild", False), ("copying", True)]
)
def test_what_was_always_written_is_never_guessed(missing, known):
    """Older ones lack what is new; a split brain that are not mentioned are not none."""
    document = json.loads(journal.render(COPYING))
    del document[missing]
    assert isinstance(journal.parse(Present(json.dumps(document).encode())), Present) is known
