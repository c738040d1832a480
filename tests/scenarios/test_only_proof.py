"""Ways in which a leg was believed without a proof, found by a reviewer: a mirror whose first leg is away, what stopped legs say
of each other, a mark on a leg that lacks something, a cache that is none any more."""

import copy

import pytest

from lunmirror.host import paths
from scenarios.test_restarts import made, settled
from scenarios.test_restarts_more import OTHER, POLICY, held, running
from scenarios.test_rollback import put_back, ran_again, stop
from sim import byhand
from sim.stage import DISKS, PAUSE, Pass, Stage, converged, text
from sim.world import make_world


def passes(stage: Stage, number: int = 4) -> Pass:
    for _ in range(number):
        last = stage.apply()
        stage.world.advance(PAUSE)
    return last


def lose_journal(stage: Stage) -> None:
    stage.world.files = {p: c for p, c in stage.world.files.items() if not p.startswith(paths.JOURNAL_DIR)}
    stage.world.version += 1


@pytest.mark.parametrize("log", ["core", "disk"])
@pytest.mark.parametrize("there", OTHER)
def test_a_mirrors_other_leg_away_after_a_restart(there: str, log: str) -> None:
    """No start copies the first leg over it while that is away."""
    stage = converged(text(type="mirror", policy=POLICY, more=f'log = "{log}"'))
    stage.world.event_activation = False
    stage.world.restart(DISKS[there])
    stage.world.reboot(login=False)
    stage.world.refuse(DISKS[OTHER[there]])
    stage.world.boot()

    last = passes(stage, 2)

    assert last.exit == 4, str(last)
    assert not stage.world.actives
    stage.world.restore(DISKS[OTHER[there]])
    settled(stage)
    assert stage.world.acknowledged[stage.world.active("testlv").uuid] <= held(stage, there)


@pytest.mark.parametrize("why", ["not asked", "skipped", "not listed"])
@pytest.mark.parametrize("gone", OTHER)
def test_what_stopped_legs_say_is_noted_without_a_start(gone: str, why: str) -> None:
    """No pass saw the outage. The first that sees both legs starts nothing; then the good one is away."""
    stage = converged(text(policy=POLICY))
    stage.world.event_activation = False
    stage.world.cut(DISKS[gone])
    stage.world.advance(200.0)
    stage.world.restore(DISKS[gone])
    stage.world.reboot()
    byhand.skip(stage.world, "testlv", why == "skipped")
    stage.world.volume_list = ("other",) if why == "not listed" else None

    stage.apply(lambda call: "hangs" if why == "not asked" and "sg_persist --in" in call.what else "")

    assert not stage.world.actives
    assert running(stage) == (stage.desired.disks[OTHER[gone]].pv_uuid,)
    byhand.skip(stage.world, "testlv", False)
    stage.world.volume_list = None
    stage.world.cut(DISKS[OTHER[gone]])
    stage.world.reboot()
    assert passes(stage, 2).exit == 4
    assert not stage.world.actives


@pytest.mark.parametrize("reboot", [False, True])
@pytest.mark.parametrize("which", OTHER)
def test_no_mark_vouches_for_a_distrusted_leg(which: str, reboot: bool) -> None:
    """It is not copied again yet when the journal is lost."""
    stage = converged(text(policy=POLICY))
    stage.world.event_activation = False
    stage.world.restart(DISKS[which])
    stage.run(lambda call: "fails" if "--rebuild" in call.what else "")
    lose_journal(stage)
    if reboot:
        stage.world.reboot()

    settled(stage)

    assert stage.world.copied[stage.desired.disks[which].pv_uuid] >= 1
    assert stage.lun(which).keys
    assert not stage.apply().host.changed


@pytest.mark.parametrize("how", ["crash", "clean end", "login"])
@pytest.mark.parametrize("which", OTHER)
def test_a_cache_that_is_none_since_the_restart(which: str, how: str) -> None:
    """A controller whose battery failed with the power, or a setting that came into force: what was in it is lost all the same."""
    stage = converged(text(policy=POLICY))
    stage.world.event_activation = False
    stage.world.restart(DISKS[which])
    stage.lun(which).cache = "write through"
    if how == "clean end":
        stage.world.unmount("/mnt/test")
        stage.world.deactivate("testlv")
    if how == "login":
        stage.world.logout(DISKS[which])
    else:
        stage.world.reboot()

    settled(stage)

    assert stage.world.acknowledged[stage.world.active("testlv").uuid] <= held(stage, which)
    before = dict(stage.world.copied)
    stage.world.restart(DISKS[which], lose=0)
    settled(stage)
    assert stage.world.copied == before


@pytest.mark.parametrize("which", OTHER)
def test_a_choice_after_a_restart_is_carried_out(which: str) -> None:
    """The server of the leg that is kept was restarted while nothing was decided: what was given up is no split brain again."""
    stage = made(attentive=False)
    stage.world.cut(DISKS[OTHER[which]])
    stage.world.advance(100.0)
    stage.apply()
    stage.world.restart(DISKS[which], lose=0)
    stage.world.restore(DISKS[OTHER[which]])
    stage.world.reboot()
    assert passes(stage, 2).exit == 4

    stage.desired = stage.desired._replace(choice=("vg0/testlv", DISKS[which]))
    stage.apply()
    stage.desired = stage.desired._replace(choice=None)

    settled(stage)
    assert held(stage, which) == held(stage, OTHER[which])


@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("left", ["both", "one"])
def test_a_mirror_whose_servers_were_all_restarted(left: str, heard: bool) -> None:
    """Where udev saw each reconnect, the first leg is not copied over what the other alone has; else it is said at least."""
    world = make_world()
    for *_, lun in world.luns():
        lun.attentive = heard
    stage = settled(Stage(text(type="mirror"), world))
    stage.world.event_activation = False
    stage.world.restart("filer1", 2.0 if left == "both" else 30.0, lose=3)
    stage.world.restart("filer2", 2.0, lose=1)
    assert stage.world.actives[0].type == ("mirror" if left == "both" else "linear")
    stage.world.excused = lambda uuid: True
    had = held(stage, "right")
    stage.world.reboot()

    last = stage.run()

    if left == "both" and heard:
        assert last.exit == 4, str(last)
        assert had <= held(stage, "right")
    else:
        assert "may lack writes" in str(last)


@pytest.mark.parametrize("reboot", [False, True])
@pytest.mark.parametrize("which", OTHER)
def test_put_back_in_an_outage_and_the_journal_was_lost(which: str, reboot: bool) -> None:
    """The bitmap of the leg that ran on does not know what the other lacks."""
    stage = converged(text())
    stage.world.event_activation = False
    stop(stage)
    old = copy.deepcopy(stage.lun(which))
    ran_again(stage)
    stage.world.cut(DISKS[which])
    stage.world.advance(200.0)
    stage.apply()
    lose_journal(stage)
    stage.world.logout(DISKS[which])
    put_back(stage, which, old)
    stage.world.restore(DISKS[which])
    if reboot:
        stage.world.reboot()
    stage.world.advance(20.0)

    settled(stage)

    assert stage.world.acknowledged[stage.world.active("testlv").uuid] <= held(stage, which)
