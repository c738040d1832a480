"""What an LVM command that was killed, or lost its power, leaves behind; measured in
docs/facts/lab.md#killed-command.

| left behind                                              | by                         | what is done                        |
|----------------------------------------------------------|----------------------------|-------------------------------------|
| a raid1 whose metadata volumes stand by themselves       | lvcreate                   | removed, if it is provably new      |
| the same without our tag, or known to the journal        | somebody else's            | refused                             |
| parts of a leg that belong to no volume                  | lvconvert                  | removed before the leg is added     |
| device-mapper's devices of sub-volumes that LVM lost     | lvconvert                  | an administrator is reported; a boot clears it  |
| an inactive volume whose sub-volumes are active          | lvcreate, lvchange -a y    | deactivated, then started           |

The first cannot be finished: LVM flags it so that `lvchange -a y` ends well and activates nothing. It never held anything:
our tag says "made by lunmirror, never formatted", and it was never active. LVM itself is asked to take it only if it still
is so, at the last instant and under its own lock (`--select`).
"""

from lunmirror.engine.model import Absent, Drift, Plan, Risk, Step
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import UNFORMATTED, LogicalVolume


def tidy(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """The answer for a volume that is not whole yet, or no longer; None if it is."""
    if facts.half_made:
        return _remove(ctx, facts)
    if facts.loose:
        return ctx.steps(
            f"deactivate what is left active of volume {ctx.volume.id}",
            # Each by its name: of a volume that is not active LVM takes nothing down.
            ctx.lvm("lvchange", "-a", "n", *(f"{ctx.volume.group}/{name}" for name in facts.loose)),
            Drift(ctx.volume.key, "active as a whole", f"{', '.join(facts.loose)} active without it"),
        )
    return None


def _remove(ctx: VolumeContext, facts: LogicalVolume) -> Plan:
    why = f"LVM's metadata shows {', '.join(facts.half_made)} by themselves: what made it was interrupted"
    if UNFORMATTED not in facts.tags or facts.active or not isinstance(facts.past, Absent):
        next_ = "see `lvs -a`; if nothing on it is needed, remove it: the next pass re-creates it"
        return ctx.refused("is half-made, and not provably new", why, next_)
    if not ctx.whole():
        return ctx.blocked("is half-made", why, "bring the missing server back; it is re-created then")
    chosen = f"{_named(ctx, ctx.volume.name)} && lv_tags={UNFORMATTED} && lv_skip_activation=1"
    step = ctx.change(
        f"remove what an interrupted lvcreate left of volume {ctx.volume.id}",
        ctx.lvm("lvremove", "-y", "--select", chosen, ctx.volume.id),
        Drift(ctx.volume.key, "a whole volume", "a half-made one"),
        risk=Risk.CONSUMES,
        proof=f"unmade: volume {facts.uuid} carries our tag {UNFORMATTED}, was never active, and LVM removes it only while that holds",
    )
    return Plan((step,))


def clear(ctx: VolumeContext, facts: LogicalVolume) -> tuple[Step, ...]:
    """Steps that remove parts of a leg which an interrupted lvconvert made and never joined to the volume: LVM makes no
    second ones beside them ("already exists"). Their names are LVM's own, nobody can give them to a volume."""
    return tuple(
        ctx.change(
            f"remove {name}, which an interrupted lvconvert left beside volume {ctx.volume.id}",
            ctx.lvm(
                "lvremove", "-y", "--select", f"{_named(ctx, name)} && lv_role=public", f"{ctx.volume.group}/{name}"
            ),
            Drift(ctx.volume.key, "no parts of a leg by themselves", name),
            risk=Risk.CONSUMES,
            proof="unmade: the name is LVM's own, and LVM removes it only while it is part of no volume",
        )
        for name in facts.strays
    )


def obstacle(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """What is in the way of a new leg and is not lunmirror's to take away; None if nothing is."""
    if not facts.orphans:
        return None
    names = " ".join(facts.orphans)
    return ctx.blocked(
        "cannot be given a leg yet",
        f"a command that was killed left {names} in device-mapper, and LVM, which does not know them, makes no others of"
        " these names",
        f"`dmsetup clear {facts.dm}`, then `dmsetup remove {names}`; or restart this machine",
    )


def sweep(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """The same when there is nothing else to do: they only take room. A replaced leg's conversion leaves some, too."""
    return Plan(clear(ctx, facts)) if facts.strays and ctx.group and ctx.group.whole else None


def _named(ctx: VolumeContext, name: str) -> str:
    return f"vg_name={ctx.volume.group} && lv_name={name}"
