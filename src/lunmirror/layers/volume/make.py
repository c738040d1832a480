"""A volume that is not there: made with one leg on each declared disk, and marked as ours in the same commit."""

from lunmirror.layers.scsi.facts import refused
from lunmirror.layers.volume import region
from lunmirror.layers.volume.facts import UNFORMATTED
from lunmirror.layers.volume.subject import Subject
from lunmirror.model import Drift, Kind, Plan, Present


def cache_refused(of: Subject, names: tuple[str, ...]) -> Plan | None:
    """The answer where a disk's write cache is declared not to be accepted (layer scsi says so): nothing is put on it."""
    refuse = [name for name in names if _refused(of, name)]
    if not refuse:
        return None
    why = f"the write cache of disk {', '.join(refuse)} is not as declared"
    return of.find(Kind.BLOCKED, "gets no leg there", why, "see what is said of its cache")


def _refused(of: Subject, name: str) -> bool:
    state, disk = of.seen.get("scsi", {}).get(name), of.desired.disks[name]
    return isinstance(state, Present) and any(refused(of.desired, disk, one) for one in state.facts)


def make(of: Subject) -> Plan:
    volume = of.volume
    if held := cache_refused(of, volume.legs):
        return held
    own = 1 if volume.type == "raid1" else 0  # for its metadata
    if not of.after:
        unfit = of.unfit(volume.legs, of.wanted_extents())
        if unfit:
            return unfit
    shape = {
        "raid1": ("--type", "raid1", "-m", str(len(volume.legs) - 1), *region.options(of)),
        "mirror": ("--type", "mirror", "-m", str(len(volume.legs) - 1), "--mirrorlog", volume.log),
        "linear": ("--type", "linear"),
    }[volume.type]
    tag = ("--addtag", UNFORMATTED) if volume.filesystem else ()
    extents = str(of.wanted_extents()) if of.group else f"<{of.size_text()}>"
    # -y answers only "wipe the old signature in these free extents?": the group is ours, they are free.
    words = (*shape, "-n", volume.name, "-l", extents, *tag, "-y", "-W", "y", "-Z", "y", volume.group)
    made = of.steps(
        f"make {volume.type} volume {volume.id} with a leg on {', '.join(volume.legs)}",
        of.lvm("lvcreate", *words, *of.places(volume.legs)),
        Drift(volume.key, f"{volume.type}, {of.size_text()}", "none"),
    )
    larger = () if of.after else of.enlarge(volume.legs, of.wanted_extents() + own)
    return Plan((*larger, *made.steps))
