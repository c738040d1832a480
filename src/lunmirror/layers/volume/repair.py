"""What an outage leaves behind, repaired with the smallest remedy first.

| left behind                                        | remedy                                                        |
|----------------------------------------------------|---------------------------------------------------------------|
| legs that each ran without the other               | none: an administrator chooses                                        |
| a member back, flagged missing, every other there  | vgextend --restoremissing                                     |
| a raid1 leg dead, its physical volume back         | lvchange --refresh: copies only what changed                  |
| a mirror that dmeventd made linear                 | its leg is added again (keep.py): a full copy                 |
| linear or raid1 on a disk that is gone, now back   | lvchange --refresh: its table moves over                      |
| the same of a mirror                               | none: an administrator takes the leg out, it is added again           |
| every leg of a mirror failed                       | none: an administrator has it loaded again, and checked                |
| legs being copied                                  | nothing: it is reported how far it is                             |

The members are admitted here, not in the group's layer: only the volumes know whether a returning leg may be let in.
A refresh is refused by LVM while the flag stands, and never done to a segtype mirror: its core log would copy from
the first leg, whichever that is (docs/facts/lvm.md#core-log). Nor before the returning leg's own superblock was read:
one that names a running leg as failed is one side of a split brain.
"""

from lunmirror.engine import journal
from lunmirror.engine.model import Drift, Kind, Plan, Present, Risk, Step, Unknown
from lunmirror.layers.volume import choose, trust
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import Leg, LogicalVolume, restart_commands


