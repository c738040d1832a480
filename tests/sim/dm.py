"""Device-mapper: what is active, on which disks, and how far its legs are in sync."""

from dataclasses import dataclass, field

from sim.disks import Leg
from sim.servers import ScsiDisk

SPEED = 16 << 20  # bytes a second that legs are brought in sync
SECTORS_PER_EXTENT = 8192
REGION = 4  # regions of 2 MiB... as many a mirror of one extent of 4 MiB counts (recordings: 32 for 16 extents)


@dataclass(eq=False)
class ActiveLeg:
    """`disk` is what its table points to, though the kernel may have another by now. `copied`: bytes in sync."""

    number: int
    pv: str
    disk: ScsiDisk | None
    data: Leg
    letter: str = "A"
    copied: float = 0.0


@dataclass(eq=False)
class Active:
    """One active volume. `minor` is that of the volume itself, `subs` those of its sub-volumes by name."""

    group: str
    name: str
    uuid: str
    type: str
    extents: int
    legs: list[ActiveLeg]
    minor: int
    subs: dict[str, int] = field(default_factory=dict)
    log: str = "core"
    scrub: str = ""  # check or repair, while it goes over legs that are in sync
    scrubbed: float = 0.0  # bytes
    mismatches: int = 0  # sectors, as the last scrub counted them
    stand_ins: tuple[str, ...] = ()  # LVM's devices in the place of what was out of view when it was started
    stamped: bool = False  # its legs' counters were raised, as each activation does once for good
    diskseq: int = 0  # another one after every activation
    real: int = 0  # the minor of VG-LV-real, on which its legs run while it has snapshots
    watched: bool = True  # dmeventd was asked to watch it

    def stamp(self) -> None:
        """With its first write, or at its stop, an activation raises the counters of its legs (docs/facts/md-events.md)."""
        if self.type != "raid1" or self.stamped:
            return
        alive = [leg for leg in self.legs if leg.letter in "Aa"]
        now = max((leg.data.events for leg in alive), default=0) + 1
        for leg in alive:
            leg.data.events = now
        self.stamped = True

    @property
    def bytes(self) -> int:
        return self.extents * (4 << 20)

    def source(self) -> ActiveLeg | None:
        """The leg that reads come from."""
        good = [leg for leg in self.legs if leg.letter == "A"]
        return next(iter(good or [leg for leg in self.legs if leg.letter == "a"]), None)

    def end_scrub(self) -> None:
        """A leg that fails ends a scrub (drivers/md/md.c, md_error), and so does every suspend, whose table is loaded again with
        it or not (dm-raid.c, raid_postsuspend: md_stop_writes). Nothing begins it again; what it had counted is no sum."""
        self.scrub, self.mismatches = "", 0 if self.scrub else self.mismatches

    def answering(self) -> str:
        """How reads of the volume end: ok, hang or error."""
        answers = [_answer(leg) for leg in self.legs if leg.letter not in "D-"]
        if "hang" in answers:
            return "hang"
        return "ok" if "ok" in answers else "error"

    def writable(self) -> list[ActiveLeg]:
        return [leg for leg in self.legs if leg.letter in "Aa" and _answer(leg) == "ok"]

    def ratio(self) -> tuple[int, int]:
        """As `dmsetup status` counts: sectors for raid1, regions for a mirror."""
        total = self.extents * (SECTORS_PER_EXTENT if self.type == "raid1" else 2)
        behind = [leg.copied for leg in self.legs if leg.letter == "a"]
        if self.type == "mirror":
            behind = [leg.copied for leg in self.legs if leg.copied < self.bytes and leg.letter != "D"]
        share = min(behind) / self.bytes if behind else 1.0
        return int(total * share), total

    def line(self) -> str:
        done, total = self.ratio()
        sectors = self.extents * SECTORS_PER_EXTENT
        letters = "".join(leg.letter for leg in self.legs)
        if self.type == "raid1":
            action = "idle" if done == total else ("recover" if "A" in letters else "resync")
            if self.scrub:
                action, done = self.scrub, int(total * self.scrubbed / self.bytes)
            return f"0 {sectors} raid raid1 {len(letters)} {letters} {done}/{total} {action} 0 0 -"
        if self.type == "mirror":
            devices = " ".join(f"253:{minor}" for name, minor in sorted(self.subs.items()) if "_mimage_" in name)
            shown = letters.replace("a", "A")
            end = "1 core" if self.log == "core" else f"3 disk 253:{self.subs[f'{self.name}_mlog']} A"
            return f"0 {sectors} mirror {len(letters)} {devices} {done}/{total} 1 {shown} {end}"
        return f"0 {sectors} linear "


def answer_of(disk: ScsiDisk | None) -> str:
    if disk is None or disk.gone:
        return "error"
    answer = disk.session.answering
    return "hang" if answer == "error" and getattr(disk, "queues", False) else answer  # a map that queues


def _answer(leg: ActiveLeg) -> str:
    return answer_of(leg.disk)
