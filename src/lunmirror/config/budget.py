"""From one number an administrator can reason about to open-iscsi's timeouts and the disks', and back.

A server that dies silently is noticed by the next ping (noop_out_interval), given up when the ping is not answered
(noop_out_timeout), and its I/O fails after replacement_timeout; then the other leg goes on alone. That last part has
a time of its own, the margin: raid1 writes its superblock (at most 2.3 s in the lab), a segtype mirror stands still
until dmeventd has run a whole repair by LVM (at most 5.2 s; docs/facts/lab.md#stall-budget).

A server that answers pings but hangs its I/O is noticed by nothing of this. There the SCSI layer waits for
command_timeout, open-iscsi for abort_timeout, and the command is retried max_retries times. How long that may take
is a number of its own (`hung`): it cannot be made as small as the budget, since a command must outlive every outage
that replacement_timeout rides out.

All values are whole seconds, except login_retries and max_retries, which are counts.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from lunmirror.config.problems import InvalidValue
from lunmirror.engine.desired import Timeouts

DEFAULT_BUDGET = 15
DEFAULT_LOGIN_TIMEOUT = 10
DEFAULT_LOGIN_RETRIES = 3
# Seconds from the failure of the session to the answer of the other leg, by type of volume.
MARGINS = {"raid1": 3, "mirror": 6}
MARGIN = MARGINS["raid1"]  # of a server that carries no mirror
SHORTEST_PING = 1
LONGEST_PING = 5
SHORTEST_WAIT = 1  # for a session to come back; 0 only where it is declared, since then no fault is ridden out
SMALLEST_BUDGET = 2 * SHORTEST_PING + SHORTEST_WAIT + MARGIN  # that any server can keep
LARGEST_BUDGET = 3600

# A command that waited through a short outage must not be given up when the session is back: the kernel gives it up
# once it is older than command_timeout x (max_retries + 1), and counts what an outage does to it as a retry.
MARGIN_OF_COMMANDS = 4  # seconds that a command must live longer than the session is waited for
FEWEST_RETRIES = 1
MOST_RETRIES = 5  # Linux takes no more (drivers/scsi/sd.h, SD_MAX_RETRIES)
ABORT_TIMEOUT = 2  # an abort that is not answered costs the session, which then logs in again: better soon
LONGEST_EH = 10  # seconds; the kernel's own time for a command of its error handling
RELOGIN = 3  # seconds that a session takes to log in again after a failed abort
COMMANDS = 2  # that raid1 sends one after the other before it gives a leg up: its bitmap, then its superblock

STALL_PARTS = ("noop_out_interval", "noop_out_timeout", "replacement_timeout")
# Keys of the node record that a server may set by their own name; they win.
ABORTS = {
    "node.session.err_timeo.abort_timeout": "abort_timeout",
    "node.session.err_timeo.lu_reset_timeout": "lu_reset_timeout",
    "node.session.err_timeo.tgt_reset_timeout": "tgt_reset_timeout",
}


class Resolved(NamedTuple):
    """One server's timeouts, and the longest pause in seconds that they allow."""

    timeouts: Timeouts
    stall: int


def margin_of(types: Iterable[str]) -> int:
    """The margin of a server that carries legs of volumes of these types."""
    return max((MARGINS.get(one, MARGIN) for one in types), default=MARGIN)


def resolve(
    budget: int | None, explicit: Mapping[str, int], margin: int = MARGIN, carries: str = "the server"
) -> Resolved:
    """The timeouts of one server. Explicit values win; the rest is derived so that the budget is kept.

    budget:  seconds, or None if none is declared: then the default derives, and the sum is the budget.
    margin:  of its volumes (`margin_of`); carries: says in words whose margin that is.
    Raises InvalidValue when a declared budget cannot be kept.
    """
    check_budget(budget, margin, carries, explicit)
    timeouts = _with_explicit(budget or DEFAULT_BUDGET, explicit, margin, fit=budget is not None)
    if (timeouts.noop_out_interval == 0) != (timeouts.noop_out_timeout == 0):
        raise InvalidValue(
            "pings are half switched off",
            why="open-iscsi sends none if noop_out_interval or noop_out_timeout is 0, whatever the other says",
            next="set both to 0s, or neither",
        )
    timeouts = _with_commands(timeouts, explicit)
    stall = stall_of(timeouts)
    if budget is not None:
        _keep(budget, timeouts, stall, explicit)
    return Resolved(timeouts, stall)


