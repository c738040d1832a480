"""Legs whose server may have been restarted, and with it have lost what it had acknowledged.

| the connection, the mark (standing.py)          | the volume      | what is done                                         |
|-------------------------------------------------|-----------------|------------------------------------------------------|
| the same connection                             | any             | nothing                                              |
| another, the mark is there: an outage           | any             | the new connection is noted                          |
| another, no mark: a restart; of some legs       | in service, or  | those legs are distrusted: copied again in full from  |
|                                                 | ended uncleanly | the others, and no source until then (choose.remake) |
| the same; of every leg                          | in service      | reported, compared in full; where they differ an         |
|                                                 |                 | administrator decides; of every leg that had not     |
|                                                 |                 | failed before: he decides at once                    |
| the same; of every leg                          | ended uncleanly | those that had failed, or that udev saw reconnect     |
|                                                 |                 | before that, are copied from the others; if none, all |
|                                                 |                 | are made equal; where udev did not note the coming of |
|                                                 |                 | one of the connections: as in service                 |
| the same                                        | ended cleanly   | noted: all was flushed when it ended; unless udev    |
|                                                 |                 | saw it reconnected before that: as in service. If     |
|                                                 |                 | udev did not note the coming of its connection:       |
|                                                 |                 | compared                                              |
| the same; of all that are believed, while others | any             | those are believed again: as of every leg             |
| are distrusted for the same reason, and not    |                 |                                                      |
| copied again yet                                |                 |                                                      |
| the same; of every leg of a mirror              | at rest         | an administrator decides, if udev saw each reconnect; |
|                                                 |                 | else reported: a start copies the first leg over all |
| none noted (the journal was lost), no mark; of  | any             | as after a restart: nothing proves that there was     |
| a leg that fell behind, or whose other leg has  |                 | none                                                  |
| a mark                                          |                 |                                                       |
| it cannot be asked this time                    | any             | nothing of the leg is believed, or done, until it can |

The distrust is on the disk before the new connection is, so a pass that dies in between finds the restart again.
"""

from lunmirror.engine import journal
from lunmirror.engine.model import Drift, Finding, Guard, Kind, Plan, Present, Run, Step, Unknown
from lunmirror.engine.plain import named
from lunmirror.host import paths
from lunmirror.layers.session.facts import Session
from lunmirror.layers.volume import choose
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import LogicalVolume
from lunmirror.layers.volume.standing import (
    CUT,
    DOUBT,
    LATER,
    MARKLESS,
    NEW,
    NONE,
    RESTARTED,
    UNSEEN,
    Noted,
    Standing,
    as_link,
    mark,
    noted,
    reconnected,
    verdict,
)

REGISTER = (paths.SG_PERSIST, "--out", "--no-inquiry", "--register-ignore")
# sg3-utils: the disk has no such command, aborts it, or has a reservation. Then the mark that the journal notes is never
# found, and every new connection counts as a restart.
REFUSED = (5, 9, 11, 24)
DEADLINE = 10.0  # seconds
REPORTED = 7  # days


def tend(ctx: VolumeContext, facts: LogicalVolume) -> Plan | tuple[tuple[Step, ...], LogicalVolume]:
    """What is to be done before anything else is done to an active volume; or the marks to leave, and the facts to go on
    from, with what the journal is to say of its servers."""
    entry = ctx.past(facts)
    if facts.unclear or not (facts.servers or entry):
        return (), facts
    failed = tuple(pv for leg in facts.legs if leg.letter == "D" for pv in leg.pvs)
    new = _unknown(facts, entry, failed)
    if entry is None and new and facts.running and not isinstance(facts.past, Unknown):
        first = ctx.first_entry(facts, facts.running)
        entry = journal.advance(first, ctx.volume.id, facts.running, ctx.seqno, facts.today, facts.kernel_state)
    if entry is None or entry.diverged:
        return (), facts
    hit = (*_verdicts(facts, entry, RESTARTED), *new)
    fresh = tuple(pv for pv in hit if pv not in entry.rebuild)
    there = (leg for leg in facts.legs if leg.letter == "A" and not facts.is_adrift(leg))
    alive = {pv for leg in there for pv in leg.pvs if pv not in facts.torn}
    if facts.resyncing and set(hit).isdisjoint(facts.legs[0].pvs):
        alive = {*facts.resyncing} - set(facts.torn)  # the first is copied over the others, whatever it lost
    left = [pv for pv in entry.running if pv not in hit and pv in alive]
    if fresh and left and entry.scrub not in journal.UNSURE:
        return _distrusted(ctx, facts, entry, fresh)
    if doubt := _doubt(ctx, facts, entry):
        halted = choose.halt(ctx, facts) if facts.action == "repair" else ()
        return doubt._replace(steps=_fell(ctx, facts, entry, failed) or halted)
    marks, now_on = _renewed(ctx, facts, entry)
    if fresh:
        now_on = _no_worse(now_on, alive)
        others = tuple(
            pv
            for leg in facts.legs
            if leg.letter != "a"
            for pv in leg.pvs
            if pv not in alive and not _is_given_up(now_on, pv)
        )
        if facts.type != "raid1":
            now_on = now_on._replace(doubted=facts.today)
        else:
            now_on = _split(now_on, hit, others, facts.today) if others else now_on._replace(scrub="compare")
        return _every(ctx, facts, marks, now_on)
    return marks, facts._replace(past=Present(now_on))


