"""An outage as watchers see it: the status file after each pass of the simulated machine."""

import pytest

from lunmirror.watch import metrics
from sim.stage import PAUSE, converged, text
from sim.stories import STORIES, back, blank, outage
from sim.watchers import REMINDER, Watched


@pytest.mark.parametrize("type", ["raid1", "mirror"])
def test_an_outage_is_told_from_its_begin_to_its_end(type: str) -> None:
    seen = Watched(converged(text(type=type)))
    seen.apply()
    assert (seen.volume["state"], seen.server("filer1")["can_lose"]) == ("full", True)
    whole_since = seen.volume["since"]

    outage(seen.stage, "filer2")
    begun = seen.now
    seen.apply()
    assert seen.volume["state"] == "degraded"
    assert seen.status["pass"]["exit"] == 3
    assert (seen.server("filer1")["can_lose"], seen.server("filer2")["can_lose"]) == (False, True)
    assert "LOGGED_IN" not in [s["state"] for s in seen.server("filer2")["sessions"]]
    since = seen.volume["since"]
    assert whole_since < since
    assert abs(since - begun) <= 60
    seen.stage.world.advance(PAUSE)
    seen.apply()
    assert seen.volume["since"] == since

    back(seen.stage, "filer2")
    states = []
    for _ in range(8):
        seen.apply()
        metrics.render(seen.status)
        states.append(seen.volume["state"])
        if states[-1] == "full":
            break
        assert seen.volume["since"] == since
        seen.stage.world.advance(8.0)
    assert states[-1] == "full"
    assert seen.volume["since"] > since
    assert seen.volume["legs"] == {"declared": 2, "good": 2}


@pytest.mark.parametrize("name", STORIES)
def test_in_every_story_the_status_agrees_with_the_pass(name: str) -> None:
    seen = Watched(STORIES[name]())
    for _ in range(8):
        done = seen.apply()
        assert seen.status["pass"]["exit"] == done.exit
        if done.exit == 0:
            assert {v["state"] for v in seen.status["volumes"]} == {"full"}
        seen.stage.world.advance(PAUSE)
    assert seen.volume["state"] == "full"
    redundant = seen.volume["legs"]["declared"] > 1
    assert {s["can_lose"] for s in seen.status["servers"]} == {redundant}


def test_a_first_build_is_a_copy_with_a_pace() -> None:
    seen = Watched(blank(size="400MiB"))
    seen.apply()
    paces = []
    for _ in range(20):
        if seen.volume["state"] == "full":
            break
        paces.append(seen.volume["copying"])
        seen.stage.world.advance(2.0)
        seen.apply()
    assert seen.volume["state"] == "full"
    told = [one for one in paces if one and one["bytes_per_second"]]
    assert told, paces
    assert all(one["seconds_left_at_most"] >= 0 for one in told)


@pytest.mark.parametrize("type", ["raid1", "mirror"])
def test_a_first_build_is_told_to_nobody_and_an_outage_once(type: str) -> None:
    seen = Watched(blank(type=type))
    for _ in range(8):
        if seen.apply().exit == 0:
            break
        seen.stage.world.advance(8.0)
    assert (seen.volume["state"], seen.told) == ("full", [])

    outage(seen.stage, "filer2")
    for _ in range(5):
        seen.apply()
        seen.stage.world.advance(PAUSE)
    assert seen.told == ["degraded"]
    back(seen.stage, "filer2")
    for _ in range(8):
        if seen.apply().exit == 0:
            break
        seen.stage.world.advance(1.0)
    seen.stage.world.advance(PAUSE)
    seen.apply()
    assert seen.told[0] == "degraded"
    assert seen.told[-1] == "whole"
    assert set(seen.told) <= {"degraded", "copying", "whole"}
    assert len(seen.told) == len(set(seen.told))


def test_a_boot_without_a_server_is_told_and_reminded_of() -> None:
    seen = Watched(converged(text()))
    seen.apply()
    seen.stage.world.cut("filer2")
    seen.stage.world.advance(PAUSE)
    seen.apply()
    assert seen.told == ["degraded"]
    seen.stage.world.reboot()
    seen.status = {}  # /run is empty
    seen.stage.world.advance(PAUSE)
    for _ in range(3):
        seen.apply()
        seen.stage.world.advance(PAUSE)
    assert seen.told == ["degraded", "at boot"]
    seen.stage.world.advance(REMINDER)
    seen.apply()
    seen.apply()
    assert seen.told == ["degraded", "at boot", "reminder"]
