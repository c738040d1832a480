"""A volume that is there but not active: started whole, or on the legs that are known to be good.

A leg that fell behind never starts a volume alone: which legs are good is what the journal is for. A segtype mirror
has no degraded start at all ("Refusing activation of partial LV": shared facts, lvm.md).
"""

from lunmirror import journal
from lunmirror.layers.volume.facts import Leg, LogicalVolume
from lunmirror.layers.volume.subject import Subject
from lunmirror.model import Drift, Kind, Plan, Unknown


def start(of: Subject, facts: LogicalVolume) -> Plan:
    given_up = of.past(facts).rebuild if of.past(facts) else ()
    hidden = [leg for leg in facts.legs if not of.in_view(leg) or set(leg.pvs) & set(given_up)]
    if not hidden:
        return of.steps(
            f"activate volume {of.volume.id}",
            of.lvm("lvchange", "-a", "y", of.volume.id),
            Drift(of.volume.key, "active", "inactive"),
        )
    away = ", ".join(dict.fromkeys(of.server_of(pv) for leg in hidden for pv in leg.pvs))
    if facts.type != "raid1" or len(hidden) == len(facts.legs):
        why = f"server {away} is away" + (
            "" if len(hidden) == len(facts.legs) else f", and a {facts.type} starts only whole"
        )
        next = "bring it back; the next pass activates it"
        return of.find(Kind.BLOCKED, "is not active", why, next)
    return _start_degraded(of, facts, [leg for leg in facts.legs if leg not in hidden], away)


def _start_degraded(of: Subject, facts: LogicalVolume, legs: list[Leg], away: str) -> Plan:
    entry = of.past(facts)
    visible = tuple(pv for leg in legs for pv in leg.pvs)
    good = journal.fit_to_start(entry, visible)
    if not good:
        return of.find(
            Kind.REFUSED,
            f"is not started without server {away}",
            _unfit(of, facts, entry),
            f"bring server {away} back; or, if what it holds may be lost, `lunmirror choose {of.volume.id} --keep"
            f" {of.server_of(visible[0])}`",
        )
    assert entry is not None
    seqno = of.group.seqno if of.group else 0
    now_on = journal.advance(entry, of.volume.id, good, seqno, facts.today)
    only = ", ".join(of.server_of(pv) for pv in good)
    # LVM is shown the good legs alone: one that fell behind or was given up must not join at this moment.
    devices = tuple(m.device for pv in good if (m := of.member(pv)))
    activate = of.step(
        f"activate volume {of.volume.id} on server {only} alone",
        of.lvm("lvchange", "-a", "y", "--activationmode", "degraded", of.volume.id, devices=devices),
        Drift(of.volume.key, "active", f"inactive, server {away} away"),
    )
    return Plan((*of.note_legs(facts, now_on), activate))


def _unfit(of: Subject, facts: LogicalVolume, entry: journal.Entry | None) -> str:
    if isinstance(facts.past, Unknown):
        return f"{facts.past.reason}, so it cannot be told whether the leg in view is up to date"
    if entry is None:
        return (
            "it was never seen in full sync by lunmirror, so it cannot be told whether the leg in view is up to date"
        )
    if entry.diverged:
        return "its legs have each run without the other"
    names = ", ".join(of.server_of(pv) for pv in entry.running)
    return f"since {entry.since} it ran on server {names} alone: the leg in view is older"
