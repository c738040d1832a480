"""The whole machine and its servers, with a clock. Tests change it by hand; SimHost lets lunmirror look at it."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from sim import mpath
from sim.disks import Area, FileSystem, Harm, Impossible, Leg, Lun
from sim.dm import SPEED, Active, ActiveLeg, answer_of
from sim.hosts import Machine
from sim.meta import Meta
from sim.servers import Loop, ScsiDisk, Server, Session
from sim.wire import Interface, interfaces

MACHINE = "3f0c8b1de3d94e6bb0a4a2f1c5d6e7f8"
INITIATOR = "iqn.1993-08.org.debian:01:4f3e2d1c0b9a"
FSTAB = b"# /etc/fstab: of somebody who likes tabs\n/dev/vda\t/\text4\terrors=remount-ro 0   1\n\n# the last line\n"
RULES = "/etc/udev/rules.d/85-lunmirror.rules"
UDEV = 0.5  # seconds until udev knows a new disk
STEP = 0.5  # seconds: the grain of the clock


@dataclass
class Mount:
    id: int
    path: str
    active: Active
    type: str
    flags: tuple[str, ...]


@dataclass
class World:
    servers: dict[str, Server]
    now: float = 1000.0
    files: dict[str, bytes] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)
    sessions: list[Session] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    actives: list[Active] = field(default_factory=list)
    mounts: list[Mount] = field(default_factory=list)
    units: dict[str, bytes] = field(default_factory=dict)
    acknowledged: dict[str, set[int]] = field(default_factory=dict)  # volume UUID -> writes
    declared: dict[str, tuple[str, str, int]] = field(default_factory=dict)  # PV UUID -> server, target, LUN
    given_up: set[str] = field(
        default_factory=set
    )  # PV UUIDs whose loss the configuration consents to, and of volumes put aside
    busy: set[str] = field(default_factory=set)  # paths on which somebody has a file open
    mixed: set[str] = field(default_factory=set)  # volumes whose histories the kernel itself mixed at boot
    # Of a volume's UUID: whether a test that keeps its own account of lost writes excuses it just now.
    excused: Callable[[str], bool] = lambda uuid: False
    unequal: set[str] = field(default_factory=set)  # raid1 volumes whose legs differ in writes nobody was told of
    copied: dict[str, int] = field(default_factory=dict)  # PV UUID -> how often a leg on it was copied in full
    cut_between: int = 0  # 1 or 2: that leg has the superblock that the other lacks after the next power cut
    boots: int = 1
    event_activation: bool = True  # udev activates a group as soon as all of it is there
    asked: dict[tuple[str, str, str], float] = field(
        default_factory=dict
    )  # logins that iscsid is busy with -> ready when
    copying: bool = True  # False: the kernel's throttle holds the legs' copying at nothing
    idle: bool = False  # what is mounted is not written to
    systemd: bool = True
    system_id: str = ""
    volume_list: tuple[str, ...] | None = None  # activation/volume_list: the groups that may be activated; None: all
    read_only: bool = False  # activation/read_only_volume_list names every group
    monitoring: bool = True  # activation/monitoring: dmeventd is asked to watch what is activated
    multipathd: mpath.Daemon = field(default_factory=mpath.Daemon)
    interfaces: dict[str, Interface] = field(default_factory=interfaces)
    xfrm: str = ""  # the kernel's IPsec policies, as `ip xfrm policy` has them
    ways: dict[str, str] = field(
        default_factory=dict
    )  # server -> the interface that leads there, if not its own card
    others: dict[str, "Machine"] = field(default_factory=dict)  # further hosts on the same servers (sim/hosts.py)
    version: int = 0  # goes up with everything that a reader could see
    serial: int = 0

    def __post_init__(self) -> None:
        self.files = {
            "/etc/fstab": FSTAB,
            "/etc/machine-id": f"{MACHINE}\n".encode(),
            "/etc/iscsi/initiatorname.iscsi": f"## DO NOT EDIT\nInitiatorName={INITIATOR}\n".encode(),
            "/usr/sbin/iscsiadm": b"\x7fELF\0/etc/iscsi/nodes\0/etc/iscsi/send_targets\0",
        } | self.files
        self._boot_id()
        self.directories |= {"/mnt", "/etc/iscsi", "/etc/udev/rules.d", "/var/lib"}

    def _boot_id(self) -> None:
        self.files["/proc/sys/kernel/random/boot_id"] = f"00000000-0000-4000-8000-{self.boots:012x}\n".encode()
        self.files["/run/iscsid.pid"] = b"321\n"
        self.files["/proc/321/stat"] = b"321 (iscsid) S 1 321 321 0 -1\n"

    def clone(self) -> "World":
        return copy.deepcopy(self)

    def number(self) -> int:
        """A number never given before on this machine."""
        self.serial += 1
        return self.serial

    # Storage

    def luns(self) -> Iterator[tuple[str, str, int, Lun]]:
        for server in self.servers.values():
            for target, luns in server.targets.items():
                for number, lun in luns.items():
                    yield server.name, target, number, lun

    def areas(self) -> Iterator[Area]:
        for *_, lun in self.luns():
            yield lun.body
            yield lun.part

    def metas(self) -> dict[str, Meta]:
        """Every group that exists anywhere, seen or not: the newest copy of its metadata by name."""
        found: dict[str, Meta] = {}
        for area in self.areas():
            if (
                area.pv
                and area.meta
                and (area.meta.name not in found or area.meta.seqno > found[area.meta.name].seqno)
            ):
                found[area.meta.name] = area.meta
        return found

    def disks(self) -> list[ScsiDisk]:
        return [disk for session in self.sessions for disk in session.disks]

    def losetup(self, file: str, lun: Lun) -> Loop:
        """A file of this machine, with what this LUN holds, as a loop device."""
        loop = Loop(f"loop{len(self.loops)}", file, lun, self.number())
        self.loops.append(loop)
        self.version += 1
        return loop

    def node(self, path: str) -> tuple[ScsiDisk, Area] | None:
        """The disk behind /dev/sdX or /dev/sdX1, and that stretch of its LUN."""
        name = path.removeprefix("/dev/")
        for disk in self.disks():
            if name == disk.kernel:
                return disk, disk.lun.body
            if name == f"{disk.kernel}1" and disk.partition:
                return disk, disk.lun.part
        for one in self.multipathd.maps:
            if path in (f"/dev/{one.kernel}", f"/dev/mapper/{one.wwid}") and not one.gone:
                return one, one.lun.body
        return None

    def disk_of(self, area: Area) -> ScsiDisk | None:
        return next((d for d in self.disks() if area is d.lun.body or area is d.lun.part), None)

    def is_strange(self, area: Area, disk: ScsiDisk) -> bool:
        """It carries a declared disk's UUID, and is another LUN."""
        place = (disk.session.server.name, disk.session.target, disk.number)
        return self.declared.get(area.pv, place) != place

    def area_of(self, pv: str) -> Area | None:
        return next((a for a in self.areas() if a.pv == pv), None)

    def server_of(self, pv: str) -> str:
        return next((s for s, _, _, lun in self.luns() if pv in (lun.body.pv, lun.part.pv)), "")

    # The clock

    def advance(self, seconds: float) -> None:
        """Time passes for everybody: sessions fail and return, legs are copied, writers write."""
        left = seconds
        while left > 0:
            step = min(STEP if seconds - left < 20 else 4 * STEP, left)
            left -= step
            self._tick(step, last=left <= 0)

    def _tick(self, seconds: float, last: bool) -> None:
        before = self._visible()
        self.now += seconds
        for session in self.sessions:
            session.tick(seconds)
        if self.asked:
            from sim.iscsi import finish_logins

            finish_logins(self)
        self._know_disks()
        mpath.tick(self)
        for active in list(self.actives):
            self._fail_legs(active)
            self._copy(active, seconds)
            self._log(active)
        changed = before != self._visible()
        if (changed or last) and not self.idle:
            for mount in self.mounts:
                self._write(mount.active)
        self.version += changed

    def _know_disks(self) -> None:
        """The kernel reads the partitions of new disks; udev knows the disks then, and starts what is whole."""
        new = [d for d in self.disks() if not d.known and d.udev_at <= self.now and d.session.answering == "ok"]
        new = [d for d in new if d.session.carries(4096)]  # the kernel reads its partitions first, by the page
        for disk in new:
            disk.known = True
            disk.partition = disk.partition or bool(disk.lun.table and disk.lun.table.whole)
            self.version += 1
        if new:
            self.activate_whole_groups()

    def _log(self, active: Active) -> None:
        """A mirror's disk log follows what is in sync."""
        if active.type != "mirror" or active.log != "disk":
            return
        meta = self.metas().get(active.group)
        lv = meta.lv(active.name) if meta else None
        if lv:
            for leg in active.legs:
                if leg.pv == lv.log_pv and leg.data:
                    leg.data.logged = active.ratio()[0] == active.ratio()[1]

    def _visible(self) -> object:
        sessions = tuple((s.state, s.way) for s in self.sessions)
        waiting = tuple(d.udev_at > self.now for d in self.disks())
        return sessions, waiting, tuple(a.line() for a in self.actives)

    def _fail_legs(self, active: Active) -> None:
        """A leg that answers an I/O with an error is out, unless it is the last one."""
        busy = (not self.idle and any(m.active is active for m in self.mounts)) or active.ratio()[0] < active.ratio()[
            1
        ]
        if active.type == "linear" or not busy:
            return
        if active.type == "mirror" and any(leg.letter == "D" for leg in active.legs) and active.watched:
            self._to_linear(active, [leg for leg in active.legs if leg.letter != "D"])  # dmeventd tries again
            return
        failed = [leg for leg in active.legs if leg.letter not in "D-" and answer_of(leg.disk) == "error"]
        if not failed or len(failed) == len([leg for leg in active.legs if leg.letter not in "D-"]):
            return
        good = [leg for leg in active.legs if leg.letter == "A"]
        if active.type == "raid1" and good and all(leg in failed for leg in good):
            return  # md never fails the last leg in sync, whatever else it has (drivers/md/raid1.c, raid1_error)
        for leg in failed:
            leg.letter = "D"
        left = [leg for leg in active.legs if leg.letter not in "D-"]
        if active.type == "mirror":
            if active.watched:
                self._to_linear(active, left)
            return
        active.stamp()
        active.end_scrub()
        for leg in left:
            leg.data.events += 1
            leg.data.failed |= {one.pv for one in failed}
            for one in failed:
                leg.data.behind.setdefault(one.pv, leg.data.writes)
            if all(one.letter == "a" for one in left) and len(left) == 1:
                leg.letter, leg.copied = "A", active.bytes  # md has nothing left to compare it with
        self.version += 1

    def _to_linear(self, active: Active, left: list[ActiveLeg]) -> None:
        """dmeventd's mirror_image_fault_policy=remove: the failed leg is dropped; with one left it is linear."""
        from sim.lvm import Lvm

        lvm = Lvm(self, None)
        meta = lvm.groups().get(active.group)
        if meta is None:
            return  # nothing that it could write to
        lv = meta.lv(active.name)
        if any(lvm.copies(pv) > 1 or self.is_strange(*seen[::2]) for pv, seen in lvm.seen.items()):
            return  # a copy is in sight: LVM finds nothing missing, or refuses to write beside duplicates
        kept = tuple((leg.number, leg.pv) for leg in left)
        kind = "linear" if len(kept) == 1 else "mirror"
        lv = replace(
            lv,
            type=kind,
            legs=kept,
            log="" if kind == "linear" else lv.log,
            log_pv="" if kind == "linear" else lv.log_pv,
        )
        lvm.commit(meta.with_lv(active.name, lv), flag_only_used=True, by_hand=False)
        active.type, active.legs = kind, left
        numbers = {f"{leg.number}" for leg in left}
        active.subs = {
            n: m for n, m in active.subs.items() if kind == "mirror" and n.rpartition("_")[2] in (*numbers, "mlog")
        }
        self.version += 1

    def _copy(self, active: Active, seconds: float) -> None:
        if not self.copying:
            return
        if active.scrub:
            self._scrub(active, seconds)
        for leg in active.legs:
            if leg.letter in "D-" or leg.copied >= active.bytes or answer_of(leg.disk) != "ok":
                continue
            whole = [
                one for one in active.legs if one is not leg and one.letter == "A" and one.copied >= active.bytes
            ]
            if whole and not any(answer_of(one.disk) == "ok" for one in whole):
                continue  # nothing to copy from
            leg.copied = min(active.bytes, leg.copied + SPEED * seconds)
            if leg.copied >= active.bytes:
                self._in_sync(active, leg)

    def _scrub(self, active: Active, seconds: float) -> None:
        active.scrubbed += SPEED * seconds
        if active.scrubbed < active.bytes:
            return
        good = [leg for leg in active.legs if leg.letter == "A"]
        differ = active.uuid in self.unequal or len({leg.data.writes for leg in good}) > 1
        active.mismatches = 2560 if differ else 0
        if active.scrub == "repair":
            self.unequal.discard(active.uuid)
            good = [leg for leg in active.legs if leg.letter == "A"]
            for leg in good[1:]:  # from the lowest-numbered one (drivers/md/raid1.c, process_checks)
                leg.data.writes = good[0].data.writes
        active.scrub = ""
        self.version += 1

    def _in_sync(self, active: Active, leg: ActiveLeg) -> None:
        others = [one for one in active.legs if one.letter == "A" and one is not leg]
        source = next((one for one in others if leg.pv in one.data.behind), next(iter(others), None))
        leg.letter = "A"
        self.version += 1
        if active.type == "raid1" and not leg.data.recovering:
            return  # it grew: of what was there before nothing is copied
        full, torn = leg.data.recovering in ("full", ""), leg.data.torn
        leg.data.recovering, leg.data.torn = "", False
        if full and (source or not leg.data.forgot):
            leg.data.forgot = torn
            leg.data.blank = False
            if len(active.legs) == 2:
                self.unequal.discard(active.uuid)
            self.copied[leg.pv] = self.copied.get(leg.pv, 0) + 1
        if source:
            had = frozenset() if full else source.data.behind.get(leg.pv, source.data.writes)
            kept = frozenset() if full else leg.data.writes
            writes = kept | (source.data.writes - had)
            leg.data.writes = writes - {*sorted(writes)[:2]} if torn and full else writes
            leg.data.fs = copy.copy(source.data.fs)
            leg.data.events, leg.data.cleared = source.data.events, source.data.cleared
            leg.data.failed = frozenset()
            for one in active.legs:
                one.data.failed -= {leg.pv}
                one.data.behind.pop(leg.pv, None)
            if all(one.letter == "A" for one in active.legs) and any(one.data.dirty for one in active.legs):
                self.unequal.discard(active.uuid)  # its bitmap had kept all that was under way
        self.version += 1

    def _write(self, active: Active) -> None:
        """One write that the application is told to be safe: it is, if every leg that did not fail has it."""
        if active.type == "mirror" and any(leg.letter == "D" for leg in active.legs):
            return  # the kernel holds the writes back until somebody takes the leg out
        legs = active.writable()
        if active.type == "mirror" and any(leg.letter == "D" for leg in active.legs):
            return  # the kernel holds it back until somebody has repaired the mirror
        waiting = [leg for leg in active.legs if leg.letter in "Aa" and answer_of(leg.disk) == "hang"]
        if not legs or waiting or not any(leg.letter == "A" or active.source() is leg for leg in legs):
            return
        number = self.number()
        active.stamp()
        for leg in legs:
            leg.data.writes |= {number}
            leg.data.unflushed = False
            if leg.disk:
                self.attend(leg.disk)
        if active.type == "raid1" and all(
            leg.letter == "A" for leg in active.legs
        ):  # md_bitmap_endwrite, if not degraded
            for leg in active.legs:
                leg.data.cleared = leg.data.events
        self.acknowledged.setdefault(active.uuid, set()).add(number)

    # What happens to servers and to the machine

    def cut(self, name: str) -> None:
        self._server(name, "cut")

    def refuse(self, name: str) -> None:
        self._server(name, "refusing")

    def hang(self, name: str) -> None:
        self._server(name, "hung")

    def restore(self, name: str) -> None:
        self._server(name, "up")

    def attend(self, disk: ScsiDisk) -> None:
        """The first command after a new connection meets a unit attention; udev's rule notes it."""
        if isinstance(disk, mpath.Map):
            disk = disk.used
        used = any(leg.disk in (disk, mpath.over(self, disk)) for active in self.actives for leg in active.legs)
        if "^LVM-" not in self.files.get(RULES, b"").decode():  # any of device-mapper's counts, an idle map, too
            used = used or mpath.over(self, disk) is not None
        if disk.attention and disk.lun.attentive and "SDEV_UA" in self.files.get(RULES, b"").decode():
            boot = self.files["/proc/sys/kernel/random/boot_id"].decode()
            name = f"{disk.session.address}-{disk.session.target}-{disk.number}{'' if used else '.unused'}"
            self.files[f"/var/lib/lunmirror/attention/{name}"] = f"{boot}{disk.session.local_port}\n".encode()
            self.version += 1
        disk.attention = False

    def restart(self, name: str, away: float = 5.0, lose: int = 2) -> None:
        """The server loses its power, and is back after `away` seconds. It has forgotten keys and sessions; and the newest
        writes of each copy behind a volatile cache, which nobody had it flush: the flush that follows is answered all the
        same, by its new run (measured: fsync 0, `AA`, 8,192 sectors that differ)."""
        self.refuse(name)
        self.advance(away)
        self.forget(name, lose)
        self.restore(name)
        self.advance(5.0)

    def forget(self, name: str, lose: int) -> None:
        """What a server has forgotten that lost its power: see `restart`."""
        for server, _, number, lun in self.luns():
            if server != name or number == 7:
                continue
            lun.keys = None if lun.keys is None else ()
            for leg in (leg for area in (lun.body, lun.part) for leg in area.legs.values()):
                if lun.cache.startswith("write back") and leg.unflushed:
                    self.unequal |= {u for area in (lun.body, lun.part) for u, one in area.legs.items() if one is leg}
                if lun.cache.startswith("write back") and lose:
                    leg.writes -= frozenset(sorted(leg.writes)[-lose:])
                    leg.forgot = True
                    leg.torn |= leg.recovering == "full"  # of what was copied to it the newest is gone, too

    def _server(self, name: str, state: str) -> None:
        self.servers[name].become(state)
        self.version += 1

    def logout(self, name: str, which: list[Session] | None = None) -> None:
        """Somebody ends the sessions to this server, or some of them; their disks vanish."""
        for session in [s for s in self.sessions if s.server.name == name and (which is None or s in which)]:
            self.sessions.remove(session)
            for disk in session.disks:
                disk.gone = True
        self.version += 1

    def unmount(self, path: str) -> None:
        self.mounts = [m for m in self.mounts if m.path != path]
        self.version += 1

    def deactivate(self, name: str) -> None:
        active = self.active(name)
        if any(m.active is active for m in self.mounts):
            raise Impossible("a mounted volume is not deactivated")
        active.stamp()
        self.actives.remove(active)
        for leg in active.legs:
            leg.data.unflushed = False
        self.version += 1

    def active(self, name: str) -> Active:
        found = [a for a in self.actives if a.name == name]
        if not found:
            raise Impossible(f"{name} is not active")
        return found[0]

    def reboot(self, login: bool = True) -> None:
        """A crash of the client, and its next boot."""
        self.crash()
        self.boot(login)

    def crash(self, idle: bool = False) -> None:
        """The client loses its power. `idle`: seconds after the last write, when md has called its bitmap and its
        superblocks clean, and has had each leg flush before that (docs/facts/restarts.md#a-crash-while-idle)."""
        for active in self.actives:
            good = [leg for leg in active.legs if leg.letter == "A"]
            if active.type == "raid1" and any(m.active is active for m in self.mounts):
                for leg in good:
                    leg.data.dirty = not idle
                    leg.data.unflushed = not idle
                if len(good) > 1 and not idle:
                    self.unequal.add(active.uuid)
                    if active.stamped and self.cut_between:  # of two superblocks one was written
                        good[self.cut_between - 1].data.events += 1
        self.mounts, self.actives, self.units = [], [], {}
        for session in self.sessions:
            for disk in session.disks:
                disk.gone = True
        self.sessions, self.loops, self.multipathd.maps = [], [], []
        self.files = {p: c for p, c in self.files.items() if not p.startswith("/run/")}
        self.version += 1

    def boot(self, login: bool = True) -> None:
        """open-iscsi logs in to what answers, once; udev activates groups that are whole; systemd mounts nothing whose
        device is not there."""
        self.boots += 1
        self._boot_id()
        self.multipathd.read(self.files)
        self.advance(20.0)
        if login:
            from sim.iscsi import login_at_boot

            login_at_boot(self)
            self.advance(2.0)
        self.reload_units()
        self.version += 1

    def may_activate(self, group: str) -> bool:
        return self.volume_list is None or group in self.volume_list

    def activate_whole_groups(self) -> None:
        """What udev's rules do when the last physical volume of a group appears."""
        from sim.lvm import Lvm

        if not self.event_activation:
            return
        lvm = Lvm(self, None)
        for meta in lvm.groups().values():
            if meta.autoactivation and all(pv in lvm.seen for pv, _ in meta.pvs) and not meta.missing:
                for name, lv in meta.lvs:
                    if not any(a.uuid == lv.uuid for a in self.actives):
                        lvm.start(meta, name, by_hand=False)

    def reload_units(self) -> None:
        """systemd's generators read fstab."""
        self.units = {}
        for line in self.files.get("/etc/fstab", b"").decode().splitlines():
            fields = line.split()
            if len(fields) >= 3 and not line.startswith("#") and fields[1] != "/":
                name = fields[1].strip("/").replace("/", "-")
                self.units[f"/run/systemd/generator/{name}.mount"] = f"[Mount]\nWhat={fields[0]}\n".encode()
        self.version += 1

    # What must hold at every end

    def lost(self) -> dict[str, set[int]]:
        """Volume UUID -> acknowledged writes that no leg has any more, or that an in-sync leg lacks."""
        gone = {}
        for uuid, writes in self.acknowledged.items():
            if self.excused(uuid):
                continue
            legs = [area.legs[uuid] for area in self.areas() if uuid in area.legs]
            held = frozenset().union(*(leg.writes for leg in legs))
            active = next((a for a in self.actives if a.uuid == uuid), None)
            if active:
                source = active.source()
                known = [leg for leg in active.legs if leg.letter == "A" and not leg.data.forgot]
                source = known[0] if known else source
                held = source.data.writes if source else held
                for leg in active.legs if active.type == "raid1" else ():
                    held = held & leg.data.writes if leg.letter == "A" and not leg.data.forgot else held
            if writes - held:
                gone[uuid] = writes - held
        return gone

    def believed(self) -> list[str]:
        """Legs (PV UUIDs) that the kernel has in sync and that lack what their servers lost: whoever says that all is well
        believes them. That they serve reads until somebody notices is nobody's fault."""
        legs = [(a, leg) for a in self.actives for leg in a.legs if leg.letter == "A" and leg.data.forgot]
        return [leg.pv for a, leg in legs if self.acknowledged.get(a.uuid, set()) - leg.data.writes]

    def assert_safe(self) -> None:
        lost = {u: w for u, w in self.lost().items() if u not in self.mixed}
        if lost:
            raise Harm(f"acknowledged writes are lost: { {u: len(w) for u, w in lost.items()} }")


