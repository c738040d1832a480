"""The rules themselves: one for each path to each declared LUN. They give a disk its timeouts the moment it appears. And
one for all of them, which notes that a disk's session was reconnected.

The match is by ID_PATH, which udev's own 60-persistent-storage.rules set before (builtin path_id, udev-builtin-path_id.c,
handle_scsi_iscsi): server, port, target and LUN, which is what a disk is known by here. Never by serial number.
"""

from typing import NamedTuple

from lunmirror.engine.desired import Desired, Path
from lunmirror.engine.model import World
from lunmirror.host import paths
from lunmirror.layers.node.facts import spelt
from lunmirror.layers.udev.facts import UNUSED, id_paths

# What stands in a rule as itself. Everything else may be a pattern, an alternative or the end of a value to udev
# (udev(7): * ? [] | and the quote), and has no escape that every version knows: such a value is never written.
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_")


# The first command after a session was reconnected meets a unit attention, and the kernel sends this event of the SCSI
# device (docs/facts/restarts.md). It is left behind in which boot, on which connection (facts.py: attention). Of a disk not in
# use that is another file, lest a login at boot writes over what the last boot left; in use is one with an active volume of
# LVM, not one that multipath alone holds. And a pass follows soon. udev halves every $$ and %%, and hands DEVPATH over; a
# systemd that does not know the timer is no fault.
HOLDERS = " ".join(f"$$b/*/{way}holders/*/dm/uuid" for way in ("", "*/", "holders/*/"))
NOTICE = (
    'ACTION=="change", SUBSYSTEM=="scsi", ENV{DEVTYPE}=="scsi_device", ENV{SDEV_UA}=="POWER_ON_RESET_OCCURRED", RUN+="/bin/sh -c'
    " 'umask 077; s=/sys$${DEVPATH%%%%/target*}; test -d $$s/iscsi_session || exit 0;"
    f" x=; b=/sys$$DEVPATH/block; grep -sq ^LVM- {HOLDERS} || x={UNUSED};"
    f" d={paths.ATTENTION_DIR} && mkdir -p $$d && c=$$(echo $$s/connection*/iscsi_connection/*)"
    " && cat /proc/sys/kernel/random/boot_id $$c/local_port >$$d/.$$$$ && sync $$d/.$$$$"
    " && mv $$d/.$$$$ $$d/$$(cat $$c/persistent_address)-$$(cat $$s/iscsi_session/*/targetname)-$${DEVPATH##*:}$$x"
    " && sync $$d;"
    " systemctl -q --no-block start lunmirror-soon.timer'\""
)


class Rule(NamedTuple):
    """One rule: `text` is its line, `about` says in words what it is for, `server` whose disk it is, '' for all."""

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
            places = id_paths(address, path, disk)
            if not PLAIN.issuperset("".join(places)):
                strange.append(Strange(disk.name, address))
                continue
            about = f"disk {disk.name}: LUN {disk.lun} of {disk.target} on server {disk.server} at {path.portal}"
            found.append(Rule(_rule(places, path), about, disk.server))
    if found:
        found.append(Rule(NOTICE, "whenever the session to an iSCSI disk was reconnected", ""))
    return tuple(found), tuple(strange)


def _rule(places: tuple[str, ...], path: Path) -> str:
    times = path.server.timeouts
    return (
        f'ACTION!="remove", SUBSYSTEM=="block", ENV{{DEVTYPE}}=="disk", ENV{{ID_PATH}}=="{"|".join(places)}",'
        f' ATTR{{device/timeout}}="{times.command_timeout}", ATTR{{device/eh_timeout}}="{times.eh_timeout}",'
        f' ATTR{{device/scsi_disk/*/max_retries}}="{times.max_retries}"'
    )
