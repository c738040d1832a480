"""The course: in which order, and that the traffic returns on every way out. Time goes by only in pauses."""

import json
import struct

import pytest

from lunmirror.drill import course
from lunmirror.drill.course import Stage, play
from lunmirror.drill.watch import GIVEN_UP, WHOLE
from lunmirror.engine.errors import HostError, LunmirrorError
from lunmirror.engine.model import Outcome, Ref, Run, Step
from lunmirror.host.waiting import Interrupted
from unit.analysis.worlds import ONLY_LEFT, desired, lv, report, world
from unit.drill.courses import rehearsal

BUDGET = 15
STEP = Step(Ref("volume", "vg0/lv"), "refresh it", Run(("lvm",)), ())


class SharedLog:
    def __init__(self, data) -> None:
        self.read = data


class Copy:
    """A copy of the process that is none."""

    def __init__(self, theatre: "Theatre", name: str, work) -> None:
        self.theatre, self.name = theatre, name
        theatre.ending.append(f"start {name}")
        self.log = SharedLog(theatre.seen if name == "the watcher" else theatre.written)

    def stop(self, deadline: float) -> str:
        self.theatre.ending.append(f"stop {self.name}")
        return self.theatre.stuck


class Theatre:
    """The machine, its clock, and everything that was asked of it in order. The leg is given up `gone` seconds after the
    cut; passes from the `repairs`-th on after the traffic returned find the mirror whole."""

    def __init__(self, repairs: int = 2, gone: float = 8.0, error: int = 0) -> None:
        self.now, self.ending, self.cut_at, self.lifted = 100.0, [], None, 0
        self.repairs, self.gone, self.error, self.walked, self.stuck = repairs, gone, error, 0, ""
        self.raises: dict[str, BaseException] = {}

    # the clock

    def monotonic(self) -> float:
        return self.now

    def until(self, ready, seconds, **how):
        self.now += seconds
        if "until" in self.raises and self.cut_at is not None:
            raise self.raises["until"]
        return False

    # the cut

    def prepare(self) -> None:
        self._do("prepare")

    def begin(self, endpoints, seconds) -> None:
        self._do("begin")
        self.cut_at, self.seconds = self.now, seconds

    def packets(self) -> int:
        return 7

    def lift(self) -> str:
        self._do("lift")
        return ""

    # the host

    def date(self) -> str:
        return "2026-01-01T00:00:00Z"

    def reach(self, endpoints, deadline):
        return dict.fromkeys(endpoints, "")

    # copies

    def written(self) -> bytes:
        return struct.pack("<ddq", self.now - 1, 0.01, self.error)

    def seen(self) -> bytes:
        gone = self.cut_at is not None and self.now >= self.cut_at + self.gone
        return json.dumps([self.now, {}, {"vg0/lv": GIVEN_UP if gone else WHOLE}]).encode() + b"\n"

    # passes

    def walk(self):
        self._do(f"pass at {self.now - self.cut_at:.0f}")
        self.now += 1.0
        after = self.now > self.cut_at + self.seconds
        self.walked += after
        if "pass" in self.raises:
            raise self.raises["pass"]
        repaired = self.walked >= self.repairs
        seen = world(lv() if repaired else lv("AD", past=ONLY_LEFT), mounted="rw")
        return report(seen)._replace(outcomes=(Outcome(STEP, "done"),) if repaired else ())

    def _do(self, what: str) -> None:
        self.ending.append(what)
        if what in self.raises:
            raise self.raises[what]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    def run(theatre: Theatre, seconds: int = 35, repair: float = 60):
        monkeypatch.setattr(course, "until", theatre.until)
        monkeypatch.setattr(course.time, "monotonic", theatre.monotonic)
        plan = rehearsal(volumes=("vg0/lv",), seconds=seconds, places=(course.Place("vg0/lv", "/mnt", 1),))
        aside = lambda name, work: Copy(theatre, name, work)  # noqa: E731
        stage = Stage(desired(mount="/mnt"), theatre, theatre, theatre.walk, lambda text: None, aside)
        return play(plan, stage, repair)

    return run


def test_the_order_of_things(run) -> None:
    theatre = Theatre()
    found, last = run(theatre)
    passes = [t for t in theatre.ending if t.startswith("pass")]
    ending = [t for t in theatre.ending if not t.startswith("pass")]
    assert ending == [
        "prepare", "start the writer on /mnt", "start the watcher", "begin", "lift", "lift",
        "stop the watcher", "stop the writer on /mnt", "lift",
    ]  # fmt: skip
    assert theatre.ending.index("lift") > theatre.ending.index(passes[2])  # during the outage too, as the timer does
    assert passes[0] == "pass at 8"  # none before the leg is given up
    assert found.lifted_at - found.cut_at == 35
    assert found.whole_at is not None
    assert found.packets == 7
    assert found.passes[-1].titles == ("volume vg0/lv: refresh it",)
    assert last is not None


def test_no_pass_during_an_outage_that_nothing_notices(run) -> None:
    theatre = Theatre(gone=1000)
    run(theatre, seconds=5)
    assert theatre.ending.index("lift") < min(n for n, t in enumerate(theatre.ending) if t.startswith("pass"))


def test_repair_has_a_deadline(run) -> None:
    theatre = Theatre(repairs=10_000)
    found, _ = run(theatre, repair=60)
    assert found.whole_at is None
    assert 95 <= found.ended_at - found.cut_at < 105


def test_a_writer_that_fails_before_the_cut_prevents_it(run) -> None:
    theatre = Theatre(error=28)
    with pytest.raises(HostError, match="file system is full"):
        run(theatre)
    assert "begin" not in theatre.ending
    assert theatre.ending[-1] == "lift"
    assert "stop the writer on /mnt" in theatre.ending


@pytest.mark.parametrize("where", ["begin", "until", "pass"])
@pytest.mark.parametrize("what", [Interrupted, KeyboardInterrupt, RuntimeError])
def test_the_traffic_returns_whatever_happens(run, where: str, what: type[BaseException]) -> None:
    theatre = Theatre()
    theatre.raises[where] = what()
    with pytest.raises(what):
        run(theatre)
    ending = ["lift", "stop the watcher", "stop the writer on /mnt", "lift"]
    assert theatre.ending[-4:] == ending  # first of all the traffic


def test_without_a_table_nothing_begins(run) -> None:
    theatre = Theatre()
    theatre.raises["prepare"] = HostError("no")
    with pytest.raises(HostError):
        run(theatre)
    assert theatre.ending == ["prepare"]


def test_a_pass_that_fails_is_reported_and_tried_again(run) -> None:
    theatre = Theatre()
    theatre.raises["pass"] = LunmirrorError("sysfs is away")
    found, last = run(theatre, repair=10)
    assert found.whole_at is None
    assert last is None
    assert {p.error for p in found.passes} == {"sysfs is away"}


def test_a_copy_that_cannot_be_ended_is_reported(run) -> None:
    theatre = Theatre()
    theatre.stuck = "the writer (pid 1) cannot be ended; it is left alone"
    assert theatre.stuck in run(theatre)[0].notes
