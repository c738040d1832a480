"""A pass of the timer takes no risk that the configuration does not let it take alone."""

from lunmirror.engine.execute import Executor
from lunmirror.engine.model import Kind
from lunmirror.engine.reconcile import run_pass
from sim import stories
from sim.machine import SimHost
from sim.stage import Pass, Stage, end_state, text

ALONE = 'stall_budget = "15s"\nboot_wait = "5s"\nunattended = [{}]'


def unattended(stage: Stage) -> Pass:
    host = SimHost(stage.world)
    report = run_pass("apply", "run", stage.desired, host, Executor(host), attended=False)
    stage.check()
    return Pass(report, host)


def test_blank_disks_wait_for_an_administrator() -> None:
    stage = stories.blank()
    stage.configure(text(policy=ALONE.format('"fewer-legs"')))
    luns = end_state(stage)["luns"]
    for _ in range(3):
        refused = unattended(stage)
        assert refused.exit == 4
        assert "waits for an administrator" in refused.finding(Kind.REFUSED)
        stage.world.advance(60.0)
    assert end_state(stage)["luns"] == luns
    assert stage.apply().exit == 3  # somebody ran it: the first copy goes on
    stage.world.advance(600.0)
    assert unattended(stage).exit in (0, 3)


def test_a_start_without_a_leg_needs_to_be_allowed() -> None:
    stage = stories.degraded_start()
    stage.configure(text(policy=ALONE.format('"overwrite"')))
    assert unattended(stage).exit == 4
    assert not stage.world.mounts
    stage.configure(text(policy=ALONE.format('"fewer-legs"')))
    assert unattended(stage).exit == 3
    assert stage.world.mounts


def test_by_default_a_pass_does_alone_what_it_always_did() -> None:
    stage = stories.degraded_start()
    assert unattended(stage).exit == 3
    assert stage.world.mounts


def test_a_mirror_gives_no_leg_up_unless_that_is_allowed() -> None:
    """Its leg goes before it is started: what is not to be started on fewer legs keeps them all."""
    stage = stories.mirror_without_a_leg()
    stage.configure(text(type="mirror", policy=ALONE.format('"overwrite"')))
    for _ in range(3):
        refused = unattended(stage)
        assert refused.exit == 4
        assert "waits for an administrator" in refused.finding(Kind.REFUSED)
        stage.world.advance(60.0)
    assert not stage.world.actives
    assert len(stage.world.metas()["vg0"].lv("testlv").legs) == 2
    stage.configure(text(type="mirror", policy=ALONE.format('"fewer-legs"')))
    assert unattended(stage).exit == 3
    assert stage.world.mounts
