"""Every path and every program name that lunmirror knows. Nobody else spells one out."""

CONFIG = "/etc/lunmirror/lunmirror.toml"
EXAMPLES = tuple(f"{prefix}/share/lunmirror/examples/lunmirror.toml" for prefix in ("/usr", "/usr/local"))
RUN_DIR = "/run/lunmirror"
RUN_LOCK = f"{RUN_DIR}/lock"
COMPILED = f"{RUN_DIR}/desired.json"
STUCK = "stuck.json"
FLAPPING = f"{RUN_DIR}/flapping.json"
STATUS = "status.json"  # what watchers read, in RUN_DIR
REPORTED = f"{RUN_DIR}/reported.json"
STATE_DIR = "/var/lib/lunmirror"
NOTES = f"{STATE_DIR}/notify.json"  # what somebody was notified, and is to be reported
JOURNAL_DIR = f"{STATE_DIR}/volumes"
PLANS = f"{STATE_DIR}/plans.json"  # plans that were carried out, until they expire
HISTORY = f"{STATE_DIR}/history.jsonl"
TARGETS = f"{STATE_DIR}/targets.json"  # which targets are declared: of one that is not any more, records may be left
MAINTENANCE = f"{STATE_DIR}/maintenance.json"  # the server that an administrator took out of service, until when
ATTENTION_DIR = f"{STATE_DIR}/attention"  # what udev notes of disks whose session was reconnected
SCRATCH = ".lunmirror.tmp"  # a replacement file on its way; one fixed name, so that a crash leaves at most one

# open-iscsi. The root of the node database is compiled into iscsiadm: Debian 12 has /etc/iscsi, upstream since
# 2.1.9 /var/lib/iscsi (docs/facts/open-iscsi.md#node-database).
ISCSI_ROOTS = ("/etc/iscsi", "/var/lib/iscsi")
ISCSI_LOCK_DIR = "/run/lock/iscsi"
ISCSI_LOCK = "lock.write"  # in it: whoever linked this name holds the lock
ISCSI_LOCK_OWN = "lunmirror"  # in it: what we link; its content says who we are

NULL = "/dev/null"
ZERO = "/dev/zero"
DEV = "/dev/"
PROC = "/proc"
PROC_VLAN = "/proc/net/vlan"
OWN_DESCRIPTORS = "/proc/self/fd"
SYS = "/sys"
SYS_SESSIONS = "/sys/class/iscsi_session"
SYS_CONNECTIONS = "/sys/class/iscsi_connection"
SYS_BLOCK = "/sys/class/block"
SYS_NET = "/sys/class/net"
SYS_MODULES = "/sys/module"
KERNEL_MODULES = "/lib/modules"  # below it a directory for each kernel release
MAPPER = "/dev/mapper"
DM_CONTROL = f"{MAPPER}/control"
DEV_DISK = "/dev/disk"
UDEV_DATA = "/run/udev/data"
UDEV_LINKS = "/run/udev/links"  # a directory for each link, in it an entry for each device that claims it
UDEV_RULES = "/etc/udev/rules.d/85-lunmirror.rules"  # after 60-persistent-storage.rules, which sets ID_PATH
MULTIPATH_CONF = "/etc/multipath/conf.d/lunmirror.conf"
MULTIPATH_WWIDS = "/etc/multipath/wwids"  # the WWIDs that multipath takes (find_multipaths strict, Debian's default)
SYSTEMD_RUNNING = "/run/systemd/system"
GENERATED_UNITS = "/run/systemd/generator"  # what systemd made of fstab
MOUNTINFO = "/proc/self/mountinfo"
SWAPS = "/proc/swaps"
FSTAB = "/etc/fstab"
MACHINE_ID = "/etc/machine-id"
# There, wherever the node database is (docs/facts/open-iscsi.md#node-database).
INITIATOR = "/etc/iscsi/initiatorname.iscsi"
LVM_ETC = "/etc/lvm"
# On a storage server: for `export --apply` alone. Debian has rtslib's directory where upstream has /etc/target.
TGT_ETC = "/etc/tgt"
LIO_ETC = ("/etc/rtslib-fb-target", "/etc/target")
LIO_TARGETS = "/sys/kernel/config/target/iscsi"
LIO_NOW = "/run/lunmirror-lio.json"  # what LIO says of itself, with its secrets, for a moment
LIO_NEW = f"{RUN_DIR}/lio.json"  # what it is to have, likewise
LIO_SHELL = f"{RUN_DIR}/targetcli"  # targetcli's own settings: root's may have it talk to a daemon
BOOT_ID = "/proc/sys/kernel/random/boot_id"
ISCSID_PID = "/run/iscsid.pid"
JOURNAL_SOCKET = "/run/systemd/journal/socket"  # journald's own, not that of syslog
NOTIFY_UNIT = "lunmirror-notify.service"
OWN_UNIT = "lunmirror.service"
ISCSID_UNIT = "iscsid.service"  # so named by Debian, Fedora, RHEL and SUSE alike

# Programs are found by name in PROGRAM_PATH, a fixed list: the caller's PATH is never used.
PROGRAM_PATH = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
ISCSIADM = "iscsiadm"
LVM = "lvm"
DMSETUP = "dmsetup"
BLKID = "blkid"
DMESG = "dmesg"
OD = "od"
SFDISK = "sfdisk"
PARTX = "partx"
CMP = "cmp"
DD = "dd"
SG_PERSIST = "sg_persist"
UDEVADM = "udevadm"
MULTIPATH = "multipath"
MULTIPATHD = "multipathd"
MOUNT = "mount"
UMOUNT = "umount"
IP = "ip"
PING = "ping"
NFT = "nft"
SYSTEMCTL = "systemctl"
GETENT = "getent"
TARGETCTL = "targetctl"
TARGETCLI = "targetcli"
TGTADM = "tgtadm"
TGT_ADMIN = "tgt-admin"
ENV = "env"
SENDMAIL = "sendmail"
RESIZE2FS = "resize2fs"
XFS_GROWFS = "xfs_growfs"
MKFS = {"ext4": "mkfs.ext4", "ext3": "mkfs.ext3", "xfs": "mkfs.xfs"}
