"""multipath-tools: multipathd, its configuration as it read it last, and the maps that it keeps."""

import re
from dataclasses import dataclass, field
from typing import Any

from sim.servers import ScsiDisk

HOME = "/etc/multipath/conf.d/"
WWIDS = "/etc/multipath/wwids"
FIRST = 2000  # minors that no volume takes
BACK = 5.0  # seconds: polling_interval, until a path is taken back
TMO = 5  # its default for a session's recovery_tmo
JOIN = 5.0  # seconds from a path that udev knows, or from a `reconfigure`, to the map (docs/facts/multipath.md)


def serial(disk: ScsiDisk) -> str:
    """ID_SERIAL, as udev's scsi_id makes it of a T10 name."""
    return "1" + re.sub(r"\s+", "_", disk.lun.wwid.removeprefix("t10.").strip())


@dataclass(eq=False)
class Map:
    """A map stands wherever a SCSI disk may stand. `failed`: the kernels' names of paths that it does not use; `queues`: without a
    path its commands wait for ever."""

    wwid: str
    minor: int
    diskseq: int
    paths: list[ScsiDisk]
    failed: set[str] = field(default_factory=set)
    well: dict[str, float] = field(default_factory=dict)
    queues: bool = False
    partition = False
    known = True

    @property
    def kernel(self) -> str:
        return f"dm-{self.minor}"

    @property
    def lun(self) -> Any:
        return self.paths[0].lun

    @property
    def number(self) -> int:
        return self.paths[0].number

    @property
    def gone(self) -> bool:
        return all(disk.gone for disk in self.paths)

    @property
    def used(self) -> ScsiDisk:
        """Where a command goes: to any path that has not failed, so, as hard as it can be, to one that hangs."""
        there = [d for d in self.paths if not d.gone]
        live = [d for d in there if d.kernel not in self.failed] or there or self.paths
        return next((d for d in live if d.session.answering == "hang"), None) or next(
            (d for d in live if d.session.answering == "ok"), live[0]
        )

    @property
    def session(self) -> Any:
        return self.used.session

    @property
    def attention(self) -> bool:
        return self.used.attention

    @attention.setter
    def attention(self, value: bool) -> None:
        self.used.attention = value

    @property
    def cache(self) -> str:
        return self.used.cache

    def status(self) -> str:
        """One group of all paths, as `dmsetup status` has it (path_grouping_policy multibus)."""
        each = " ".join(
            f"8:{d.minor} {'F' if d.kernel in self.failed else 'A'} 0 0 1" for d in self.paths if not d.gone
        )
        count = sum(not d.gone for d in self.paths)
        return f"0 {self.lun.size // 512} multipath 2 0 0 0 1 1 A 0 {count} 2 {each} "


@dataclass
class Daemon:
    """`config`: the files as it read them last. `running`: somebody started it."""

    running: bool = False
    config: dict[str, str] = field(default_factory=dict)
    maps: list[Map] = field(default_factory=list)
    asked: float = -JOIN  # when it was last told to read its configuration

    def read(self, files: dict[str, bytes]) -> None:
        self.config = {p: c.decode() for p, c in sorted(files.items()) if p.startswith(HOME)}

    def show(self) -> str:
        """`multipathd show config local`, as far as files have a say: of two the later one's."""
        wwids: list[str] = []
        maps: dict[str, dict[str, str]] = {}
        tmo = ""
        for text in self.config.values():
            text = re.sub(r"#.*", "", text)
            inside = re.search(r"blacklist_exceptions \{(.*?)\n\}", text, re.S)
            wwids += re.findall(r'wwid "(\S+)"', inside[1]) if inside else []
            for body in re.findall(r"\n\tmultipath \{(.*?)\n\t\}", text, re.S):
                pairs = dict(re.findall(r'^\s*(\w+) "?([^"\n]+?)"?\s*$', body, re.M))
                maps.setdefault(pairs["wwid"], {}).update(pairs)
            tmo = (re.findall(r"fast_io_fail_tmo (\d+)", text) or [tmo])[-1]
        lines = ["defaults {", "\tverbosity 2", "}", "blacklist_exceptions {", *(f'\twwid "{w}"' for w in wwids), "}"]
        lines += (
            ["overrides {", "\tprotocol {", '\t\ttype "scsi:iscsi"', f"\t\tfast_io_fail_tmo {tmo}", "\t}", "}"]
            if tmo
            else []
        )
        lines += ["multipaths {"]
        for pairs in maps.values():
            lines += ["\tmultipath {", *(f'\t\t{name} "{value}"' for name, value in pairs.items()), "\t}"]
        return "\n".join([*lines, "}"]) + "\n"

    def of(self, wwid: str) -> str:
        found = re.findall(rf'wwid "{re.escape(wwid)}"\n\t\tno_path_retry "(\w+)"', self.show())
        return found[-1] if found else "fail"

    @property
    def tmo(self) -> int:
        found = re.findall(r"fast_io_fail_tmo (\d+)", self.show())
        return int(found[-1]) if found else TMO


