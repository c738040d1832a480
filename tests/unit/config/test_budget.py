import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunmirror.config import budget
from lunmirror.config.problems import InvalidValue
from lunmirror.engine.desired import Timeouts


@pytest.mark.parametrize(
    ("seconds", "stall_parts"),
    [(6, (1, 1, 1)), (9, (1, 1, 4)), (10, (2, 2, 3)), (15, (3, 3, 6)), (30, (5, 5, 17)), (133, (5, 5, 120))],
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
        (15, {"noop_out_interval": 5}, (5, 3, 4)),
        (15, {"noop_out_interval": 10}, (10, 1, 1)),
        (15, {"noop_out_interval": 5, "noop_out_timeout": 5}, (5, 5, 2)),
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
        ({"replacement_timeout": 120}, 129),
        ({"noop_out_interval": 5, "noop_out_timeout": 5, "replacement_timeout": 120}, 133),
        ({"noop_out_interval": 5}, 17),
        ({"replacement_timeout": 5}, 14),
    ],
)
def test_without_a_budget_the_sum_is_the_budget(explicit, stall):
    assert budget.resolve(None, explicit).stall == stall


def test_a_contradiction_shows_the_sum():
    with pytest.raises(InvalidValue) as caught:
        budget.resolve(15, {"replacement_timeout": 30})
    assert (
        "1 (noop_out_interval) + 1 (noop_out_timeout) + 30 (replacement_timeout) + 3 (margin) = 35 s"
        in caught.value.why
    )
    assert '"35s"' in caught.value.next


@pytest.mark.parametrize(
    ("seconds", "stall_parts"), [(9, (1, 1, 1)), (10, (1, 1, 2)), (15, (3, 3, 3)), (30, (5, 5, 14))]
)
def test_derived_with_a_mirror(seconds, stall_parts):
    resolved = budget.resolve(seconds, {}, budget.MARGINS["mirror"])
    assert resolved.timeouts[:3] == stall_parts
    assert resolved.stall == seconds


def test_a_budget_that_waits_for_no_session():
    """A second less, and only by declaration: each lost connection then costs the leg a refresh."""
    without = {"replacement_timeout": 0}
    assert budget.resolve(5, without).timeouts[:3] == (1, 1, 0)
    assert budget.resolve(5, without).stall == 5
    assert budget.resolve(8, without, budget.MARGINS["mirror"]).timeouts[:3] == (1, 1, 0)
    assert budget.resolve(15, without).timeouts[:3] == (3, 3, 0)
    with pytest.raises(InvalidValue, match="smallest budget is 5s") as caught:
        budget.resolve(4, without)
    assert "0 (replacement_timeout) + 3 (margin) = 5 s" in caught.value.why


def test_the_smallest_budget_is_explained():
    with pytest.raises(InvalidValue, match="smallest budget is 6s") as caught:
        budget.resolve(5, {})
    assert "= 6 s" in caught.value.why
    with pytest.raises(InvalidValue, match="smallest budget is 9s") as caught:
        budget.resolve(8, {}, budget.margin_of(("raid1", "mirror")), "server a, with a leg of vg/m of type mirror,")
    assert "with a leg of vg/m of type mirror, needs 6 s" in caught.value.why
    assert "= 9 s" in caught.value.why


@given(st.integers(budget.SMALLEST_BUDGET, budget.LARGEST_BUDGET), st.integers(1, 4000) | st.none())
def test_a_command_outlives_what_the_session_survives(seconds, command):
    """docs/facts/lab.md#hung-io: T x (R + 1) > interval + timeout + replacement + 4 s and R >= 1, or a short outage costs a leg.
    Linux takes at most five retries."""
    explicit = {} if command is None else {"command_timeout": command}
    needed = seconds - budget.MARGIN + 4
    if command is not None and command * 6 <= needed:
        with pytest.raises(InvalidValue, match=f"the shortest here is {needed // 6 + 1} s"):
            budget.resolve(seconds, explicit)
        return
    times = budget.resolve(seconds, explicit).timeouts
    patience = sum(times[:3]) + 4
    assert times.command_timeout * (times.max_retries + 1) > patience
    assert 1 <= times.max_retries <= 5
    assert times.max_retries == 1 or times.command_timeout * times.max_retries <= patience  # no more than needed
    assert times.eh_timeout == min(times.command_timeout, 10)
    if command is None:
        assert times.max_retries == 1
        assert (times.command_timeout - 1) * 2 <= patience  # and no longer


@pytest.mark.parametrize(("seconds", "bound"), [(6, 68), (15, 128), (30, 212)])
def test_hung_io_has_a_bound_of_its_own(seconds, bound):
    times = budget.resolve(seconds, {}).timeouts
    assert budget.hung(times) == bound
    assert budget.hung_arithmetic(times).endswith(f"= {bound} s")


def test_pings_off():
    off = {"noop_out_interval": 0, "noop_out_timeout": 0}
    with pytest.raises(InvalidValue, match="switched off"):
        budget.resolve(15, off)
    assert budget.resolve(None, off).timeouts.noop_out_interval == 0
    times = budget.resolve(None, off).timeouts
    assert budget.resolve(None, off).stall > 3 * times.command_timeout + times.replacement_timeout
    with pytest.raises(InvalidValue, match="half"):
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
    except InvalidValue:
        assert not possible
    else:
        assert possible
        assert resolved.stall <= seconds
        assert all(getattr(resolved.timeouts, name) == value for name, value in explicit.items())
        assert isinstance(resolved.timeouts, Timeouts)
