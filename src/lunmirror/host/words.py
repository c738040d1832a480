"""What the kernel and the packagers know, in words for an administrator: error numbers and where a program comes from."""

import errno
import os

_WORDS = {
    errno.ENOSPC: "the file system is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "the kernel does not permit it",
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "the machine has too many open files",
    errno.EBUSY: "the kernel says that it is busy",
    errno.EIO: "input/output error",
    errno.ENODEV: "the device is gone",
    errno.ENXIO: "the device is gone",
    errno.ELOOP: "a symbolic link where none may be",
    errno.EISDIR: "it is a directory",
    errno.ENOTDIR: "a part of the path is not a directory",
    errno.ENOENT: "it does not exist",
    errno.ENOMEM: "the machine is out of memory",
    errno.EAGAIN: "the machine has no room for another process",
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network unreachable",
    errno.ETIMEDOUT: "no answer",
    errno.ECONNRESET: "connection reset",
}

# Program -> (Debian package, RHEL package). What is not here comes with every system.
_PACKAGES = {
    "iscsiadm": ("open-iscsi", "iscsi-initiator-utils"),
    "lvm": ("lvm2", "lvm2"),
    "dmsetup": ("dmsetup", "device-mapper"),
    "sfdisk": ("fdisk", "util-linux"),
    "udevadm": ("udev", "systemd-udev"),
    "mkfs.ext4": ("e2fsprogs", "e2fsprogs"),
    "mkfs.ext3": ("e2fsprogs", "e2fsprogs"),
    "resize2fs": ("e2fsprogs", "e2fsprogs"),
    "mkfs.xfs": ("xfsprogs", "xfsprogs"),
    "xfs_growfs": ("xfsprogs", "xfsprogs"),
    "dd": ("coreutils", "coreutils"),
    "od": ("coreutils", "coreutils"),
    "cmp": ("diffutils", "diffutils"),
    "getent": ("libc-bin", "glibc-common"),
    "systemctl": ("systemd", "systemd"),
    "sg_persist": ("sg3-utils", "sg3_utils"),
    "nft": ("nftables", "nftables"),
    "targetctl": ("python3-rtslib-fb", "python3-rtslib"),
    "targetcli": ("targetcli-fb", "targetcli"),
    "tgtadm": ("tgt", "scsi-target-utils"),
    "tgt-admin": ("tgt", "scsi-target-utils"),
}
_EVERYWHERE = ("util-linux", "util-linux")


def of(error: OSError) -> str:
    """The reason of an operating-system error, without the number."""
    number = error.errno or 0
    return _WORDS.get(number) or os.strerror(number).lower()


def debian_package(program: str) -> str:
    """The Debian package that brings a program."""
    return _PACKAGES.get(program, _EVERYWHERE)[0]


def not_installed(program: str) -> str:
    """That a program is missing, and which package brings it."""
    debian, redhat = _PACKAGES.get(program, _EVERYWHERE)
    where = f"package {debian}" if debian == redhat else f"package {debian} on Debian, {redhat} on RHEL"
    return f"{program} is not installed: it comes with {where}"