def _fell(
    ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry, failed: tuple[str, ...]
) -> tuple[Step, ...]:
    """The note that legs have failed: they have fallen behind, whatever is found out of the others."""
    rest = tuple(pv for pv in entry.running if pv not in failed)
    if not rest or rest == entry.running:
        return ()
    now_on = journal.advance(entry, ctx.volume.id, rest, ctx.seqno, facts.today, facts.kernel_state)
    if facts.type == "raid1" and journal.unseen_before(entry, facts.boot):
        now_on = journal.restarted(now_on, facts.boot, unclean=True)
    return ctx.note_legs(facts, now_on)


def _no_worse(entry: journal.Entry, there: set[str]) -> journal.Entry:
    """The entry with those of the legs in `there` believed again that were distrusted for their server's restart alone, and not
    copied again yet: what they were to be copied from may have lost something, too, which they have."""
    back = {pv for pv in entry.rebuild if pv in there and entry.why.get(pv) == journal.CACHE}
    kept = tuple(pv for pv in entry.rebuild if pv not in back)
    last = {pv: at for pv, at in entry.last.items() if pv not in back}
    running = tuple(sorted({*entry.running, *back}))
    return journal.trusting(entry, kept)._replace(running=running, last=last) if back else entry


def _split(entry: journal.Entry, good: tuple[str, ...], others: tuple[str, ...], now: str) -> journal.Entry:
    """The good legs may have lost what one that failed before still has, and that one lacks what came after: nothing shows
    which, and a refresh would mix them."""
    last = {**{pv: at for pv, at in entry.last.items() if pv not in good}, **dict.fromkeys(others, now)}
    return entry._replace(running=tuple(sorted(good)), since=now, last=last, diverged=tuple(sorted(others)))


def _distrusted(ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry, pvs: tuple[str, ...]) -> Plan:
    """The note; and for a plan to show, what follows from it."""
    now_on = journal.distrust(entry, pvs, journal.CACHE, facts.today)
    then = choose.remake(ctx, facts._replace(past=Present(now_on))) or Plan() if facts.active else Plan()
    predicted = (step._replace(after=(ctx.ref,)) for step in then.steps if isinstance(step.action, Run))
    return Plan((*ctx.note_legs(facts, now_on), *predicted), then.findings)


