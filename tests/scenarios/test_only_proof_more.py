"""Ways in which a leg was believed without a proof, found by a second reviewer: in the first copy, of a leg that was being added,
after another host had the group, under a map that nobody uses."""

import pytest

from scenarios.test_hosts import OTHER as THEIRS
from scenarios.test_hosts import THEIR_NAME, taking
from scenarios.test_lost_journal import dies_before_the_copy, tags
from scenarios.test_multipath import converged as over_two_ways
from scenarios.test_only_proof import passes
from scenarios.test_restarts import settled
from scenarios.test_restarts_more import OTHER, POLICY, held
from sim import hosts
from sim.machine import Call, Died
from sim.stage import DISKS, PAUSE, Stage, converged, text
from sim.world import MACHINE, make_world

LARGE = text(policy=POLICY, size="400MiB")


def acknowledged(stage: Stage) -> set[int]:
    return stage.world.acknowledged[stage.world.active("testlv").uuid]


def in_the_first_copy() -> Stage:
    stage = Stage(LARGE, make_world())
    stage.world.event_activation = stage.world.copying = False
    assert stage.apply().exit == 3
    stage.world.advance(10.0)
    return stage


@pytest.mark.parametrize("seen", [False, True])
def test_a_restart_in_the_first_copy(seen: bool) -> None:
    """Of the second leg's server: what was copied to it already is lost as well, and nothing copies it again. Whether a pass looks
    while the copy goes on, or after it."""
    stage = in_the_first_copy()
    stage.world.restart(DISKS["right"])
    if seen:
        stage.apply()
    stage.world.copying = True
    stage.world.advance(PAUSE)

    assert stage.apply().exit == 3
    settled(stage)

    assert stage.world.copied[stage.desired.disks["right"].pv_uuid] == 2
    assert acknowledged(stage) <= held(stage, "right")


@pytest.mark.parametrize("seen", [False, True])
def test_the_first_leg_restarts_in_the_first_copy(seen: bool) -> None:
    """What it lost is copied over the other: that is not passed over in silence."""
    stage = in_the_first_copy()
    stage.world.excused = lambda uuid: True
    stage.world.restart(DISKS["left"])
    said = ""
    if seen:
        stage.run()
    stage.world.copying = True
    for _ in range(4):
        stage.world.advance(PAUSE)
        last = stage.run()
        said += str([*last.report.findings, *(o.step.drift for o in last.report.outcomes)])

    assert "may have lost writes that it had acknowledged" in said or "may have lost writes that they had" in said, (
        said
    )
    assert last.exit == 0, str(last)


@pytest.mark.parametrize("instant", ["after", "never"])
def test_a_restart_while_a_leg_is_added(instant: str) -> None:
    """And the pass that added it is dead, and has left no mark: whole again before anybody looks."""
    three = text(disks=("left", "right", "third"), policy=POLICY, size="400MiB")
    stage = Stage(three.replace('type = "raid1"', 'type = "raid1"\nlegs = ["left", "right"]'), make_world(servers=3))
    stage.world.event_activation = False
    settled(stage)
    stage.configure(three)

    def fault(call: Call) -> str:
        return instant if call.changes and "lvconvert" in call.what else ""

    if instant == "after":
        with pytest.raises(Died):
            stage.apply(fault)
    else:
        stage.apply()
    stage.world.advance(5.0)
    stage.world.restart("filer3", away=3.0)
    stage.world.advance(PAUSE)

    assert stage.apply().exit == 3
    settled(stage)

    assert acknowledged(stage) <= held(stage, "third")


def with_another_host() -> Stage:
    """It took the group over, and has it in service."""
    stage = converged(text(policy=POLICY))
    stage.world.event_activation = False
    hosts.new_host(stage.world, "a", THEIRS, THEIR_NAME)
    stage.world.event_activation = False
    hosts.die(stage.world, "a")
    stage.configure(taking(MACHINE, policy=POLICY))
    settled(stage)
    return stage


