"""A journal that is lost while it knows something against a leg, or that nothing is to be believed: LVM's metadata say it, too.
So they do to another host that takes the group over."""

from collections.abc import Callable

import pytest

from scenarios.test_hosts import OTHER as THEIRS
from scenarios.test_hosts import THEIR_NAME, taking
from scenarios.test_only_proof import lose_journal
from scenarios.test_restarts_more import OTHER, POLICY, anywhere, both_restarted, held
from scenarios.test_rollback import rolled
from sim import hosts
from sim.machine import Call, Died
from sim.stage import DISKS, Stage, converged, text
from sim.world import MACHINE

COPY = ("--rebuild", "lvconvert", "--syncaction")


def tags(stage: Stage) -> tuple[str, ...]:
    [lv] = [lv for name, lv in stage.world.metas()["vg0"].lvs if name == "testlv"]
    return tuple(tag for tag in lv.tags if tag.startswith("lunmirror."))


def dies_before_the_copy(stage: Stage) -> None:
    """A machine that dies when it has noted what is wrong, before it does anything about it."""

    def fault(call: Call) -> str:
        return "before" if call.changes and any(word in call.what for word in COPY) else ""

    def passes() -> None:
        for _ in range(3):
            stage.apply(fault)
            stage.world.advance(10.0)

    with pytest.raises(Died):
        passes()


def restarted(which: str) -> Stage:
    stage = converged(text(policy=POLICY))
    stage.world.event_activation = False
    stage.world.restart(DISKS[which])
    return stage


DISTRUSTED: dict[str, Callable[[str], Stage]] = {
    "restarted": restarted,
    "put back": lambda which: rolled(which, dirty=False),
}


@pytest.mark.parametrize("reboot", [False, True])
@pytest.mark.parametrize("how", DISTRUSTED)
@pytest.mark.parametrize("which", OTHER)
def test_a_leg_stays_distrusted(which: str, how: str, reboot: bool) -> None:
    stage = DISTRUSTED[how](which)
    dies_before_the_copy(stage)
    had = held(stage, OTHER[which])
    assert any(tag.startswith("lunmirror.distrust=") for tag in tags(stage))
    lose_journal(stage)
    if reboot:
        stage.world.reboot()

    last = stage.settle(passes=8)

    assert last.exit == 0, str(last)
    assert had <= held(stage, which)
    assert had <= held(stage, OTHER[which])
    assert tags(stage) == ()


@pytest.mark.parametrize("reboot", [False, True])
@pytest.mark.parametrize("first", OTHER)
def test_nobody_knows_which_leg_lacks_what(first: str, reboot: bool) -> None:
    """Each server lost something else, and the legs are not compared yet."""
    stage, _ = both_restarted(first)
    stage.world.restore(DISKS[OTHER[first]])
    stage.world.advance(5.0)
    dies_before_the_copy(stage)
    had = anywhere(stage)
    stage.world.excused = lambda uuid: True  # to start from: whichever leg it is, it lacks something
    lose_journal(stage)
    if reboot:
        stage.world.reboot()

    for _ in range(5):
        last = stage.apply()
        stage.world.advance(60.0)

    assert last.exit == 4, str(last)
    assert had <= anywhere(stage)


@pytest.mark.parametrize("which", OTHER)
def test_another_host_takes_over_what_is_distrusted(which: str) -> None:
    stage = restarted(which)
    dies_before_the_copy(stage)
    had = held(stage, OTHER[which])
    hosts.new_host(stage.world, "a", THEIRS, THEIR_NAME)
    stage.world.event_activation = False
    hosts.die(stage.world, "a")
    stage.configure(taking(MACHINE, policy=POLICY))

    last = stage.settle(passes=8)

    assert last.exit == 0, str(last)
    assert had <= held(stage, which)


@pytest.mark.parametrize("which", OTHER)
def test_the_leg_that_is_believed_is_away(which: str) -> None:
    """No journal, and the one in view is distrusted: nothing is started, and the administrator may choose."""
    stage = restarted(which)
    dies_before_the_copy(stage)
    lose_journal(stage)
    stage.world.reboot(login=False)
    stage.world.refuse(DISKS[OTHER[which]])
    stage.world.boot()

    last = stage.apply()

    assert (last.exit, stage.world.actives) == (4, []), str(last)
