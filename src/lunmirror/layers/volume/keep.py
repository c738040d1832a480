"""A volume that is there, active and in sync: brought to the declared type, legs and size while it is in use."""

from lunmirror.engine.model import Drift, Kind, Plan, Risk
from lunmirror.layers.volume import layout, leftover, make, replace
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import GROW, TARGETS, UNFORMATTED, LogicalVolume

EXT = {"ext2", "ext3", "ext4"}  # one driver mounts all of them under whichever name it is asked
HEALTH = ("", "partial", "refresh needed", "mismatches exist")  # lvm2 up to 2.03.38; a new word means: hands off


def misplaced(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """A layout that is not ours to touch: another type, a leg on a disk not declared for it, two on one server."""
    if facts.health not in HEALTH:
        why = f"LVM reports its health as {facts.health!r}, which lunmirror does not know"
        return ctx.blocked("is left alone", why, "see `lvs -a -o+lv_health_status`")
    if facts.target and facts.target != TARGETS[facts.type]:
        why = f"LVM's metadata says {facts.type}, device-mapper runs it as {facts.target}: which legs are good is unknown"
        next = f"see what it runs on (`dmsetup deps -o devname {facts.dm}`), keep that leg, and stop what uses the volume"
        return ctx.refused("does not run as its metadata says", why, next)
    servers: dict[str, str] = {}
    for leg in (one for one in facts.legs if not ctx.leaves(one)):
        for disk in filter(None, ctx.disks_of(leg)):
            if disk not in ctx.volume.legs:
                why = f"its leg {leg.name} lies on disk {disk}"
                next = f"declare {disk} among its legs (and in its group), or move the leg yourself"
                return ctx.refused("has a leg where none is declared", why, next, "legs")
            server = ctx.desired.disks[disk].server
            if servers.get(server, leg.name) != leg.name:
                why = f"its legs {servers[server]} and {leg.name} both lie on server {server}"
                next = "that is no redundancy: one of them has to be moved to another server by hand"
                return ctx.refused("has two legs on one server", why, next, "legs")
            servers[server] = leg.name
    return None


def reshape(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    volume = ctx.volume
    changes = facts.type == "mirror" and (volume.type, volume.log) != (facts.type, facts.log)
    if changes and (held := layout.ungrowable(ctx, facts)):
        return held
    if facts.type == "mirror" and volume.type == "raid1":
        unfit = ctx.unfit(tuple(ctx.disks(facts)), 1)  # a leg of raid1 needs one extent for its own metadata
        drift = Drift(f"{volume.key}.type", "raid1", "mirror")
        run = ctx.lvm("lvconvert", "-y", "--type", "raid1", volume.id)
        turned = ctx.change(f"turn mirror {volume.id} into raid1", run, drift, risk=Risk.ONLINE)
        return unfit or Plan((*leftover.clear(ctx, facts), turned))
    if facts.type == "mirror" == volume.type and facts.log != volume.log and (ctx.after or ctx.whole()):
        drift = Drift(f"{volume.key}.log", volume.log, facts.log)
        run = ctx.lvm("lvconvert", "-y", "--mirrorlog", volume.log, volume.id)
        return ctx.steps(f"give {volume.id} a {volume.log} log", run, drift, risk=Risk.ONLINE)
    if facts.type not in (volume.type, "linear"):
        why = f"it is {facts.type}, {volume.type} is declared, and going there would lower its redundancy"
        return ctx.refused("is not converted", why, f'declare type = "{facts.type}"', "type")
    return None


def add_leg(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    volume = ctx.volume
    has = ctx.disks(facts)
    lacking = [d for d in volume.legs if d not in has]
    staying = [leg for leg in facts.legs if not ctx.leaves(leg)]
    if not lacking or len(staying) >= len(volume.legs):
        unexplained = lacking and ctx.group and ctx.group.whole
        if len(staying) > len(volume.legs) or unexplained:
            on = ", ".join(has) or "unknown disks"
            why = f"it has {len(facts.legs)} legs on {on}; declared: {', '.join(volume.legs)}"
            return ctx.refused("has other legs than declared", why, "correct `legs`", "legs")
        return None
    disk = lacking[0]
    if not ctx.after and ctx.gone():
        # In service all the same: a mirror that dmeventd made linear, with its server still away.
        why = f"its leg on disk {disk} is missing, and a member of its group is out of sight"
        return ctx.degraded("runs without full redundancy", why, "bring the missing server back", "legs")
    obstacle = (
        make.cache_refused(ctx, (disk,))
        or layout.ungrowable(ctx, facts, Kind.DEGRADED, "runs without full redundancy")
        or leftover.obstacle(ctx, facts)
    )
    if obstacle:
        return obstacle
    clear = leftover.clear(ctx, facts)
    needed = facts.extents + (1 if volume.type == "raid1" else 0)
    if not ctx.after and not clear:
        unfit = ctx.unfit((disk,), needed)
        if unfit:
            return unfit
    kind = ("--type", volume.type, "-m", "1") if facts.type == "linear" else ("-m", "+1")
    log = ("--mirrorlog", volume.log) if volume.type == "mirror" and facts.type == "linear" else ()
    way = replace.make_way(ctx)
    if way.findings:
        return way
    # -b: a mirror's conversion would wait in the foreground for the whole copy.
    background = ("-b",) if volume.type == "mirror" else ()
    added = ctx.steps(
        f"add a leg of {volume.id} on disk {disk}",
        ctx.lvm("lvconvert", "-y", *kind, *log, *background, volume.id, *ctx.places((disk,))),
        Drift(f"{volume.key}.legs", ", ".join(volume.legs), ", ".join(has) or "none known"),
        risk=Risk.ONLINE,
    )
    larger = () if ctx.after or clear else ctx.enlarge((disk,), needed)
    return Plan((*way.steps, *clear, *larger, *added.steps))


def disown(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """A volume made for a file system that was never written, and that is not declared any more: what comes onto it is
    its user's, so the mark that lets lunmirror format it goes."""
    if ctx.volume.filesystem or UNFORMATTED not in facts.tags or not ctx.whole():
        return None
    run = ctx.lvm("lvchange", "--deltag", UNFORMATTED, ctx.volume.id)
    drift = Drift(ctx.volume.key, "no file system", f"tag {UNFORMATTED}")
    return ctx.steps(f"note on {ctx.volume.id} that lunmirror does not format it", run, drift)


def grow(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    if ctx.group is None or facts.extents == ctx.wanted_extents():
        return None
    volume, wanted = ctx.volume, ctx.wanted_extents()
    if facts.extents > wanted:
        why = f"it has {facts.extents} extents, {wanted} are declared, and nothing is ever shrunk"
        return ctx.refused("is larger than declared", why, "declare at least its present size", "size")
    declared = volume.filesystem.type if volume.filesystem else ""
    if declared and facts.holds not in ("", declared) and not {declared, facts.holds} <= EXT:
        why = f"it holds {facts.holds}, {declared} is declared: that file system would not follow, and nothing is ever shrunk"
        return ctx.refused("is not extended", why, "see the findings for its file system", "size")
    unfit = layout.ungrowable(ctx, facts) or ctx.unfit(volume.legs, wanted - facts.extents)
    if unfit:
        return unfit
    drift = Drift(f"{volume.key}.size", f"{wanted} extents", f"{facts.extents} extents")
    extend = ctx.lvm("lvextend", "-l", str(wanted), volume.id, *ctx.places(volume.legs))
    larger = ctx.enlarge(volume.legs, wanted - facts.extents)
    steps = [*larger, ctx.change(f"extend {volume.id} to {ctx.size_text()}", extend, drift, risk=Risk.ONLINE)]
    if volume.filesystem and GROW not in facts.tags:
        tag = ctx.lvm("lvchange", "--addtag", GROW, volume.id)
        steps.insert(0, ctx.change(f"note on {volume.id} that its file system is to grow", tag, drift))
    return Plan(tuple(steps))
