"""A volume that is not there: made with one leg on each declared disk, and marked as ours in the same commit."""

from lunmirror.engine.model import Drift, Plan, Present
from lunmirror.engine.plain import named
from lunmirror.layers.scsi.facts import refused
from lunmirror.layers.volume import region
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import UNFORMATTED


def cache_refused(ctx: VolumeContext, names: tuple[str, ...]) -> Plan | None:
    """The answer where a disk's write cache is declared not to be accepted (layer scsi says so): nothing is put on it."""
    refuse = [name for name in names if _refused(ctx, name)]
    if not refuse:
        return None
    why = f"the write cache of {named('disk', refuse)} is not as declared"
    return ctx.blocked("gets no leg there", why, "see the findings for its cache")


def _refused(ctx: VolumeContext, name: str) -> bool:
    state, disk = ctx.seen.get("scsi", {}).get(name), ctx.desired.disks[name]
    return isinstance(state, Present) and any(refused(ctx.desired, disk, one) for one in state.facts)


def make(ctx: VolumeContext) -> Plan:
    volume = ctx.volume
    if held := cache_refused(ctx, volume.legs):
        return held
    own = 1 if volume.type == "raid1" else 0  # for its metadata
    if not ctx.after:
        unfit = ctx.unfit(volume.legs, ctx.wanted_extents())
        if unfit:
            return unfit
    shape = {
        "raid1": ("--type", "raid1", "-m", str(len(volume.legs) - 1), *region.options(ctx)),
        "mirror": ("--type", "mirror", "-m", str(len(volume.legs) - 1), "--mirrorlog", volume.log),
        "linear": ("--type", "linear"),
    }[volume.type]
    tag = ("--addtag", UNFORMATTED) if volume.filesystem else ()
    extents = str(ctx.wanted_extents()) if ctx.group else f"<{ctx.size_text()}>"
    # -y answers only "wipe the old signature in these free extents?": the group is ours, they are free.
    words = (*shape, "-n", volume.name, "-l", extents, *tag, "-y", "-W", "y", "-Z", "y", volume.group)
    made = ctx.steps(
        f"make {volume.type} volume {volume.id} with a leg on {', '.join(volume.legs)}",
        ctx.lvm("lvcreate", *words, *ctx.places(volume.legs)),
        Drift(volume.key, f"{volume.type}, {ctx.size_text()}", "none"),
    )
    larger = () if ctx.after else ctx.enlarge(volume.legs, ctx.wanted_extents() + own)
    return Plan((*larger, *made.steps))
