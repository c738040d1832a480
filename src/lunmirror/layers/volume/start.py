"""A volume that is there but not active: started whole, or on the legs that are known to be good.

| type, legs                                  | what is done                                                      |
|---------------------------------------------|-------------------------------------------------------------------|
| every leg in view                           | activated; a raid1 that ended uncleanly is made equal afterwards  |
| raid1, the good legs in view                | journal first, then activated degraded, LVM shown those alone     |
| raid1, a leg in view is older (trust.py)    | the same, without it; it is copied again in full (choose.remake)   |
| mirror, a leg away for certain or stale     | journal first, the leg given up (`--repair`), the rest activated  |
| mirror, a leg that may be there in a moment | blocked: giving a leg up costs a full copy                        |
| only legs in view that fell behind          | refused                                                           |
| mirror, the journal cannot be read          | blocked: its first leg may be the one that fell behind            |

A leg that fell behind never starts a volume alone: which legs are good is what the journal is for. A segtype mirror
has no degraded start ("Refusing activation of partial LV"), and its partial one is a trap; what dmeventd does in
service works on the stopped volume too (docs/facts/lab.md#mirror-with-one-leg-missing). Started whole, it copies from
its first leg, whichever that is.
"""

from lunmirror.engine import journal
from lunmirror.engine.model import Drift, Plan, Present, Risk, Run, Step, Unknown
from lunmirror.engine.plain import exactly, named
from lunmirror.layers.session.facts import NoSession, Session
from lunmirror.layers.volume import choose, repair, restarts, stopped, trust
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import Leg, LogicalVolume
from lunmirror.layers.volume.stopped import not_marked_failed, words_of


def start(ctx: VolumeContext, facts: LogicalVolume) -> Plan:
    known = stopped.known(ctx, facts)
    if known is None:
        return _all_older(ctx, facts, trust.judge(facts))
    answer = _start(ctx, known)
    return answer if answer.steps else Plan(stopped.noted(ctx, known), answer.findings)


def _all_older(ctx: VolumeContext, facts: LogicalVolume, verdict: trust.Verdict) -> Plan:
    why = "; ".join(f"the leg on server {ctx.server_of(pv)}: {reason}" for pv, (_, reason) in verdict.older.items())
    if entry := ctx.past(facts):
        why += f"; the newest, as noted {entry.since}, was on {named('server', map(ctx.server_of, entry.running))}"
    one = next(leg for leg in facts.legs if set(leg.pvs) & set(verdict.older))
    next_ = (
        "if servers put back an earlier state of their disks, have them bring back the newest; or, if what is newer may be"
        f" lost, {_choice(ctx, one)}"
    )
    return ctx.refused("is not started: every leg that could be the source is older than it was", why, next_)


def _start(ctx: VolumeContext, facts: LogicalVolume) -> Plan:
    entry = ctx.past(facts)
    given_up = entry.rebuild if entry else ()
    hidden = [leg for leg in facts.legs if not ctx.in_view(leg) or set(leg.pvs) & set(given_up)]
    if hidden and len(hidden) == len(facts.legs):
        return _none_left(ctx, facts)
    checked = restarts.at_start(ctx, facts, _is_flushed(facts))
    if isinstance(checked, Plan):
        return checked
    facts = checked
    if facts.type == "mirror":
        if isinstance(facts.past, Unknown) and not hidden:
            return _unremembered(ctx, facts, facts.past)
        if (entry := ctx.past(facts)) and entry.layout and not hidden:
            return _unremembered(ctx, facts, Unknown(f"it was seen as a {entry.layout} since its legs were noted"))
        if lost := _lost(ctx, facts, hidden):
            return _start_mirror(ctx, facts, lost)
    if isinstance(facts.superblocks, Unknown):
        why = (
            f"the superblocks of its legs cannot be read, and they may be in split brain: {facts.superblocks.reason}"
        )
        return ctx.blocked("is not active", why, "the next pass looks again")
    if not hidden:
        if isinstance(facts.past, Unknown) and _has_traces(facts):
            return _unremembered(ctx, facts, facts.past)
        return Plan(
            (*_note_start(ctx, facts), _activate(ctx, f"inactive{_unproven(ctx, facts)}"), *_predicted(ctx, facts))
        )
    if facts.type != "raid1":
        why = f"server {_servers(ctx, hidden)} is away, and a {facts.type} starts only whole"
        return ctx.blocked("is not active", why, _BRING_BACK)
    if doubt := _grey(ctx, hidden):
        return ctx.blocked("is not active yet", doubt, "the next pass decides")
    return _start_degraded(ctx, facts, hidden)


