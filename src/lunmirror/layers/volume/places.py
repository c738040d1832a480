"""Where the legs of a volume may lie: on the declared disks, each known by server, target and LUN through its session.

A UUID proves nothing here, since a copy has the same: the device that the kernel's table leads to is followed down to
the session that shows it.
"""

from lunmirror.desired import Desired
from lunmirror.layers.session.facts import NoSession, Session
from lunmirror.lvm.origin import Origin
from lunmirror.model import Present, Unknown, World
from lunmirror.record import NamedTuple


class Places(NamedTuple):
    """Declared disk -> the sessions that show it, and the number of its LUN; None for a disk whose sessions could not be
    looked at, of which nothing is claimed."""

    disks: dict[str, tuple[tuple[str, ...], int] | None]

    def allow(self, origin: Origin, disk: str) -> bool:
        """Whether this may be the declared disk. `disk` is '' for a member that was adopted with a UUID of its own and
        is out of sight: then any declared disk may be it."""
        candidates = [disk] if disk else list(self.disks)
        return any(
            (place := self.disks.get(name)) is None or (origin.sid in place[0] and origin.lun == place[1])
            for name in candidates
        )


def declared_places(desired: Desired, seen: World) -> Places:
    found: dict[str, tuple[tuple[str, ...], int] | None] = {}
    for disk in desired.disks.values():
        states = [seen.get("session", {}).get(p.name, Unknown("")) for p in desired.paths_to(disk)]
        facts = [s.facts if isinstance(s, Present) else None for s in states]
        known = all(isinstance(f, Session | NoSession) for f in facts)
        sids = tuple(sid for f in facts if isinstance(f, Session) for sid in f.every)
        found[disk.name] = (sids, disk.lun) if known and facts else None
    return Places(found)
