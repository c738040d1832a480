"""A volume that is there but not active: started whole, or on the legs that are known to be good.

| type, legs                                  | what is done                                                      |
|---------------------------------------------|-------------------------------------------------------------------|
| every leg in view                           | activated; a raid1 that ended uncleanly is made equal afterwards  |
| raid1, the good legs in view                | journal first, then activated degraded, LVM shown those alone     |
| raid1, a leg in view is older (trust.py)    | the same, without it; it is copied anew in full (choose.remake)   |
| mirror, a leg away for certain or stale     | journal first, the leg given up (`--repair`), the rest activated  |
| mirror, a leg that may be there in a moment | blocked: giving a leg up costs a full copy                        |
| only legs in view that fell behind          | refused                                                           |
| mirror, the journal cannot be read          | blocked: its first leg may be the one that fell behind            |

A leg that fell behind never starts a volume alone: which legs are good is what the journal is for. A segtype mirror
has no degraded start ("Refusing activation of partial LV"), and its partial one is a trap; what dmeventd does in
service works on the stopped volume too (docs/facts/lab.md#mirror-with-one-leg-missing). Started whole, it copies from
its first leg, whichever that is.
"""

from lunmirror import journal
from lunmirror.layers.session.facts import NoSession, Session
from lunmirror.layers.volume import choose, heal, restarts, trust
from lunmirror.layers.volume.facts import Leg, LogicalVolume
from lunmirror.layers.volume.subject import Subject
from lunmirror.layers.volume.superblock import Accounts
from lunmirror.model import Drift, Kind, Plan, Present, Risk, Step, Unknown


def start(of: Subject, facts: LogicalVolume) -> Plan:
    verdict = trust.judge(facts)
    if not verdict.older or isinstance(facts.past, Unknown):
        return _start(of, facts)
    entry = of.past(facts)
    if entry is None and all(of.in_view(leg) for leg in facts.legs):
        good = tuple(pv for pv in _unaccused(facts) if pv not in verdict.older)
        entry = journal.Entry(of.volume.id, good, facts.today, of.seqno, {}) if good else None
    known = trust.believing(facts, entry, verdict)
    if known is None:
        return _all_older(of, facts, verdict)
    answer = _start(of, facts._replace(past=Present(known)))
    return answer if answer.steps else Plan(of.note_legs(facts, known), answer.findings)


def _unaccused(facts: LogicalVolume) -> tuple[str, ...]:
    """PV UUIDs of the legs in sync by their own word, and by that of the others."""
    word = _word(facts)
    behind = word.accused() | {pv for pv, leg in word.legs.items() if leg.recovering}
    return tuple(sorted(pv for leg in facts.legs for pv in leg.pvs if pv not in behind))


def _word(facts: LogicalVolume) -> Accounts:
    return facts.testimony.facts if isinstance(facts.testimony, Present) else Accounts({})


def _all_older(of: Subject, facts: LogicalVolume, verdict: trust.Verdict) -> Plan:
    why = "; ".join(f"the leg on server {of.server_of(pv)}: {said}" for pv, (_, said) in verdict.older.items())
    if entry := of.past(facts):
        why += f"; the newest, as noted {entry.since}, was on server {', '.join(map(of.server_of, entry.running))}"
    one = next(leg for leg in facts.legs if set(leg.pvs) & set(verdict.older))
    next_ = (
        "if servers put back an earlier state of their disks, have them bring back the newest; or, if what is newer may be"
        f" lost, {_choice(of, one)}"
    )
    return of.find(
        Kind.REFUSED, "is not started: every leg that could be the source is older than it was", why, next_
    )


def _start(of: Subject, facts: LogicalVolume) -> Plan:
    entry = of.past(facts)
    given_up = entry.rebuild if entry else ()
    hidden = [leg for leg in facts.legs if not of.in_view(leg) or set(leg.pvs) & set(given_up)]
    if hidden and len(hidden) == len(facts.legs):
        return _none_left(of, facts)
    checked = restarts.at_start(of, facts, _is_flushed(facts))
    if isinstance(checked, Plan):
        return checked
    facts = checked
    if facts.type == "mirror":
        if isinstance(facts.past, Unknown) and not hidden:
            return _unremembered(of, facts, facts.past)
        if (entry := of.past(facts)) and entry.layout and not hidden:
            return _unremembered(of, facts, Unknown(f"it was seen as a {entry.layout} since its legs were noted"))
        if lost := _lost(of, facts, hidden):
            return _start_mirror(of, facts, lost)
    if isinstance(facts.testimony, Unknown):
        why = f"what its legs say of each other cannot be read, and they may have two histories: {facts.testimony.reason}"
        return of.find(Kind.BLOCKED, "is not active", why, "the next pass looks again")
    if not hidden:
        if isinstance(facts.past, Unknown) and _has_traces(facts):
            return _unremembered(of, facts, facts.past)
        return Plan(
            (*_note_start(of, facts), _activate(of, f"inactive{_unproven(of, facts)}"), *_foretold(of, facts))
        )
    if facts.type != "raid1":
        why = f"server {_servers(of, hidden)} is away, and a {facts.type} starts only whole"
        return of.find(Kind.BLOCKED, "is not active", why, _BRING_BACK)
    if doubt := _grey(of, hidden):
        return of.find(Kind.BLOCKED, "is not active yet", doubt, "the next pass decides")
    return _start_degraded(of, facts, hidden)


