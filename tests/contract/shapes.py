"""Every shape of command line that lunmirror can issue, with what its place is: the contract between planners,
simulator and the real programs. A shape is a command line with its values replaced by what they are.

The second part of an entry tells how it is held against the real program: the name of the lab tests that run it, or why
none needs to.
"""

import re

from lunmirror.lvm.command import SETTINGS

_VALUES = (
    (r"-s \d+ 192\.168\.1\.\d+", "-s SIZE ADDRESS"),
    (r"of=/dev/null bs=(512|262144)", "of=/dev/null bs=SIZE"),
    (r"route get 192\.168\.1\.\d+", "route get ADDRESS"),
    (r"\bvg0/testlv\b", "VOLUME"),
    (r"(?<=message )vg0-testlv(-real)?", "DMNAME"),
    (r"lunmirror\.lun=\S+", "PLACE"),
    (r"iqn\.[^ ]+", "TARGET"),
    (r"(192\.168\.1\.\d+|\[[0-9a-f:]+\]):3260(,\d+)?", "PORTAL"),
    (r"--select tags=\S+ ", "--select MARK "),
    (r"lunmirror\.host=\S+", "HOSTTAG"),
    (r"lunmirror\.(unformatted|grow|compare|(distrust|diverged)=\S+)", "TAG"),
    (r"/dev/mapper/\S+", "DM"),
    (r"/dev/vg0/testlv", "LV"),
    (r"--devices \S+", "--devices DEVICES"),
    (r"--param-sark=6c756e6d[0-9a-f]{8}", "--param-sark=MARK"),
    (r"(/dev/sd[a-z]\d?)( /dev/sd[a-z]\d?)*", "DISKS"),
    (r"if=DISKS", "if=DISK"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"[0-9A-Za-z]{6}(-[0-9A-Za-z]{4}){5}-[0-9A-Za-z]{6}", "PVUUID"),
    (r"--ignore-initial=\d+:0 --bytes=\d+", "--ignore-initial=N:0 --bytes=N"),
    (r"skip=\d+", "skip=N"),
    (r"--regionsize \d+k", "--regionsize SIZE"),
    (r"-l \d+", "-l N"),
    (r"--select .* (VOLUME|vg0/\S+)$", "--select SELECTION VOLUME"),
    (r"/mnt/test", "PATH"),
    (r"-o [a-z,]*_netdev", "-o OPTIONS"),
    (r"-o remount,bind,\S+", "-o remount,bind,FLAGS"),
    (r"--config log.* --configreport vg -o .*", "REPORT"),
    (r"-n testlv", "-n NAME"),
    (r"-I eth\d", "-I INTERFACE"),
    (r"(?<= )vg0(?= |$)", "GROUP"),
)


def shape(argv: tuple[str, ...]) -> str:
    if argv[-2:] == SETTINGS:
        argv = argv[:-2]
    line = " ".join(argv)
    for pattern, name in _VALUES:
        line = re.sub(pattern, name, line)
    return line


