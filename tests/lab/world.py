"""The world as it is, read in the machine without lunmirror's help, and compared: what changed, by name."""

import json
from typing import Any

from kit import Lab

# Runs in the machine. Device numbers become names, since a disk that comes back may have another number.
SCRIPT = r"""
import glob, json, os, subprocess

OURS = ("/etc/iscsi/", "/var/lib/iscsi/", "/etc/lunmirror/", "/etc/lvm/", "/etc/fstab", "/mnt/")
world = {}

def text(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError as error:
        return "unreadable: " + (error.strerror or "")

def out(*argv):
    return subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout

for root in ("/etc", "/var/lib/iscsi", "/mnt"):
    device = os.lstat(root).st_dev if os.path.exists(root) else 0
    for directory, directories, files in os.walk(root):
        directories[:] = sorted(f for f in directories if os.lstat(f"{directory}/{f}").st_dev == device)
        for name in files:
            path = f"{directory}/{name}"
            about = os.lstat(path)
            world["file " + path] = [about.st_ino, about.st_mtime_ns]
            if about.st_mode & 0o170000 == 0o100000 and path.startswith(OURS):
                with open(path, "rb") as file:
                    world["content " + path] = [oct(about.st_mode), about.st_uid, file.read(65536).decode("latin1")]
        for name in directories:
            world[f"directory {directory}/{name}"] = oct(os.lstat(f"{directory}/{name}").st_mode)

names = {}
for session in sorted(glob.glob("/sys/class/iscsi_session/*")):
    target = text(session + "/targetname")
    world["session " + target] = [os.path.basename(session), text(session + "/state"), text(session + "/recovery_tmo")]
    for block in glob.glob(session + "/device/target*/*:*:*:*/block/*"):
        lun = block.rsplit("/block/", 1)[0].rsplit(":", 1)[1]
        names[text(block + "/dev")] = f"{target} LUN {lun}"
        for part in glob.glob(block + "/sd*"):
            names[text(part + "/dev")] = f"{target} LUN {lun} partition {text(part + '/partition')}"
for block in glob.glob("/sys/class/block/dm-*"):
    names[text(block + "/dev")] = text(block + "/dm/name")
for line in out("dmsetup", "table").splitlines():
    name, _, table = line.partition(": ")
    words = " ".join(names.get(word, word) for word in table.split())
    world.setdefault("device " + name, []).append(words)
fields = "pv_name,pv_uuid,vg_name,vg_uuid,vg_seqno"
for line in out("pvs", "--noheadings", "--separator", "|", "-o", fields).splitlines():
    name, uuid, group, *about = line.strip().split("|")
    number = os.stat(name).st_rdev if os.path.exists(name) else 0
    where = names.get(f"{os.major(number)}:{os.minor(number)}", name)
    world["pv " + where] = [uuid, group]
    if group:
        world["group " + group] = about
for line in out("findmnt", "-rno", "TARGET,SOURCE,FSTYPE,OPTIONS").splitlines():
    words = line.split(" ")
    if words[1].startswith("/dev/"):
        world["mount " + words[0]] = words[1:]
print(json.dumps(world))
"""

World = dict[str, Any]


def take(lab: Lab) -> World:
    """Every configuration file (content, mode, inode, time), session, device-mapper table, group, physical volume and
    mount. Contents of file systems are the reporting' business."""
    return json.loads(lab.run(["python3", "-SEc", SCRIPT], timeout=120).stdout)


def changed(before: World, after: World) -> set[str]:
    """The names of everything that is not as it was."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def told(ran: Any, *words: str) -> str:
    """All that a run said to an administrator; asserts that each of the words is in it."""
    text = ran.stdout + ran.stderr
    for word in words:
        assert word.lower() in text.lower(), f"{word!r} is not said: {ran}"
    return text


BYSTANDER = "iqn.2006-01.com.openfiler:bystander"

FSTAB = b"""# a comment of the owner's,   with  its own spacing
/dev/vda /           ext4 noatime,errors=remount-ro 0 0
/dev/vdb /srv/filers ext4 noatime,lazytime,nofail   0 0
\t# an indented one, and a line with an odd shape
LABEL=by\\040stander\t/mnt/other\text4\tnoauto,_netdev,nofail 0\t0
"""


def add_bystander(lab: Lab) -> None:
    """A neighbour's storage on the same machine: a record, a session, a group, a mount, lines in fstab; none of it
    declared to lunmirror."""
    lab.run("filer status bystander >/dev/null; iscsiadm -m discovery -t st -p 192.168.1.130 -o new")
    lab.run(f"iscsiadm -m node -T {BYSTANDER} -o update -n node.session.timeo.replacement_timeout -v 77")
    lab.run(f"iscsiadm -m node -T {BYSTANDER} --login", timeout=120)
    lab.run("udevadm settle")
    session = next(s for s, about in lab.sessions().items() if about["target"] == BYSTANDER)
    disk = lab.run(f"ls /sys/class/iscsi_session/{session}/device/target*/*:*:*:*/block").stdout.split()[0]
    lab.run(f"vgcreate other /dev/{disk} && lvcreate -y -n neighbour -L 32M other", timeout=120)
    lab.run("mke2fs -q -t ext4 -L 'by stander' /dev/other/neighbour && mkdir -p /mnt/other")
    lab.run("mount /dev/other/neighbour /mnt/other && echo neighbour > /mnt/other/file && sync -f /mnt/other/file")
    lab.put("/etc/fstab", FSTAB)