def taken_back(stage: Stage) -> Stage:
    """By the first host, with the journal that it had."""
    hosts.take_the_floor(stage.world, "a", leaving="b")
    hosts.die(stage.world, "b")
    stage.configure(taking(f"{THEIRS}/{THEIR_NAME}#1", policy=POLICY))
    stage.world.reboot()
    return stage


@pytest.mark.parametrize("noted", [False, True])
@pytest.mark.parametrize("which", OTHER)
def test_a_group_comes_back_with_a_leg_in_doubt(which: str, noted: bool) -> None:
    """The other host had noted the restart, or died before that; this one has an old journal, which knows of nothing."""
    stage = with_another_host()
    stage.world.restart(DISKS[which])
    if noted:
        dies_before_the_copy(stage)
        assert tags(stage)
    had = held(stage, OTHER[which])
    taken_back(stage)

    settled(stage)

    assert had <= held(stage, which)
    assert tags(stage) == ()


def test_a_group_comes_back_and_nothing_is_copied() -> None:
    stage = with_another_host()
    before = dict(stage.world.copied)

    settled(taken_back(stage))

    assert stage.world.copied == before


@pytest.mark.parametrize("which", OTHER)
def test_under_an_idle_map_a_note_stays(which: str) -> None:
    """A restart that no pass saw, and a clean end. Before the next start the paths are lost and come back, and nothing but multipath
    uses the disk then."""
    stage = over_two_ways()
    server = DISKS[which]
    stage.world.event_activation = False
    stage.apply()
    stage.world.restart(server, away=3.0)
    stage.world.unmount("/mnt/test")
    stage.world.deactivate("testlv")
    stage.world.reboot()
    stage.world.advance(20.0)
    assert stage.world.multipathd.maps, "or this shows nothing"
    stage.world.refuse(server)
    stage.world.advance(3.0)
    stage.world.restore(server)
    stage.world.advance(8.0)
    for disk in stage.world.disks():
        stage.world.attend(disk)

    assert passes(stage).exit == 0

    assert acknowledged(stage) <= held_on(stage, which)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("which", OTHER)
def test_one_path_is_back_and_the_other_not_known_to_be_dead(which: str, restarted: bool) -> None:
    """The pings find it in some seconds. Until then one connection is that of before."""
    stage = over_two_ways()
    server = DISKS[which]
    stage.world.event_activation = False
    stage.settle()
    before = dict(stage.world.copied)
    if restarted:
        stage.world.forget(server, 2)
    next(s for s in stage.world.sessions if s.server.name == server).local_port += 1
    stage.world.version += 1

    stage.apply()
    assert stage.settle().exit == 0

    assert (stage.world.copied != before) == restarted
    assert acknowledged(stage) <= held_on(stage, which)


def held_on(stage: Stage, disk: str) -> frozenset[int]:
    [writes] = [leg.writes for leg in stage.lun(disk).body.legs.values()]
    return frozenset(writes)


@pytest.mark.parametrize("which", OTHER)
def test_tags_that_cannot_be_written_keep_no_note_back(which: str) -> None:
    """The leg was copied again, and LVM cannot take the tag away. Then the one that it was copied from fails, is back in sight, and
    later alone."""
    stage = converged(text(policy=POLICY))
    stage.world.event_activation = False
    stage.world.restart(DISKS[which])

    def fault(call: Call) -> str:
        return "fails" if "--deltag lunmirror.distrust" in call.what else ""

    for _ in range(3):
        stage.run(fault)
        stage.world.advance(PAUSE)
    assert tags(stage), "or this shows nothing"
    stage.world.cut(DISKS[OTHER[which]])
    stage.world.advance(200.0)
    stage.world.restore(DISKS[OTHER[which]])
    stage.world.advance(10.0)
    for _ in range(2):
        stage.run(fault)
        stage.world.advance(PAUSE)

    stage.world.cut(DISKS[which])
    stage.world.reboot()

    passes(stage, 2)
    assert not stage.world.actives
