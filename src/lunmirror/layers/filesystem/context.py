"""One file system while it is planned: its volume, its group, and the steps that both of this layer's planners take."""

from collections.abc import Iterator

from lunmirror.engine.desired import Desired, Filesystem, Volume
from lunmirror.engine.model import Drift, Guard, Plan, Ref, Run, Step, Unknown, World, facts_of
from lunmirror.host import paths
from lunmirror.layers.context import Context
from lunmirror.layers.disk.facts import devices_guarded
from lunmirror.layers.group.facts import VolumeGroup
from lunmirror.layers.volume.facts import LogicalVolume
from lunmirror.lvm import change, devices_of

LAYER = "filesystem"


class FilesystemContext(Context):
    """`lv` and `group` are None while they cannot be seen; `volume_ref` names the volume beneath."""

    def __init__(
        self, volume: Volume, declared: Filesystem, desired: Desired, seen: World, pending: frozenset[Ref]
    ) -> None:
        super().__init__(Ref(LAYER, volume.id), f"{volume.key}.filesystem", desired, seen, pending)
        self.volume, self.declared, self.volume_ref = volume, declared, Ref("volume", volume.id)
        self.lv = facts_of(self.below("volume", volume.id), LogicalVolume)
        self.group = facts_of(self.below("group", volume.group), VolumeGroup)
        # Nothing of another host's is looked at, but in a prediction of what follows when it is taken over.
        theirs = self.group.foreign_reason() if self.group and Ref("group", volume.group) not in pending else ""
        if theirs:
            self.lv, self.state = None, Unknown(f"its group is not this host's: {theirs}")

    def written(self, *steps: Step) -> Plan:
        """Steps that write LVM's metadata. With a physical volume out of sight that would mark it MISSING for good
        (docs/facts/lvm.md#missing-members): they wait until the group is whole."""
        if self.group is not None and self.group.whole:
            return Plan(steps)
        return self.blocked(
            f"will not {steps[0].title} now",
            f"not every physical volume of {self.volume.group} is there, and the tag that remembers this step is"
            " kept in the group's metadata: writing that now would mark the absent one as missing for good",
            "bring the absent server back; the next pass goes on",
        )

    def deltag(self, tag: str, title: str, drift: Drift) -> Step:
        """The step that takes one of our tags off the volume."""
        run = Run(change(devices_of(self.seen, self.desired), "lvchange", "--deltag", tag, self.volume.id))
        return self.step(title, run, drift, guards=devices_guarded(self.seen, run))

    def device_guards(self) -> tuple[Guard, ...]:
        """The kernel's device is still this very volume, under this name, of this size."""
        if self.lv is None or self.group is None:
            return ()
        device = f"{paths.SYS_BLOCK}/dm-{self.lv.number.partition(':')[2]}"
        plain = (self.group.uuid + self.lv.uuid).replace("-", "")
        return (
            Guard(f"{device}/dm/uuid", f"LVM-{plain}"),
            Guard(f"{device}/dm/name", self.lv.dm),
            Guard(f"{device}/size", str(self.lv.size // 512)),
        )

    def node(self) -> str:
        """The volume's device."""
        return f"{paths.MAPPER}/{self.lv.dm if self.lv and self.lv.dm else self.volume.dm}"


def contexts(desired: Desired, seen: World, pending: frozenset[Ref]) -> Iterator[FilesystemContext]:
    """One for each volume with a declared file system."""
    for volume in desired.volumes.values():
        if volume.filesystem is not None:
            yield FilesystemContext(volume, volume.filesystem, desired, seen, pending)
