"""How fast a copy goes: the counters of device-mapper and sysfs, twice."""

import pytest

from lunmirror.analysis.copying import Reading, Speed, any_copying, read, speed, speeds
from lunmirror.engine.model import ABSENT, Present
from lunmirror.host.protocol import Ran
from unit.analysis.worlds import MIB, desired, lv, report, world

MEBI = 2048  # sectors


class Host:
    """device-mapper says `status`; `written` are sectors by device-mapper name."""

    def __init__(self, status: str, written: dict[str, int] | None = None, at: float = 0.0, rc: int = 0) -> None:
        self.status, self.written, self.at, self.rc = status, written or {}, at, rc
        self.names = list(self.written)

    def memoize(self, name, look):
        return look()

    def query(self, argv, deadline) -> Ran:
        assert argv == ("dmsetup", "status")
        return Ran(argv, self.rc, self.status, "", 0.1)

    def link(self, path):
        name = path.removeprefix("/dev/mapper/")
        return Present(f"/dev/dm-{self.names.index(name)}") if name in self.names else ABSENT

    def read(self, path):
        number = int(path.removeprefix("/sys/class/block/dm-").removesuffix("/stat"))
        fields = [7] * 17
        fields[6] = self.written[self.names[number]]
        return Present((" ".join(map(str, fields)) + "\n").encode())

    def now(self) -> float:
        return self.at


def seen(host: Host, volume=None, type: str = "raid1") -> Reading:
    wanted = desired(type=type)
    return read(report(world(volume or lv())), wanted, host)["vg0/lv"]


RAID = "vg0-lv: 0 131072 raid raid1 2 {} {}/131072 {} 0 0 -\n"
MIRROR = "vg0-lv: 0 131072 mirror 2 253:0 253:1 {}/32 1 AA 1 core\n"


@pytest.mark.parametrize(
    ("status", "volume", "copying", "share"),
    [
        (RAID.format("AA", 131072, "idle"), lv(), False, 1),
        (RAID.format("Aa", 32768, "recover"), lv("Aa"), True, 0.25),
        (RAID.format("aa", 32768, "resync"), lv("aa"), True, 0.25),
        (RAID.format("AA", 32768, "check"), lv(), False, 0.25),
        (RAID.format("AD", 131072, "idle"), lv("AD"), False, 1),
        (MIRROR.format(8), lv("AA", "mirror"), True, 0.25),
        (MIRROR.format(32), lv("AA", "mirror"), False, 1),
    ],
)
def test_a_reading(status: str, volume, copying: bool, share: float) -> None:
    found = seen(Host(status), volume, volume.type)
    assert (found.copying, found.done / found.total) == (copying, share)
    assert found.line


def test_an_inactive_volume_has_no_line() -> None:
    assert seen(Host("No devices found\n")).line == ""


def test_the_line_changes_with_everything_but_the_count() -> None:
    texts = [("AA", 5, "idle"), ("Aa", 5, "recover"), ("aa", 5, "resync"), ("Aa", 5, "idle")]
    lines = [seen(Host(RAID.format(*text))).line for text in texts]
    assert len(set(lines)) == len(lines)
    assert seen(Host(RAID.format("Aa", 9, "recover"))).line == lines[1]
    assert seen(Host("vg0-lv: 0 131072 linear \n")).line not in lines


def test_what_cannot_be_read_is_no_reading() -> None:
    assert read(report(world(lv())), desired(), Host("", rc=1)) == {}
    assert read(report({}), desired(), Host(RAID.format("AA", 5, "idle"))) == {}


def test_a_raid1_copy_is_measured_at_the_leg_behind() -> None:
    """Its own count stands still for a sixteenth of the volume at a time. Users wrote 3 MiB meanwhile."""
    status = RAID.format("Aa", 32768, "recover")
    volume = lv("Aa", ratio=(1, 4), action="recover")
    first = seen(Host(status, {"vg0-lv": 0, "vg0-lv_rimage_1": 0, "vg0-lv_rimage_0": 0}, 10.0), volume)
    after = {"vg0-lv": 3 * MEBI, "vg0-lv_rimage_1": 11 * MEBI, "vg0-lv_rimage_0": 3 * MEBI}
    last = seen(Host(status, after, 12.0), volume)
    assert speed(first, last, 64 * MIB) == Speed(4 * MIB, 12.0)


def test_a_mirror_is_reported_by_its_regions() -> None:
    volume = lv("AA", "mirror", ratio=(8, 32))
    first, last = (seen(Host(MIRROR.format(n), {}, t), volume, "mirror") for n, t in ((8, 0.0), (10, 2.0)))
    assert speed(first, last, 64 * MIB) == Speed(2 * MIB, 22.0)


R = Reading(0.0, 4, 16, True, None, "x")


@pytest.mark.parametrize(
    "last",
    [
        R,  # no time went by
        R._replace(at=1.0),  # nothing was done
        R._replace(at=1.0, done=3),  # it began again
        R._replace(at=1.0, done=16, copying=False),  # it has ended
        R._replace(at=1.0, done=8, total=32),  # it grew
    ],
)
def test_a_speed_that_cannot_be_told_is_not_told(last: Reading) -> None:
    assert speed(R, last, 64 * MIB) is None
    first, second = {"vg0/lv": R}, {"vg0/lv": last}
    assert speeds(first, second, report(world(lv())), desired()) == {}


def test_more_written_by_users_than_to_the_leg_is_no_speed() -> None:
    first, last = R._replace(written=0), R._replace(at=1.0, written=-5)
    assert speed(first, last, 64 * MIB) is None


def test_only_a_copy_asks_for_two_readings() -> None:
    assert any_copying(report(world(lv("Aa", action="recover", ratio=(1, 4)))), desired())
    for idle in (lv(), lv("AD"), lv(active=False), lv("AA", action="check", ratio=(1, 4))):
        assert not any_copying(report(world(idle)), desired())
    assert not any_copying(report({}), desired())
