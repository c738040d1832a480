"""A volume that is there, active and in sync: brought to the declared type, legs and size while it is in use."""

from lunmirror.layers.volume import layout, leftover, make, replace
from lunmirror.layers.volume.facts import GROW, TARGETS, UNFORMATTED, LogicalVolume
from lunmirror.layers.volume.subject import Subject
from lunmirror.model import Drift, Kind, Plan, Risk

EXT = {"ext2", "ext3", "ext4"}  # one driver mounts all of them under whichever name it is asked
HEALTH = ("", "partial", "refresh needed", "mismatches exist")  # lvm2 up to 2.03.38; a new word means: hands off


def misplaced(of: Subject, facts: LogicalVolume) -> Plan | None:
    """A layout that is not ours to touch: another type, a leg on a disk not declared for it, two on one server."""
    if facts.health not in HEALTH:
        why = f"LVM reports its health as {facts.health!r}, which lunmirror does not know"
        return of.find(Kind.BLOCKED, "is left alone", why, "see `lvs -a -o+lv_health_status`")
    if facts.target and facts.target != TARGETS[facts.type]:
        why = f"LVM's metadata says {facts.type}, device-mapper runs it as {facts.target}: which legs are good is unknown"
        next = f"see what it runs on (`dmsetup deps -o devname {facts.dm}`), keep that leg, and stop what uses the volume"
        return of.find(Kind.REFUSED, "does not run as its metadata says", why, next)
    servers: dict[str, str] = {}
    for leg in (one for one in facts.legs if not of.leaves(one)):
        for disk in filter(None, of.disks_of(leg)):
            if disk not in of.volume.legs:
                why = f"its leg {leg.name} lies on disk {disk}"
                next = f"declare {disk} among its legs, or move the leg yourself"
                return of.find(Kind.REFUSED, "has a leg where none is declared", why, next, "legs")
            server = of.desired.disks[disk].server
            if servers.get(server, leg.name) != leg.name:
                why = f"its legs {servers[server]} and {leg.name} both lie on server {server}"
                next = "that is no redundancy: one of them has to be moved to another server by hand"
                return of.find(Kind.REFUSED, "has two legs on one server", why, next, "legs")
            servers[server] = leg.name
    return None


def reshape(of: Subject, facts: LogicalVolume) -> Plan | None:
    volume = of.volume
    changes = facts.type == "mirror" and (volume.type, volume.log) != (facts.type, facts.log)
    if changes and (held := layout.ungrowable(of, facts)):
        return held
    if facts.type == "mirror" and volume.type == "raid1":
        unfit = of.unfit(tuple(of.disks(facts)), 1)  # a leg of raid1 needs one extent for its own metadata
        drift = Drift(f"{volume.key}.type", "raid1", "mirror")
        run = of.lvm("lvconvert", "-y", "--type", "raid1", volume.id)
        turned = of.step(f"turn mirror {volume.id} into raid1", run, drift, Risk.ONLINE)
        return unfit or Plan((*leftover.clear(of, facts), turned))
    if facts.type == "mirror" == volume.type and facts.log != volume.log and (of.after or of.whole()):
        drift = Drift(f"{volume.key}.log", volume.log, facts.log)
        run = of.lvm("lvconvert", "-y", "--mirrorlog", volume.log, volume.id)
        return of.steps(f"give {volume.id} a {volume.log} log", run, drift, Risk.ONLINE)
    if facts.type not in (volume.type, "linear"):
        why = f"it is {facts.type}, {volume.type} is declared, and going there would lower its redundancy"
        return of.find(Kind.REFUSED, "is not converted", why, f'declare type = "{facts.type}"', "type")
    return None