def _is_flushed(facts: LogicalVolume) -> bool:
    """Whether it is certain that the legs in view had all flushed when it ended: a raid1 that stops cleanly flushes its legs, and
    its bitmap last. A crash after some idle seconds leaves no bit set either, and each was cleared by a write that flushed the
    leg first (docs/facts/restarts.md#a-crash-while-idle). One that ran without a leg keeps bits for that: of it nothing is known."""
    if not isinstance(facts.superblocks, Present):
        return False
    legs = facts.superblocks.facts.legs
    return legs.keys() >= facts.servers.keys() and not any(leg.dirty or leg.failed for leg in legs.values())


def _none_left(ctx: VolumeContext, facts: LogicalVolume) -> Plan:
    """No leg is in view, or none of those in view is to be believed."""
    away = [leg for leg in facts.legs if not ctx.in_view(leg)]
    there = [leg for leg in facts.legs if leg not in away]
    entry = ctx.past(facts)
    if not there or entry is None:
        return ctx.blocked("is not active", f"server {_servers(ctx, away)} is away", _BRING_BACK)
    why = choose.untrusted(ctx, entry, there)
    if not away:  # only by a hand in the journal
        return ctx.refused("is not active", why, f"say which leg is kept: {_choice(ctx, there[0])}")
    why = f"server {_servers(ctx, away)} is away, and {why}"
    return ctx.refused(
        "is not active",
        why,
        f"{_BRING_BACK}; or, if what it holds may be lost, {_choice(ctx, there[0])}",
    )


def _choice(ctx: VolumeContext, leg: Leg) -> str:
    return f"`lunmirror choose {ctx.volume.id} --keep {_servers(ctx, [leg])}`"


_BRING_BACK = "bring it back; the next pass activates it"


def _unproven(ctx: VolumeContext, facts: LogicalVolume) -> str:
    """What is not known of a mirror that is started whole: its log was in the kernel's memory."""
    if facts.type != "mirror":
        return ""
    entry = ctx.past(facts)
    word = f"good, as noted {entry.since}" if entry else "not noted anywhere"
    first, others = _servers(ctx, [facts.legs[0]]), _servers(ctx, list(facts.legs[1:]))
    if facts.log == "disk":
        return (
            f"; its log on a disk says what of the leg on server {first} ({word}) is copied over that on server {others}:"
            " nothing on the disks shows whether one was put back"
        )
    return f"; the leg on server {first} ({word}) is copied over that on server {others}: nothing on the disks shows which is newer"


def _unremembered(ctx: VolumeContext, facts: LogicalVolume, past: Unknown) -> Plan:
    why = f"{past.reason}, so it is not known which of its legs are up to date"
    next_ = (
        f"if another version of lunmirror wrote {journal.path_of(facts.uuid)}, use that; or say which leg is to be kept:"
        f" `lunmirror choose {ctx.volume.id} --keep SERVER`"
    )
    if facts.type == "raid1":  # its legs show by themselves what a lost journal cannot
        next_ = repair.set_aside(facts)
    return ctx.blocked("is not active", why, next_)


def _has_traces(facts: LogicalVolume) -> bool:
    """Whether its last end left what the journal must note before a start tidies it away."""
    word = words_of(facts)
    return bool(word.marked_failed() or word.unclean or trust.judge(facts).older)


def _servers(ctx: VolumeContext, legs: list[Leg]) -> str:
    return ", ".join(dict.fromkeys(ctx.server_of(pv) for leg in legs for pv in leg.pvs))


def _activate(ctx: VolumeContext, observed: str) -> Step:
    run = ctx.lvm("lvchange", "-a", "y", ctx.volume.id)
    return ctx.change(f"activate volume {ctx.volume.id}", run, Drift(ctx.volume.key, "active", observed))


def _predicted(ctx: VolumeContext, facts: LogicalVolume) -> tuple[Step, ...]:
    """What follows once it is active (choose.scrub), for a plan to show."""
    if not (isinstance(facts.superblocks, Present) and facts.superblocks.facts.unclean):
        return ()
    return (choose.go_over(ctx, "repair", "an end that was not clean")._replace(after=(ctx.ref,)),)


def _note_start(ctx: VolumeContext, facts: LogicalVolume) -> tuple[Step, ...]:
    """What the journal must know before the volume is started whole: the traces of its last end are gone after that."""
    entry = ctx.past(facts)
    if facts.type == "mirror" and entry:
        # Until the copy is done, what is written to a region not copied yet is on the first leg alone.
        first = tuple(sorted(facts.legs[0].pvs))
        return ctx.note_legs(facts, journal.advance(entry, ctx.volume.id, first, ctx.seqno, facts.today))
    if facts.type != "raid1":
        return ()
    word, good = words_of(facts), not_marked_failed(facts)
    behind = word.marked_failed()
    if entry is None and good and (behind or word.unclean):
        entry = ctx.first_entry(facts, good)
    if entry is None:
        return ()
    if behind and good and not set(good) & set(entry.running):
        # The journal fell asleep before the legs changed places; what the good ones say is on them.
        entry = entry._replace(running=good, since=facts.today, last=dict.fromkeys(behind, facts.today))
    return ctx.note_legs(facts, _counted(facts, journal.restarted(entry, facts.boot, word.unclean)))


