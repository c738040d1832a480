"""`lunmirror remove`: what is not declared any more, and known as ours, goes out of service in the order that loses nothing.

| what is named                                   | what is done                                                         |
|-------------------------------------------------|----------------------------------------------------------------------|
| a volume that is declared                       | refused: it is taken out of the configuration first                   |
| a volume that the journal knows, not declared   | unmounted, its line in fstab removed, deactivated; its data stays     |
| the same, and `--wipe-data` names it            | and then removed by LVM, by its UUID, and its journal with it         |
| a disk of a group that does not declare it, empty | taken out of the group; what it holds besides stays                 |
| a server, or a target, that is not declared any more | logged out of, and its records deleted (logout.py)                    |
| a server that is declared                       | refused                                                               |
| anything else, or in use otherwise, or not whole | refused, with the reason                                              |

Each step is begun only when the one before it has ended well, and if a look just before still wants it: an answer may have
taken minutes, and LVM calls it a success that a UUID which is renamed meanwhile was not found. What is done already is not
planned again: after a kill the same command goes on.
"""

from collections.abc import Callable, Iterator

from lunmirror.engine import journal, logout
from lunmirror.engine.desired import Desired, Volume
from lunmirror.engine.model import (
    Drift,
    Finding,
    Kind,
    Plan,
    Present,
    Ref,
    RemoveFile,
    Report,
    Risk,
    Run,
    Step,
    Unknown,
    World,
    WriteFile,
)
from lunmirror.engine.plain import exactly
from lunmirror.host import paths
from lunmirror.host.mountinfo import Entry, read_mounts
from lunmirror.host.protocol import Reader
from lunmirror.layers.context import joined
from lunmirror.layers.disk.facts import devices_guarded, shown
from lunmirror.layers.group.facts import VolumeGroup
from lunmirror.layers.mount import fstab
from lunmirror.layers.volume import layout, repair, undeclared
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import LogicalVolume
from lunmirror.lvm.command import change
from lunmirror.lvm.read import read_lvm

UNMOUNT, RELOAD, REDUCE = 90.0, 90.0, 180.0  # seconds
ASKED = "asked: "  # how the proof begins of a step that rests on an administrator's own words


def plan(name: str, wipe: bool, desired: Desired, report: Report, reader: Reader) -> Plan:
    """The steps; or none, and a refusal. `wipe`: the data of this volume were named as what is to be lost."""
    if name in desired.volumes:
        return _refused(Ref("volume", name), f"volume {name} is declared", "take it out of the configuration first")
    leaves = name in desired.disks and not desired.group_of(name)  # a disk may have the name of its server
    if name in desired.servers and not leaves:
        return _server(name)
    if logout.is_target(name):
        return logout.plan(name, desired, report, reader)
    if targets := logout.of_server(name, desired, reader):
        return joined(logout.plan(target, desired, report, reader) for target in targets)
    if name in desired.disks:
        return _disk(name, desired, report.seen)
    if name in desired.groups:
        next_ = f"name a volume of it ({name}/NAME), a disk, a server or a target; a group is never removed"
        return _refused(Ref("group", name), f"{name} is a group, and declared", next_)
    left = {v.id: v for v in undeclared.volumes(desired, report.seen)}
    if name in left:
        return _volume(VolumeContext(left[name], desired, report.seen, frozenset()), wipe, reader)
    if wipe and (steps := tuple(_forgotten(name, desired, report.seen, reader))):
        return Plan(steps)
    known = [*left, *logout.undeclared(desired, reader)]
    next_ = f"not declared, and known: {', '.join(known)}" if known else "nothing is known that is not declared"
    return _refused(Ref("volume", name), f"{name} is nothing that lunmirror made or managed", next_)


