"""A file system grows to the size of its volume while it is mounted; planned after the mounts. Pure.

| the volume's tag `lunmirror.grow`, the file system  | what is done                                     |
|------------------------------------------------------|--------------------------------------------------|
| set, mounted                                         | grown, then the tag removed                      |
| set, not mounted                                     | blocked: the next pass after a mount grows it    |
| not set yet, and the volume is about to be extended  | predicted                                        |
"""

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import Drift, Plan, Present, Ref, Risk, Run, World
from lunmirror.host import paths
from lunmirror.layers.context import joined
from lunmirror.layers.filesystem.context import FilesystemContext, contexts
from lunmirror.layers.filesystem.facts import FileSystem
from lunmirror.layers.volume.facts import GROW, UNFORMATTED

GROW_DEADLINE = 600.0  # seconds: it writes over the network, to the slower of the legs


def plan_growth(desired: Desired, world: World, pending: frozenset[Ref]) -> Plan:
    """The way to file systems as large as their volumes."""
    return joined(_plan(ctx) for ctx in contexts(desired, world, pending))


def _plan(ctx: FilesystemContext) -> Plan:
    match ctx.state:
        case Present(FileSystem() as facts) if facts.type == ctx.declared.type and UNFORMATTED not in facts.tags:
            if GROW in facts.tags:
                return _grown(ctx, facts)
            if ctx.volume_ref in ctx.pending and _will_grow(ctx):
                mount = () if facts.mounted else (Ref("mount", ctx.volume.id),)
                return _steps(ctx, facts.path, (ctx.volume_ref, *mount))
    return Plan()  # absent, unknown or of another kind: the layer's other planner reports it


def _grown(ctx: FilesystemContext, facts: FileSystem) -> Plan:
    if facts.mounted:
        return ctx.written(*_steps(ctx, facts.path).steps)
    if mount := ctx.waits_for(Ref("mount", ctx.volume.id)):
        return _steps(ctx, "", mount)
    what = f"the file system on {ctx.volume.id} is smaller than its volume"
    return ctx.blocked(what, "it grows only while it is mounted, and it is not", "mount it; the next pass grows it")


def _steps(ctx: FilesystemContext, path: str, after: tuple[Ref, ...] = ()) -> Plan:
    declared = ctx.volume.mount.path if ctx.volume.mount else "its mount point"
    xfs = ctx.declared.type == "xfs"
    argv = (paths.XFS_GROWFS, path or declared) if xfs else (paths.RESIZE2FS, ctx.node())
    drift = Drift(f"{ctx.volume.key}.size", "a file system as large as the volume", "a smaller one")
    grow = ctx.step(
        f"grow the file system on {ctx.volume.id} to the size of its volume",
        Run(argv, GROW_DEADLINE),
        drift,
        risk=Risk.ONLINE,
        guards=() if after else ctx.device_guards(),
        after=after,
    )
    untag = ctx.deltag(GROW, f"note on {ctx.volume.id} that its file system has grown", drift)
    return Plan((grow, untag._replace(after=after)))


def _will_grow(ctx: FilesystemContext) -> bool:
    """The volume layer is about to make the volume larger."""
    if ctx.lv is None or ctx.group is None or ctx.group.extent_size <= 0:
        return False
    return ctx.volume.size.in_extents(ctx.group.extent_size) > ctx.lv.extents
