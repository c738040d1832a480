"""One declared disk while it is planned."""

from lunmirror.engine.desired import Desired, Disk
from lunmirror.engine.model import Ref, Seen, World, facts_of
from lunmirror.layers.context import Context
from lunmirror.layers.disk.facts import Lun

LAYER = "disk"


class DiskContext(Context):
    """`sessions` are those that lead to the disk; `where` says it to an administrator."""

    def __init__(self, disk: Disk, desired: Desired, seen: World, pending: frozenset[Ref]) -> None:
        super().__init__(Ref(LAYER, disk.name), f"disks.{disk.name}", desired, seen, pending)
        self.disk = disk
        self.sessions = [Ref("session", path.name) for path in desired.paths_to(disk)]
        self.where = f"LUN {disk.lun} of {disk.target} on server {disk.server}"

    def other(self, name: str) -> Seen[object]:
        """What was observed of another declared disk."""
        return self.seen[LAYER][name]

    def lun(self, name: str) -> Lun | None:
        """Another declared disk, if it can be seen."""
        return facts_of(self.other(name), Lun)
