"""The machine in a line and each volume in four: its state, what that means, one cause, one action. Pure.

Every watcher says the same, since every one asks here: `status`, the JSON document, metrics, notifications.

| found                                    | state     | cause                             | action                          |
|------------------------------------------|-----------|-----------------------------------|---------------------------------|
| every leg in sync and in reach, in use   | ok        |                                   |                                 |
| all but the legs of a server in maintenance | maintenance | that server, until when      | none: it ends by itself         |
| a refusal on the way to it               | as it is  | what is refused, and why          | what the refusal says is next   |
| a server does not answer                 | degraded, | that server, since when           | none: it returns by itself; or,   |
|                                          | down      |                                   | out of service: bring it back   |
| a leg is being copied                    | copying   | which leg                         | none                            |
| steps to take                            | degraded, | what is not as declared           | none: the next pass does it     |
|                                          | down      |                                   |                                 |
| anything else that is amiss              | degraded, | the lowest layer's own words      | that finding's next             |
|                                          | down      |                                   |                                 |

What only follows from a cause lower down is folded under it: a dead server is one cause, not a session, a disk and a group.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from lunmirror.analysis import health as healths
from lunmirror.analysis import resting as at_rest
from lunmirror.analysis.folding import Trouble, fold, is_undeclared, resting
from lunmirror.analysis.risk import Copy, copies, facts_of, past_of, whole_legs
from lunmirror.analysis.servers import Server, servers
from lunmirror.engine.desired import Desired, Volume
from lunmirror.engine.exits import Exit
from lunmirror.engine.journal import is_note
from lunmirror.engine.model import WAITS, Absent, Finding, Kind, Report, Run, World
from lunmirror.engine.plain import listed
from lunmirror.layers.session.since import Error
from lunmirror.layers.volume.facts import LogicalVolume

OK, RESTING, COPYING, DEGRADED, DOWN = "ok", "maintenance", "copying", "degraded", "down"
_ORDER = (OK, RESTING, COPYING, DEGRADED, DOWN)
_STATES = {
    healths.FULL: OK,
    healths.REBUILDING: COPYING,
    healths.DEGRADED: DEGRADED,
    healths.DOWN: DOWN,
}
SPLIT_BRAIN, REFUSED = "split brain", "refused"
NEXT_PASS = "the next pass does it, and `lunmirror apply` does it now"
USERS_OWN = ("volume", "filesystem", "mount")


class Clause(NamedTuple):
    """Words, and since when they hold (ISO 8601, "" if that is not known): shown as "TEXT since 03:12"."""

    text: str = ""
    since: str = ""


class Verdict(NamedTuple):
    """One declared volume.

    state:    OK, RESTING (a server of it is in maintenance), COPYING, DEGRADED or DOWN.
    decision: an administrator must decide something (exit 4).
    word:     the state in the field's own words: "in sync", "degraded", "split brain", …
    means:    what the state means for users and data; `cause`, `action`: empty while all is well.
    share:    what part of a running copy is done, 0 to 1; None without one.
    findings: all that is folded into it, the cause's own first.
    """

    volume: str
    state: str
    decision: bool
    word: str
    means: Clause
    cause: Clause = Clause()
    action: str = ""
    share: float | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def calm(self) -> bool:
        """Nothing is amiss."""
        return self.state == OK and not self.decision


class Machine(NamedTuple):
    """All of it. `troubles`: what concerns no volume that is in trouble; `undeclared`: what lunmirror made or knows, and
    the configuration does not name any more; `notes`: how the next outage will go; `steps`: how many a pass would take."""

    state: str
    decision: bool
    exit: Exit
    headline: Clause
    volumes: tuple[Verdict, ...]
    servers: tuple[Server, ...]
    troubles: tuple[Trouble, ...]
    undeclared: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    steps: int

    @property
    def calm(self) -> bool:
        """Nothing that anybody has to be shown."""
        return self.exit == Exit.CONVERGED and not self.undeclared


def judge(report: Report, desired: Desired, errors: Mapping[str, Error] | None = None) -> Machine:
    """`errors`: session -> its last connection error (layers/session/since.py), where it was asked for."""
    standing = servers(report.seen, desired, errors or {})
    serious = [f for f in report.findings if f.kind is not Kind.NOTE]
    found = tuple(_judged(volume, report, desired, standing, serious) for volume in desired.volumes.values())
    reported = {f for verdict in found if not verdict.calm for f in verdict.findings}
    troubles = fold((f for f in serious if f not in reported), desired, reported)
    exit_ = healths.status_exit(report, desired)
    worst = max((verdict.state for verdict in found), key=_ORDER.index, default=OK)
    if worst in (OK, RESTING) and troubles:
        worst = DEGRADED
    undeclared = tuple(f for f in report.findings if is_undeclared(f, desired))
    notes = tuple(
        f
        for f in report.findings
        if f.kind is Kind.NOTE and f.ref.layer in ("node", "session") and f not in undeclared
    )
    decision = exit_ == Exit.REFUSED
    headline = _headline(found, troubles, undeclared, desired)
    steps = sum(not isinstance(step.action, WAITS) and not is_note(step) for step in report.steps)
    return Machine(worst, decision, exit_, headline, found, standing, troubles, undeclared, notes, steps)


def document(machine: Machine) -> dict[str, Any]:
    """As plain data, for JSON: the same names and words; times are ISO 8601."""
    return {
        "state": machine.state,
        "decision": machine.decision,
        "exit": int(machine.exit),
        "headline": machine.headline._asdict(),
        "volumes": [
            {
                "volume": one.volume,
                "state": one.state,
                "decision": one.decision,
                "word": one.word,
                "means": one.means._asdict(),
                "cause": one.cause._asdict(),
                "action": one.action,
                "share": None if one.share is None else round(one.share, 4),
            }
            for one in machine.volumes
        ],
        "servers": [
            {"server": one.name, "state": one.state, "since": one.since, "why": one.why} for one in machine.servers
        ],
        "troubles": [{"what": t.what, "why": t.why, "action": t.action} for t in machine.troubles],
        "undeclared": [f.what for f in machine.undeclared],
    }


# One volume


def _judged(
    volume: Volume, report: Report, desired: Desired, standing: tuple[Server, ...], serious: list[Finding]
) -> Verdict:
    health = healths.health(volume, report.seen, desired)
    state = _STATES[health.state]
    facts = facts_of(volume, report.seen)
    mine = tuple(f for f in serious if f.ref in resting(volume, desired)) if serious else ()
    refused = next((f for f in mine if f.kind is Kind.REFUSED), None)
    own = [f for f in mine if f.ref.layer in USERS_OWN]
    if state == OK and not refused and not own:
        return Verdict(volume.id, OK, False, "in sync" if len(volume.legs) > 1 else "one copy, as declared", Clause())
    share = facts.done / facts.total if facts and state == COPYING and facts.total else None
    reported = Verdict(volume.id, state, refused is not None, state, Clause(), share=share)
    one = desired.maintenance
    if one and not mine and state != DOWN and at_rest.is_expected(volume, report.seen, desired):
        means = _means(DEGRADED, volume, facts, report.seen, desired, health)
        action = f"none:{at_rest.end(one).removeprefix('nothing:')}"
        return reported._replace(
            state=RESTING,
            word="in maintenance",
            means=means,
            cause=Clause(at_rest.words(one)),
            action=action,
            share=None,
        )
    if refused:
        return _refused(reported, volume, refused, mine, facts, report.seen, desired, health)
    if state == OK:  # works, and yet something about it is not as declared
        first = own[0]
        return reported._replace(
            state=DEGRADED,
            word=DEGRADED,
            means=Clause(first.what),
            cause=Clause(first.why),
            action=first.next,
            findings=mine,
        )
    means = _means(state, volume, facts, report.seen, desired, health)
    if facts is None and all(s.away for s in standing if s.name in {desired.disks[d].server for d in volume.legs}):
        means = Clause("nobody can use it while its servers are away")
    elif health.words.startswith(healths.UNSEEN) and _has_steps(volume, report, desired):
        means = Clause("not in service yet: what it rests on is not there")
    cause, action = _cause(reported, volume, mine, report, desired, standing, health)
    if action.startswith("nothing:"):
        action = f"none:{action.removeprefix('nothing:')}"
    return reported._replace(means=means, cause=cause, action=action, findings=mine)


def _refused(
    reported: Verdict,
    volume: Volume,
    refused: Finding,
    mine: tuple[Finding, ...],
    facts: LogicalVolume | None,
    seen: World,
    desired: Desired,
    health: healths.Health,
) -> Verdict:
    torn = facts is not None and refused.ref.layer == "volume" and _is_torn(facts)
    word = SPLIT_BRAIN if torn else REFUSED if reported.state in (OK, DOWN) else f"{reported.state}, {REFUSED}"
    means = (
        Clause("in service; what is declared is not done")
        if reported.state == OK
        else _means(reported.state, volume, facts, seen, desired, health)
    )
    cause = refused.why if torn else "; ".join(filter(None, (refused.what, refused.why)))
    others = tuple(f for f in mine if f is not refused)
    return reported._replace(
        word=word, means=means, cause=Clause(cause), action=refused.next, findings=(refused, *others)
    )


def _is_torn(facts: LogicalVolume) -> bool:
    past = past_of(facts)
    return bool(past and past.diverged) or bool(facts.split_brain(past.rebuild if past else ()))


def _means(
    state: str, volume: Volume, facts: LogicalVolume | None, seen: World, desired: Desired, health: healths.Health
) -> Clause:
    if facts is None:
        absent = isinstance(seen.get("volume", {}).get(volume.id), Absent)
        return Clause("it does not exist yet" if absent else "lunmirror cannot see it, and leaves it alone")
    mine = copies(volume, seen, desired)
    if _is_torn(facts):
        where = "in service, and" if state != DOWN else "out of service;"
        return Clause(f"{where} each side holds writes that the other lacks; no redundancy", health.since)
    good = [c for c in mine if c.good]
    if state == DOWN:
        held = whole_legs(facts)
        places = _places(c for c in mine if c.pvs and set(c.pvs) <= held)
        safe = f"; its data is on {places}" if places else ""
        lack = "not in service" if not facts.active else _first_clause(health.words)
        return Clause(f"{lack}{safe}")
    if state == COPYING:
        where = f"data is safe on {_places(good)}" if good else "in service"
        return Clause(f"{where}; redundancy is full when the copy ends")
    if len(good) > 1:
        return Clause(f"data is safe; {len(good)} of {len(volume.legs)} legs hold it", health.since)
    if good:
        return Clause(f"data is safe on {_places(good)}; no redundancy", health.since)
    return Clause("in service, but no leg is known to hold all that was written", health.since)


def _first_clause(words: str) -> str:
    return words.partition(": ")[0]


def _places(mine: Iterable[Copy]) -> str:
    return listed(dict.fromkeys(s or "an unknown server" for c in mine for s in c.servers))


def _cause(
    reported: Verdict,
    volume: Volume,
    mine: tuple[Finding, ...],
    report: Report,
    desired: Desired,
    standing: tuple[Server, ...],
    health: healths.Health,
) -> tuple[Clause, str]:
    here = {desired.disks[d].server for d in volume.legs}
    away = [s for s in standing if s.name in here and s.away]
    if away and reported.state != COPYING:
        return _away(reported, away, _has_steps(volume, report, desired))
    session = next((f for f in mine if f.ref.layer in ("node", "session") and _stands_in_the_way(f)), None)
    if session and reported.state != COPYING:
        return Clause(session.what), session.next
    bad = [c for c in copies(volume, report.seen, desired) if not c.good]
    if reported.state == COPYING:
        behind = [c for c in bad if c.lack]
        one = f"the leg on {_places(behind)} is being brought up to date"
        return Clause(one if len(behind) == 1 else "its legs are being made equal"), "none: it goes on by itself"
    for finding in (f for f in mine if f.ref.layer == "volume"):
        return Clause(finding.why or finding.what), finding.next
    if _has_steps(volume, report, desired):
        lacking = bad if reported.state == DEGRADED else ()
        words = "; ".join(f"the leg on {_places((c,))} is {c.lack}" for c in lacking if c.lack)
        unseen = facts_of(volume, report.seen) is None
        return Clause(
            words or (health.words.removeprefix(healths.UNSEEN) if unseen else _first_clause(health.words))
        ), f"none: {NEXT_PASS}"
    for finding in mine:
        return Clause(finding.why or finding.what), finding.next
    return Clause(health.words), "`lunmirror plan` shows what can be done"


def _has_steps(volume: Volume, report: Report, desired: Desired) -> bool:
    """The next pass does more to it than to take notes."""
    return any(isinstance(step.action, Run) and step.ref in resting(volume, desired) for step in report.steps)


def _stands_in_the_way(finding: Finding) -> bool:
    return finding.kind in (Kind.BLOCKED, Kind.DEGRADED)


def _away(reported: Verdict, away: list[Server], starts: bool) -> tuple[Clause, str]:
    """`starts`: it is out of service, and the next pass starts it on what is there."""
    names = [s.name for s in away]
    since = min((s.since for s in away if s.since), default="")
    verb = "have" if len(names) > 1 else "has"
    do = "do" if len(names) > 1 else "does"
    why = dict.fromkeys(s.why for s in away if s.why)
    reason = f" ({next(iter(why))})" if len(why) == 1 else ""
    text = f"{listed(names)} {verb} not answered" if since else f"{listed(names)} {do} not answer{reason}"
    if reported.state == DOWN and starts:
        return Clause(text, since), f"none: {NEXT_PASS}"
    if reported.state == DOWN:
        return Clause(text, since), f"bring {listed(names, 'or')} back: the volume then starts by itself"
    return Clause(
        text, since
    ), f"none: redundancy returns by itself when {listed(names)} answer{'' if len(names) > 1 else 's'}"


# The machine


def _headline(
    found: tuple[Verdict, ...], troubles: tuple[Trouble, ...], undeclared: tuple[Finding, ...], desired: Desired
) -> Clause:
    deciding = [v for v in found if v.decision]
    if len(deciding) == 1 and deciding[0].word == SPLIT_BRAIN:
        return Clause(f"an administrator must decide: split brain of {deciding[0].volume}")
    if len(deciding) == 1:
        return Clause(f"an administrator must decide: {deciding[0].findings[0].what}")
    if deciding:
        return Clause(f"an administrator must decide about {_counted(deciding, found)}")
    refused = next((t for t in troubles if t.kind is Kind.REFUSED), None)
    if refused:
        return Clause(f"an administrator must decide: {refused.what}")
    for state, words in ((DOWN, "out of service"), (DEGRADED, "without full redundancy"), (COPYING, "being copied")):
        such = [v for v in found if v.state == state]
        if not such:
            continue
        is_ = "is" if len(such) == 1 else "are"
        whose = "its" if len(such) == 1 else "their"
        safe = f"; {whose} data is safe" if all(v.means.text.startswith("data is safe") for v in such) else ""
        return Clause(f"{_counted(such, found)} {is_} {words}{safe}")
    if troubles:
        whole = (
            at_rest.words(desired.maintenance) if desired.maintenance and desired.resting else "every volume is whole"
        )
        return Clause(f"{whole}, but {troubles[0].what}")
    if any(v.state == RESTING for v in found) and desired.maintenance:
        return Clause(f"{at_rest.words(desired.maintenance)}; all data is safe, and no volume lacks anything else")
    if undeclared:
        named = listed(dict.fromkeys(f.ref.name for f in undeclared))
        return Clause(f"what is declared is whole, but nobody manages {named}")
    if not found:
        return Clause("no volume is declared")
    many = "1 volume is" if len(found) == 1 else f"{len(found)} volumes are"
    declared = "full redundancy" if all(len(v.legs) > 1 for v in desired.volumes.values()) else "what is declared"
    return Clause(f"{many} in service, with {declared}")


def _counted(such: list[Verdict], found: tuple[Verdict, ...]) -> str:
    return such[0].volume if len(such) == 1 else f"{len(such)} of {len(found)} volumes"
