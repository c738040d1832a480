"""A machine that somebody set up by hand, by the article's own commands and others: nothing of it comes from lunmirror."""

from sim import iscsi
from sim.disks import FileSystem, Impossible, Lun, Table
from sim.dm import Active
from sim.lvm import Lvm
from sim.meta import Meta
from sim.world import Mount, World, blank, make_world

ARTICLE = ("JINpaF-WiCp-sEH2-2PcK-bEvR-ht8j-mRAg05", "V7dMTV-gWLe-gRWy-H7LU-7mwI-LsBu-2uIC7C")


class Hand:
    """`world` is what it works on. Each method is one command of an administrator."""

    def __init__(
        self, servers: int = 2, luns: dict[str, dict[int, Lun]] | None = None, bystanders: bool = False
    ) -> None:
        self.world: World = make_world(luns, servers)
        self.made = 0
        for server in self.world.servers.values() if not bystanders else ():
            for found in server.targets.values():
                del found[7]

    def login(self, server: str, target: str = "", address: str = "", **record: str) -> None:
        """iscsiadm --login, once the record is there; `record`: settings in it, with __ for the dots (conn__startup)."""
        one = self.world.servers[server]
        target, address = target or next(iter(one.targets)), address or one.addresses[0]
        portal = f"[{address}]:3260" if ":" in address else f"{address}:3260"
        path = iscsi.record_path(self.world, target, f"{portal},1")
        if path not in self.world.files:
            iscsi.new_record(self.world, target, f"{portal},1")
        for key, value in record.items():
            self.edit(path, key, value)
        rc, _, said = iscsi.login(self.world, target, portal)
        if rc:
            raise Impossible(said)
        self.world.advance(2.0)

    def edit(self, path: str, key: str, value: str) -> None:
        """A line of a record: the one there is, or a new one before its end."""
        raw = self.world.files[path].decode()
        kept = [line for line in raw.splitlines() if not line.startswith(f"{key} = ")]
        at = kept.index("# END RECORD")
        self.world.files[path] = ("\n".join([*kept[:at], f"{key} = {value}", *kept[at:]]) + "\n").encode()
        self.world.version += 1

    def logged_in(self, **record: str) -> "Hand":
        for server in self.world.servers:
            self.login(server, **record)
        return self

    def lun(self, server: str, number: int = 1, target: str = "") -> Lun:
        one = self.world.servers[server]
        return one.targets[target or next(iter(one.targets))][number]

    def pv(self, server: str, number: int = 1, *, partition: bool = True, uuid: str = "", target: str = "") -> str:
        """fdisk, if asked for, and pvcreate."""
        self.made += 1
        uuid = uuid or f"hand{self.made:02d}-aaaa-bbbb-cccc-dddd-eeee-ffff{self.made:02d}"
        lun = self.lun(server, number, target)
        if partition:
            lun.table = Table("32D429C4-0000-4000-8000-0000982304D6")
            for disk in self.world.disks():
                disk.partition = disk.partition or disk.lun is lun
        area = lun.part if partition else lun.body
        area.pv = uuid
        self.world.version += 1
        return uuid

    def vg(self, name: str, *pvs: str, tags: tuple[str, ...] = ()) -> None:
        sizes = {area.pv: area.size for area in self.world.areas() if area.pv}
        self.made += 1
        uuid = f"vgha{self.made:02d}-aaaa-bbbb-cccc-dddd-eeee-ffff{self.made:02d}"
        lvm = Lvm(self.world, None)
        lvm.commit(Meta(name, uuid, 0, tags, tuple((pv, sizes.get(pv, 1 << 29)) for pv in pvs)), by_hand=False)

    def lv(
        self, group: str, name: str, kind: str, extents: int, *pvs: str, log: str = "", region: int = 2 << 20
    ) -> Active:
        lvm = Lvm(self.world, None)
        places = tuple(lvm.seen[pv][1] for pv in pvs)
        log = log or ("core" if kind == "mirror" else "")
        rc, _, said = lvm.lvcreate(name, group, kind, len(pvs), log, extents, (), places, region=region)
        if rc:
            raise Impossible(said)
        self.world.advance(120.0)
        return self.active(group, name)

    def active(self, group: str, name: str) -> Active:
        return next(a for a in self.world.actives if (a.group, a.name) == (group, name))

    def mkfs(self, group: str, name: str, kind: str, label: str = "") -> str:
        """The new file system's UUID."""
        self.made += 1
        uuid = f"{self.made:08d}-aaaa-4bbb-8ccc-ddddeeeeffff"
        active = self.active(group, name)
        for leg in active.legs:
            leg.data.fs = FileSystem(kind, uuid, label, active.extents)
        self.world.version += 1
        return uuid

    def mount(self, group: str, name: str, path: str, *flags: str) -> None:
        active = self.active(group, name)
        source = active.source()
        kind = source.data.fs.type if source and source.data.fs else "auto"
        at = path
        while at:
            self.world.directories.add(at)
            at = at.rpartition("/")[0]
        number = 40 + self.world.number()
        self.world.mounts.append(Mount(number, path, active, kind, flags or ("rw", "relatime")))
        self.world.version += 1

    def fstab(self, *lines: str) -> None:
        self.world.files["/etc/fstab"] += "".join(f"{line}\n" for line in lines).encode()
        self.world.reload_units()


def article(partition: bool = True, **record: str) -> Hand:
    """The seed article, word for word: two OpenFiler servers, fdisk, a corelog mirror, mke2fs -j, and a mount by hand."""
    hand = Hand().logged_in(**(record or {"node.conn[0].startup": "automatic"}))
    left = hand.pv("filer1", partition=partition, uuid=ARTICLE[0])
    right = hand.pv("filer2", partition=partition, uuid=ARTICLE[1])
    hand.vg("vg0", left, right)
    hand.lv("vg0", "testlv", "mirror", 64, left, right)
    hand.mkfs("vg0", "testlv", "ext3")
    hand.mount("vg0", "testlv", "/mnt/test")
    return hand


def pair(kind: str = "raid1", fs: str = "ext4", label: str = "", extents: int = 16, **record: str) -> Hand:
    """Two servers, whole disks, one volume with a file system: the others begin here."""
    hand = Hand().logged_in(**(record or {"node.startup": "automatic"}))
    hand.vg("data", hand.pv("filer1", partition=False), hand.pv("filer2", partition=False))
    pvs = ("hand01-aaaa-bbbb-cccc-dddd-eeee-ffff01", "hand02-aaaa-bbbb-cccc-dddd-eeee-ffff02")
    hand.lv("data", "mail", kind, extents, *(pvs if kind != "linear" else pvs[:1]))
    if fs:
        hand.mkfs("data", "mail", fs, label)
    return hand


__all__ = ["ARTICLE", "Hand", "article", "blank", "pair"]
