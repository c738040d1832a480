"""A small machine in memory for the file system and mount layers: what files hold, what programs answer."""

import json

from lunmirror.engine.desired import Desired, Filesystem, Mount, Size, Volume
from lunmirror.engine.model import ABSENT, Present, Unknown
from lunmirror.host.protocol import Ran
from lunmirror.layers.disk.facts import Device, Lun
from lunmirror.layers.group.facts import Member, VolumeGroup
from lunmirror.layers.volume.facts import LogicalVolume

VG_UUID = "wKlmNo-1111-2222-3333-4444-5555-abcdef"
LV_UUID = "aBcDeF-6666-7777-8888-9999-0000-ghijkl"
ROOT = b"26 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
EXTENT = 4 << 20


def volume(
    name="testlv", group="vg0", filesystem="ext4", label="", mkfs=(), path="/mnt/test", options=(), size=512 << 20
):
    return Volume(
        group=group,
        name=name,
        size=Size(bytes=size),
        type="raid1",
        log="",
        legs=("left", "right"),
        filesystem=Filesystem(filesystem, label, tuple(mkfs)),
        mount=Mount(path, tuple(options)) if path else None,
    )


def desired(*volumes):
    return Desired({}, {}, {}, {v.id: v for v in volumes}, stall_budget=15, boot_wait=30)


def lv(active=True, suspended=False, number="253:5", dm="vg0-testlv", tags=(), uuid=LV_UUID, extents=128):
    return LogicalVolume(
        uuid=uuid,
        type="raid1",
        log="",
        size=extents * EXTENT,
        extents=extents,
        legs=(),
        active=active,
        suspended=suspended,
        open=False,
        number=number if active else "",
        dm=dm,
        health="",
        tags=tuple(tags),
        done=1,
        total=1,
        action="idle",
    )


def group(hidden=False):
    members = (
        Member("pv-left", "/dev/sda", "left", 1 << 30, 0, False),
        Member("pv-right", "" if hidden else "/dev/sdb", "right", 1 << 30, 0, hidden),
    )
    fields = {"uuid": VG_UUID, "extent_size": EXTENT, "free": 0, "seqno": 3, "members": members, "tags": ()}
    fields |= {"host": "me", "here": "me", "system_id": "", "exported": False}
    return VolumeGroup(**{name: fields[name] for name in VolumeGroup._fields if name in fields})


def disks():
    """The one disk that the machine shows."""
    sda = Device("sda", "/dev/sda", 1 << 30, "8:0", "3", ())
    return {"left": Present(Lun(sda, (sda,), sda, False, None, None, "", shown=("sda",)))}


def world(*, hidden=False, filesystem=None, mount=None, id="vg0/testlv", **facts):
    seen = {"group": {"vg0": Present(group(hidden))}, "volume": {id: Present(lv(**facts))}, "disk": disks()}
    if filesystem is not None:
        seen["filesystem"] = {id: filesystem}
    if mount is not None:
        seen["mount"] = {id: mount}
    return seen


def ran(rc, out="", err="", trouble=""):
    return Ran(("program",), rc, out, err, 0.0, trouble)


def head(content=b""):
    """What od prints of a volume that begins with `content`."""
    data = content.ljust(2048, b"\0")
    rows = (data[at : at + 16] for at in range(0, 2048, 16))
    return "".join("".join(f" {byte:02x}" for byte in row) + "\n" for row in rows)


def fullreport(tags=(), uuid=LV_UUID):
    row = {"lv_uuid": uuid, "lv_name": "testlv", "lv_parent": "", "lv_layout": "raid,raid1", "lv_role": "public"}
    row |= {"lv_size": "536870912", "lv_active": "active", "lv_suspended": "0", "lv_device_open": "0"}
    row |= {"lv_kernel_major": "253", "lv_kernel_minor": "5", "lv_health_status": "", "mirror_log": ""}
    row |= {"lv_tags": ",".join(tags)}
    vg = {"vg_name": "vg0", "vg_uuid": VG_UUID, "vg_extent_size": str(EXTENT), "vg_free_count": "0"}
    vg |= {"vg_missing_pv_count": "0", "vg_seqno": "3", "vg_tags": "", "vg_systemid": "", "vg_exported": "0"}
    return json.dumps({"report": [{"vg": [vg], "pv": [], "lv": [row], "seg": [], "pvseg": []}]})


class Machine:
    """A Reader. `answers` maps a program's name to how it ends; `asked` lists the command lines."""

    def __init__(
        self, *, mounts=b"", fstab=b"", directories=None, files=None, links=None, answers=None, tags=(), uuid=LV_UUID
    ):
        self.files = {"/proc/self/mountinfo": ROOT + mounts, "/sys/class/block/sda/size": b"2048\n"}
        if fstab is not None:
            self.files["/etc/fstab"] = fstab
        self.files |= files or {}
        self.directories = {"/sys/class/block": ("sda",)} | (directories or {})
        self.links = {"/sys/class/block/sda": "/sys/devices/virtual/sda"} | (links or {})
        self.answers = {"lvm": ran(0, fullreport(tags, uuid))} | (answers or {})
        self.asked = []

    def memoize(self, name, look):
        return look()

    def query(self, argv, deadline):
        assert deadline > 0
        self.asked.append(argv)
        return self.answers[argv[0]]

    @property
    def programs(self):
        """Every program asked, but for the LVM read that each pass makes anyway and the reader remembers."""
        return [argv[0] for argv in self.asked if argv[0] != "lvm"]

    def read(self, path):
        content = self.files.get(path, ABSENT)
        return content if content is ABSENT or isinstance(content, Unknown) else Present(content)

    def directory(self, path):
        names = self.directories.get(path, ABSENT)
        return names if names is ABSENT or isinstance(names, Unknown) else Present(names)

    def link(self, path):
        if path in self.links:
            return Present(self.links[path])
        return Present(path) if path in self.directories or path in self.files else ABSENT

    def glob(self, pattern):
        return ()

    def now(self):
        return 0.0


def mountline(
    path="/mnt/test", number="253:5", type="ext4", flags="rw,relatime", options="rw", root="/", id=40, parent=26
):
    line = f"{id} {parent} {number} {root} {path} {flags} shared:9 - {type} /dev/mapper/vg0-testlv {options}\n"
    return line.encode()