def at_start(ctx: VolumeContext, facts: LogicalVolume, clean: bool) -> Plan | LogicalVolume:
    """The same of a volume that is about to be started: what is to be done first, or the facts to start from, with what
    the journal is to say of its servers. `clean`: it is certain that all was flushed when it ended."""
    entry = ctx.past(facts)
    # A leg that another ran without has fallen behind, whatever the journal says.
    behind = facts.superblocks.facts.marked_failed() if isinstance(facts.superblocks, Present) else frozenset()
    new = _unknown(facts, entry, tuple(behind))
    if entry is None and new and not isinstance(facts.past, Unknown):
        good = tuple(sorted(pv for leg in facts.legs for pv in leg.pvs if pv not in behind))
        every = all(ctx.in_view(leg) for leg in facts.legs)
        entry = ctx.first_entry(facts, good) if good and every else None
    if entry is None or entry.diverged or not facts.servers:
        return facts
    returning = tuple(pv for pv in new if pv not in entry.rebuild)
    if returning and set(entry.running) - set(returning):
        return _distrusted(ctx, facts, entry, returning)
    if doubt := _doubt(ctx, facts, entry):
        return doubt
    hit = _verdicts(facts, entry, RESTARTED)
    fresh = tuple(pv for pv in hit if pv not in entry.rebuild)
    # A mark is left only once it is active: nothing that may fail stands before the start.
    now = {pv: str(Noted(facts.servers[pv].links, LATER)) for pv in hit}
    lost, unheard = _lost(facts, entry, fresh, behind, clean)
    left = tuple(pv for pv in _legs_of(facts, entry) if pv not in lost and pv not in behind)
    unsure = entry.scrub in journal.UNSURE
    if lost and left and not unsure and not _is_copied_over(ctx, facts, entry, lost):
        return _distrusted(ctx, facts, entry, lost)
    scrub = entry.scrub
    if facts.type == "raid1" and ((lost and not left) or (clean and unheard)):
        scrub = "compare"
    elif facts.type == "raid1" and fresh and not clean and not unsure:
        scrub = "repair"  # what nobody had flushed may be on one leg only, whether a bit says so or not
    if lost and not left and (again := _no_worse(entry, {*facts.servers} - behind - _half_copied(facts))) != entry:
        return Plan(ctx.note_legs(facts, again._replace(servers={**again.servers, **now}, scrub=scrub)))
    entry = entry._replace(servers={**entry.servers, **now})
    kept = tuple(pv for pv in behind if not _is_given_up(entry, pv))
    if lost and kept and not left and facts.type == "raid1":
        good = tuple(pv for pv in lost if pv not in behind)
        return Plan(ctx.note_legs(facts, _split(entry, good, kept, facts.today))) if good else facts
    if lost and not left and facts.type == "mirror" and not unheard and set(lost) > set(facts.legs[0].pvs):
        first = facts.legs[0].pvs  # a start would copy it over what the others alone may have
        return Plan(
            ctx.note_legs(facts, _split(entry, first, tuple(pv for pv in lost if pv not in first), facts.today))
        )
    if lost and not left and facts.type != "raid1":
        entry = entry._replace(doubted=facts.today)
    return facts._replace(past=Present(entry._replace(scrub=scrub))) if now else facts


def _legs_of(facts: LogicalVolume, entry: journal.Entry) -> tuple[str, ...]:
    """The legs noted as good that it still has: of a mirror dmeventd takes one out."""
    return tuple(pv for pv in entry.running if any(pv in leg.pvs for leg in facts.legs))


def _is_given_up(entry: journal.Entry, pv: str) -> bool:
    """By an administrator's choice: what it holds is nothing to be kept."""
    return pv in entry.rebuild and entry.why.get(pv, journal.GIVEN_UP) == journal.GIVEN_UP


def _lost(
    facts: LogicalVolume, entry: journal.Entry, fresh: tuple[str, ...], behind: frozenset[str], clean: bool
) -> tuple[tuple[str, ...], bool]:
    """Of the legs whose server was restarted and that are not distrusted yet (`fresh`), those that may have lost what another
    has; and whether silence means nothing of one of them: udev did not note that its connection came (LIO raises no unit attention)."""
    unheard = any(not facts.servers[pv].heard for pv in fresh)
    if not clean and (unheard or set(_legs_of(facts, entry)) - set(fresh) - behind):
        return fresh, unheard
    # One that udev saw reconnect lost something while the volume ran; so may one of whose connections since its mark nothing is
    # known (doubts.py: it may have run elsewhere), and one that had failed, which no bit of the others
    # knows of once they are cleared, and udev hears nothing of a disk that gets no command. The others at its end, of what
    # nobody had flushed.
    failed = behind | (set(fresh) - set(entry.running))
    failed |= {pv for pv in fresh if not noted(entry.servers[pv]).links}
    seen = tuple(
        pv for pv in fresh if pv in failed or reconnected(entry.servers.get(pv), entry.boot, facts.servers[pv])
    )
    return seen, unheard