class StillWanted:
    """What an executor asks before each step: whether somebody agrees, and a plan made just then still holds the step. `again`
    makes that plan; `moved` is empty until it does not."""

    def __init__(self, agreed: Callable[[Step], bool], again: Callable[[], Plan]) -> None:
        self.agreed, self.again = agreed, again
        self.moved: tuple[Finding, ...] = ()

    def __call__(self, step: Step) -> bool:
        if not self.agreed(step):
            return False
        now = self.again()
        # Having systemd read fstab again follows from a step that is done, so no plan holds it any more.
        follows = isinstance(step.action, Run) and step.risk is Risk.NONE and not now.findings
        # A note has the time in it, which goes on while somebody is asked.
        noted = isinstance(step.action, WriteFile) and journal.is_note(step)
        same = (other.title == step.title if noted else other.action == step.action for other in now.steps)
        if follows or any(same):
            return True
        what = f"stopped, with the machine changed meanwhile: will not {step.title}"
        why = "; ".join(f"{f.what}: {f.why}" if f.why else f.what for f in now.findings)
        next_ = f"`lunmirror remove {step.ref.name}` shows what it would do now"
        self.moved = (Finding(step.ref, Kind.REFUSED, what, why or "it is not needed any more", next_),)
        return False


def _refused(ref: Ref, what: str, next: str, why: str = "") -> Plan:
    return Plan(findings=(Finding(ref, Kind.REFUSED, what, why, next),))


def _server(name: str) -> Plan:
    next_ = (
        "have its disks replaced (`replaces`), or taken out of their groups, take them and the server out of the"
        f" configuration, and then `lunmirror remove {name}`"
    )
    return _refused(Ref("node", name), f"server {name} is declared", next_)


# A volume


def _volume(ctx: VolumeContext, wipe: bool, reader: Reader) -> Plan:
    state = ctx.state
    assert isinstance(state, Present)
    facts: LogicalVolume = state.facts
    mounts = read_mounts(reader)
    table = reader.read(paths.FSTAB)
    if not isinstance(mounts, Present) or isinstance(table, Unknown):
        return ctx.refused(
            "is not removed", "what is mounted, or is to be at boot, cannot be read", "correct that first"
        )
    mine = [entry for entry in mounts.facts if facts.number and entry.number == facts.number]
    before = table.facts if isinstance(table, Present) else b""
    lines = _lines(ctx.volume, before)
    objections = [
        *_against(ctx, facts),
        *_in_the_way(facts, mine, mounts.facts),
        *_in_fstab(lines, mine, before),
    ]
    if objections:
        return ctx.refused("is not removed", "; ".join(objections), "correct that first; nothing was changed")
    past = ctx.past(facts)
    # Which legs are the newest is seen here for the last time.
    newest = repair.note(ctx, facts, past.volume) if past and facts.active and not wipe else ()
    steps = [*newest, *_unmount(ctx, mine), *_unlist(ctx, lines, before, reader)]
    if facts.active:
        run = ctx.lvm("lvchange", "-a", "n", ctx.volume.id)
        drift = Drift(ctx.key, "out of service", "active")
        proof = f"{ASKED}it was named, and LVM deactivates nothing that is open"
        steps.append(ctx.change(f"deactivate volume {ctx.volume.id}", run, drift, risk=Risk.ONLINE, proof=proof))
    if wipe:
        steps += _wipe(ctx, facts)
    return Plan(tuple(steps))


def _against(ctx: VolumeContext, facts: LogicalVolume) -> Iterator[str]:
    past = ctx.past(facts)
    if why := ctx.foreign_reason():
        yield f"its group is not this host's: {why}"
    if not ctx.whole():
        yield f"a member of group {ctx.volume.group} is out of sight, or flagged missing"
    if past is None:
        yield "what the journal knows of it cannot be read"
    elif past.volume != ctx.volume.id and past.volume in ctx.desired.volumes:
        yield f"it is volume {past.volume}, which is declared, under another name"
    if word := _other_layout(facts):
        yield f"it is, or is a part of, what lunmirror does not make ({word}): LVM would take that with it"
    if facts.snapshots:
        yield f"it has snapshots ({', '.join(facts.snapshots)})"
    if facts.half_made or facts.loose or facts.strays or facts.suspended:
        yield "a command that changed it was interrupted, or goes on"


