"""What stands against a mount: each question is asked in turn, the first answer counts. Pure.

| found                                                   | answer                         |
|---------------------------------------------------------|--------------------------------|
| the file system is not in order, and not about to be    | blocked                        |
| the mount could not be looked at                        | blocked                        |
| lines of fstab contradict, or name another device       | refused                        |
| another device is mounted at the path                   | refused                        |
| ours is mounted read-only, though not declared so       | blocked                        |
| something is mounted below the path                     | refused: it would be hidden    |
| the mount point is a link, or no directory              | refused                        |
| it lies within another declared mount, which is stopped | blocked                        |
"""

from collections.abc import Callable

from lunmirror.engine.model import Finding, Kind, Present, Ref, facts_of
from lunmirror.host import paths
from lunmirror.layers.context import NOT_LOOKED_AT, reason_of
from lunmirror.layers.filesystem.facts import FileSystem
from lunmirror.layers.group.facts import VolumeGroup
from lunmirror.layers.mount import fstab
from lunmirror.layers.mount.context import LAYER, MountContext
from lunmirror.layers.mount.facts import MountState
from lunmirror.layers.volume.facts import UNFORMATTED


def below(ctx: MountContext) -> tuple[Ref, ...]:
    """The volume and its file system, as far as they are to come first."""
    return ctx.waits_for(Ref("volume", ctx.volume.id), Ref("filesystem", ctx.volume.id)) if _disorder(ctx) else ()


def obstacle(ctx: MountContext) -> Finding | None:
    """Why nothing is done about this mount; None if nothing stands against it."""
    what = f"{ctx.path} is not managed"
    if (why := _disorder(ctx)) and not below(ctx):
        return ctx.finding(Kind.BLOCKED, what, why, f"see the findings for volume and file system {ctx.volume.id}")
    facts = facts_of(ctx.state, MountState)
    if facts is None:
        return ctx.finding(Kind.BLOCKED, what, reason_of(ctx.state), "correct that; nothing was changed")
    return next((found for question in _QUESTIONS if (found := question(ctx, facts))), None)


def stopped_outside(ctx: MountContext, outer: list[MountContext], stopped: set[Ref]) -> Finding | None:
    """A mount point that lies within another declared mount is not used before that one is mounted: what is mounted
    there earlier would be hidden under it, and writers would meet a directory of the other volume."""
    stands = next((o for o in outer if o.ref in stopped), None)
    if stands is None:
        return None
    why = f"it lies within {stands.path}, which is not mounted"
    return ctx.finding(
        Kind.BLOCKED, f"{ctx.path} is not mounted", why, f"see the findings for {LAYER} {stands.ref.name}"
    )


def _disorder(ctx: MountContext) -> str:
    """'' if the declared file system is there, finished and not waiting for anything; else why not."""
    group = facts_of(ctx.seen.get("group", {}).get(ctx.volume.group, NOT_LOOKED_AT), VolumeGroup)
    # In a prediction the group is to be taken over first.
    if group and (theirs := group.foreign_reason()) and not ctx.waits_for(Ref("group", ctx.volume.group)):
        return f"its group is not this host's: {theirs}"
    seen = ctx.seen.get("filesystem", {}).get(ctx.volume.id, NOT_LOOKED_AT)
    if not isinstance(seen, Present):
        return reason_of(seen, "there is no file system")
    facts = facts_of(seen, FileSystem)
    if facts is None or facts.type != ctx.type or not facts.complete:
        return f"the volume does not hold the declared {ctx.type} file system"
    if UNFORMATTED in facts.tags:
        return "the volume still carries the tag that says it is not formatted"
    return ""


def _conflict_in_fstab(ctx: MountContext, facts: MountState) -> Finding | None:
    lines = ctx.lines(facts)
    listed = "; ".join(map(str, lines))
    move = f"leave in {paths.FSTAB} at most one line about {ctx.device} or {ctx.path}, and run again"
    if not lines:
        return None
    if len(lines) > 1:
        return ctx.finding(Kind.REFUSED, f"will not choose between lines of {paths.FSTAB}", listed, move)
    if not fstab.is_ours(lines[0], ctx.volume, facts.aliases):
        number = lines[0].number
        if doubt := facts.doubts.get(number):
            why, move = (
                f"{listed}; whether that is {ctx.volume.id} is not known: {doubt}",
                f"write {ctx.device} in that line",
            )
        else:
            leads = facts.leads.get(number)
            why = f"{paths.FSTAB} mounts another device there{f' ({leads})' if leads else ''}; {listed}"
        return ctx.finding(Kind.REFUSED, f"will not take over {ctx.path}", why, move)
    if not lines[0].path.startswith(b"/"):
        why = f"{paths.FSTAB} uses {ctx.device}, but not as a mount; {listed}"
        return ctx.finding(Kind.REFUSED, f"will not take over a line of {paths.FSTAB}", why, move)
    return None


def _other_mount(ctx: MountContext, facts: MountState) -> Finding | None:
    top = facts.mounted
    if top is None or ctx.is_ours(top) or ctx.on_demand(top):
        return None
    why = f"{top.source} ({top.type}, device {top.number}) is mounted there"
    next = f"unmount it, or declare another path in {ctx.key}"
    return ctx.finding(Kind.REFUSED, f"will not mount over {ctx.path}", why, next)


def _read_only(ctx: MountContext, facts: MountState) -> Finding | None:
    top = facts.mounted
    if top is None or not ctx.is_ours(top) or not top.readonly or "ro" in ctx.options:
        return None
    if ctx.lv and ctx.lv.permissions.startswith("read-only"):
        why, next = "its volume is read-only", f"see the findings for volume {ctx.volume.id}"
    elif "ro" in top.flags and "rw" in top.options:
        why = "someone mounted it so"
        next = f"`mount -o remount,rw {ctx.path}`, or declare the option ro"
    else:
        why = "a file system goes read-only by itself after errors: what it holds on disk may be damaged"
        next = "see the kernel's log; then unmount, check (fsck, xfs_repair), and run again"
    return ctx.finding(Kind.BLOCKED, f"{ctx.path} is mounted read-only, though declared to be written to", why, next)


def _hides(ctx: MountContext, facts: MountState) -> Finding | None:
    if not facts.below:
        return None
    why = f"{', '.join(facts.below[:5])} is mounted below it, and would be hidden"
    next = f"unmount that, and run again; or declare another path in {ctx.key}"
    return ctx.finding(Kind.REFUSED, f"will not mount at {ctx.path}", why, next)


def _directory(ctx: MountContext, facts: MountState) -> Finding | None:
    if facts.mounted is not None or facts.directory in ("", "missing"):
        return None
    next = f"make {ctx.path} a directory of its own, or declare the path that it leads to in {ctx.key}"
    return ctx.finding(Kind.REFUSED, f"will not mount at {ctx.path}", facts.directory, next)


_QUESTIONS: tuple[Callable[[MountContext, MountState], Finding | None], ...] = (
    _conflict_in_fstab,
    _other_mount,
    _read_only,
    _hides,
    _directory,
)
