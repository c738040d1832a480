"""A leg whose disk is declared to be replaced: the new one first, in full, and only then the old one goes.

| the old leg            | what is done                                                                    |
|------------------------|---------------------------------------------------------------------------------|
| works                  | keep.add_leg adds the new one beside it; once all are in sync the old is dropped |
| dead, its disk gone    | lvconvert --repair onto the new disk: the dead leg gives no redundancy to lose   |
| gone, of a mirror      | dmeventd left it out long ago; LVM adds no leg while a member is missing, so the |
|                        | empty old member goes first, then the new leg is added (keep.add_leg)           |
| on no volume any more  | vgreduce takes the old physical volume out of the group                         |
"""

from lunmirror.engine.desired import Disk
from lunmirror.engine.model import Drift, Plan, Risk, Step
from lunmirror.layers.group.facts import Member
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import LogicalVolume
from lunmirror.layers.volume.make import cache_refused


def repair(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """A dead leg on a disk that never returns, re-created on its successor. None if there is no such leg."""
    legs = [leg for leg in facts.legs if ctx.leaves(leg) and leg.letter != "A" and not ctx.in_view(leg)]
    if not legs or facts.type != "raid1":
        return None
    if any(leg.letter != "A" or set(leg.pvs) & set(facts.distrusted) for leg in facts.legs if leg not in legs):
        why = "the other legs are not all in sync, and the old leg may hold what they lack"
        return ctx.degraded("waits to have a leg replaced", why, "nothing, if it is being copied")
    new = ctx.leaving[next(pv for pv in legs[0].pvs if pv in ctx.leaving)]
    unfit = None if ctx.after else ctx.unfit((new.name,), facts.extents + 1)
    return (
        cache_refused(ctx, (new.name,))
        or unfit
        or ctx.steps(
            f"replace the dead leg of {ctx.volume.id} by one on disk {new.name}",
            ctx.lvm("lvconvert", "-y", "--repair", ctx.volume.id, *ctx.places((new.name,))),
            Drift(f"disks.{new.name}.replaces", f"a leg on {new.name}", f"a dead leg on {new.replaces}"),
            risk=Risk.ONLINE,
            proof=f"consent: disks.{new.name}.replaces names {new.replaces}",
        )
    )


def drop_old(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """The old leg, once every leg, its successor's among them, is in sync."""
    legs = [leg for leg in facts.legs if ctx.leaves(leg)]
    if not legs or not facts.synced or len(facts.legs) <= len(ctx.volume.legs) or not ctx.whole():
        return None
    old = next(pv for pv in legs[0].pvs if pv in ctx.leaving)
    new, member = ctx.leaving[old], ctx.member(old)
    if new.name not in ctx.disks(facts) or member is None or not member.device:
        return None
    return ctx.steps(
        f"drop the leg of {ctx.volume.id} on disk {new.replaces}: disk {new.name} has taken its place",
        ctx.lvm("lvconvert", "-y", "-m", "-1", ctx.volume.id, member.device),
        Drift(f"disks.{new.name}.replaces", f"no leg on {new.replaces}", "a leg on either"),
        risk=Risk.ONLINE,
        proof=f"consent: disks.{new.name}.replaces names {new.replaces}; every leg is in sync",
    )


def retire(ctx: VolumeContext, everything: list[LogicalVolume | None]) -> tuple[Step, ...]:
    """Take members out of the group that are replaced and carry nothing any more. `everything` are the group's
    declared volumes as seen, None for one that is not known; LVM itself refuses while anything else lies there."""
    if (
        not ctx.leaving
        or not ctx.whole()
        or ctx.foreign_reason()
        or any(v is None or not v.synced for v in everything)
    ):
        return ()
    used = {pv for v in everything if v for leg in v.legs for pv in leg.pvs}
    steps = []
    for pv, new in ctx.leaving.items():
        member = ctx.member(pv)
        if pv in used or member is None or new.name not in {d for v in everything if v for d in ctx.disks(v)}:
            continue
        steps.append(_take_out(ctx, member, new))
    return tuple(steps)


def make_way(ctx: VolumeContext) -> Plan:
    """What has to be done before a leg can be added: members that are replaced, out of sight and empty leave the
    group, since LVM changes nothing while one is missing ("Cannot process volume group",
    docs/facts/lab.md#replaced-leg). Nothing to do is an empty plan; a finding without a step means that no leg can be
    added yet."""
    gone = [(m, new) for pv, new in ctx.leaving.items() if (m := ctx.member(pv)) and not m.device]
    for member, new in gone:
        if member.free != member.size:
            why = f"the replaced disk {new.replaces} is missing from group {ctx.volume.group}, and a volume still has a part there"
            next_ = "nothing, if that volume is being repaired; see `lvs -a -o+devices`"
            return ctx.degraded("runs without full redundancy", why, next_, "legs")
    return Plan(tuple(_take_out(ctx, member, new) for member, new in gone))


def _take_out(ctx: VolumeContext, member: Member, new: Disk) -> Step:
    """LVM itself refuses while anything lies on it: never with --force, which would remove volumes."""
    words = (ctx.volume.group, member.device) if member.device else ("--removemissing", ctx.volume.group)
    return ctx.change(
        f"take the replaced disk {new.replaces} out of group {ctx.volume.group}",
        ctx.lvm("vgreduce", *words),
        Drift(f"disks.{new.name}.replaces", f"{new.replaces} out of the group", "in it, empty"),
        risk=Risk.ONLINE,
        proof=f"consent: disks.{new.name}.replaces names {new.replaces}; nothing lies on it",
    )
