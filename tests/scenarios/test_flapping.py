"""A setting that somebody keeps setting back is repaired twice, then left and told; everything else goes on."""

from collections.abc import Callable

import pytest

from lunmirror.engine.flapping import Flapping
from lunmirror.engine.model import Kind
from sim.stage import Pass, Stage, converged, text


def set_back_record(stage: Stage) -> None:
    path = stage.record()
    raw = stage.world.files[path]
    assert b"node.startup = automatic" in raw
    stage.world.files[path] = raw.replace(b"node.startup = automatic", b"node.startup = manual")


def set_back_session(stage: Stage) -> None:
    session = stage.world.sessions[0]
    session.recovery_tmo = 99


DAMAGE = {"record": set_back_record, "session": set_back_session}


class Fight:
    """Passes that tell each other, as the command line lets them."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.known = stage, {}

    def apply(self) -> Pass:
        flapping = Flapping(self.known)
        ran = self.stage.apply(flapping=flapping)
        self.known = flapping.current
        return ran


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_two_passes_repair_it_and_the_third_reports(damage: Callable[[Stage], None]) -> None:
    stage = converged(text())
    fight = Fight(stage)
    for _ in range(2):
        damage(stage)
        ran = fight.apply()
        assert (ran.exit, len(ran.done)) == (0, 1), str(ran)
    damage(stage)
    planned = stage.plan(flapping=Flapping(fight.known))
    assert (planned.exit, planned.report.steps) == (4, ()), str(planned)
    for _ in range(3):
        ran = fight.apply()
        assert (ran.exit, ran.done, ran.host.changed) == (4, [], []), str(ran)
        assert "flapping" in ran.finding(Kind.REFUSED)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_pass_that_finds_it_as_declared_ends_the_fight(damage: Callable[[Stage], None]) -> None:
    stage = converged(text())
    fight = Fight(stage)
    for _ in range(4):
        damage(stage)
        assert fight.apply().exit == 0
        assert fight.apply().done == []
        assert fight.known == {}


def test_what_lunmirror_made_itself_is_nobodys_undoing() -> None:
    """A record that is gone is re-created with open-iscsi's defaults: setting those is no fight."""
    stage = converged(text())
    fight = Fight(stage)
    for _ in range(2):
        set_back_record(stage)
        assert fight.apply().exit == 0
    wanted = stage.world.files[stage.record()]
    for _ in range(3):
        del stage.world.files[stage.record()]
        ran = fight.apply()
        assert (ran.exit, fight.known) == (0, {}), str(ran)
        assert stage.world.files[stage.record()] == wanted


def test_a_session_that_is_renewed_each_time_is_nobodys_undoing() -> None:
    stage = converged(text())
    fight = Fight(stage)
    for _ in range(4):
        set_back_record(stage)
        del stage.world.files[stage.record()]
        stage.world.logout("filer1")
        ran = fight.apply()
        assert "flapping" not in str(ran.report.findings), str(ran)


def test_beside_what_is_flapping_all_else_is_repaired() -> None:
    stage = converged(text())
    fight = Fight(stage)
    for _ in range(2):
        set_back_session(stage)
        fight.apply()
    set_back_session(stage)
    set_back_record(stage)
    ran = fight.apply()
    assert (ran.exit, len(ran.done)) == (4, 1), str(ran)
    assert ran.layers == ["node"]
