"""Decides what brings a mount to the declared state: its line in fstab first, then the mount itself. Pure.

Nothing is mounted, and no line written, unless the file system layer saw the declared file system there, finished.

| found                                           | what is done                                          |
|-------------------------------------------------|-------------------------------------------------------|
| anything that stands against it                 | blocked or refused (obstacles.py)                     |
| no line of ours in fstab, or another one        | added or corrected, every other byte left             |
| fstab written, or systemd's unit from before    | systemd reads fstab again, once                       |
| not mounted                                     | mounted, with its mount point made if that is missing |
| mounted, a harmless flag missing                | remounted with it                                     |
| mounted elsewhere too; files beneath            | noted                                                 |
"""

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import (
    Drift,
    Finding,
    Kind,
    MakeDirectory,
    Plan,
    Ref,
    Run,
    Step,
    World,
    WriteFile,
    facts_of,
)
from lunmirror.engine.plain import named
from lunmirror.host import paths
from lunmirror.layers.mount import fstab, obstacles
from lunmirror.layers.mount.context import LAYER, MountContext
from lunmirror.layers.mount.facts import MountState, Undeclared

MOUNT_DEADLINE = 90.0  # seconds, as systemd gives a mount: a journal is replayed meanwhile
RELOAD_DEADLINE = 90.0  # seconds: every generator runs again

# Flags of a mount, not of a file system: they can be changed while it is in use without the file system knowing.
ACCESS_TIMES = ("noatime", "relatime")  # one excludes the other
SAFE_FLAGS = frozenset({*ACCESS_TIMES, "nodiratime", "nodev", "nosuid", "noexec"})

# Words of fstab that mount(8) must not be given. `nofail` would have it say that all is well when there is no device
# (mount(8)); the others speak to boot alone. `_netdev` stays: mount notes it, and systemd then orders even a mount
# made by hand before the network goes down (systemd #20566).
FOR_FSTAB_ONLY = frozenset({"nofail", "auto", "noauto", "defaults"})


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    """The way to every declared mount: first all lines of fstab, then one reload, then the mounts."""
    asked = [
        MountContext(v, v.mount, desired, seen, pending) for v in desired.volumes.values() if v.mount is not None
    ]
    asked.sort(key=lambda ctx: ctx.path.split("/"))  # what is mounted within another mount comes after it
    stopped = _stopped(asked)
    able = [ctx for ctx in asked if ctx.ref not in stopped]
    lines = _lines(able)
    mounts = [step for ctx in able for step in _steps(ctx, _outer(ctx, asked))]
    notes = [note for ctx in able for note in _notes(ctx, ctx.facts)]
    findings = (*stopped.values(), *notes, *_undeclared(seen))
    return Plan((*lines, *_reload(able, lines), *mounts), findings)


def _stopped(asked: list[MountContext]) -> dict[Ref, Finding]:
    """What stands against each mount that is not touched."""
    found: dict[Ref, Finding] = {}
    for ctx in asked:
        why = obstacles.obstacle(ctx) or obstacles.stopped_outside(ctx, _outer(ctx, asked), set(found))
        if why:
            found[ctx.ref] = why
    return found


def _outer(ctx: MountContext, others: list[MountContext]) -> list[MountContext]:
    """The declared mounts within which this one's mount point lies, and which are not mounted yet."""
    if not ctx.wants_mount:
        return []
    return [o for o in others if ctx.path.startswith(f"{o.path}/") and o.wants_mount]


def _undeclared(seen: World) -> list[Finding]:
    found = [(id, facts) for id, state in seen.get(LAYER, {}).items() if (facts := facts_of(state, Undeclared))]
    return [
        Finding(
            Ref(LAYER, id),
            Kind.NOTE,
            f"volume {id} is {_where(facts)}, but not declared: it is not managed",
            "lunmirror managed it before it was taken out of the configuration, or renamed",
            f"see the findings for the volume; no pass touches the mount, or its line in fstab: `lunmirror remove {id}` does",
            f"groups.{id.partition('/')[0]}.volumes",
        )
        for id, facts in found
    ]


def _where(facts: Undeclared) -> str:
    listed = named("line", [str(number) for number in facts.lines])
    return f"mounted at {', '.join(facts.paths)}" if facts.paths else f"in {paths.FSTAB} ({listed})"


def _lines(able: list[MountContext]) -> list[Step]:
    """One write of fstab for each line that is wanted. Each begins with what the one before it leaves."""
    steps: list[Step] = []
    content: bytes | None = None
    for ctx in able:
        facts = ctx.facts
        before = content if content is not None else (None if facts.absent else facts.fstab)
        if write := _line(ctx, facts, before):
            drift = Drift(ctx.key, write.line, write.observed)
            action = WriteFile(paths.FSTAB, write.content, before)
            title = f"{'correct' if write.replaces else 'add'} the line of {ctx.path} in {paths.FSTAB}"
            steps.append(ctx.step(title, action, drift, after=obstacles.below(ctx)))
            content = write.content
    return steps


