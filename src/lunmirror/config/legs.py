"""Which disks carry a volume's copies when it does not say so."""

from collections.abc import Mapping, Sequence

FEWEST_LEGS = {"raid1": 2, "mirror": 2, "linear": 1}
MOST_LEGS = {"raid1": 10, "mirror": 8, "linear": 1}  # lvm2: DEFAULT_RAID1_MAX_IMAGES, DEFAULT_MIRROR_MAX_IMAGES


def default_legs(type: str, disks: Sequence[str], server_of: Mapping[str, str]) -> tuple[str, ...]:
    """The first disk on each server, in the group's order; for linear the group's first disk."""
    first: dict[str, str] = {}
    for disk in disks:
        if disk in server_of:
            first.setdefault(server_of[disk], disk)
    return tuple(first.values())[: MOST_LEGS[type]]