def _counted(facts: LogicalVolume, entry: journal.Entry) -> journal.Entry:
    legs = words_of(facts).legs
    every = len(legs) == len(facts.legs)
    return journal.at_rest(entry, {leg.part: leg.events for leg in legs.values()}, every)


# A raid1 on fewer legs


def _start_degraded(ctx: VolumeContext, facts: LogicalVolume, hidden: list[Leg]) -> Plan:
    entry = ctx.past(facts)
    away = _servers(ctx, hidden)
    visible = tuple(pv for leg in facts.legs if leg not in hidden for pv in leg.pvs)
    good = journal.fit_to_start(entry, visible, ctx.seqno, ctx.term)
    if not good:
        return _refuse(ctx, facts, away, visible)
    assert entry is not None
    word = words_of(facts)
    now_on = journal.advance(entry, ctx.volume.id, good, ctx.seqno, facts.today)
    now_on = _counted(facts, journal.restarted(now_on, facts.boot, word.unclean))
    only = ", ".join(ctx.server_of(pv) for pv in good)
    run = ctx.lvm("lvchange", "-a", "y", "--activationmode", "degraded", ctx.volume.id, devices=_devices(ctx, good))
    activate = _alone(ctx, only, run, f"inactive; {_why_without(ctx, facts, hidden)}", entry)
    return Plan((*ctx.note_legs(facts, now_on), activate))


def _why_without(ctx: VolumeContext, facts: LogicalVolume, hidden: list[Leg]) -> str:
    """Why it starts without these legs, and what that costs."""
    away = [leg for leg in hidden if not ctx.in_view(leg)]
    there = [leg for leg in hidden if leg not in away]
    words = [f"server {_servers(ctx, away)} away"] if away else []
    if there and (entry := ctx.past(facts)):
        verdict = trust.judge(facts._replace(past=Present(journal.trusting(entry, ()))))
        reason = "; ".join(filter(None, (trust.evidence(verdict, pv) for leg in there for pv in leg.pvs)))
        words.append(f"{choose.untrusted(ctx, entry, there)}{f' ({reason})' if reason else ''}")
        words.append(f"to be copied again in full, {exactly(facts.size * len(there))}")
    return "; ".join(words)


def _devices(ctx: VolumeContext, good: tuple[str, ...]) -> tuple[str, ...]:
    """LVM is shown the good legs alone: one that fell behind or was given up must not join at this moment."""
    return tuple(m.device for pv in good if (m := ctx.member(pv)))


def _refuse(ctx: VolumeContext, facts: LogicalVolume, away: str, visible: tuple[str, ...]) -> Plan:
    return ctx.refused(
        f"is not started without server {away}",
        _unfit(ctx, facts, ctx.past(facts)),
        f"bring server {away} back; or, if what it holds may be lost, `lunmirror choose {ctx.volume.id} --keep"
        f" {ctx.server_of((visible or facts.legs[0].pvs)[0])}`",
    )


def _unfit(ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry | None) -> str:
    if isinstance(facts.past, Unknown):
        return f"{facts.past.reason}, so it is not known whether the leg in view is up to date"
    if entry is None:
        return "it was never seen in full sync by lunmirror, so it is not known whether the leg in view is up to date"
    if entry.diverged:
        return "its legs have each run without the other"
    if entry.scrub in journal.UNSURE:
        return f"{journal.SCRUBS[entry.scrub]}, and that was not done: each may have what another lacks"
    if entry.layout:
        return f"it was seen as a {entry.layout} since its legs were noted, so it is not known whether the leg in view is up to date"
    if entry.term != ctx.term:
        return "another host had the group since its legs were noted here, so it is not known whether the leg in view is up to date"
    names = ", ".join(ctx.server_of(pv) for pv in entry.running)
    if ctx.seqno < entry.seqno:
        return (
            f"LVM's metadata in view are version {ctx.seqno}, and were {entry.seqno} when it was noted {entry.since} that it"
            f" runs on server {names}: the disk in view was put back to an earlier state"
        )
    return f"since {entry.since} it ran on server {names} alone: the leg in view is older"


# A mirror on fewer legs