def _other_layout(facts: LogicalVolume) -> str:
    """LVM's word for what a hand made of it: a pool takes the volumes in it along, a split leg is a copy that is kept."""
    if facts.type not in layout.TYPES:
        return facts.type or "volume without segments"
    return facts.altered or facts.unclear or ", ".join(facts.tracked)


def _in_the_way(facts: LogicalVolume, mine: list[Entry], every: tuple[Entry, ...]) -> Iterator[str]:
    if facts.open and not mine:
        yield "something has it open, and it is not mounted: see `dmsetup ls --tree`, `swapon --show` and `fuser`"
    for entry in mine:
        above = [
            e.path for e in every if e not in mine and (e.path == entry.path or e.path.startswith(f"{entry.path}/"))
        ]
        if above:
            yield f"{', '.join(above[:5])} is mounted on {entry.path} or below it"


def _unmount(ctx: VolumeContext, mine: list[Entry]) -> Iterator[Step]:
    """The innermost first."""
    for path in sorted((entry.path for entry in mine), key=len, reverse=True):
        drift = Drift(ctx.key, "not mounted", f"mounted at {path}")
        proof = f"{ASKED}it was named, and umount ends nothing that is busy"
        yield ctx.step(f"unmount {path}", Run((paths.UMOUNT, path), UNMOUNT), drift, risk=Risk.ONLINE, proof=proof)


def _lines(volume: Volume, before: bytes) -> list[fstab.Line]:
    """The lines that call it by one of LVM's names."""
    known = fstab.entries(before)
    return [line for name in fstab.devices(volume) for line in known.by_device.get(name.encode(), ())]


def _is_written_by_us(line: fstab.Line) -> bool:
    options = line.fields[3].decode(errors="replace").split(",") if len(line.fields) > 3 else []
    return set(fstab.FIXED) <= set(options) and any(o.startswith(f"{fstab.DEVICE_TIMEOUT}=") for o in options)


def _in_fstab(lines: list[fstab.Line], mine: list[Entry], before: bytes) -> Iterator[str]:
    """Lines about it that are not lunmirror's: a boot would wait for what is gone."""
    places = {entry.path.encode() for entry in mine}
    others = [line for line in fstab.entries(before) if line.path in places and line not in lines]
    for line in (*others, *(line for line in lines if not _is_written_by_us(line))):
        yield f"{paths.FSTAB} {line}, which lunmirror did not write: remove it first"


def _unlist(ctx: VolumeContext, lines: list[fstab.Line], before: bytes, reader: Reader) -> Iterator[Step]:
    if not lines:
        return
    numbers = {line.number for line in lines}
    kept = [raw for number, raw in enumerate(before.split(b"\n"), start=1) if number not in numbers]
    drift = Drift(ctx.key, "no line", "; ".join(map(str, lines)))
    title = f"remove the line of {ctx.volume.id} from {paths.FSTAB}"
    yield ctx.step(title, WriteFile(paths.FSTAB, b"\n".join(kept), before), drift)
    if isinstance(reader.directory(paths.SYSTEMD_RUNNING), Present):
        run = Run((paths.SYSTEMCTL, "daemon-reload"), RELOAD)
        yield ctx.step(f"have systemd read {paths.FSTAB} again", run, drift)


