"""What may stand in a mount's `options`: whatever mounts this very file system as it is, and keeps what was acknowledged.

Read through: mount(8) and mount options of ext4 and xfs of util-linux 2.38, systemd.mount(5) of systemd 252, the kernel's
Documentation/filesystems/ext4 and admin-guide/xfs.
"""

from lunmirror.config.names import VALUE_BYTES, trimmed
from lunmirror.config.problems import InvalidValue, quoted


def mount_option(given: object) -> str:
    """One mount option, as it stands between the commas of an fstab line. Raises InvalidValue."""
    given = trimmed(given, "a mount option", VALUE_BYTES)
    if "," in given or " " in given or '"' in given or "#" in given:
        raise InvalidValue(
            f"{quoted(given)} is not one mount option",
            why="a comma, space, quote or # would end it in fstab",
            next='write each option as a text of its own: options = ["noatime", "nodiratime"]',
        )
    name = given.partition("=")[0]
    why: str = (
        REFUSED.get(given) or REFUSED.get(name) or next((w for p, w in KINDS.items() if name.startswith(p)), "")
    )
    if why and given not in HARMLESS:
        raise InvalidValue(f"the mount option {quoted(given)} cannot be declared", why=why, next="remove it")
    return given


_ELSEWHERE = "it would mount something else than the volume's file system"
_SHIFTED = "it would mount from another place of the volume, through a loop device"
_LOSES = "it gives up what was acknowledged, or what the journal holds, when a machine or a server loses its power"
_INITRD = "it is for the initramfs, where lunmirror cannot look first at which leg is good"
_LVM = "whether a device may be formatted or grown is decided by lunmirror, from proof"
_DAMAGE = "a file system that found itself damaged must not be written to further"

# A whole option, or its name up to the =.
REFUSED = {
    "noauto": "a declared mount is a wish to have it mounted; leave out `mount` to do it by hand",
    "fail": "a boot must not stop for a dead server",
    "remount": "it is an instruction, not an option",
    # another place
    "bind": _ELSEWHERE,
    "rbind": _ELSEWHERE,
    "move": _ELSEWHERE,
    "X-mount.subdir": _ELSEWHERE,
    "sb": _SHIFTED,
    "loop": _SHIFTED,
    "offset": _SHIFTED,
    "sizelimit": _SHIFTED,
    "encryption": _SHIFTED,
    # another device beside it
    "journal_dev": _ELSEWHERE,
    "journal_path": _ELSEWHERE,
    "logdev": _ELSEWHERE,
    "rtdev": _ELSEWHERE,
    # systemd
    "x-systemd.makefs": _LVM,
    "x-systemd.growfs": _LVM,
    "x-systemd.device-bound": "systemd would unmount it by force as soon as udev loses sight of the device for a moment",
    "x-systemd.required-by": "what requires it fails with it: a boot must not stop for a dead server",
    # the file system's own
    "nobarrier": _LOSES,
    "barrier=0": _LOSES,
    "barrier=none": _LOSES,
    "data=writeback": _LOSES,
    "journal_async_commit": _LOSES,
    "norecovery": _LOSES,
    "noload": _LOSES,
    "abort": "it has the file system behave as if it were damaged",
    "errors=continue": _DAMAGE,
    "nouuid": "xfs then mounts a copy beside its original, and nobody sees which one is written to",
}
HARMLESS = frozenset({"x-systemd.device-bound=no"})
# Whole kinds, by how they begin.
KINDS = {
    "x-initrd.": _INITRD,
    "rd.": _INITRD,
    "verity.": _ELSEWHERE,
}