def _line(ctx: MountContext, facts: MountState, before: bytes | None) -> fstab.Write | None:
    """The write that puts our line right in `before` (None: no fstab at all); None if it is right."""
    lines = ctx.lines(facts)
    boot_wait = ctx.desired.boot_wait
    if lines and fstab.says(lines[0], ctx.volume, boot_wait, facts.aliases):
        return None
    line = fstab.declared(ctx.volume, boot_wait, fstab.kept(lines[0], facts.aliases) if lines else b"")
    # Line numbers hold in `before` as well: the writes before ours add lines at the end, and take none away.
    content = fstab.put(before or b"", line, lines[0].number if lines else None)
    observed = lines[0].raw.decode(errors="backslashreplace").strip() if lines else "no line"
    return fstab.Write(content, line.decode(errors="backslashreplace"), observed, bool(lines))


def _reload(able: list[MountContext], lines: list[Step]) -> list[Step]:
    """systemd reads fstab only when asked to. A unit made from an older one may unmount at once what is mounted by hand,
    for it is bound to a device that is not there (systemd #1741, #1938; not seen on 252, but nothing promises it)."""
    stale = [ctx for ctx in able if ctx.facts.systemd and ctx.facts.stale and ctx.wants_mount]
    if not any(ctx.facts.systemd for ctx in able) or not (lines or stale):
        return []
    ref = lines[-1].ref if lines else stale[-1].ref
    ctx = next(ctx for ctx in able if ctx.ref == ref)
    drift = Drift(ctx.key, f"systemd knows the line in {paths.FSTAB}", "its unit is from before")
    run = Run((paths.SYSTEMCTL, "daemon-reload"), RELOAD_DEADLINE)
    return [ctx.step(f"have systemd read {paths.FSTAB} again", run, drift, after=obstacles.below(ctx))]


def _steps(ctx: MountContext, outer: list[MountContext]) -> list[Step]:
    """What follows the line in fstab."""
    facts = ctx.facts
    if not ctx.wants_mount:
        return _flags(ctx, facts)
    drift = Drift(ctx.key, f"mounted at {ctx.path}", "not mounted")
    after = (*obstacles.below(ctx), *(o.ref for o in outer))
    # The whole command, device and options included: it does not depend on what fstab says at that instant.
    run = Run((paths.MOUNT, "-t", ctx.type, "-o", _options(ctx), ctx.device, ctx.path), MOUNT_DEADLINE)
    mount = ctx.step(f"mount {ctx.volume.id} at {ctx.path}", run, drift, after=after)
    if facts.directory != "missing":
        return [mount]
    return [ctx.step(f"make the mount point {ctx.path}", MakeDirectory(ctx.path), drift, after=after), mount]


def _options(ctx: MountContext) -> str:
    own = (o for o in ctx.options if o not in FOR_FSTAB_ONLY and not o.startswith("x-"))
    return ",".join(dict.fromkeys((*own, "_netdev")))


def _flags(ctx: MountContext, facts: MountState) -> list[Step]:
    """Flags of the mount that are declared and not live, set together with those that are live already."""
    if facts.mounted is None or not ctx.is_ours(facts.mounted):
        return []
    live = facts.mounted.flags
    wanted = [o for o in ctx.options if o in SAFE_FLAGS]
    times = [o for o in wanted if o in ACCESS_TIMES]
    wanted = [o for o in wanted if o not in times[:-1]]  # of two that exclude each other, mount takes the last
    missing = [o for o in wanted if o not in live]
    if not missing:
        return []
    kept = [o for o in live if o not in (ACCESS_TIMES if times else ())]
    # With device and path both given, mount(8) adds nothing from fstab; with `bind`, the kernel changes the flags
    # of this mount alone and leaves the file system's own options as they are (mount(8), "remount").
    options = ",".join(dict.fromkeys(("remount", "bind", *kept, *wanted)))
    run = Run((paths.MOUNT, "-o", options, ctx.device, ctx.path), MOUNT_DEADLINE)
    return [
        ctx.step(f"set {', '.join(missing)} on {ctx.path}", run, Drift(ctx.key, ",".join(missing), ",".join(live)))
    ]


def _notes(ctx: MountContext, facts: MountState) -> list[Finding]:
    notes = []
    if facts.elsewhere:
        notes.append(
            (f"{ctx.volume.id} is mounted at {', '.join(facts.elsewhere)}", "that is not declared; it is left alone")
        )
    if ctx.wants_mount and facts.files:
        notes.append((f"{ctx.path} is not empty", "the files in it are hidden while the volume is mounted on it"))
    if facts.mounted is not None and ctx.is_ours(facts.mounted):
        notes += [
            (f"{ctx.path} has {live}, declared {wanted}", "it takes effect when it is mounted the next time")
            for live, wanted in _other_values(facts.mounted.options, ctx.options)
        ]
    return [ctx.finding(Kind.NOTE, what, why) for what, why in notes]


def _other_values(live: tuple[str, ...], declared: tuple[str, ...]) -> list[tuple[str, str]]:
    """Options of the form key=value that are live with another value. What is not shown at all may be a default of
    the file system, which the kernel leaves out: that says nothing."""
    values = dict(o.partition("=")[::2] for o in live if "=" in o)
    pairs = [(o.partition("=")[0], o) for o in declared if "=" in o]
    return [(f"{key}={values[key]}", o) for key, o in pairs if key in values and f"{key}={values[key]}" != o]