def blank(size: int = 512 << 20) -> Lun:
    return Lun(size)


def make_world(
    luns: dict[str, dict[int, Lun]] | None = None, servers: int = 2, size: int = 512 << 20, state: str = "up"
) -> World:
    """The article's servers, each with one blank LUN 1 and a bystander LUN 7 that holds somebody else's group."""
    about = (
        ("filer1", "192.168.1.115", "iqn.2006-01.com.openfiler:linuxtest1lv"),
        ("filer2", "192.168.1.120", "iqn.2006-01.com.openfiler:linuxtest1lv-2"),
        ("filer3", "192.168.1.125", "iqn.2006-01.com.openfiler:linuxtest1lv-3"),
    )[:servers]
    made = {}
    for name, address, target in about:
        mine = (luns or {}).get(name) or {1: blank(size)}
        made[name] = Server(name, (address,), {target: mine | {7: bystander(name)}}, state)
    return World(made)


def bystander(name: str) -> Lun:
    """A LUN of somebody else, in view through the same session."""
    lun = Lun(64 << 20)
    pv = f"other{name[-1]}-0000-0000-0000-0000-0000-foreig"
    lun.body.pv = pv
    lun.body.meta = Meta(
        f"other{name[-1]}", f"other{name[-1]}-vvvv-0000-0000-0000-0000-foreig", 3, (), ((pv, 64 << 20),)
    )
    return lun


def foreign_filesystem(type: str = "ext4") -> dict[str, str]:
    return {"TYPE": type, "UUID": "11111111-2222-4333-8444-555555555555", "USAGE": "filesystem"}


__all__ = [
    "Active",
    "ActiveLeg",
    "FileSystem",
    "Leg",
    "World",
    "blank",
    "bystander",
    "foreign_filesystem",
    "make_world",
]
