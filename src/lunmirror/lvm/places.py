"""What is a declared disk: known by server, target and LUN, and by nothing else.

A UUID proves nothing here, since a copy has the same: the device that the kernel's table leads to is followed down to
the session that shows it. What cannot be read there is claimed of nobody.
"""

from lunmirror.engine.desired import Desired, Disk
from lunmirror.engine.plain import same_address
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import UNSET, connection, session, text
from lunmirror.lvm.origin import Origin


class Places:
    """The declared disks, as places in sysfs."""

    def __init__(self, desired: Desired, reader: Reader) -> None:
        self.desired, self.reader = desired, reader

    def allow(self, origin: Origin, disk: str) -> bool:
        """Whether this may be the declared disk. `disk` is '' for a member that was adopted with a UUID of its own and
        is out of sight: then any declared disk may be it."""
        disks = self.desired.disks
        return any(self._is(origin, disks[name]) for name in ([disk] if disk in disks else disks))

    def _is(self, origin: Origin, disk: Disk) -> bool:
        if not origin.sid or origin.lun != disk.lun:
            return False
        target = text(self.reader, f"{session(origin.sid)}/targetname")
        if target in UNSET:
            return True
        if target.lower() != disk.target.lower():
            return False
        place = connection(origin.sid)
        seen = {text(self.reader, f"{place}/{name}") for name in ("persistent_address", "address")}
        portals = self.desired.servers[disk.server].portals
        known = seen - set(UNSET)
        return not known or any(same_address(one, portal.address) for one in known for portal in portals)
