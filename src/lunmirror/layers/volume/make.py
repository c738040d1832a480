"""A volume that is not there: made with one leg on each declared disk, and marked as ours in the same commit."""

from lunmirror.layers.scsi.facts import refused
from lunmirror.layers.volume.facts import UNFORMATTED
from lunmirror.layers.volume.subject import Subject
from lunmirror.model import Drift, Kind, Plan, Present


def _refused(of: Subject, name: str) -> bool:
    """Whether the write cache of this disk is one that is declared not to be accepted (layer scsi says so)."""
    state, disk = of.seen.get("scsi", {}).get(name), of.desired.disks[name]
    return isinstance(state, Present) and any(refused(of.desired, disk, one) for one in state.facts)


def make(of: Subject) -> Plan:
    volume = of.volume
    if names := [d for d in volume.legs if _refused(of, d)]:
        why = f"the write cache of disk {', '.join(names)} is not as declared"
        return of.find(Kind.BLOCKED, "is not made", why, "see what is said of its cache")
    own = 1 if volume.type == "raid1" else 0  # for its metadata
    if not of.after:
        unfit = of.unfit(volume.legs, of.wanted_extents())
        if unfit:
            return unfit
    shape = {
        "raid1": ("--type", "raid1", "-m", str(len(volume.legs) - 1)),
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
