import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunmirror.config import budget
from lunmirror.config.problems import Wrong
from lunmirror.desired import Timeouts


@pytest.mark.parametrize(
    ("seconds", "stall_parts"),
    [(5, (1, 1, 1)), (9, (1, 1, 5)), (10, (2, 2, 4)), (15, (3, 3, 7)), (30, (5, 5, 18)), (132, (5, 5, 120))],
)
def test_derived(seconds, stall_parts):
    resolved = budget.resolve(seconds, {})
    assert resolved.timeouts[:3] == stall_parts
    assert resolved.stall == seconds


@pytest.mark.parametrize(
    ("seconds", "explicit", "stall_parts"),
    [
        (15, {"replacement_timeout": 10}, (1, 1, 10)),
        (15, {"replacement_timeout": 5}, (3, 3, 5)),
        (15, {"noop_out_interval": 5}, (5, 3, 5)),
        (15, {"noop_out_interval": 10}, (10, 2, 1)),
        (15, {"noop_out_interval": 5, "noop_out_timeout": 5}, (5, 5, 3)),
    ],
)
def test_what_is_declared_wins_and_the_rest_is_fitted(seconds, explicit, stall_parts):
    resolved = budget.resolve(seconds, explicit)
    assert resolved.timeouts[:3] == stall_parts
    assert resolved.stall <= seconds


@pytest.mark.parametrize(
    ("explicit", "stall"),
    [
        ({}, 15),
        ({"replacement_timeout": 120}, 128),
        ({"noop_out_interval": 5, "noop_out_timeout": 5, "replacement_timeout": 120}, 132),
        ({"noop_out_interval": 5}, 17),
        ({"replacement_timeout": 5}, 13),
    ],
)
def test_without_a_budget_the_sum_is_the_budget(explicit, stall):
    assert budget.resolve(None, explicit).stall == stall


def test_a_contradiction_shows_the_sum():
    with pytest.raises(Wrong) as caught:
        budget.resolve(15, {"replacement_timeout": 30})
    assert (
        "1 (noop_out_interval) + 1 (noop_out_timeout) + 30 (replacement_timeout) + 2 (margin) = 34 s"
        in caught.value.why
    )
    assert '"34s"' in caught.value.next


def test_the_smallest_budget_is_explained():
    with pytest.raises(Wrong, match="smallest budget is 5s") as caught:
        budget.resolve(4, {})
    assert "= 5 s" in caught.value.why


def test_pings_off():
    off = {"noop_out_interval": 0, "noop_out_timeout": 0}
    with pytest.raises(Wrong, match="switched off"):
        budget.resolve(15, off)
    assert budget.resolve(None, off).timeouts.noop_out_interval == 0
    assert budget.resolve(None, off).stall > budget.UNNOTICED
    with pytest.raises(Wrong, match="half"):
        budget.resolve(None, {"noop_out_interval": 0})


@given(st.integers(budget.SMALLEST_BUDGET, budget.LARGEST_BUDGET))
def test_every_budget_is_kept_exactly(seconds):
    timeouts = budget.resolve(seconds, {}).timeouts
    assert min(timeouts) >= 1
    assert budget.stall_of(timeouts) == seconds


@given(
    st.integers(budget.SMALLEST_BUDGET, 300),
    st.dictionaries(st.sampled_from(budget.STALL_PARTS), st.integers(1, 300)),
)
def test_a_declared_budget_is_kept_or_refused(seconds, explicit):
    least = {name: explicit.get(name, 1) for name in budget.STALL_PARTS}
    possible = sum(least.values()) + budget.MARGIN <= seconds
    try:
        resolved = budget.resolve(seconds, explicit)
    except Wrong:
        assert not possible
    else:
        assert possible
        assert resolved.stall <= seconds
        assert all(getattr(resolved.timeouts, name) == value for name, value in explicit.items())
        assert isinstance(resolved.timeouts, Timeouts)
