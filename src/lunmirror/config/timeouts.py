"""Every server's timeouts, resolved once: for the rules that judge them, and for what they are compiled to."""

from typing import Any, NamedTuple

from lunmirror.config import budget
from lunmirror.config.problems import InvalidValue, Key, Problems
from lunmirror.config.walk import FEWEST_LEGS, each, volumes_of
from lunmirror.engine.desired import Timeouts

NAMES = (*budget.STALL_PARTS, "login_timeout", "login_retries", "command_timeout")


class Agreed(NamedTuple):
    """`stall_budget`: as declared, or what the slowest server's timeouts come to; in seconds."""

    servers: dict[str, Timeouts]
    stall_budget: int


def resolve(document: Any, problems: Problems) -> Agreed | None:
    """What the document's timeouts come to. None, and a problem for each table that is to blame, if they contradict each
    other."""
    policy = document.policy
    declared = policy.stall_budget if policy else None
    general = _explicit(policy)
    margins = _margins(document)
    largest = max(margins.values(), key=lambda one: one[0], default=(budget.MARGIN, "a server"))
    try:
        budget.check_budget(declared, *largest, general)
    except InvalidValue as wrong:
        problems.add_wrong(("policy", "stall_budget"), wrong)
        return None
    # First what holds for all servers: it is reported once, and not at each of them.
    least = _resolved(declared, general, ("policy",), general, largest, problems)
    if least is None:
        return None
    found = {}
    for name, server in each(document.servers):
        own = _explicit(server)
        at: Key = ("servers", name) if own else ("policy",)
        found[name] = _resolved(declared, general | own, at, own or general, margins[name], problems)
        if found[name] is None and not own:
            return None
    resolved = {name: one for name, one in found.items() if one is not None}
    if len(resolved) < len(found) or not _one_for_multipath(document, resolved, problems):
        return None
    stall = max((one.stall for one in resolved.values()), default=least.stall)
    return Agreed({name: one.timeouts for name, one in resolved.items()}, stall if declared is None else declared)


def _one_for_multipath(document: Any, resolved: dict[str, budget.Resolved], problems: Problems) -> bool:
    """multipathd has one number for all iSCSI paths, and writes it over what each session has (docs/facts/multipath.md)."""
    times = {name: resolved[name].timeouts.replacement_timeout for name, s in each(document.servers) if s.multipath}
    first = next(iter(times), "")
    for name, seconds in times.items():
        if seconds < 1:
            problems.add(
                ("servers", name, "multipath"),
                f"multipath is true, and replacement_timeout is {seconds} s",
                why="multipathd can set no number below 1",
                next='write replacement_timeout = "1s" or more',
            )
        elif seconds != times[first]:
            problems.add(
                ("servers", name, "multipath"),
                f"replacement_timeout is {seconds} s here, and {times[first]} s on server {first}; multipath is true on both",
                why="multipathd has one number for the sessions of all iSCSI servers (fast_io_fail_tmo)",
                next=f'write replacement_timeout = "{min(seconds, times[first])}s" for both',
            )
        else:
            continue
        return False
    return True


def is_seconds(value: Any) -> bool:
    """Whether a record key's value is a number of seconds that can be reckoned with."""
    return isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 6


def _explicit(table: Any) -> dict[str, int]:
    """The timeouts that a policy or server declares itself, also those under the names of the node record."""
    own = {name: getattr(table, name) for name in NAMES if table and getattr(table, name) is not None}
    further = getattr(table, "settings", None) or {}
    return own | {name: int(further[key]) for key, name in budget.ABORTS.items() if is_seconds(further.get(key))}


def _margins(document: Any) -> dict[str, tuple[int, str]]:
    """Server -> its margin in seconds, and whose it is in words, from the volumes with a leg on it. A volume that
    says nothing about its legs may have one on each server of its group."""
    types: dict[str, dict[str, str]] = {name: {} for name, _ in each(document.servers)}
    disks = dict(each(document.disks))
    for _, group_name, group, name, volume in volumes_of(document):
        for leg in volume.legs or group.disks or ():
            server = disks[leg].server if leg in disks else None
            if server in types and volume.type in FEWEST_LEGS:
                types[server].setdefault(volume.type, f"{group_name}/{name}")
    found = {}
    for server, carried in types.items():
        margin = budget.margin_of(carried)
        kind = next((kind for kind in carried if budget.MARGINS.get(kind) == margin), "")
        whose = f"server {server}, with a leg of {carried[kind]} of type {kind}," if kind else f"server {server}"
        found[server] = (margin, whose)
    return found


def _resolved(
    declared: int | None,
    explicit: dict[str, int],
    table: Key,
    own: dict[str, int],
    carried: tuple[int, str],
    problems: Problems,
) -> budget.Resolved | None:
    """None, and a problem at the first key of `own` that can be to blame, if the budget cannot be kept."""
    try:
        return budget.resolve(declared, explicit, *carried)
    except InvalidValue as wrong:
        parts = (*budget.STALL_PARTS, "command_timeout")
        if wrong.what.startswith("a command_timeout"):
            parts = parts[::-1]
        name = next((name for name in parts if name in own), "stall_budget")
        problems.add_wrong((*table, name), wrong)
        return None
