"""One mount while it is planned."""

from lunmirror.engine.desired import Desired, Mount, Volume
from lunmirror.engine.model import Ref, World, facts_of
from lunmirror.layers.context import Context
from lunmirror.layers.mount import fstab
from lunmirror.layers.mount.facts import Mounted, MountState
from lunmirror.layers.volume.facts import LogicalVolume

LAYER = "mount"


class MountContext(Context):
    """`lv` is None while the volume cannot be seen; `type` is the declared file system's; `device` its name in fstab."""

    def __init__(self, volume: Volume, mount: Mount, desired: Desired, seen: World, pending: frozenset[Ref]) -> None:
        super().__init__(Ref(LAYER, volume.id), f"{volume.key}.mount", desired, seen, pending)
        self.volume, self.path, self.options = volume, mount.path, mount.options
        self.type = volume.formatted.type
        self.device = fstab.devices(volume)[0]
        self.lv = facts_of(self.below("volume", volume.id), LogicalVolume)

    @property
    def facts(self) -> MountState:
        """What was observed, or nothing at all."""
        return facts_of(self.state, MountState) or MountState(b"", "", None, (), "")

    @property
    def wants_mount(self) -> bool:
        return self.facts.mounted is None

    def lines(self, facts: MountState) -> tuple[fstab.Line, ...]:
        """The lines of fstab about the device or the mount point."""
        return fstab.about(fstab.entries(facts.fstab), self.volume, facts.aliases)

    def is_ours(self, mounted: Mounted) -> bool:
        return self.lv is not None and bool(self.lv.number) and mounted.number == self.lv.number

    def on_demand(self, mounted: Mounted) -> bool:
        """systemd's automount point, if it was asked for: the mount comes with the first access."""
        return mounted.type == "autofs" and "x-systemd.automount" in self.options