BLANK, BOOT, DRIFT, GROWTH, OUTAGES, MORE, BUDGET, REFUSALS, KILL, HOSTS = (
    f"tests/lab/test_{name}.py"
    for name in (
        "blank_to_mounted",
        "boot",
        "drift",
        "growth",
        "outages",
        "outages_more",
        "budget",
        "refusals",
        "kill",
        "hosts",
    )
)
HERE = "tests/lab/test_contract.py"
RESTART = "tests/lab/test_restart.py"
LVM = "lvm {} --devices DEVICES {}".format
CREATE = "-n NAME -l N --addtag TAG -y -W y -Z y GROUP DISKS"
CONTRACTS = {
    "iscsiadm -m discovery -t st -p PORTAL -o nonpersistent -I default": BLANK,
    "iscsiadm -m node -o new -T TARGET -p PORTAL -I default": BLANK,
    "iscsiadm -m node -T TARGET -p PORTAL -I default --login": BLANK,
    "iscsiadm -m node -T TARGET -p PORTAL -I default --logout": BUDGET,
    "lvm fullreport -a --nolocking --reportformat json --units b --nosuffix --binary --foreign --shared --devices DEVICES REPORT": HERE,
    "dmsetup status": HERE,
    "dmsetup message DMNAME 0 idle": RESTART,
    "lvm lvmconfig activation": "tests/lab/test_by_hand.py",
    "ip -j route get ADDRESS": "tests/lab/test_speed.py",
    "ip xfrm policy": "tests/lab/test_tunnel.py",
    "ping -n -I INTERFACE -q -c 2 -i 0.3 -W 1 -M do -s SIZE ADDRESS": "tests/lab/test_speed.py",
    "dd if=DISK of=/dev/null bs=SIZE count=1 iflag=direct status=none": HERE,
    "dmesg --kernel --time-format iso": "tests/lab/test_never_hang.py",
    "blkid -p -o export DISKS": HERE,
    "blkid -p -o export DM": HERE,
    "cmp --ignore-initial=N:0 --bytes=N DISKS /dev/zero": HERE,
    "dd if=DISK bs=512 skip=N count=1 status=none": HERE,
    "dd if=DISK bs=4096 skip=N count=66 iflag=direct status=none": OUTAGES,
    "od -A n -v -t x1 -N 2048 DM": HERE,
    "sfdisk DISKS": HERE,
    "sfdisk --wipe always DISKS": REFUSALS,
    "partx --update DISKS": HERE,
    LVM("pvcreate", "--uuid PVUUID --norestorefile DISKS"): HERE,
    LVM("pvcreate", "--uuid PVUUID --norestorefile -y DISKS"): REFUSALS,
    LVM("vgcreate", "--setautoactivation n --addtag HOSTTAG GROUP DISKS"): HERE,
    LVM("vgchange", "--setautoactivation n GROUP"): BOOT,
    LVM("pvresize", "DISKS"): "tests/lab/test_by_hand.py",
    LVM("pvchange", "--addtag PLACE DISKS"): "tests/lab/test_by_hand.py",
    LVM("vgchange", "--addtag HOSTTAG GROUP"): HOSTS,
    LVM("vgchange", "--deltag HOSTTAG --addtag HOSTTAG --select MARK GROUP"): HOSTS,
    LVM("vgextend", "GROUP DISKS"): GROWTH,
    LVM("vgextend", "--restoremissing GROUP DISKS"): OUTAGES,
    LVM("vgreduce", "GROUP DISKS"): OUTAGES,
    LVM("vgreduce", "--removemissing GROUP"): OUTAGES,
    LVM("lvremove", "-y --select SELECTION VOLUME"): KILL,
    LVM("lvcreate", f"--type raid1 -m 1 --regionsize SIZE {CREATE}"): HERE,
    LVM("lvcreate", f"--type raid1 -m 2 --regionsize SIZE {CREATE}"): BLANK,
    LVM("lvcreate", f"--type mirror -m 1 --mirrorlog core {CREATE}"): BLANK,
    LVM("lvcreate", f"--type mirror -m 1 --mirrorlog disk {CREATE}"): BLANK,
    LVM("lvcreate", f"--type linear {CREATE}"): GROWTH,
    LVM("lvchange", "--addtag TAG VOLUME"): GROWTH,
    LVM("lvchange", "--deltag TAG VOLUME"): HERE,
    LVM("lvchange", "--addtag TAG --deltag TAG VOLUME"): OUTAGES,
    LVM("lvchange", "-a y VOLUME"): DRIFT,
    LVM("lvchange", "-a n VOLUME"): OUTAGES,
    LVM("lvchange", "-a y --activationmode degraded VOLUME"): OUTAGES,
    LVM("lvchange", "--refresh VOLUME"): OUTAGES,
    LVM("lvchange", "-y --rebuild DISKS VOLUME"): "tests/lab/test_rollback.py",
    LVM("lvchange", "--syncaction repair VOLUME"): OUTAGES,
    LVM("lvchange", "--syncaction check VOLUME"): OUTAGES,
    LVM("lvconvert", "-y --repair --use-policies VOLUME"): OUTAGES,
    LVM("lvconvert", "-y --repair VOLUME DISKS"): OUTAGES,
    LVM("lvconvert", "-y -m -1 VOLUME DISKS"): OUTAGES,
    LVM("lvconvert", "-y -m 0 VOLUME DISKS"): BUDGET,
    LVM("lvconvert", "-y --type raid1 -m 1 VOLUME DISKS"): GROWTH,
    LVM("lvconvert", "-y --type mirror -m 1 --mirrorlog core -b VOLUME DISKS"): OUTAGES,
    LVM("lvconvert", "-y -m +1 VOLUME DISKS"): GROWTH,
    LVM("lvconvert", "-y -m +1 -b VOLUME DISKS"): MORE,
    LVM("lvconvert", "-y --type raid1 VOLUME"): GROWTH,
    LVM("lvconvert", "-y --mirrorlog disk VOLUME"): GROWTH,
    LVM("lvconvert", "-y --regionsize SIZE VOLUME"): "tests/lab/test_region_size.py",
    LVM("lvextend", "-l N VOLUME DISKS"): GROWTH,
    "sg_persist --in --readonly --no-inquiry --read-keys DISKS": RESTART,
    "sg_persist --in --readonly --read-keys --no-inquiry DISKS": RESTART,
    "sg_persist --out --no-inquiry --register-ignore --param-sark=MARK DISKS": RESTART,
    "mkfs.ext3 -q -U UUID DM": BLANK,
    "mkfs.ext4 -q -U UUID DM": HERE,
    "mkfs.xfs -q -m uuid=UUID DM": BLANK,
    "resize2fs DM": GROWTH,
    "xfs_growfs PATH": GROWTH,
    "umount PATH": "tests/lab/test_remove.py",
    "systemctl daemon-reload": HERE,
    "systemctl restart iscsid.service": "tests/lab/test_stuck_session.py",
    "mount -t ext3 -o OPTIONS /dev/VOLUME PATH": BLANK,
    "mount -t ext4 -o OPTIONS /dev/VOLUME PATH": HERE,
    "mount -t xfs -o OPTIONS /dev/VOLUME PATH": BLANK,
    "mount -o remount,bind,FLAGS /dev/VOLUME PATH": DRIFT,
}
