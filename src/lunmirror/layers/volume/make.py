"""A volume that is not there: made with one leg on each declared disk, and marked as ours in the same commit."""

from lunmirror.layers.volume.facts import UNFORMATTED
from lunmirror.layers.volume.subject import Subject
from lunmirror.model import Drift, Plan


def make(of: Subject) -> Plan:
    volume = of.volume
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
    return of.steps(
        f"make {volume.type} volume {volume.id} with a leg on {', '.join(volume.legs)}",
        of.lvm("lvcreate", *words, *of.places(volume.legs)),
        Drift(volume.key, f"{volume.type}, {of.size_text()}", "none"),
    )
