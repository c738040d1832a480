"""A volume in service with a leg on a device that is not the declared disk: LVM, at boot or in somebody's hand, took a
copy for the leg, by its UUID.

What was written since went to that device, and the declared disk lacks it, though no letter and no bitmap says so. So it
is never refreshed over to the declared disk. Where another leg is good, the journal notes that this one is given up, and
it is dropped and copied again in full as after a choice (choose.py): the device that it ran on is not written to for that,
and what it holds stays. Where no other leg is good, what was written last is on that device alone, and an administrator
decides.
"""

from lunmirror.engine import journal
from lunmirror.engine.model import Kind, Plan, Present, Step, Unknown
from lunmirror.layers.volume import choose
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import SCRUBS, LogicalVolume


def answer(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """The plan while a leg is misled; None if none is. Nothing else is done to the volume meanwhile."""
    if not facts.misled:
        return None
    names = ", ".join(dict.fromkeys(map(ctx.server_of, facts.misled)))
    what = f"runs on a device that is not the declared disk, in the place of its leg on server {names}"
    why = "LVM takes whatever carries the UUID of a physical volume, at boot or by hand; what was written since is not on"
    hide = "keep that device from this machine (see the findings for /dev/… above)"
    if not facts.running or isinstance(facts.past, Unknown):
        return ctx.refused(
            what,
            f"{why} the declared disk, and no other leg is known to be whole",
            f"stop what uses the volume and save what it wrote, then `lvchange -a n {ctx.volume.id}`, and {hide};"
            " the next pass starts it on its own disks",
        )
    noted = _note(ctx, facts)
    if facts.action in SCRUBS:
        return Plan(noted or choose.halt(ctx, facts))
    if dropped := choose.remake(ctx, facts):
        return Plan((*noted, *dropped.steps), dropped.findings)
    if facts.type == "raid1":
        next_ = f"bring server {names} back: the leg is then dropped from that device and copied again in full; and {hide}"
    else:
        next_ = f"stop what uses the volume, `lvchange -a n {ctx.volume.id}`, and {hide}; the next pass starts it on its own disks"
    refused = ctx.finding(Kind.REFUSED, what, f"{why} the disk of server {names}; that leg counts as not good", next_)
    return Plan(noted, (refused,))


def _note(ctx: VolumeContext, facts: LogicalVolume) -> tuple[Step, ...]:
    """The journal: it runs on the good legs alone; of a raid1 the others are to be copied again in full."""
    entry = facts.past.facts if isinstance(facts.past, Present) else None
    if entry and entry.diverged:
        return ()
    entry = entry or ctx.first_entry(facts, facts.running)
    now_on = journal.advance(entry, ctx.volume.id, facts.running, ctx.seqno, facts.today, facts.kernel_state)
    if facts.type == "raid1":
        now_on = journal.distrust(now_on, facts.misled, journal.MISLED, facts.today)
    return ctx.note_legs(facts, now_on)
