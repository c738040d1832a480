"""Every path and every program name that lunmirror knows. Nobody else spells one out."""

CONFIG = "/etc/lunmirror/lunmirror.toml"
RUN_DIR = "/run/lunmirror"
RUN_LOCK = f"{RUN_DIR}/lock"
COMPILED = f"{RUN_DIR}/desired.json"
STUCK = f"{RUN_DIR}/stuck.json"

# open-iscsi. The root of the node database is compiled into iscsiadm: Debian 12 has /etc/iscsi, upstream since
# 2.1.9 /var/lib/iscsi (shared facts, open-iscsi.md).
ISCSI_ROOTS = ("/etc/iscsi", "/var/lib/iscsi")
ISCSI_LOCK_DIR = "/run/lock/iscsi"

SYS = "/sys"
SYS_SESSIONS = "/sys/class/iscsi_session"
SYS_CONNECTIONS = "/sys/class/iscsi_connection"
SYS_BLOCK = "/sys/class/block"
UDEV_DATA = "/run/udev/data"
SYSTEMD_RUNNING = "/run/systemd/system"
MOUNTINFO = "/proc/self/mountinfo"
FSTAB = "/etc/fstab"
MACHINE_ID = "/etc/machine-id"

# Programs are found by name in PROGRAM_PATH, a fixed list: the caller's PATH is never used.
PROGRAM_PATH = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
ISCSIADM = "iscsiadm"
LVM = "lvm"
DMSETUP = "dmsetup"
BLKID = "blkid"
SFDISK = "sfdisk"
PARTX = "partx"
WIPEFS = "wipefs"
CMP = "cmp"
DD = "dd"
UDEVADM = "udevadm"
MOUNT = "mount"
SYSTEMCTL = "systemctl"
RESIZE2FS = "resize2fs"
XFS_GROWFS = "xfs_growfs"
MKFS = {"ext4": "mkfs.ext4", "ext3": "mkfs.ext3", "xfs": "mkfs.xfs"}