def over(world: Any, disk: ScsiDisk) -> Map | None:
    return next((m for m in world.multipathd.maps if disk in m.paths), None)


def tick(world: Any) -> None:
    """The kernel fails a path whose command failed; multipathd joins new paths, drops those that are gone, and takes back what
    answers for some time."""
    daemon = world.multipathd
    for one in list(daemon.maps):
        for disk in one.paths:
            if disk.session.answering == "error" and disk.kernel not in one.failed:
                one.failed.add(disk.kernel)
                world.version += 1
        if not daemon.running:
            continue
        for disk in [d for d in one.paths if d.gone and len(one.paths) > 1]:
            one.paths.remove(disk)
            world.version += 1
        for disk in one.paths:
            answers = disk.session.answering == "ok"
            one.well[disk.kernel] = one.well.get(disk.kernel, world.now) if answers else world.now
            if disk.kernel in one.failed and answers and world.now - one.well[disk.kernel] >= BACK:
                one.failed.discard(disk.kernel)
                world.version += 1
        if one.gone and not any(leg.disk is one for a in world.actives for leg in a.legs):
            daemon.maps.remove(one)
            world.version += 1
    if daemon.running:
        join(world)


def is_claimed(world: Any, disk: ScsiDisk) -> bool:
    """multipath takes it: LVM's multipath_wwids_file, and multipath's own udev rules, which leave it to multipathd."""
    return f"/{serial(disk)}/" in world.files.get(WWIDS, b"").decode()


def join(world: Any) -> None:
    for disk in world.disks():
        wwid = serial(disk)
        if not disk.known or over(world, disk) or not is_claimed(world, disk) or disk.session.answering != "ok":
            continue
        if world.now < max(disk.udev_at, world.multipathd.asked) + JOIN:
            continue
        if disk.partition and any(leg.disk is disk for a in world.actives for leg in a.legs):
            continue  # EBUSY; of a whole disk device-mapper shares its claim with itself
        there = next((m for m in world.multipathd.maps if m.wwid == wwid and not m.gone), None)
        if there:
            there.paths.append(disk)
        else:
            minor = next(n for n in range(FIRST, FIRST + 99) if n not in {m.minor for m in world.multipathd.maps})
            world.multipathd.maps.append(Map(wwid, minor, world.number(), [disk]))
            world.activate_whole_groups()
        disk.session.recovery_tmo = world.multipathd.tmo
        world.version += 1


def reconfigure(world: Any) -> tuple[int, str, str]:
    daemon = world.multipathd
    if not daemon.running:
        return 1, "", "error: ux_socket_connect: Connection refused\n"
    daemon.read(world.files)
    daemon.asked = world.now
    for one in daemon.maps:
        one.queues = daemon.of(one.wwid) == "queue"
        for disk in one.paths:
            disk.session.recovery_tmo = daemon.tmo
    world.version += 1
    return 0, "ok\n", ""


def show(world: Any) -> tuple[int, str, str]:
    if not world.multipathd.running:
        return 1, "", "error: ux_socket_connect: Connection refused\n"
    return 0, world.multipathd.show(), ""


def take(world: Any, node: str) -> tuple[int, str, str]:
    found = world.node(node)
    if not found:
        return 1, "", f"{node} is not a valid argument\n"
    wwid = serial(found[0])
    before = world.files.get(WWIDS, b"# Multipath wwids\n")
    world.files[WWIDS] = before + f"/{wwid}/\n".encode()
    world.version += 1
    return 0, f"wwid '{wwid}' added\n", ""


def put_all(world: Any, put: Any, links: dict[str, str], empty: set[str], disk_of: Any, probed: Any) -> None:
    for one in world.multipathd.maps:
        if one.gone:
            continue
        kernel, number = one.kernel, f"253:{one.minor}"
        disk_of(put, links, empty, kernel, number, one.lun.size, f"/sys/devices/virtual/block/{kernel}", one.diskseq)
        base = f"/sys/class/block/{kernel}"
        put(f"{base}/dm/uuid", f"mpath-{one.wwid}")
        put(f"{base}/dm/name", one.wwid)
        put(f"{base}/dm/suspended", 0)
        put(f"/dev/mapper/{one.wwid}", "")
        links[f"/dev/disk/by-id/dm-uuid-mpath-{one.wwid}"] = f"/dev/{kernel}"
        put(f"/dev/disk/by-id/dm-uuid-mpath-{one.wwid}", "")
        put(f"/run/udev/data/b{number}", probed(one.lun.body))
        for disk in one.paths:
            sid = disk.session.sid
            scsi = f"/sys/class/iscsi_session/session{sid}/device/target{sid}:0:0/{sid}:0:0:{disk.number}"
            put(f"{base}/slaves/{disk.kernel}", "")
            put(f"/sys/class/block/{disk.kernel}/holders/{kernel}", "")
            put(f"{scsi}/block/{disk.kernel}/holders/{kernel}", "")
