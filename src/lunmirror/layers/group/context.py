"""One declared group while it is planned."""

from lunmirror.engine.desired import Desired, Group
from lunmirror.engine.model import Drift, Ref, Risk, Run, Step, World, facts_of
from lunmirror.layers.context import Context
from lunmirror.layers.disk.facts import Lun, devices_guarded
from lunmirror.lvm.command import place_of

LAYER = "group"


class GroupContext(Context):
    """`ready`: disk -> the device of its physical volume, proven ours and in no group yet. `coming`: its disks with steps that
    are not taken yet (only in predictions)."""

    def __init__(self, group: Group, desired: Desired, seen: World, pending: frozenset[Ref]) -> None:
        super().__init__(Ref(LAYER, group.name), f"groups.{group.name}", desired, seen, pending)
        self.group = group
        self.ready = {disk: place for disk in group.disks if (place := self._ours(disk))}
        self.coming = self.waits_for(*(Ref("disk", disk) for disk in group.disks))

    def places(self, disks: list[str]) -> list[str]:
        """Each disk's physical volume, as a device; a placeholder where it cannot be seen yet."""
        return [self.ready.get(disk, place_of(self.desired.disks[disk])) for disk in disks]

    def change(
        self, title: str, run: Run, *drift: Drift, risk: Risk = Risk.NONE, after: tuple[Ref, ...] = ()
    ) -> Step:
        """A step of LVM's, with guards on the devices that it is pointed at."""
        return self.step(title, run, *drift, risk=risk, guards=devices_guarded(self.seen, run), after=after)

    def _ours(self, disk: str) -> str:
        lun = facts_of(self.below("disk", disk), Lun)
        if not lun or not lun.pv or not lun.place or lun.pv.group or lun.pv.duplicate:
            return ""
        return lun.place.node if lun.pv.uuid == self.desired.disks[disk].pv_uuid else ""