def split_brain(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """A refusal if the volume's legs each ran without the other; the journal is reported if it does not know yet. Of an
    active volume also the answer where that is not known: then no leg is let in."""
    entry = ctx.past(facts)
    given_up = entry.rebuild if entry else ()
    verdict = trust.judge(facts)
    split = facts.split_brain(given_up) or verdict.split_brain
    if not split and entry and entry.scrub in journal.UNSURE:
        split = _left_behind(facts, entry)
    if entry and not entry.diverged and (on := trust.alone(facts)):
        return _on_a_distrusted_leg(ctx, facts, entry, on)
    if split and not (entry and entry.diverged):
        return _newly_split(ctx, facts, entry, split[0], verdict.why or "each names the other as failed")
    if facts.active and isinstance(facts.past, Unknown):
        why = f"{facts.past.reason}, and it may record a split brain"
        return ctx.blocked("is left alone", why, set_aside(facts))
    if facts.active and isinstance(facts.superblocks, Unknown) and not (entry and entry.diverged):
        why = f"what a returning leg ran without cannot be read, and it may be one side of a split brain: {facts.superblocks.reason}"
        blocked = ctx.finding(Kind.BLOCKED, "does not take its leg back", why, "the next pass looks again")
        return Plan(note(ctx, facts), (blocked,))
    if entry is None:
        return None
    now_on = entry
    if facts.running:
        now_on = journal.advance(entry, ctx.volume.id, facts.running, ctx.seqno, facts.today, facts.kernel_state)
    if not now_on.diverged:
        return None
    here = ", ".join(ctx.server_of(pv) for pv in now_on.running)
    there = ", ".join(f"{ctx.server_of(pv)} (last {now_on.last.get(pv, 'time unknown')})" for pv in now_on.diverged)
    refusal = ctx.finding(
        Kind.REFUSED,
        "is in split brain",
        f"it ran on server {here} (since {now_on.since}) without {there}, and the other way round: each holds writes"
        " that the other lacks, and a resync would mix them silently",
        f"decide which side to keep, look at both if you must (read-only), then `lunmirror choose {ctx.volume.id}"
        f" --keep {ctx.server_of(now_on.running[0])}`",
    )
    return Plan(ctx.note_legs(facts, now_on), (refusal,))


def _left_behind(facts: LogicalVolume, entry: journal.Entry) -> tuple[tuple[str, str], ...]:
    """Of a volume at rest, of which it is not known which leg lacks what: pairs of a leg that ran on, and one that it ran
    without. The bitmap would copy whole regions over what that one alone may have."""
    if facts.active or not isinstance(facts.superblocks, Present):
        return ()
    read = facts.superblocks.facts
    behind = read.marked_failed() - set(entry.rebuild)
    return tuple((good, pv) for good in sorted(read.legs.keys() - behind) for pv in sorted(behind))


def set_aside(facts: LogicalVolume) -> str:
    """What an administrator can do about a journal that cannot be read."""
    return (
        f"if another version of lunmirror wrote {journal.path_of(facts.uuid)}, use that; else move the file away, and the"
        " next pass begins again with what it finds"
    )


def _on_a_distrusted_leg(
    ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry, here: tuple[str, ...]
) -> Plan:
    """Every leg that was believed has failed, and the kernel went on with one that was not."""
    good, bad = (", ".join(map(ctx.server_of, pvs)) for pvs in (entry.running, here))
    kept = tuple(pv for pv in entry.rebuild if pv not in here)
    last = {
        **{pv: at for pv, at in entry.last.items() if pv not in here},
        **dict.fromkeys(entry.running, facts.today),
    }
    now_on = journal.trusting(entry, kept)._replace(
        running=tuple(sorted(here)), since=facts.today, seqno=ctx.seqno, last=last, diverged=entry.running, copying=()
    )
    why = f"server {good} has failed, and the kernel went on with server {bad}, of which was known: {journal.reason(entry, here[0])};"
    refusal = ctx.finding(
        Kind.REFUSED,
        "is in split brain",
        f"{why} server {good} has what that one lacks, and lacks what is written now",
        f"decide which side to keep, look at both if you must (read-only), then `lunmirror choose {ctx.volume.id}"
        f" --keep {ctx.server_of(here[0])}` (or the other)",
    )
    return Plan(ctx.note_legs(facts, now_on), (refusal,))


def _newly_split(
    ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry | None, pair: tuple[str, str], evidence: str
) -> Plan:
    """The legs mark each other failed on their own disks, and the journal does not know, was lost, or is another
    machine's. It is reported, since these marks are gone once somebody starts both together."""
    one, other = sorted(pair, key=lambda pv: pv not in (facts.running or (entry.running if entry else ())))
    since = entry.since if entry else facts.today
    last = entry.last if entry else {}
    now_on = journal.Entry(ctx.volume.id, (one,), since, ctx.seqno, last, (other,))
    refusal = ctx.finding(
        Kind.REFUSED,
        "is in split brain",
        f"by the superblocks of the legs on server {ctx.server_of(one)} and server {ctx.server_of(other)}, neither is certainly"
        f" the newest ({evidence}): each may hold writes that the other lacks, and started together they would be mixed"
        " silently",
        f"decide which side to keep, look at both if you must (read-only), then `lunmirror choose {ctx.volume.id}"
        f" --keep {ctx.server_of(one)}` (or the other)",
    )
    # A journal that cannot be read is never overwritten; the legs say it again to the next pass.
    known = not isinstance(facts.past, Unknown)
    return Plan(ctx.note_legs(facts, now_on._replace(boot=facts.boot)) if known else (), (refusal,))


def note(ctx: VolumeContext, facts: LogicalVolume, name: str = "") -> tuple[Step, ...]:
    """The journal follows what the volume runs on. `name`: under which it is to know the volume, if not its present one."""
    entry = ctx.past(facts)
    if entry and facts.unclear:
        return ctx.note_legs(facts, entry._replace(layout=facts.unclear))
    # A leg without a disk has all that was written, and nothing of what will be; no letter shows it before the next write.
    lasting = tuple(pv for pv in facts.running if pv not in facts.torn)
    running = lasting or facts.running or _source(facts, entry)
    if not running:
        return ()
    past = entry or ctx.first_entry(facts, running)
    now_on = journal.advance(past, name or ctx.volume.id, running, ctx.seqno, facts.today, facts.kernel_state)
    if facts.type == "raid1" and journal.unseen_before(entry, facts.boot):
        # Somebody else started it, so how it ended before that cannot be read any more.
        now_on = journal.restarted(now_on, facts.boot, unclean=True)
    if now_on.going and not all(leg.letter == "A" and facts.is_in_place(leg) for leg in facts.legs):
        now_on = now_on._replace(going="")  # a scrub ended with the leg that failed
    if facts.words:
        counters = {leg.part: leg.events for leg in facts.words.values()}
        now_on = journal.in_service(now_on, counters, facts.activation)
    return ctx.note_legs(facts, trust.believing(facts, now_on, trust.judge(facts)) or now_on)


def _source(facts: LogicalVolume, entry: journal.Entry | None) -> tuple[str, ...]:
    """The leg that holds everything while a mirror copies: the first, as long as none has failed (drivers/md/dm-raid1.c:
    writes to a region not in sync go to the default mirror alone). Only if it was good before: else none is known. Of a new
    raid1 each leg does."""
    if entry is None and facts.resyncing:
        return facts.resyncing
    if facts.type != "mirror" or not facts.active or not facts.total or any(leg.letter != "A" for leg in facts.legs):
        return ()
    first = facts.legs[0].pvs
    return first if entry and set(first) <= set(entry.running) else ()


def admit(ctx: VolumeContext) -> tuple[Step, ...]:
    """Take back members that are there again: only while every other member is there too, since this writes the
    metadata. Each is proven by its UUID, on its declared disk, through a live session to its own server."""
    if ctx.gone():
        return ()
    return tuple(
        ctx.change(
            f"take {member.device} of server {ctx.server_of(member.uuid)} back into group {ctx.volume.group}",
            ctx.lvm("vgextend", "--restoremissing", ctx.volume.group, member.device),
            Drift(f"groups.{ctx.volume.group}.disks", f"{member.disk} in service", "flagged missing"),
            risk=Risk.ONLINE,
        )
        for member in ctx.flagged()
        if member.disk
    )


def bring_back(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """The plan for a volume whose legs are not all in sync; None if they are."""
    if facts.adrift and facts.type == "linear":
        return ctx.steps(
            f"move {ctx.volume.id} over to the disk as it is now",
            ctx.lvm("lvchange", "--refresh", ctx.volume.id),
            Drift(ctx.volume.key, "on its physical volume's disk", "on a disk that is gone"),
            risk=Risk.ONLINE,
        )
    if facts.synced:
        return None
    dead = [leg for leg in facts.legs if leg.letter not in ("A", "a") or facts.is_adrift(leg)]
    if not dead:
        return choose.unbelieved(ctx, facts) or ctx.degraded(
            "is being copied: redundancy is not full yet",
            f"device-mapper shows {_letters(facts)}, {_percent(facts)} in sync",
            "nothing: it continues by itself",
        )
    if facts.failed:
        return _all_failed(ctx, facts)
    given_up = entry.rebuild if (entry := ctx.past(facts)) else ()
    # A refresh lets every leg join: none is done while one that is distrusted is still part of the volume.
    wary = any(set(leg.pvs) & set(given_up) for leg in facts.legs)
    back = [] if wary else [leg for leg in dead if ctx.in_view(leg) and all(ctx.disks_of(leg))]
    # LVM refreshes no volume a leg of which is out of view.
    every = all(ctx.in_view(leg) for leg in facts.legs)
    if (
        facts.type == "raid1"
        and back
        and every
        and not any(m.missing for leg in back for m in map(ctx.member, leg.pvs) if m)
    ):
        names = ", ".join(ctx.server_of(pv) for leg in back for pv in leg.pvs)
        return ctx.steps(
            f"bring the leg of {ctx.volume.id} on server {names} up to date",
            ctx.lvm("lvchange", "--refresh", ctx.volume.id),
            Drift(f"{ctx.volume.key}.legs", "every leg in sync", f"device-mapper shows {_letters(facts)}"),
            risk=Risk.ONLINE,
        )
    if facts.type == "mirror" and facts.adrift:
        return _left_adrift(ctx, facts)
    if ctx.flagged() and ctx.gone():
        why = "a physical volume is back, but another of the group is out of sight: taking it back now would flag that one"
        return ctx.degraded("runs without full redundancy", why, "bring the other server back too")
    names = ", ".join(_where(ctx, leg) for leg in dead)
    why = f"device-mapper shows {_letters(facts)}: {names} does not work"
    away = ", ".join(ctx.server_of(pv) for leg in facts.legs if not ctx.in_view(leg) for pv in leg.pvs)
    next_ = f"bring server {away} back; nothing is refreshed while it is away" if away and back else ""
    return ctx.degraded("runs without full redundancy", why, next_ or "bring the server of that leg back")


def _all_failed(ctx: VolumeContext, facts: LogicalVolume) -> Plan:
    """Every leg failed before dmeventd could take one out. The kernel holds the writes back, whose callers wait for ever,
    until the table is loaded again; then they end in errors (measured: docs/facts/lab.md#mirror-without-legs). The new
    table copies from the first leg: no write was acknowledged without it, if it was good before."""
    entry, first = ctx.past(facts), facts.legs[0]
    what, why = "takes no I/O: all of its legs have failed", f"device-mapper shows {_letters(facts)}"
    away = [leg for leg in facts.legs if not ctx.in_view(leg)]
    if away:
        names = ", ".join(ctx.server_of(pv) for leg in away for pv in leg.pvs)
        return ctx.blocked(what, why, f"bring server {names} back; the next pass reports how it continues")
    if not (entry and set(first.pvs) <= set(entry.running)):
        why += f"; and that {_where(ctx, first)} holds all that was written, which would be copied over the others, is not known"
        next_ = "restart this machine: before it starts the volume the next pass finds out which leg is good"
        return ctx.refused(what, why, next_)
    mount, filesystem = ctx.volume.mount, ctx.volume.filesystem
    commands = restart_commands(ctx.volume, mount.path if mount else "", filesystem.type if filesystem else "")
    return ctx.blocked(
        what,
        f"{why}; whoever writes to it waits in the kernel",
        f"`lvchange --refresh {ctx.volume.id}`, which ends the waiting with I/O errors; stop what uses it, then: {commands}",
    )


def _left_adrift(ctx: VolumeContext, facts: LogicalVolume) -> Plan:
    legs = [leg for leg in facts.legs if facts.is_adrift(leg)]
    names = ", ".join(_where(ctx, leg) for leg in legs)
    why = f"the table of {names} leads to a disk that is gone, though device-mapper shows {_letters(facts)}: a mirror is"
    places = " ".join(m.device for pv in facts.adrift if (m := ctx.member(pv)))
    fewer = f"`lvconvert -m {len(facts.legs) - len(legs) - 1} {ctx.volume.id} {places}`"
    next_ = f"take that leg out ({fewer}); the next pass adds it again, in full"
    if len(legs) == len(facts.legs):
        next_ = f"stop what uses it, then `lvchange -a n {ctx.volume.id}`; the next pass activates it on its disks"
    return ctx.degraded("runs without full redundancy", f"{why} never refreshed", next_)


def _where(ctx: VolumeContext, leg: Leg) -> str:
    return f"{leg.name} on disk {'/'.join(filter(None, ctx.disks_of(leg))) or 'unknown'}"


def _letters(facts: LogicalVolume) -> str:
    return "".join(leg.letter or "?" for leg in facts.legs)


def _percent(facts: LogicalVolume) -> str:
    return f"{100 * facts.done / facts.total:.1f} %" if facts.total else "an unknown part"
