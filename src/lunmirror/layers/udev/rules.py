"""The rules themselves: one for each path to each declared LUN. They give a disk its timeouts the moment it appears.

The match is by ID_PATH, which udev's own 60-persistent-storage.rules set before (builtin path_id, udev-builtin-path_id.c,
handle_scsi_iscsi): server, port, target and LUN, which is what a disk is known by here. Never by serial number.
"""

from typing import NamedTuple

from lunmirror.desired import Desired, Disk, Path
from lunmirror.layers.node.facts import spelt
from lunmirror.lvm.luns import numbers
from lunmirror.model import World

# What stands in a rule as itself. Everything else may be a pattern, an alternative or the end of a value to udev
# (udev(7): * ? [] | and the quote), and has no escape that every version knows: such a value is never written.
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_")


class Rule(NamedTuple):
    """One rule: `text` is its line, `about` says in words what it is for, `server` whose disk it is."""

    text: str
    about: str
    server: str


class Strange(NamedTuple):
    """A path for which no rule can be written, and the value that stands against it."""

    disk: str
    value: str


def rules(desired: Desired, seen: World) -> tuple[tuple[Rule, ...], tuple[Strange, ...]]:
    """The rules to have, in the configuration's order, and what cannot have one."""
    found: list[Rule] = []
    strange: list[Strange] = []
    for disk in desired.disks.values():
        for path in desired.paths_to(disk):
            address = spelt(path, seen)  # which is what a login through it shows in sysfs, and so in ID_PATH
            places = _places(address, path, disk)
            if not PLAIN.issuperset("".join(places)):
                strange.append(Strange(disk.name, address))
                continue
            about = f"disk {disk.name}: LUN {disk.lun} of {disk.target} on server {disk.server} at {path.portal}"
            found.append(Rule(_rule(places, path), about, disk.server))
    return tuple(found), tuple(strange)


def _rule(places: tuple[str, ...], path: Path) -> str:
    times = path.server.timeouts
    return (
        f'ACTION!="remove", SUBSYSTEM=="block", ENV{{DEVTYPE}}=="disk", ENV{{ID_PATH}}=="{"|".join(places)}",'
        f' ATTR{{device/timeout}}="{times.command_timeout}", ATTR{{device/eh_timeout}}="{times.eh_timeout}",'
        f' ATTR{{device/scsi_disk/*/max_retries}}="{times.max_retries}"'
    )


def _places(address: str, path: Path, disk: Disk) -> tuple[str, ...]:
    """ID_PATH of the disk; two for a LUN that the kernel may number in two ways."""
    head = f"ip-{address}:{path.portal.port}-iscsi-{path.target}-lun-"
    if disk.lun < 256:
        return (f"{head}{disk.lun}",)
    # format_lun_number of the same file: other ways of addressing are written as the eight bytes of the LUN.
    return tuple(f"{head}0x{number:04x}000000000000" for number in reversed(numbers(disk.lun)))
