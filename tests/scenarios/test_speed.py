"""`speed` over whole worlds: each leg alone and the mirror, and nothing that would not answer."""

import json
from contextlib import contextmanager

import pytest

from lunmirror.engine.reconcile import run_pass
from lunmirror.report.style import Style
from lunmirror.speed import verb
from lunmirror.speed.reading import Bounds
from sim.machine import SimHost
from sim.reading import MIB, Reading
from sim.stage import Stage, converged, text
from sim.stories import outage

BOUNDS = Bounds(2.0, 512 * MIB)


def speed(stage: Stage, reading: Reading | None = None, shape: str = "json") -> tuple[int, str, Reading]:
    """(exit code, what is printed, what was read)."""
    host = SimHost(stage.world)
    report = run_pass("speed", "run", stage.desired, host)
    read = reading or Reading(stage.world)
    read.host = host
    asked = verb.Asked(tuple(stage.desired.volumes), BOUNDS, shape == "json")
    ended, printed = verb.look(asked, stage.desired, host, report, "run", lambda line: None, Style(columns=80), read)
    assert host.changed == [], "a measurement changes nothing"
    return int(ended), printed, read


def devices(printed: str) -> dict[str, dict]:
    return {one["device"]: one for one in json.loads(printed)["readings"]}


@pytest.mark.parametrize("shape", ["raid1", "mirror"])
def test_each_leg_alone_then_the_mirror(shape: str) -> None:
    ended, printed, read = speed(converged(text(type=shape)))

    assert ended == 0
    assert read.reads == ["leg on filer1", "leg on filer2", "the mirror"]
    assert all(one["several_readers"] == 100 * MIB for one in devices(printed).values())
    assert [r["interface"] for r in json.loads(printed)["network"]] == ["eth0", "eth1"]


def test_a_linear_volume_is_its_only_leg() -> None:
    assert speed(converged(text(disks=("left",), type="linear")))[2].reads == ["leg on filer1"]


def test_of_a_leg_that_was_given_up_only_the_mirror_is_read() -> None:
    ended, printed, read = speed(outage(converged(text()), "filer2"))

    assert ended == 3
    assert read.reads == ["leg on filer1", "the mirror"]
    assert devices(printed)["leg on filer2"]["why"]


def test_nothing_is_read_in_the_grey_seconds() -> None:
    """The server is dead, its session reads LOGGED_IN, and no letter shows it yet."""
    stage = converged(text())
    stage.world.cut("filer2")
    ended, _, read = speed(stage)

    assert ended == 3
    assert read.reads == ["leg on filer1"]


def test_a_server_that_dies_while_another_leg_is_read() -> None:
    stage = converged(text())

    class Dying(Reading):
        def __call__(self, aim, bounds):
            found = super().__call__(aim, bounds)
            self.world.cut("filer2")
            return found

    ended, printed, read = speed(stage, Dying(stage.world))
    assert ended == 3
    assert read.reads == ["leg on filer1"]
    assert "does not answer" in devices(printed)["leg on filer2"]["why"]


def test_no_pass_runs_while_a_device_is_open() -> None:
    """A pass that drops a leg, or stops a volume, would find its device in use."""
    stage, held = converged(text()), []

    @contextmanager
    def alone():
        held.append("taken")
        yield
        held.append("free")

    class Watching(Reading):
        def __call__(self, aim, bounds):
            assert held[-1] == "taken"
            return super().__call__(aim, bounds)

    host = SimHost(stage.world)
    report = run_pass("speed", "run", stage.desired, host)
    asked = verb.Asked(tuple(stage.desired.volumes), BOUNDS, False)
    read = Watching(stage.world)
    verb.look(asked, stage.desired, host, report, "run", lambda line: None, Style(), read, alone)
    assert held == ["taken", "free"] * 3


def test_a_volume_that_is_not_active_is_refused() -> None:
    stage = converged(text())
    stage.world.mounts.clear()
    stage.world.actives.clear()
    stage.world.version += 1
    ended, printed, read = speed(stage)

    assert (ended, read.reads) == (4, [])
    assert devices(printed)["the mirror"]["why"] == "it is not active"


def test_a_suspended_leg_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = converged(text())
    minor = stage.world.actives[0].subs["testlv_rimage_1"]
    stage.world.files[f"/sys/class/block/dm-{minor}/dm/suspended"] = b"1\n"
    stage.world.version += 1
    ended, printed, read = speed(stage)

    assert ended == 3
    assert read.reads == ["leg on filer1"]
    assert "suspended" in devices(printed)["leg on filer2"]["why"]


def test_an_unknown_server_leads_to_no_reading_of_its_leg() -> None:
    """Whatever a look at the machine meets, what is read answers: each read of it fails once."""
    reads = speed_host(converged(text()))
    for number in range(1, reads + 1, 7):
        stage = converged(text())
        host = SimHost(
            stage.world, lambda call, n=number: "fails" if call.number == n and call.kind != "glob" else ""
        )
        report = run_pass("speed", "run", stage.desired, host)
        asked = verb.Asked(tuple(stage.desired.volumes), BOUNDS, False)
        ended, _ = verb.look(
            asked, stage.desired, host, report, "run", lambda line: None, Style(), Reading(stage.world)
        )
        assert int(ended) in (0, 3, 4)


def speed_host(stage: Stage) -> int:
    host = SimHost(stage.world)
    report = run_pass("speed", "run", stage.desired, host)
    asked = verb.Asked(tuple(stage.desired.volumes), BOUNDS, False)
    verb.look(asked, stage.desired, host, report, "run", lambda line: None, Style(), Reading(stage.world))
    return host.reads


def test_the_table_fits_a_terminal_and_says_what_holds_it_back() -> None:
    stage = converged(text())
    stage.world.ways = {"filer1": "eth0", "filer2": "eth0"}
    stage.world.interfaces["eth0"].speed = 100
    stage.world.version += 1
    _, printed, _ = speed(stage, Reading(stage.world, {"filer1": 11.2 * MIB, "filer2": 3 * MIB}), "table")

    assert all(len(line) <= 80 for line in printed.splitlines())
    words = " ".join(printed.split())
    assert "11.2 MiB/s" in words
    assert "the link is full (100 Mbit/s on eth0" in words
    assert "leg on filer2: slow: 3.0 MiB/s, the fastest leg has 11.2 MiB/s" in words
    assert "every server is reached over the one card eth0" in words