def _is_flushed(facts: LogicalVolume) -> bool:
    """Whether it is certain that all was flushed when it ended: a raid1 that stops cleanly flushes its legs, and its bitmap
    last. One that ran without a leg keeps bits for that, so of it nothing is known."""
    if not isinstance(facts.testimony, Present):
        return False
    said = facts.testimony.facts
    return len(said.legs) == len(facts.legs) and not any(leg.dirty or leg.failed for leg in said.legs.values())


def _none_left(of: Subject, facts: LogicalVolume) -> Plan:
    """No leg is in view, or none of those in view is to be believed."""
    away = [leg for leg in facts.legs if not of.in_view(leg)]
    there = [leg for leg in facts.legs if leg not in away]
    entry = of.past(facts)
    if not there or entry is None:
        return of.find(Kind.BLOCKED, "is not active", f"server {_servers(of, away)} is away", _BRING_BACK)
    why = choose.untrusted(of, entry, there)
    if not away:  # only by a hand in the journal
        return of.find(Kind.REFUSED, "is not active", why, f"say which leg is kept: {_choice(of, there[0])}")
    why = f"server {_servers(of, away)} is away, and {why}"
    return of.find(
        Kind.REFUSED,
        "is not active",
        why,
        f"{_BRING_BACK}; or, if what it holds may be lost, {_choice(of, there[0])}",
    )


def _choice(of: Subject, leg: Leg) -> str:
    return f"`lunmirror choose {of.volume.id} --keep {_servers(of, [leg])}`"


_BRING_BACK = "bring it back; the next pass activates it"


def _unproven(of: Subject, facts: LogicalVolume) -> str:
    """What nothing tells of a mirror that is started whole: its log was in the kernel's memory."""
    if facts.type != "mirror":
        return ""
    entry = of.past(facts)
    word = f"good, as noted {entry.since}" if entry else "not noted anywhere"
    first, others = _servers(of, [facts.legs[0]]), _servers(of, list(facts.legs[1:]))
    return f"; the leg on server {first} ({word}) is copied over that on server {others}: nothing on the disks tells which is newer"


def _unremembered(of: Subject, facts: LogicalVolume, past: Unknown) -> Plan:
    why = f"{past.reason}, so it cannot be told which of its legs are up to date"
    next_ = (
        f"if another version of lunmirror wrote {journal.path_of(facts.uuid)}, use that; or say which leg is to be kept:"
        f" `lunmirror choose {of.volume.id} --keep SERVER`"
    )
    if facts.type == "raid1":  # its legs tell for themselves what a lost journal cannot
        next_ = heal.set_aside(facts)
    return of.find(Kind.BLOCKED, "is not active", why, next_)


def _has_traces(facts: LogicalVolume) -> bool:
    """Whether its last end left what the journal must be told before a start tidies it away."""
    word = _word(facts)
    return bool(word.accused() or word.unclean or trust.judge(facts).older)


def _servers(of: Subject, legs: list[Leg]) -> str:
    return ", ".join(dict.fromkeys(of.server_of(pv) for leg in legs for pv in leg.pvs))


def _activate(of: Subject, observed: str) -> Step:
    run = of.lvm("lvchange", "-a", "y", of.volume.id)
    return of.step(f"activate volume {of.volume.id}", run, Drift(of.volume.key, "active", observed))


def _foretold(of: Subject, facts: LogicalVolume) -> tuple[Step, ...]:
    """What follows once it is active (choose.scrub), for a plan to show."""
    if not (isinstance(facts.testimony, Present) and facts.testimony.facts.unclean):
        return ()
    return (choose.go_over(of, "repair", "an end that was not clean")._replace(after=(of.ref,)),)