def _wipe(ctx: VolumeContext, facts: LogicalVolume) -> Iterator[Step]:
    """LVM looks for the UUID itself, under its own lock: not for whatever has the name by then."""
    run = ctx.lvm("lvremove", "-y", "--select", f"lv_uuid={facts.uuid}", ctx.volume.id)
    drift = Drift(ctx.key, "removed, with all that it holds", "there")
    proof = f"{ASKED}--wipe-data names {ctx.volume.id}, and LVM removes only the volume with UUID {facts.uuid}"
    title = f"remove volume {ctx.volume.id}, and lose all that it holds, on every leg"
    yield ctx.change(title, run, drift, risk=Risk.CONSUMES, proof=proof)
    yield _forget(ctx.ref, ctx.key, facts.uuid, facts.past_raw or b"")


def _forget(ref: Ref, key: str, uuid: str, raw: bytes) -> Step:
    drift = Drift(key, "forgotten", "in the journal")
    return Step(ref, "remove what the journal knows of it", RemoveFile(journal.path_of(uuid), raw), (drift,))


def _forgotten(name: str, desired: Desired, seen: World, reader: Reader) -> Iterator[Step]:
    """Of a volume that was removed: what a kill left in the journal. Its group is seen whole, and nothing has its UUID."""
    group = seen.get("group", {}).get(name.partition("/")[0])
    files = reader.directory(paths.JOURNAL_DIR)
    if not isinstance(group, Present) or not isinstance(group.facts, VolumeGroup) or not group.facts.whole:
        return
    states = seen.get("volume", {}).values()
    if any(isinstance(state, Unknown) for state in states):
        return
    lvm = read_lvm(reader, shown(seen))
    if not isinstance(lvm, Present):
        return
    there = {row.uuid for row in lvm.facts.lvs}  # as a part of another, too
    for file in files.facts if isinstance(files, Present) else ():
        uuid, _, kind = file.rpartition(".")
        raw = reader.read(journal.path_of(uuid)) if kind == "json" and uuid not in there else None
        past = journal.parse(raw) if isinstance(raw, Present) else None
        if isinstance(raw, Present) and isinstance(past, Present) and past.facts.volume == name:
            yield _forget(Ref("volume", name), f"groups.{name.partition('/')[0]}.volumes", uuid, raw.facts)


# A disk


def _disk(name: str, desired: Desired, seen: World) -> Plan:
    if declared := desired.group_of(name):
        next_ = f"take it out of groups.{declared}.disks first; a disk with a leg is replaced (`replaces`)"
        return _refused(Ref("disk", name), f"disk {name} is declared in group {declared}", next_)
    for group, state in seen.get("group", {}).items():
        facts = state.facts if isinstance(state, Present) else None
        member = facts.member(name) if isinstance(facts, VolumeGroup) else None
        if not isinstance(facts, VolumeGroup) or member is None:
            continue
        ref, what = Ref("disk", name), f"disk {name} is not taken out of group {group}"
        why = ""
        if theirs := facts.foreign_reason():
            why = f"the group is not this host's: {theirs}"
        elif not facts.whole or not member.device or member.missing:
            why = "a member of the group is out of sight, or flagged missing"
        elif member.free != member.size:
            why = f"{exactly(member.size - member.free)} of it are in use (`lvs -a -o+devices` shows by what)"
        elif len(facts.members) < 2:
            why = "it is the only one of the group"
        elif any(disk.replaces == name for disk in desired.disks.values()):
            why = "another disk is declared to replace it, which a pass does by itself"
        if why:
            return _refused(ref, what, "correct that first; nothing was changed", why)
        devices = tuple(m.device for m in facts.members if m.device)
        run = Run(change(devices, "vgreduce", group, member.device), REDUCE)
        drift = Drift(f"groups.{group}.disks", f"{name} not in the group", "in it, empty")
        proof = f"{ASKED}it was named; nothing lies on it, and LVM refuses if anything does"
        title = f"take disk {name} out of group {group}"
        return Plan((Step(ref, title, run, (drift,), Risk.ONLINE, proof, devices_guarded(seen, run)),))
    next_ = f"take [disks.{name}] out of the configuration"
    return _refused(
        Ref("disk", name), f"disk {name} is in no group that lunmirror sees: nothing is to be removed", next_
    )