def _half_copied(facts: LogicalVolume) -> set[str]:
    """Those of a volume at rest whose copy had not come to its end."""
    legs = facts.superblocks.facts.legs if isinstance(facts.superblocks, Present) else {}
    return {pv for pv, leg in legs.items() if leg.recovering}


def unmarked(ctx: VolumeContext, facts: LogicalVolume) -> tuple[Finding, ...]:
    """Where a plain outage cannot be distinguished from a restart."""
    entry = ctx.past(facts)
    known = entry.servers if entry and len(ctx.volume.legs) > 1 else {}
    pvs = [pv for pv in facts.servers if pv in known and noted(known[pv]).mark == NONE]
    return tuple(
        ctx.finding(
            Kind.NOTE,
            f"copies its leg on server {ctx.server_of(pv)} again in full after every outage of that server",
            "the server has a volatile write cache, and no mark can be left on its LUN (it knows no persistent reservations,"
            " somebody else uses them there, or sg_persist is not installed): each new connection may be a restart",
            "install sg3-utils, or switch the server's write cache off",
        )
        for pv in pvs
    )


def doubted(ctx: VolumeContext, facts: LogicalVolume) -> tuple[Finding, ...]:
    """No leg has what the servers forgot, and nothing can be compared: that is reported for some days."""
    entry = ctx.past(facts)
    if not entry or not entry.doubted:
        return ()
    from datetime import datetime  # here, because a pass that finds nothing of this needs none of it

    try:
        passed = datetime.fromisoformat(facts.today) - datetime.fromisoformat(entry.doubted)
    except ValueError:
        return ()
    if passed.days >= REPORTED:
        return ()
    names = named("server", [ctx.server_of(pv) for pv in entry.running])
    return (
        ctx.finding(
            Kind.NOTE,
            f"may lack writes from before {entry.doubted}",
            f"{names} carried all of it and was restarted, or may have been, with a volatile write cache: what was"
            " acknowledged last may be lost, and no other leg has it",
            f"check what uses it (the file system, the database); this is reported for {REPORTED} days",
        ),
    )


def _is_copied_over(ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry, pvs: tuple[str, ...]) -> bool:
    """A mirror with a core log copies its first leg over the others at every start, in full; while that is away it is started
    without it, from the others."""
    first = facts.legs[0].pvs
    whole = facts.type == "mirror" and facts.log == "core" and ctx.in_view(facts.legs[0])
    return whole and set(first) <= set(entry.running) and not set(first) & set(pvs)


def _verdicts(facts: LogicalVolume, entry: journal.Entry, *words: str) -> tuple[str, ...]:
    return tuple(pv for pv, now in facts.servers.items() if verdict(entry.servers.get(pv), now) in words)


def _unknown(facts: LogicalVolume, entry: journal.Entry | None, failed: tuple[str, ...]) -> tuple[str, ...]:
    """Those of whose server nothing is noted (the journal was lost, or is new), and on whose LUN there is no mark of ours,
    though there should be: they fell behind, or another leg of a volume without a journal has its mark, and all are left in
    one pass. With the mark their server has run since, as nobody leaves one while it is away."""
    known = entry.servers if entry else {}
    new = {pv: now for pv, now in facts.servers.items() if pv not in known and not now.ours}
    copied = {pv for leg in facts.legs if leg.letter == "a" for pv in leg.pvs}
    others = entry is None and any(now.ours for now in facts.servers.values())
    forgot = {pv for pv, now in new.items() if isinstance(now.marks, Present) and now.can and not now.foreign}
    return tuple(pv for pv in new if pv in failed or (others and pv in forgot - copied))


def _every(ctx: VolumeContext, facts: LogicalVolume, marks: tuple[Step, ...], now_on: journal.Entry) -> Plan:
    """No leg is left that could be the source."""
    known = _verdicts(facts, facts.past.facts, RESTARTED) if isinstance(facts.past, Present) else ()
    servers = [ctx.server_of(pv) for pv in known]
    were, they = ("were", "they") if len(servers) > 1 else ("was", "it")
    why = (
        f"{named('server', servers)} {were} restarted, or may have been, with a volatile write cache: what {they}"
        " acknowledged last may be lost"
    )
    compared = now_on.scrub == "compare"
    next_ = (
        "nothing: its legs are compared in full" if compared else "check what uses it (the file system, the database)"
    )
    # A repair has to end before it has copied what one of them lost over the others.
    stop = choose.halt(ctx, facts)[:1] if facts.action == "repair" else ()
    steps = (*ctx.note_legs(facts, now_on), *marks, *stop)
    return Plan(steps, (ctx.finding(Kind.DEGRADED, "may lack writes", why, next_),))


