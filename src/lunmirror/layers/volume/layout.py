"""What people make of a volume by hand: recognised, named in its own words, and left alone; the journal is reported all the same.

| found                                   | what is done                                                           |
|-----------------------------------------|------------------------------------------------------------------------|
| snapshots of it                         | kept whole under them; what LVM refuses on an origin is reported beforehand |
| a leg split off, its changes tracked    | left alone until it is merged                                          |
| another layout, or one in between       | left alone, with the way back                                          |
| read-only                               | kept whole; how it gets writable is reported                               |
| flagged to be skipped, or not listed    | not started; why, and what to change                                   |

(docs/facts/by-hand.md: what LVM and device-mapper show of each.)
"""

from lunmirror.engine.model import Finding, Kind, Plan
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import LogicalVolume

TYPES = ("linear", "raid1", "mirror")
# LVM's word for a layout -> what it is, and the way back.
_OTHERS = {
    "cache": ("a cache was put before it", "`lvconvert --splitcache {id}` writes it back and takes it away"),
    "writecache": (
        "a write cache was put before it",
        "`lvconvert --splitcache {id}` writes it back and takes it away",
    ),
    "cache-pool": ("it was made a cache pool", "take it out of use as one, or declare another name"),
    "thin-pool": ("it was made a thin pool", "declare another name for the mirror"),
    "thin": ("it lies in a thin pool", "declare another name for the mirror"),
    "vdo": ("it lies in a VDO pool", "declare another name for the mirror"),
    "vdo-pool": ("it was made a VDO pool", "declare another name for the mirror"),
    "integrity": (
        "its legs carry integrity data",
        "`lvconvert --raidintegrity n {id}`, or manage its legs yourself (`lvs -a -o+raid_sync_action,integritymismatches`)",
    ),
    "metadata apart": (
        "the metadata of a leg lie on another disk than the leg, which fails with either of the two",
        "move them back to the leg's own disk, as they were moved; `lvs -a -o+devices` shows where they are",
    ),
    "pvmove": (
        "LVM is moving a part of it to other extents",
        "wait until that is done; `lvs -a` shows how far it is",
    ),
}


def other(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """The answer for a volume whose layout is not lunmirror's to work with; None if it is."""
    if facts.tracked:
        names = ", ".join(facts.tracked)
        return ctx.degraded(
            "runs without full redundancy",
            f"{names} was split off with --trackchanges: what is written now is not on it",
            " ".join(f"`lvconvert --merge {ctx.volume.group}/{name}`" for name in facts.tracked)
            + " when it is not needed any more; only what changed is copied then",
        )
    word = facts.altered or ("" if facts.type in TYPES else facts.type or "volume without segments")
    if word:
        what, back = _OTHERS.get(word, (f"it is a {word}", "declare another name, or convert it"))
        return ctx.refused("is left alone", what, back.format(id=ctx.volume.id), "type")
    return None


def strange(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """The answer for a volume in whose layout no legs are known; None if they can. The journal is reported as well: what it
    knew of the legs may be old when the volume is a mirror again."""
    if facts.type in TYPES:
        return None
    entry = ctx.past(facts)
    steps = ctx.note_legs(facts, entry._replace(layout=facts.type or "unknown")) if entry else ()
    answer = other(ctx, facts)
    return Plan(steps, answer.findings if answer else ())


def beside(ctx: VolumeContext, facts: LogicalVolume) -> tuple[Finding, ...]:
    """What is reported of a volume that is managed all the same."""
    found = []
    entry = ctx.past(facts)
    if facts.mismatches and not (entry and entry.scrub):  # else choose.scrub reports it
        found.append(
            ctx.finding(
                Kind.DEGRADED,
                "has legs that differ",
                f"a comparison that somebody began counted {facts.mismatches} sectors",
                "check the disks and the network of both servers, then compare again: `lvchange --syncaction check"
                f" {ctx.volume.id}`",
            )
        )
    if facts.permissions == "read-only-override":
        found.append(
            ctx.finding(
                Kind.REFUSED,
                "is read-only on this machine",
                "activation/read_only_volume_list in LVM's configuration names it",
                f'take it out of that list, then `lvchange --refresh {ctx.volume.id}`; or declare options = ["ro"] for'
                " its mount",
                "mount",
            )
        )
    elif facts.permissions == "read-only":
        found.append(
            ctx.finding(
                Kind.REFUSED,
                "is read-only",
                "somebody took its write permission away (`lvchange -p r`)",
                f'`lvchange -p rw {ctx.volume.id}`; or declare options = ["ro"] for its mount',
                "mount",
            )
        )
    if facts.type == "mirror" and facts.watch == "not monitored":
        found.append(
            ctx.finding(
                Kind.DEGRADED,
                "stands still when a server dies",
                "dmeventd does not watch it, and the kernel alone holds the writes of a mirror whose leg failed, for ever",
                "see that activation/monitoring is 1 in LVM's configuration and that dmeventd is installed, then"
                f' `lvchange --monitor y {ctx.volume.id}`; or declare type = "raid1"',
            )
        )
    return tuple(f for f in found if not (_declared_readonly(ctx) and f.kind is Kind.REFUSED))


def _declared_readonly(ctx: VolumeContext) -> bool:
    return bool(ctx.volume.mount and "ro" in ctx.volume.mount.options)


def unstartable(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """Why LVM would say that it activates the volume, and would not; None if it would."""
    if facts.skip:
        why = "it is flagged to be left out of activations (`lvchange -k y`)"
        return ctx.refused("is not active", why, f"`lvchange -k n {ctx.volume.id}`")
    if facts.barred:
        next_ = f'add "{ctx.volume.group}" to that list, or take the list out of LVM\'s configuration'
        return ctx.refused("is not active", facts.barred, next_)
    return None


def ungrowable(
    ctx: VolumeContext, facts: LogicalVolume, kind: Kind = Kind.BLOCKED, what: str = "is not changed yet"
) -> Plan | None:
    """Why LVM would refuse to change the size or the legs of a volume with snapshots (seen: 2.03.16)."""
    if not facts.snapshots:
        return None
    names = ", ".join(f"{ctx.volume.group}/{name}" for name in facts.snapshots)
    why = f"it has snapshots ({names}), and LVM changes the size and the legs of no volume that has some"
    return Plan(findings=(ctx.finding(kind, what, why, "it is changed when they are gone (merged or removed)"),))