def _note_start(of: Subject, facts: LogicalVolume) -> tuple[Step, ...]:
    """What the journal must know before the volume is started whole: the traces of its last end are gone after that."""
    entry = of.past(facts)
    if facts.type == "mirror" and entry:
        # Until the copy is done, what is written to a region not copied yet is on the first leg alone.
        first = tuple(sorted(facts.legs[0].pvs))
        return of.note_legs(facts, journal.advance(entry, of.volume.id, first, of.seqno, facts.today))
    if facts.type != "raid1":
        return ()
    word, good = _word(facts), _unaccused(facts)
    behind = word.accused()
    if entry is None and good and (behind or word.unclean):
        entry = journal.Entry(of.volume.id, good, facts.today, of.seqno, {})
    if entry is None:
        return ()
    if behind and good and not set(good) & set(entry.running):
        # The journal fell asleep before the legs changed places; what the good ones say is on them.
        entry = entry._replace(running=good, since=facts.today, last=dict.fromkeys(behind, facts.today))
    return of.note_legs(facts, _counted(of, facts, journal.restarted(entry, facts.boot, word.unclean)))


def _counted(of: Subject, facts: LogicalVolume, entry: journal.Entry) -> journal.Entry:
    legs = _word(facts).legs
    every = len(legs) == len(facts.legs)
    return journal.at_rest(entry, {leg.part: leg.events for leg in legs.values()}, every)


# A raid1 on fewer legs


def _start_degraded(of: Subject, facts: LogicalVolume, hidden: list[Leg]) -> Plan:
    entry = of.past(facts)
    away = _servers(of, hidden)
    visible = tuple(pv for leg in facts.legs if leg not in hidden for pv in leg.pvs)
    good = journal.fit_to_start(entry, visible, of.seqno)
    if not good:
        return _refuse(of, facts, away, visible)
    assert entry is not None
    word = _word(facts)
    now_on = journal.advance(entry, of.volume.id, good, of.seqno, facts.today)
    now_on = _counted(of, facts, journal.restarted(now_on, facts.boot, word.unclean))
    only = ", ".join(of.server_of(pv) for pv in good)
    activate = of.step(
        f"activate volume {of.volume.id} on server {only} alone",
        of.lvm("lvchange", "-a", "y", "--activationmode", "degraded", of.volume.id, devices=_devices(of, good)),
        Drift(of.volume.key, "active", f"inactive; {_why_without(of, facts, hidden)}"),
    )
    return Plan((*of.note_legs(facts, now_on), activate))


def _why_without(of: Subject, facts: LogicalVolume, hidden: list[Leg]) -> str:
    """Why it starts without these legs, and what that costs."""
    away = [leg for leg in hidden if not of.in_view(leg)]
    there = [leg for leg in hidden if leg not in away]
    words = [f"server {_servers(of, away)} away"] if away else []
    if there and (entry := of.past(facts)):
        verdict = trust.judge(facts._replace(past=Present(journal.trusting(entry, ()))))
        said = "; ".join(filter(None, (trust.evidence(verdict, pv) for leg in there for pv in leg.pvs)))
        words.append(f"{choose.untrusted(of, entry, there)}{f' ({said})' if said else ''}")
        words.append(f"to be copied anew in full, {facts.size * len(there)} bytes")
    return "; ".join(words)


def _devices(of: Subject, good: tuple[str, ...]) -> tuple[str, ...]:
    """LVM is shown the good legs alone: one that fell behind or was given up must not join at this moment."""
    return tuple(m.device for pv in good if (m := of.member(pv)))


def _refuse(of: Subject, facts: LogicalVolume, away: str, visible: tuple[str, ...]) -> Plan:
    return of.find(
        Kind.REFUSED,
        f"is not started without server {away}",
        _unfit(of, facts, of.past(facts)),
        f"bring server {away} back; or, if what it holds may be lost, `lunmirror choose {of.volume.id} --keep"
        f" {of.server_of((visible or facts.legs[0].pvs)[0])}`",
    )


def _unfit(of: Subject, facts: LogicalVolume, entry: journal.Entry | None) -> str:
    if isinstance(facts.past, Unknown):
        return f"{facts.past.reason}, so it cannot be told whether the leg in view is up to date"
    if entry is None:
        return (
            "it was never seen in full sync by lunmirror, so it cannot be told whether the leg in view is up to date"
        )
    if entry.diverged:
        return "its legs have each run without the other"
    if entry.layout:
        return f"it was seen as a {entry.layout} since its legs were noted, so it cannot be told whether the leg in view is up to date"
    names = ", ".join(of.server_of(pv) for pv in entry.running)
    if of.seqno < entry.seqno:
        return (
            f"LVM's metadata in view are version {of.seqno}, and were {entry.seqno} when it was noted {entry.since} that it"
            f" runs on server {names}: the disk in view was put back to an earlier state"
        )
    return f"since {entry.since} it ran on server {names} alone: the leg in view is older"


# A mirror on fewer legs