def add_leg(of: Subject, facts: LogicalVolume) -> Plan | None:
    volume = of.volume
    has = of.disks(facts)
    lacking = [d for d in volume.legs if d not in has]
    staying = [leg for leg in facts.legs if not of.leaves(leg)]
    if not lacking or len(staying) >= len(volume.legs):
        unexplained = lacking and of.group and of.group.whole
        if len(staying) > len(volume.legs) or unexplained:
            on = ", ".join(has) or "unknown disks"
            why = f"it has {len(facts.legs)} legs on {on}; declared: {', '.join(volume.legs)}"
            return of.find(Kind.REFUSED, "has other legs than declared", why, "correct `legs`", "legs")
        return None
    disk = lacking[0]
    if not of.after and of.gone():
        # In service all the same: a mirror that dmeventd made linear, with its server still away.
        why = f"its leg on disk {disk} is missing, and a member of its group is out of sight"
        return of.find(Kind.DEGRADED, "runs without full redundancy", why, "bring the missing server back", "legs")
    obstacle = (
        make.cache_refused(of, (disk,))
        or layout.ungrowable(of, facts, Kind.DEGRADED, "runs without full redundancy")
        or leftover.obstacle(of, facts)
    )
    if obstacle:
        return obstacle
    clear = leftover.clear(of, facts)
    needed = facts.extents + (1 if volume.type == "raid1" else 0)
    if not of.after and not clear:
        unfit = of.unfit((disk,), needed)
        if unfit:
            return unfit
    kind = ("--type", volume.type, "-m", "1") if facts.type == "linear" else ("-m", "+1")
    log = ("--mirrorlog", volume.log) if volume.type == "mirror" and facts.type == "linear" else ()
    way = replace.make_way(of)
    if way.findings:
        return way
    # -b: a mirror's conversion would wait in the foreground for the whole copy.
    background = ("-b",) if volume.type == "mirror" else ()
    added = of.steps(
        f"add a leg of {volume.id} on disk {disk}",
        of.lvm("lvconvert", "-y", *kind, *log, *background, volume.id, *of.places((disk,))),
        Drift(f"{volume.key}.legs", ", ".join(volume.legs), ", ".join(has) or "none known"),
        Risk.ONLINE,
    )
    larger = () if of.after or clear else of.enlarge((disk,), needed)
    return Plan((*way.steps, *clear, *larger, *added.steps))


def disown(of: Subject, facts: LogicalVolume) -> Plan | None:
    """A volume made for a file system that was never written, and that is not declared any more: what comes onto it is
    its user's, so the mark that lets lunmirror format it goes."""
    if of.volume.filesystem or UNFORMATTED not in facts.tags or not of.whole():
        return None
    run = of.lvm("lvchange", "--deltag", UNFORMATTED, of.volume.id)
    drift = Drift(of.volume.key, "no file system", f"tag {UNFORMATTED}")
    return of.steps(f"note on {of.volume.id} that lunmirror does not format it", run, drift)


def grow(of: Subject, facts: LogicalVolume) -> Plan | None:
    if of.group is None or facts.extents == of.wanted_extents():
        return None
    volume, wanted = of.volume, of.wanted_extents()
    if facts.extents > wanted:
        why = f"it has {facts.extents} extents, {wanted} are declared, and nothing is ever shrunk"
        return of.find(Kind.REFUSED, "is larger than declared", why, "declare at least its present size", "size")
    declared = volume.filesystem.type if volume.filesystem else ""
    if declared and facts.holds not in ("", declared) and not {declared, facts.holds} <= EXT:
        why = f"it holds {facts.holds}, {declared} is declared: that file system would not follow, and nothing is ever shrunk"
        return of.find(Kind.REFUSED, "is not extended", why, "see what is said of its file system", "size")
    unfit = layout.ungrowable(of, facts) or of.unfit(volume.legs, wanted - facts.extents)
    if unfit:
        return unfit
    drift = Drift(f"{volume.key}.size", f"{wanted} extents", f"{facts.extents} extents")
    extend = of.lvm("lvextend", "-l", str(wanted), volume.id, *of.places(volume.legs))
    larger = of.enlarge(volume.legs, wanted - facts.extents)
    steps = [*larger, of.step(f"extend {volume.id} to {of.size_text()}", extend, drift, Risk.ONLINE)]
    if volume.filesystem and GROW not in facts.tags:
        tag = of.lvm("lvchange", "--addtag", GROW, volume.id)
        steps.insert(0, of.step(f"note on {volume.id} that its file system is to grow", tag, drift))
    return Plan(tuple(steps))
