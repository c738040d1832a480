"""What an administrator's choice in a split brain comes to, and the proof at its end.

The choice itself is one line in the journal: which legs are kept, and which are given up. Everything that follows is
ordinary repair over as many passes as it takes: a leg given up is dropped and copied again in full, never refreshed
(a refresh copies only what one bitmap knows of: measured, 33,280 sectors stayed wrong). Then every sector of both legs
is compared.
"""

from lunmirror.engine import journal
from lunmirror.engine.model import Drift, Finding, Kind, Plan, Risk, Run, Step
from lunmirror.engine.plain import exactly
from lunmirror.host import paths
from lunmirror.layers.volume import replace, trust
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import SCRUBS, Leg, LogicalVolume
from lunmirror.layers.volume.index import REAL

MESSAGE = 30.0  # seconds: a scrub ends after what it has under way


def chosen(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """The plan that carries out the choice said with this pass; None if there is none, or it is carried out."""
    if ctx.desired.choice is None or ctx.desired.choice[0] != ctx.volume.id:
        return None
    server = ctx.desired.choice[1]
    keep = tuple(pv for leg in facts.legs for pv in leg.pvs if ctx.server_of(pv) == server)
    lose = tuple(pv for leg in facts.legs for pv in leg.pvs if pv not in keep)
    entry = ctx.past(facts)
    if entry and _is_carried_out(entry):
        kept = ", ".join(ctx.server_of(pv) for pv in entry.running)
        if server not in map(ctx.server_of, entry.running):
            why = f"server {kept} was chosen ({entry.since}), and what server {server} held is given up already"
            next = f"nothing: the next passes re-create the leg on server {server} from server {kept}"
            return ctx.refused(f"can no longer be kept from server {server}", why, next)
        return None  # the journal says so already, and repair is carrying it out
    if not keep:
        why = f"it has no leg on server {server}"
        return ctx.refused(f"cannot be kept from server {server}", why, "name a server of one of its legs")
    if not _is_in_question(ctx, facts, entry):
        return None  # needless() says so
    if facts.active and not set(facts.running) & set(keep):
        return _stop_first(ctx, facts, server)
    scrub = "wanted" if facts.type == "raid1" else ""  # only md compares legs
    now_on = journal.choose(entry, ctx.volume.id, keep, lose, ctx.seqno, facts.today, scrub)
    return Plan(ctx.note_legs(facts, now_on._replace(term=ctx.term)))


def needless(ctx: VolumeContext, facts: LogicalVolume) -> tuple[Finding, ...]:
    """Where there is nothing to choose: the pass is one as any other."""
    asked = ctx.desired.choice is not None and ctx.desired.choice[0] == ctx.volume.id
    if not asked or _is_carried_out(ctx.past(facts)) or chosen(ctx, facts):
        return ()
    why = "there is no split brain, and a choice would throw away a good leg"
    return (ctx.finding(Kind.NOTE, "needs no choice now", why, "nothing: passes repair what there is to repair"),)


def _is_carried_out(entry: journal.Entry | None) -> bool:
    """The journal has the choice already."""
    if entry is None or entry.diverged:
        return False
    given_up = any(entry.why.get(pv, journal.GIVEN_UP) == journal.GIVEN_UP for pv in entry.rebuild)
    return given_up or entry.scrub in ("wanted", "running")


def _is_in_question(ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry | None) -> bool:
    """A split brain, or a volume that is down because what is in view may not start it."""
    if entry and (entry.diverged or (entry.scrub == "comparing" and facts.mismatches)):
        return True
    if facts.split_brain(entry.rebuild if entry else ()):
        return True
    verdict = trust.judge(facts)
    if verdict.split_brain or (verdict.older and not facts.active and trust.believing(facts, entry, verdict) is None):
        return True
    hidden = [leg for leg in facts.legs if not ctx.in_view(leg) or set(leg.pvs) & set(facts.distrusted)]
    visible = tuple(pv for leg in facts.legs if leg not in hidden for pv in leg.pvs)
    if facts.active:
        return False
    if not visible:
        return any(ctx.in_view(leg) for leg in hidden)  # those are distrusted
    if hidden:
        # A mirror is not started without a leg that may return; an administrator may decide that it will not.
        return facts.type == "mirror" or not journal.fit_to_start(entry, visible, ctx.seqno, ctx.term)
    if entry and entry.layout:
        return facts.type == "mirror"
    return facts.type == "mirror" and not (entry and set(facts.legs[0].pvs) <= set(entry.running))


def _stop_first(ctx: VolumeContext, facts: LogicalVolume, server: str) -> Plan:
    if facts.open:
        why = f"it is in use now on what would be given up, without server {server}"
        next = (
            f"unmount it first (and stop what uses it): `umount {ctx.volume.mount.path if ctx.volume.mount else ''}`"
        )
        return ctx.refused(f"cannot be kept from server {server} yet", why, next.rstrip(" `") + "`")
    return ctx.steps(
        f"deactivate volume {ctx.volume.id}",
        ctx.lvm("lvchange", "-a", "n", ctx.volume.id),
        Drift(ctx.volume.key, f"run from server {server}", "active on the other side"),
    )


def remake(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """Make a distrusted leg equal, by a copy in full of exactly that leg from those that are believed; None if there is
    none, or it is out of view.

    | the leg                    | what is done                                                          |
    |----------------------------|-----------------------------------------------------------------------|
    | of a raid1, out of service, or on a device that is not the declared disk | dropped; keep.add_leg adds it again |
    | of a raid1, in service     | lvchange --rebuild: from then on md reads nothing of it but its copy  |
    | of a segtype mirror        | dropped; keep.add_leg adds it again                                   |

    The journal forgets the distrust only when LVM has done that: a pass that dies before then does it again, which also
    clears the flag that a killed --rebuild leaves in LVM's metadata (docs/facts/lvm.md#rebuild).
    """
    entry = ctx.past(facts)
    # A leg whose disk is replaced is not copied again: replace.py makes its successor.
    legs = [leg for leg in facts.legs if entry and set(leg.pvs) & set(facts.distrusted) and not ctx.leaves(leg)]
    if entry is None or not legs or not all(ctx.in_view(leg) for leg in legs):
        return None
    others = [leg for leg in facts.legs if leg not in legs]
    if not others:
        return _nothing_else(ctx, facts, entry)
    good = [leg for leg in others if leg.letter == "A" and facts.is_in_place(leg)]
    if not ctx.whole() or not good or any(leg.letter == "a" for leg in others):
        return None
    way = replace.make_way(ctx)  # a member that is replaced, and gone, keeps LVM from changing anything
    if way.findings:
        return None
    answer = _remade(ctx, facts, entry, legs, good, others)
    return answer and answer._replace(steps=(*way.steps, *answer.steps) if answer.steps else ())


def _remade(
    ctx: VolumeContext,
    facts: LogicalVolume,
    entry: journal.Entry,
    legs: list[Leg],
    good: list[Leg],
    others: list[Leg],
) -> Plan | None:
    # Out of service it is no copy, so it goes also while another leg is dead, which no refresh takes back beside it.
    if facts.type == "raid1" and all(leg.letter not in ("A", "a") or facts.is_misled(leg) for leg in legs):
        return Plan((_drop(ctx, entry, legs[0]),))
    if len(good) < len(others):
        return None
    if any(leg.letter != "A" for leg in legs) or (facts.type == "mirror" and facts.done != facts.total):
        return None  # LVM does neither while it copies
    if facts.type == "mirror":
        return Plan((_drop(ctx, entry, legs[0], fewer=len(facts.legs) - 2),))
    if facts.action != "idle":
        why = f"{untrusted(ctx, entry, legs)}; and device-mapper is at a {facts.action}"
        return ctx.degraded("has a leg that is not trusted", why, "nothing: the next pass goes on")
    return _rebuild(ctx, facts, entry, legs)


def halt(ctx: VolumeContext, facts: LogicalVolume) -> tuple[Step, ...]:
    """Steps that end a scrub which goes over a leg that is not trusted: a repair copies from the lowest-numbered one,
    and so would copy what that leg lost over the others. LVM has no word for it; device-mapper has ("idle": Linux,
    Documentation/admin-guide/device-mapper/dm-raid.rst). What the journal wants is begun again later."""
    entry = ctx.past(facts)
    if entry is None or facts.action not in SCRUBS:
        return ()
    device = facts.dm + (REAL if facts.snapshots else "")
    drift = Drift(ctx.volume.key, "no scrub over a leg that is not to be believed", f"a {facts.action}")
    title = f"stop the {facts.action} of {ctx.volume.id}: it goes over a leg that is not to be believed"
    stop = ctx.change(title, Run((paths.DMSETUP, "message", device, "0", "idle"), MESSAGE), drift, risk=Risk.ONLINE)
    return (stop, *ctx.note_legs(facts, entry._replace(scrub=journal.AFTER_RESTART.get(entry.scrub, entry.scrub))))


def untrusted(ctx: VolumeContext, entry: journal.Entry, legs: list[Leg]) -> str:
    pvs = [pv for leg in legs for pv in leg.pvs]
    return "; ".join(f"the leg on server {ctx.server_of(pv)}: {journal.reason(entry, pv)}" for pv in pvs)


def unbelieved(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """What is reported while a leg is distrusted and nothing can be done about it yet; None if there is none in service."""
    entry = ctx.past(facts)
    legs = [leg for leg in facts.legs if entry and leg.letter in ("A", "a") and set(leg.pvs) & set(facts.distrusted)]
    if not entry or not legs:
        return None
    why = f"{untrusted(ctx, entry, legs)}; it is copied again in full once every other leg is in sync and every disk in view"
    return ctx.degraded("has a leg that is not trusted", why, "bring back what is missing")


def _nothing_else(ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry) -> Plan:
    good = ", ".join(ctx.server_of(pv) for pv in entry.running)
    why = f"{untrusted(ctx, entry, list(facts.legs))}; server {good} has what it lacks"
    next = f"stop what uses it, then `lvchange -a n {ctx.volume.id}`; the next pass starts it on server {good}"
    return ctx.refused("runs on a leg that is not trusted", why, next)


def _rebuild(ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry, legs: list[Leg]) -> Plan:
    names = ", ".join(ctx.server_of(pv) for leg in legs for pv in leg.pvs)
    good = ", ".join(ctx.server_of(pv) for leg in facts.legs if leg not in legs for pv in leg.pvs)
    words = [word for leg in legs for pv in leg.pvs for word in ("--rebuild", ctx.device_of(pv))]
    copied = facts.size * len(legs)
    again = ctx.change(
        f"copy the leg of {ctx.volume.id} on server {names} again in full ({exactly(copied)}) from server {good}",
        ctx.lvm("lvchange", "-y", *words, ctx.volume.id),
        Drift(f"{ctx.volume.key}.legs", "every leg trusted", untrusted(ctx, entry, legs)),
        risk=Risk.ONLINE,
    )
    pvs = {pv for leg in legs for pv in leg.pvs}
    kept = tuple(pv for pv in entry.rebuild if pv not in pvs)
    return Plan((again, *ctx.note_legs(facts, journal.trusting(entry, kept))))


def _drop(ctx: VolumeContext, entry: journal.Entry, leg: Leg, fewer: int = -1) -> Step:
    names = ", ".join(ctx.server_of(pv) for pv in leg.pvs)
    return ctx.change(
        f"drop the leg of {ctx.volume.id} on server {names}, to copy it again in full",
        ctx.lvm("lvconvert", "-y", "-m", str(fewer), ctx.volume.id, *map(ctx.device_of, leg.pvs)),
        Drift(f"{ctx.volume.key}.legs", "every leg trusted", untrusted(ctx, entry, [leg])),
        risk=Risk.ONLINE,
    )


def scrub(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """Once the volume is whole: after a choice every sector of the legs compared; after an unclean end made equal
    first."""
    entry = ctx.past(facts)
    if entry is None or not entry.scrub or facts.type != "raid1" or entry.rebuild:
        return None
    if interrupted := _interrupted(ctx, facts, entry):
        return interrupted
    match entry.scrub:
        case "repair":
            return _begin(ctx, facts, entry, "repair", "repairing")
        case "repairing" if facts.action == "idle":
            return _begin(ctx, facts, entry, "check", "checking")
        case "wanted":
            return _begin(ctx, facts, entry, "check", "running")
        case "compare":
            return _begin(ctx, facts, entry, "check", "comparing")
    if facts.action != "idle":
        return Plan(_going_on(ctx, facts, entry), _progress(ctx, facts, entry).findings)
    if facts.mismatches and entry.scrub == "comparing":
        return ctx.refused(
            "has legs that differ",
            f"servers were restarted, or may have been, and a full comparison counted {facts.mismatches} sectors: a leg may"
            " lack what its server had acknowledged",
            f"check what uses it (the file system, the database) and decide which side to keep: `lunmirror choose"
            f" {ctx.volume.id} --keep {ctx.server_of(entry.running[0])}` (or the other), which is then copied over the rest",
        )
    if facts.mismatches:
        return ctx.refused(
            "has legs that differ",
            f"a full comparison counted {facts.mismatches} sectors",
            f"check the disks and the network of both servers, then compare again: `lvchange --syncaction check"
            f" {ctx.volume.id}`",
        )
    return Plan(
        ctx.note_legs(facts, entry._replace(scrub="", counted="", going=""))
    )  # it raised the counters: they are read again


def _stand(ctx: VolumeContext, facts: LogicalVolume) -> str:
    """The activation, and the version of LVM's metadata: every change of a volume that suspends it counts that up, but for a
    refresh, which comes after a leg has failed."""
    return f"{facts.activation} {ctx.seqno}"


def _interrupted(ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry) -> Plan | None:
    """A scrub that ended, and of which it is not known that it went over all, has to be begun again; None for any other.
    Sectors that were counted do differ, whether it came to its end or not."""
    counted = facts.mismatches and entry.scrub != "repairing"
    if entry.scrub not in journal.AFTER_RESTART or facts.action != "idle" or counted:
        return None
    if entry.going == _stand(ctx, facts):
        return None
    again = ctx.note_legs(facts, entry._replace(scrub=journal.AFTER_RESTART[entry.scrub], going=""))
    why = (
        "a leg failed, the volume was changed, or somebody else started it meanwhile, which ends that without a word"
    )
    return Plan(again, ctx.degraded("does not know its legs to be equal", why, "nothing: it is begun again").findings)


def _going_on(ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry) -> tuple[Step, ...]:
    """The note that it still goes on, where something was changed meanwhile that did not end it."""
    return ctx.note_legs(facts, entry._replace(going=_stand(ctx, facts))) if facts.action in SCRUBS else ()


def _progress(ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry) -> Plan:
    why = f"device-mapper is at {facts.done} of {facts.total} sectors"
    if entry.scrub == "running":
        return ctx.noted("has its legs compared", why, "nothing: it continues by itself")
    if entry.scrub == "comparing":
        why = f"servers were restarted, or may have been, and may have lost writes that they had acknowledged; {why}"
        return ctx.degraded("has its legs compared", why, "nothing: it continues by itself")
    doing = "made equal" if entry.scrub == "repairing" else "compared"
    why = f"its last end was not a clean one, so writes may have reached one leg only; {why}"
    return ctx.degraded(f"has its legs {doing}", why, "nothing: it continues by itself")


def _begin(ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry, action: str, then: str) -> Plan:
    """Set the kernel to work on it, and note that. A pass that dies in between sets it to work again."""
    if facts.action != "idle":
        why = f"device-mapper is at {facts.done} of {facts.total} sectors of a {facts.action}"
        return ctx.degraded(f"waits for its {action}", why, "nothing: the next pass goes on")
    step = go_over(ctx, action, "the choice" if then == "running" else "an end that was not clean")
    noted = ctx.note_legs(facts, entry._replace(scrub=then, going=_stand(ctx, facts)))
    due = Plan()
    if then != "running":
        why = "an end that was not clean, or a restart of servers, may have left them unequal"
        due = ctx.degraded("does not know its legs to be equal", why, "nothing: they are gone over sector by sector")
    return Plan((step, *noted), due.findings)


def go_over(ctx: VolumeContext, action: str, after: str) -> Step:
    """Set the kernel to `repair` or `check` every sector of the legs, while the volume is in use."""
    title, lacking = {
        "repair": (f"make the legs of {ctx.volume.id} equal after an unclean end", "made equal"),
        "check": (f"compare the legs of {ctx.volume.id}", "compared"),
    }[action]
    drift = Drift(ctx.volume.key, f"legs {lacking} after {after}", f"not {lacking} yet")
    return ctx.change(title, ctx.lvm("lvchange", "--syncaction", action, ctx.volume.id), drift, risk=Risk.ONLINE)