def _renewed(
    ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry
) -> tuple[tuple[Step, ...], journal.Entry]:
    """Marks where there is none, and the journal's note of how it is now."""
    steps: list[Step] = []
    coming = _coming(ctx, facts, entry)
    known = {pv for leg in facts.legs for pv in leg.pvs} | coming.keys()
    servers = {
        pv: text for pv, text in entry.servers.items() if pv in known or any(not leg.pvs for leg in facts.legs)
    }
    servers |= coming
    kept = _verdicts(facts, entry, CUT)
    for pv in (*kept, *_verdicts(facts, entry, NEW, MARKLESS, RESTARTED)):
        now = facts.servers[pv]
        if not now.links:
            continue
        if not now.volatile and pv not in kept:
            servers.pop(pv, None)  # what it held before that has been looked into
            continue
        before = noted(entry.servers[pv]).mark if pv in entry.servers else LATER
        key = mark(pv, now.links)
        if pv in kept:
            servers[pv] = str(Noted(now.links, before))
        elif isinstance(now.marks, Present) and key in now.marks.facts:
            servers[pv] = str(Noted(now.links, key))
        elif isinstance(now.marks, Unknown):
            servers[pv] = str(Noted(now.links, LATER))
        elif pv in entry.rebuild:
            # It would be taken for the proof that nothing is lost, if the journal was.
            servers[pv] = str(Noted(now.links, LATER))
        elif now.can and not now.foreign and before != key + UNSEEN:
            servers[pv] = str(Noted(now.links, key + UNSEEN))
            steps.append(_mark(ctx, pv, now, key))
        else:
            servers[pv] = str(Noted(now.links, NONE))
    return tuple(steps), entry if servers == entry.servers else entry._replace(servers=servers)


def _coming(ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry) -> dict[str, str]:
    """The same of disks on which a leg is to be added: noted before that, since a server that is restarted while the leg is copied
    loses what was copied, and the pass that added it may be dead."""
    found = {}
    has = ctx.disks(facts)
    for disk in (d for d in ctx.volume.legs if d not in has):
        member, caches = ctx.group.member(disk) if ctx.group else None, ctx.seen.get("scsi", {}).get(disk)
        if not member or not member.device or not isinstance(caches, Present) or not facts.boot:
            continue
        live = [s.facts for s in ctx.sessions(member.uuid) if isinstance(s, Present) and isinstance(s.facts, Session)]
        links = tuple(sorted(as_link(facts.boot, s.sid, s.port) for s in live if s.live and s.port))
        if links and any(one.volatile for one in caches.facts):
            before = entry.servers.get(member.uuid, "")
            found[member.uuid] = before if {*noted(before).links} & {*links} else str(Noted(links, LATER))
    return found


def _mark(ctx: VolumeContext, pv: str, now: Standing, key: str) -> Step:
    server = ctx.server_of(pv)
    drift = Drift(f"{ctx.volume.key}.legs", f"a restart of server {server} is noticed", "no mark of ours on its LUN")
    run = Run((*REGISTER, f"--param-sark={key}", now.node), DEADLINE, ok=(0, *REFUSED))
    guard = Guard(f"{paths.SYS_BLOCK}/{now.node.rpartition('/')[2]}/diskseq", now.seq)
    title = f"leave a mark on {now.node} that server {server} forgets when it is restarted"
    return Step(ctx.ref, title, run, (drift,), guards=(guard,) if now.seq else ())


def _doubt(ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry) -> Plan | None:
    pvs = _verdicts(facts, entry, DOUBT)
    if not pvs:
        return None
    names = ", ".join(ctx.server_of(pv) for pv in pvs)
    reason = next((state.reason for pv in pvs if isinstance(state := facts.servers[pv].marks, Unknown)), "")
    why = f"its session was reconnected, and whether the server was restarted could not be asked{': ' + reason if reason else ''}"
    return ctx.degraded(f"has a leg on server {names} that is not believed", why, "the next pass asks again")