def _lost(ctx: VolumeContext, facts: LogicalVolume, hidden: list[Leg]) -> list[Leg]:
    """The legs to start without; none: it is started whole. Where one is out of view, or the first fell behind (it
    would be copied over the others), all that fell behind are left out: any of them may come to be the first."""
    entry = ctx.past(facts)
    if entry is None or (not hidden and set(facts.legs[0].pvs) <= set(entry.running)):
        return hidden
    lost = [leg for leg in facts.legs if leg in hidden or not set(leg.pvs) & set(entry.running)]
    return lost if len(lost) < len(facts.legs) else hidden or lost


def _start_mirror(ctx: VolumeContext, facts: LogicalVolume, lost: list[Leg]) -> Plan:
    """Without the legs in `lost`: away, given up by an administrator, or behind. They stay members of the group, and repair
    adds them again: a full copy, which a mirror with a core log makes at every start anyway."""
    entry = ctx.past(facts)
    away = _servers(ctx, lost)
    visible = tuple(pv for leg in facts.legs if leg not in lost for pv in leg.pvs)
    good = journal.fit_to_start(entry, visible, ctx.seqno, ctx.term)
    if not good:
        return _refuse(ctx, facts, away, visible)
    assert entry is not None
    doubts = [_doubt(ctx, pv, entry) for leg in lost for pv in leg.pvs]
    if doubt := next(filter(None, doubts), ""):
        why = f"{doubt}; to start without that leg would give it up, and cost a full copy"
        next_ = f"bring it back; or, if its leg may be given up, `lunmirror choose {ctx.volume.id} --keep {ctx.server_of(good[0])}`"
        return ctx.blocked("is not active", why, next_)
    only = ", ".join(ctx.server_of(pv) for pv in good)
    keep = {pv for leg in lost for pv in leg.pvs}
    devices = tuple(m.device for m in (ctx.group.members if ctx.group else ()) if m.device and m.uuid not in keep)
    without = ctx.change(
        f"give up the leg of {ctx.volume.id} on server {away}, to start on server {only} alone; it is copied again later",
        ctx.lvm("lvconvert", "-y", "--repair", "--use-policies", ctx.volume.id, devices=devices),
        Drift(ctx.volume.key, f"active on server {only}", f"inactive, a mirror with a leg on server {away}"),
        risk=Risk.FEWER,
        proof=f"journal: the leg on server {only} held all that was written, as noted {entry.since}; the other is only left"
        " out of the volume, its disk is not written to",
    )
    run = ctx.lvm("lvchange", "-a", "y", ctx.volume.id, devices=devices)
    activate = _alone(ctx, only, run, f"inactive, without its leg on server {away}", entry)
    now_on = journal.advance(entry, ctx.volume.id, good, ctx.seqno, facts.today)
    return Plan((*ctx.note_legs(facts, now_on), without, activate))


def _doubt(ctx: VolumeContext, pv: str, entry: journal.Entry) -> str:
    """Why the leg on this physical volume may be back in a moment; '' if it is certainly away, behind or given up."""
    if pv in entry.rebuild or pv not in entry.running:
        return ""
    if _taken(ctx, pv):
        return ""
    server = ctx.server_of(pv)
    for state in ctx.sessions(pv):
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
                return f"whether server {server} is there is not known"
    return "" if ctx.sessions(pv) else f"whether server {server} is there is not known"


def _taken(ctx: VolumeContext, pv: str) -> bool:
    """Another physical volume is seen in the very place of this one, and an administrator declared that it replaces it: it will not
    return. `replaces` alone does not say so: a leg that works may be about to move to another server."""
    new, old = ctx.leaving.get(pv), ctx.member(pv)
    if new is None or old is None or old.device or not ctx.group:
        return False
    there, before = ctx.group.member(new.name), ctx.desired.disks[new.replaces]
    place = (before.server, before.target, before.lun)
    return bool(there and there.device) and (new.server, new.target, new.lun) == place


def _grey(ctx: VolumeContext, hidden: list[Leg]) -> str:
    """Why a leg out of view may be there all the same: the kernel still has its session, though nothing answers."""
    for leg in (one for one in hidden if not ctx.in_view(one)):
        for pv in leg.pvs:
            for state in ctx.sessions(pv):
                if isinstance(state, Present) and isinstance(state.facts, Session) and state.facts.silence:
                    return (
                        f"server {ctx.server_of(pv)} does not answer ({state.facts.silence}), but the kernel still has"
                        f" {state.facts.sid} for {state.facts.state}: in some seconds it is known"
                    )
    return ""


def _alone(ctx: VolumeContext, only: str, run: Run, observed: str, entry: journal.Entry) -> Step:
    return ctx.change(
        f"activate volume {ctx.volume.id} on server {only} alone",
        run,
        Drift(ctx.volume.key, "active", observed),
        risk=Risk.FEWER,
        proof=f"server {only} held all that was written, as noted {entry.since}",
    )
