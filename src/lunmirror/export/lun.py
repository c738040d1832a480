"""What a server exports: its declared disks with what backs them, by target."""

from typing import NamedTuple

from lunmirror.engine.desired import Backing, Desired, Disk
from lunmirror.engine.errors import ConfigError, LunmirrorError
from lunmirror.host import paths


class Lun(NamedTuple):
    """One exported LUN. `name` is that of its storage object: unique on any server that lunmirror exports."""

    disk: Disk
    backing: Backing

    @property
    def name(self) -> str:
        return f"lunmirror-{self.disk.name}"

    @property
    def is_device(self) -> bool:
        return self.backing.path.startswith(paths.DEV)


def luns(server: str, desired: Desired) -> dict[str, list[Lun]]:
    """Target -> its LUNs, by number. Raises ConfigError for a server without an export."""
    export = desired.servers[server].export
    if export is None:
        raise wrong(
            desired,
            f"servers.{server}",
            f"server {server} declares no export",
            "what backs its LUNs, and who may log in, is not known here",
            f"add [servers.{server}.export] with clients, and a table for each disk: `lunmirror explain servers.NAME.export`",
        )
    found: dict[str, list[Lun]] = {}
    for backing in export.disks:
        disk = desired.disks[backing.disk]
        found.setdefault(disk.target, []).append(Lun(disk, backing))
    return {target: sorted(mine, key=lambda lun: lun.disk.lun) for target, mine in found.items()}


def wrong(desired: Desired, key: str, what: str, why: str, next: str) -> ConfigError:
    """What this target software cannot do of what is declared."""
    return ConfigError([LunmirrorError(what, where=f"{desired.source}: {key}", why=why, next=next)])