def stall_of(timeouts: Timeouts) -> int:
    """The longest pause, in seconds, when a server dies silently under these timeouts."""
    if _pings_are_off(timeouts):
        return _unnoticed(timeouts) + timeouts.replacement_timeout + timeouts.margin
    return _parts(timeouts) + timeouts.margin


def _parts(timeouts: Timeouts) -> int:
    return sum(int(getattr(timeouts, name)) for name in STALL_PARTS)


def arithmetic(timeouts: Timeouts) -> str:
    """The sum, as an administrator would write it down."""
    if _pings_are_off(timeouts):
        unnoticed = f"{_unnoticed(timeouts)} (pings are off: 3 x command_timeout + abort_timeout)"
        terms = f"{unnoticed} + {timeouts.replacement_timeout} (replacement_timeout)"
    else:
        terms = " + ".join(f"{getattr(timeouts, name)} ({name})" for name in STALL_PARTS)
    return f"{terms} + {timeouts.margin} (margin) = {stall_of(timeouts)} s"


def hung(timeouts: Timeouts) -> int:
    """The longest pause of a raid1, in seconds, when a server goes on answering pings but hangs its I/O: by the
    formula that the lab's measurements follow (docs/facts/lab.md#hung-io). A segtype mirror takes longer, unbounded
    by this: the LVM commands of dmeventd read the very disk that hangs."""
    return COMMANDS * (timeouts.max_retries + 1) * _cycle(timeouts)


def hung_arithmetic(timeouts: Timeouts) -> str:
    """The same, as an administrator would write it down."""
    cycle = (
        f"(3 x {timeouts.command_timeout} (command_timeout) + {timeouts.abort_timeout} (abort_timeout) + {RELOGIN})"
    )
    return f"{COMMANDS} x ({timeouts.max_retries} (max_retries) + 1) x {cycle} = {hung(timeouts)} s"


def patience(timeouts: Timeouts) -> int:
    """Seconds that a command must be able to live, to be there still when a short outage is over."""
    return _parts(timeouts) + MARGIN_OF_COMMANDS


def patience_arithmetic(timeouts: Timeouts) -> str:
    """Why command_timeout is what it is."""
    lives = timeouts.command_timeout * (timeouts.max_retries + 1)
    return (
        f"{timeouts.command_timeout} (command_timeout) x ({timeouts.max_retries} (max_retries) + 1) = {lives} s,"
        f" more than {patience(timeouts)} s, so that a command outlives an outage that the session survives"
    )


def check_budget(
    budget: int | None, margin: int = MARGIN, carries: str = "the server", explicit: Mapping[str, int] | None = None
) -> None:
    """Raise InvalidValue for a budget that no timeouts can keep."""
    waits = (explicit or {}).get("replacement_timeout") != 0
    smallest = 2 * SHORTEST_PING + SHORTEST_WAIT * waits + margin
    if budget is None or smallest <= budget <= LARGEST_BUDGET:
        return
    if budget > LARGEST_BUDGET:
        raise InvalidValue(f"{budget} s is too long: the largest budget is 1h", why="it is the pause of all writing")
    least = arithmetic(resolve(smallest, {} if waits else {"replacement_timeout": 0}, margin).timeouts)
    raise InvalidValue(
        f"{budget} s cannot be kept: the smallest budget is {smallest}s",
        why=f"each timeout of open-iscsi is one whole second or more"
        f"{', replacement_timeout too unless it is declared 0s,' if waits else ' but replacement_timeout,'}"
        f" and {carries} needs {margin} s for the other leg to take over: {least}",
        next=f'write "{smallest}s" or more; short network faults are ridden out better with "15s"',
    )


