"""A comparison or a repair of the legs that does not come to its end: nothing says so but what lunmirror notes itself."""

import pytest

from lunmirror.analysis.risk import losses
from lunmirror.engine.model import Kind
from sim import byhand
from sim.stage import PAUSE, Stage, converged, text
from sim.stories import crashed


def differing() -> Stage:
    """Both servers lost something, each another write; the comparison of the legs has begun."""
    stage = converged(text())
    stage.world.mixed |= set(stage.world.acknowledged)
    stage.world.restart("filer1", lose=1)
    stage.world.restart("filer2", lose=3)
    stage.world.copying = False
    for _ in range(2):
        stage.apply()
        stage.world.advance(5.0)
    assert stage.world.active("testlv").scrub == "check"
    return stage


def outage(stage: Stage) -> None:
    """No server is restarted: a cable is out for a while, with a pass in it."""
    stage.world.cut("filer2")
    stage.world.advance(60.0)
    stage.apply()
    stage.world.restore("filer2")


def unseen_outage(stage: Stage) -> None:
    """Over before a pass sees it, since a hand brings the leg back."""
    stage.world.cut("filer2")
    stage.world.advance(60.0)
    stage.world.restore("filer2")


def snapshot(stage: Stage) -> None:
    byhand.snapshot(stage.world, "testlv")
    byhand.drop_snapshots(stage.world, "testlv")


ENDS = [outage, unseen_outage, snapshot]


def test_a_comparison_that_was_interrupted_is_begun_again() -> None:
    stage = differing()
    snapshot(stage)
    assert not stage.world.active("testlv").scrub

    stage.world.copying = True
    for _ in range(8):
        last = stage.apply()
        stage.world.advance(PAUSE)

    assert last.exit == 4, str(last)
    assert "legs that differ" in last.finding(Kind.REFUSED)


@pytest.mark.parametrize("end", [outage, unseen_outage])
def test_a_leg_that_fails_before_it_is_compared_stays_out(end) -> None:
    """Each may have what the other lacks, and a refresh copies whole regions."""
    stage = differing()
    end(stage)

    for _ in range(3):
        last = stage.apply()
        stage.world.advance(PAUSE)

    assert last.exit == 4, str(last)
    assert "split brain" in last.finding(Kind.REFUSED)


@pytest.mark.parametrize("end", ENDS)
def test_legs_whose_repair_was_interrupted_are_made_equal(end) -> None:
    stage = crashed()
    stage.world.copying = False
    stage.apply()
    assert stage.world.active("testlv").scrub == "repair"
    end(stage)

    stage.world.copying = True
    last = stage.settle()

    assert last.exit == 0, str(last)
    assert not stage.world.unequal


def test_redundancy_is_not_full_while_a_comparison_is_due() -> None:
    stage = differing()
    stage.apply(lambda call: "fails" if "--syncaction" in call.what else "")
    look = stage.plan().report
    assert losses("filer1", look.seen, stage.desired)
