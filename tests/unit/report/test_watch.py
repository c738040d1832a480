"""Following a copy: when layers are walked again, and what a frame shows."""

import pytest

from lunmirror.analysis.copying import Reading, Speed
from lunmirror.report import watch
from lunmirror.report.table import Paint
from lunmirror.report.words import rate, span
from unit.analysis.worlds import MIB, desired, lv, report, world

HALF = report(world(lv("Aa", ratio=(5, 10), action="recover")))
WHOLE = report(world(lv()))


def reading(at: float, done: int, line: str = "raid Aa recover") -> dict[str, Reading]:
    return {"vg0/lv": Reading(at, done, 10, done < 10, None, line)}


class Play:
    """Each reading takes one second; a full look counts itself."""

    def __init__(self, *readings: tuple[int, str]) -> None:
        self.readings, self.time, self.looks = list(readings), 0.0, 0

    def now(self) -> float:
        return self.time

    def look(self):
        self.looks += 1
        return HALF

    def read(self, _):
        self.time += 1.0
        done, line = self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]
        return reading(self.time, done, line)

    def frames(self, count: int) -> list[watch.Frame]:
        follow = watch.follow(self.look, self.read, self.now, desired())
        return [next(follow) for _ in range(count)]


def test_between_full_looks_only_counters_are_read() -> None:
    play = Play((1, "Aa"), (2, "Aa"), (3, "Aa"), (4, "Aa"))
    frames = play.frames(4)
    assert play.looks == 1
    assert [f.readings["vg0/lv"].done for f in frames] == [1, 2, 3, 4]
    assert frames[0].speeds == {}
    assert frames[3].speeds["vg0/lv"] == pytest.approx(Speed(64 * MIB / 10, 6.0))


def test_another_letter_is_looked_at_in_full() -> None:
    play = Play((1, "Aa"), (1, "AD"), (1, "AD"), (1, "AD"))
    frames = play.frames(3)
    assert play.looks == 2
    assert frames[1].speeds == {}


def test_the_end_of_a_copy_is_looked_at_in_full() -> None:
    play = Play((9, "AA"), (10, "AA"), (10, "AA"))
    play.frames(3)
    assert play.looks == 2


def test_now_and_then_all_is_looked_at() -> None:
    play = Play((1, "Aa"))
    play.frames(25)
    assert play.looks == 3


def test_a_speed_is_of_the_last_seconds() -> None:
    play = Play(*((0, "Aa") for _ in range(30)), *((n, "Aa") for n in range(1, 11)))
    assert play.frames(41)[40].speeds == {}  # done
    play = Play(*((0, "Aa") for _ in range(30)), (1, "Aa"), (2, "Aa"), (3, "Aa"), (4, "Aa"), (5, "Aa"))
    assert play.frames(35)[34].speeds["vg0/lv"].rate == pytest.approx(64 * MIB / 10 * 5 / 10)


def frame(seen=HALF, done: int = 5, speeds=None) -> watch.Frame:
    return watch.Frame(seen, reading(1.0, done), speeds or {}, 1.0)


def test_a_line() -> None:
    [line] = watch.lines(frame(speeds={"vg0/lv": Speed(1.5 * MIB, 75.0)}), desired())
    assert line == "vg0/lv  rebuilding  [████████████░░░░░░░░░░░░]  50 %  1.5 MiB/s, 1 min 15 s left"


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (132, "vg0/lv  rebuilding  [████████████░░░░░░░░░░░░]  50 %  1.5 MiB/s, 1 min 15 s left"),
        (60, "vg0/lv  rebuilding  50 %  1.5 MiB/s, 1 min 15 s left"),
    ],
)
def test_the_bar_goes_before_the_pace_does(columns: int, line: str) -> None:
    [said] = watch.lines(frame(speeds={"vg0/lv": Speed(1.5 * MIB, 75.0)}), desired(), columns=columns)
    assert said == line


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (WHOLE, "vg0/lv  full"),
        # A dead leg counts 100 % too; so does an unreadable one: only a copy has a share.
        (report(world(lv("AD"))), "vg0/lv  degraded  the leg on server filer2 is dead"),
        (report(world(lv(active=False))), "vg0/lv  out of service  it is not active"),
        (report({}), "vg0/lv  out of service  it is not there"),
    ],
)
def test_only_a_copy_has_a_share(seen, expected: str) -> None:
    [line] = watch.lines(frame(seen, 10), desired())
    assert line.startswith(expected)
    assert "%" not in line


def test_a_bar_is_full_only_at_the_end() -> None:
    assert watch.bar(0.9999, 4) == "[███░]"
    assert watch.bar(0.0, 4) == "[░░░░]"
    assert watch.bar(1.0, 4) == "[████]"
    assert watch.bar(None, 4) == "[····]"


def test_changes_move_by_whole_percents() -> None:
    slow = Reading(1.0, 511, 1000, True, None, "x")
    [line] = watch.changes(watch.Frame(HALF, {"vg0/lv": slow}, {"vg0/lv": Speed(1.0, 2.0)}, 1.0), desired())
    assert line.startswith("vg0/lv: rebuilding (51 %): the leg on server filer2 is being rebuilt")


def test_a_frame_is_cut_without_hurting_escapes() -> None:
    painted = Paint(True)("abcdef", "32") + "ghi"
    assert watch.fitted(painted, 4) == "\x1b[32mabcd\x1b[0m"
    assert watch.fitted(painted, 80) == painted


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 s"), (59.1, "1 min 0 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (7325, "2 h 2 min")],
)
def test_spans(seconds: float, said: str) -> None:
    assert span(seconds) == said


@pytest.mark.parametrize(
    ("amount", "said"),
    [(12.0, "12.0 B/s"), (1536.0, "1.5 KiB/s"), (3.0 * MIB, "3.0 MiB/s"), (2.0**41, "2048.0 GiB/s")],
)
def test_rates(amount: float, said: str) -> None:
    assert rate(amount) == said