def _with_explicit(budget: int, explicit: Mapping[str, int], margin: int, fit: bool) -> Timeouts:
    ping = min(max(budget // 5, SHORTEST_PING), LONGEST_PING, (budget - margin - 1) // 2)
    if fit:
        ping = _fitted(ping, budget, explicit, margin)
    interval = explicit.get("noop_out_interval", ping)
    timeout = explicit.get("noop_out_timeout", ping)
    taken = interval + timeout if fit else 2 * ping
    replacement = explicit.get("replacement_timeout", max(SHORTEST_WAIT, budget - taken - margin))
    return Timeouts(
        interval,
        timeout,
        replacement,
        explicit.get("login_timeout", DEFAULT_LOGIN_TIMEOUT),
        explicit.get("login_retries", DEFAULT_LOGIN_RETRIES),
        margin=margin,
        **{name: explicit.get(name, ABORT_TIMEOUT) for name in ABORTS.values()},
    )


def _with_commands(timeouts: Timeouts, explicit: Mapping[str, int]) -> Timeouts:
    """The values of the disks. The fewest retries give the shortest pause for a given patience."""
    needed = patience(timeouts)
    command = explicit.get("command_timeout", needed // (FEWEST_RETRIES + 1) + 1)
    retries = max(FEWEST_RETRIES, needed // command)  # the least with which command x (retries + 1) > needed
    if retries > MOST_RETRIES:
        least = needed // (MOST_RETRIES + 1) + 1
        terms = " + ".join(f"{getattr(timeouts, name)} ({name})" for name in STALL_PARTS)
        raise InvalidValue(
            f"a command_timeout of {command} s is too short: the shortest here is {least} s",
            why=f"a command must outlive an outage that the session survives, {terms} + {MARGIN_OF_COMMANDS} = {needed} s, and"
            f" Linux tries it at most {MOST_RETRIES + 1} times",
            next=f'write "{least}s" or more, or a smaller stall_budget',
        )
    return timeouts._replace(command_timeout=command, max_retries=retries, eh_timeout=min(command, LONGEST_EH))


def _cycle(timeouts: Timeouts) -> int:
    """One try of a command that is never answered: its timer runs up to three times before it counts as lost, the
    abort is not answered, the session logs in again."""
    return 3 * timeouts.command_timeout + timeouts.abort_timeout + RELOGIN


def _unnoticed(timeouts: Timeouts) -> int:
    """Without pings only a command that is not answered shows it: calculated, not measured."""
    return 3 * timeouts.command_timeout + timeouts.abort_timeout


def _fitted(ping: int, budget: int, explicit: Mapping[str, int], margin: int) -> int:
    """The ping time, shortened where the declared values leave less room than that."""
    open_pings = sum(name not in explicit for name in ("noop_out_interval", "noop_out_timeout"))
    room = budget - margin - sum(explicit.get(name, 0) for name in STALL_PARTS)
    room -= "replacement_timeout" not in explicit
    return max(SHORTEST_PING, min(ping, room // open_pings)) if open_pings else ping


def _keep(budget: int, timeouts: Timeouts, stall: int, explicit: Mapping[str, int]) -> None:
    if stall <= budget:
        return
    given = ", ".join(name for name in STALL_PARTS if name in explicit)
    if _pings_are_off(timeouts):
        raise InvalidValue(
            f"the stall_budget of {budget} s cannot be kept with pings switched off",
            why=f"without pings a dead server is noticed by SCSI timeouts alone: {arithmetic(timeouts)}",
            next="remove noop_out_interval and noop_out_timeout, or remove stall_budget",
        )
    raise InvalidValue(
        f"the stall_budget of {budget} s cannot be kept with the declared {given}",
        why=f"{arithmetic(timeouts)}, which is more than {budget} s",
        next=f'lower them, or raise stall_budget to "{stall}s"',
    )


def _pings_are_off(timeouts: Timeouts) -> bool:
    return timeouts.noop_out_interval == 0 or timeouts.noop_out_timeout == 0
