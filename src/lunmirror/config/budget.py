"""From one number a person can reason about to open-iscsi's timeouts, and back.

A server that dies silently is noticed by the next ping (noop_out_interval), given up when the ping is not answered
(noop_out_timeout), and its I/O fails after replacement_timeout; then the other leg goes on alone. Measured: the
pause is the sum of the three and about one second more (shared facts, open-iscsi.md); the margin covers that.
All values are whole seconds, except login_retries, a count.
"""

from collections.abc import Mapping

from lunmirror.config.problems import Wrong
from lunmirror.desired import Timeouts
from lunmirror.record import NamedTuple

DEFAULT_BUDGET = 15
DEFAULT_LOGIN_TIMEOUT = 10
DEFAULT_LOGIN_RETRIES = 3
MARGIN = 2  # seconds from the failure of the session to the answer of the other leg
SHORTEST_PING = 1
LONGEST_PING = 5
SMALLEST_BUDGET = 2 * SHORTEST_PING + 1 + MARGIN
LARGEST_BUDGET = 3600
# Without pings only the SCSI layer notices: its command timeout and open-iscsi's abort and LUN-reset timeouts.
UNNOTICED = 30 + 15 + 30

STALL_PARTS = ("noop_out_interval", "noop_out_timeout", "replacement_timeout")


class Resolved(NamedTuple):
    """One server's timeouts, and the longest pause in seconds that they allow."""

    timeouts: Timeouts
    stall: int


def resolve(budget: int | None, explicit: Mapping[str, int]) -> Resolved:
    """The timeouts of one server. Explicit values win; the rest is derived so that the budget is kept.

    budget: seconds, or None if none is declared: then the default derives, and the sum is the budget.
    Raises Wrong when a declared budget cannot be kept.
    """
    check_budget(budget)
    timeouts = _with_explicit(budget or DEFAULT_BUDGET, explicit, fit=budget is not None)
    if (timeouts.noop_out_interval == 0) != (timeouts.noop_out_timeout == 0):
        raise Wrong(
            "pings are half switched off",
            why="open-iscsi sends none if noop_out_interval or noop_out_timeout is 0, whatever the other says",
            next="set both to 0s, or neither",
        )
    stall = stall_of(timeouts)
    if budget is not None:
        _keep(budget, timeouts, stall, explicit)
    return Resolved(timeouts, stall)


def stall_of(timeouts: Timeouts) -> int:
    """The longest pause, in seconds, when a server dies silently under these timeouts."""
    if _pings_are_off(timeouts):
        return UNNOTICED + timeouts.replacement_timeout + MARGIN
    return sum(getattr(timeouts, name) for name in STALL_PARTS) + MARGIN


def arithmetic(timeouts: Timeouts) -> str:
    """The sum, as a person would write it down."""
    if _pings_are_off(timeouts):
        terms = f"{UNNOTICED} (pings are off: SCSI timeouts) + {timeouts.replacement_timeout} (replacement_timeout)"
    else:
        terms = " + ".join(f"{getattr(timeouts, name)} ({name})" for name in STALL_PARTS)
    return f"{terms} + {MARGIN} (margin) = {stall_of(timeouts)} s"


def check_budget(budget: int | None) -> None:
    """Raise Wrong for a budget that no timeouts can keep."""
    if budget is None or SMALLEST_BUDGET <= budget <= LARGEST_BUDGET:
        return
    if budget > LARGEST_BUDGET:
        raise Wrong(f"{budget} s is too long: the largest budget is 1h", why="it is the pause of all writing")
    smallest = resolve(SMALLEST_BUDGET, {}).timeouts
    raise Wrong(
        f"{budget} s cannot be kept: the smallest budget is {SMALLEST_BUDGET}s",
        why=f"every timeout of open-iscsi is at least one whole second: {arithmetic(smallest)}",
        next=f'write "{SMALLEST_BUDGET}s" or more; short network faults are ridden out better with "15s"',
    )


def _with_explicit(budget: int, explicit: Mapping[str, int], fit: bool) -> Timeouts:
    ping = min(max(budget // 5, SHORTEST_PING), LONGEST_PING)
    if fit:
        ping = _fitted(ping, budget, explicit)
    interval = explicit.get("noop_out_interval", ping)
    timeout = explicit.get("noop_out_timeout", ping)
    taken = interval + timeout if fit else 2 * ping
    replacement = explicit.get("replacement_timeout", max(1, budget - taken - MARGIN))
    return Timeouts(
        interval,
        timeout,
        replacement,
        explicit.get("login_timeout", DEFAULT_LOGIN_TIMEOUT),
        explicit.get("login_retries", DEFAULT_LOGIN_RETRIES),
    )


def _fitted(ping: int, budget: int, explicit: Mapping[str, int]) -> int:
    """The ping time, shortened where the declared values leave less room than that."""
    open_pings = sum(name not in explicit for name in ("noop_out_interval", "noop_out_timeout"))
    room = budget - MARGIN - sum(explicit.get(name, 0) for name in STALL_PARTS)
    room -= "replacement_timeout" not in explicit
    return max(SHORTEST_PING, min(ping, room // open_pings)) if open_pings else ping


def _keep(budget: int, timeouts: Timeouts, stall: int, explicit: Mapping[str, int]) -> None:
    if stall <= budget:
        return
    given = ", ".join(name for name in STALL_PARTS if name in explicit)
    if _pings_are_off(timeouts):
        raise Wrong(
            f"the stall_budget of {budget} s cannot be kept with pings switched off",
            why=f"without pings a dead server is noticed by SCSI timeouts alone: {arithmetic(timeouts)}",
            next="remove noop_out_interval and noop_out_timeout, or remove stall_budget",
        )
    raise Wrong(
        f"the stall_budget of {budget} s cannot be kept with the declared {given}",
        why=f"{arithmetic(timeouts)}, which is more than {budget} s",
        next=f'lower them, or raise stall_budget to "{stall}s"',
    )


def _pings_are_off(timeouts: Timeouts) -> bool:
    return timeouts.noop_out_interval == 0 or timeouts.noop_out_timeout == 0
