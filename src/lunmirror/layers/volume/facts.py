"""What can be known of a logical volume: layout from LVM's metadata, health from device-mapper."""

from typing import NamedTuple


class Leg(NamedTuple):
    """One copy. `pvs` are the PV UUIDs it lies on; `letter` is device-mapper's: raid1 A in sync, a not in sync,
    D dead; mirror A, D, F, S, R, U; '' for linear or inactive."""

    name: str
    pvs: tuple[str, ...]
    letter: str


class LogicalVolume(NamedTuple):
    """`size` in bytes, `extents` in the group's extents. `done` and `total` are what device-mapper counts as in
    sync (sectors for raid1, regions for a mirror; both 0 when inactive). `action` is raid's sync action.
    `number` is "major:minor", '' when inactive. `dm` is its name in device-mapper."""

    uuid: str
    type: str  # linear, raid1, mirror, or LVM's own word for anything else
    log: str  # for a mirror: core or disk
    size: int
    extents: int
    legs: tuple[Leg, ...]
    active: bool
    suspended: bool
    open: bool
    number: str
    dm: str
    health: str
    tags: tuple[str, ...]
    done: int
    total: int
    action: str

    @property
    def synced(self) -> bool:
        """Every leg alive and in sync: letters and ratio both, since either alone lies (shared facts, lvm.md)."""
        if self.type == "linear":
            return True
        letters = all(leg.letter == "A" for leg in self.legs)
        return self.active and letters and self.total > 0 and self.done == self.total