def _lost(of: Subject, facts: LogicalVolume, hidden: list[Leg]) -> list[Leg]:
    """The legs to start without; none: it is started whole. Where one is out of view, or the first fell behind (it
    would be copied over the others), all that fell behind are left out: any of them may come to be the first."""
    entry = of.past(facts)
    if entry is None or (not hidden and set(facts.legs[0].pvs) <= set(entry.running)):
        return hidden
    lost = [leg for leg in facts.legs if leg in hidden or not set(leg.pvs) & set(entry.running)]
    return lost if len(lost) < len(facts.legs) else hidden or lost


def _start_mirror(of: Subject, facts: LogicalVolume, lost: list[Leg]) -> Plan:
    """Without the legs in `lost`: away, given up by a person, or behind. They stay members of the group, and healing
    adds them again: a full copy, which a mirror with a core log makes at every start anyway."""
    entry = of.past(facts)
    away = _servers(of, lost)
    visible = tuple(pv for leg in facts.legs if leg not in lost for pv in leg.pvs)
    good = journal.fit_to_start(entry, visible, of.seqno)
    if not good:
        return _refuse(of, facts, away, visible)
    assert entry is not None
    doubts = [_doubt(of, pv, entry) for leg in lost for pv in leg.pvs]
    if doubt := next(filter(None, doubts), ""):
        why = f"{doubt}; to start without that leg would give it up, and cost a full copy"
        next_ = f"bring it back; or, if its leg may be given up, `lunmirror choose {of.volume.id} --keep {of.server_of(good[0])}`"
        return of.find(Kind.BLOCKED, "is not active", why, next_)
    only = ", ".join(of.server_of(pv) for pv in good)
    keep = {pv for leg in lost for pv in leg.pvs}
    devices = tuple(m.device for m in (of.group.members if of.group else ()) if m.device and m.uuid not in keep)
    repair = of.step(
        f"give up the leg of {of.volume.id} on server {away}, to start on server {only} alone; it is copied anew later",
        of.lvm("lvconvert", "-y", "--repair", "--use-policies", of.volume.id, devices=devices),
        Drift(of.volume.key, f"active on server {only}", f"inactive, a mirror with a leg on server {away}"),
        Risk.ONLINE,
        f"journal: the leg on server {only} held all that was written, as noted {entry.since}; the other is only left"
        " out of the volume, its disk is not written to",
    )
    activate = of.step(
        f"activate volume {of.volume.id} on server {only} alone",
        of.lvm("lvchange", "-a", "y", of.volume.id, devices=devices),
        Drift(of.volume.key, "active", f"inactive, without its leg on server {away}"),
    )
    now_on = journal.advance(entry, of.volume.id, good, of.seqno, facts.today)
    return Plan((*of.note_legs(facts, now_on), repair, activate))


def _doubt(of: Subject, pv: str, entry: journal.Entry) -> str:
    """Why the leg on this physical volume may be back in a moment; '' if it is certainly away, behind or given up."""
    if pv in entry.rebuild or pv not in entry.running:
        return ""
    if _taken(of, pv):
        return ""
    server = of.server_of(pv)
    for state in of.sessions(pv):
        match state:
            case Present(NoSession(silence)) if silence:
                continue
            case Present(Session(state="FREE")):
                continue  # the kernel gave it up: the recovery timeout is over
            case Present(NoSession()):
                return f"server {server} answers, but there is no session to it"
            case Present(Session() as session):
                return f"{session.sid} to server {server} is {session.state}"
            case _:
                return f"whether server {server} is there cannot be told"
    return "" if of.sessions(pv) else f"whether server {server} is there cannot be told"


def _taken(of: Subject, pv: str) -> bool:
    """Another physical volume is seen in the very place of this one, and a person said that it replaces it: it will not
    return. `replaces` alone does not say so: a leg that works may be about to move to another server."""
    new, old = of.leaving.get(pv), of.member(pv)
    if new is None or old is None or old.device or not of.group:
        return False
    there, before = of.group.member(new.name), of.desired.disks[new.replaces]
    place = (before.server, before.target, before.lun)
    return bool(there and there.device) and (new.server, new.target, new.lun) == place


def _grey(of: Subject, hidden: list[Leg]) -> str:
    """Why a leg out of view may be there all the same: the kernel still has its session, though nothing answers."""
    for leg in (one for one in hidden if not of.in_view(one)):
        for pv in leg.pvs:
            for state in of.sessions(pv):
                if isinstance(state, Present) and isinstance(state.facts, Session) and state.facts.silence:
                    return (
                        f"server {of.server_of(pv)} does not answer ({state.facts.silence}), but the kernel still has"
                        f" {state.facts.sid} for {state.facts.state}: in some seconds it is known"
                    )
    return ""
