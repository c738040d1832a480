"""A server puts its disk back to an earlier state: a snapshot, a backup, a replica that had fallen behind. Nothing of that
is told to anybody, and the kernel starts such a leg as in sync. It must never run, nor be copied from; the simulated
machine raises Harm if it does."""

import copy

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lunmirror.engine import journal
from lunmirror.engine.model import Kind, Present
from lunmirror.engine.plain import exactly
from lunmirror.host import paths
from sim import storage
from sim.stage import DISKS, SERVERS, Stage, converged, text
from sim.stories import back, believed_no_more, flag, outage, start_by_hand

PATH = "/mnt/test"
OTHER = {"left": "right", "right": "left"}


def pv(stage: Stage, disk: str) -> str:
    return stage.desired.disks[disk].pv_uuid


def entry(stage: Stage) -> journal.Entry:
    (content,) = (c for p, c in stage.world.files.items() if p.startswith(paths.JOURNAL_DIR))
    return journal.parse(Present(content)).facts


def stop(stage: Stage) -> None:
    """Somebody stops it in an orderly way."""
    stage.world.unmount(PATH)
    stage.world.deactivate("testlv")


def put_back(stage: Stage, disk: str, old: object) -> None:
    stage.world.servers[DISKS[disk]].targets[SERVERS[DISKS[disk]][1]][1] = copy.deepcopy(old)
    stage.world.version += 1


def ran_again(stage: Stage) -> None:
    stage.settle()
    stage.world.advance(120)
    stage.apply()


def rolled(which: str, dirty: bool, cut_between: int = 0) -> Stage:
    """One leg is as it was before the last activation, which ended in an orderly way or with a power cut."""
    stage = converged(text())
    stage.world.event_activation = False
    stop(stage)
    old = copy.deepcopy(stage.lun(which))
    ran_again(stage)
    if not dirty:
        stop(stage)
    stage.world.cut_between = cut_between
    stage.world.reboot(login=False)
    put_back(stage, which, old)
    stage.world.reboot()
    return stage


def copies(stage: Stage, disk: str) -> int:
    return stage.world.copied.get(pv(stage, disk), 0)


@pytest.mark.parametrize("cut_between", [0, 1, 2])
@pytest.mark.parametrize("dirty", [False, True])
@pytest.mark.parametrize("which", OTHER)
def test_a_leg_that_was_put_back_is_copied_in_full(which, dirty, cut_between):
    stage = rolled(which, dirty, cut_between)
    before = copies(stage, which), copies(stage, OTHER[which])
    shown = stage.plan()

    first = stage.apply()

    assert [m.path for m in stage.world.mounts] == [PATH]
    assert first.exit == 3
    size = stage.world.active("testlv").bytes
    assert f"copied again in full, {exactly(size)}" in str([o.step.drift for o in first.report.outcomes])
    assert "again in full" in str([s.drift for s in shown.report.steps])
    stage.settle(passes=8)
    assert stage.world.active("testlv").line().split()[5] == "AA"
    assert (copies(stage, which), copies(stage, OTHER[which])) == (before[0] + 1, before[1])
    assert entry(stage).rebuild == ()


@pytest.mark.parametrize("which", OTHER)
def test_without_a_journal_an_administrator_is_asked(which):
    """The leg that counted more may be one from before the other leg was re-created."""
    stage = rolled(which, dirty=False)
    stage.world.files = {p: c for p, c in stage.world.files.items() if not p.startswith(paths.JOURNAL_DIR)}

    ran = stage.apply()

    assert (ran.exit, stage.world.actives) == (4, [])
    stage.desired = stage.desired._replace(choice=("vg0/testlv", DISKS[OTHER[which]]))
    stage.apply()
    stage.desired = stage.desired._replace(choice=None)
    stage.settle(passes=8)
    assert stage.world.active("testlv").line().split()[5] == "AA"


@pytest.mark.parametrize("which", OTHER)
def test_a_leg_from_before_a_remake_is_not_newer(which):
    """md counts again then, and the disk that is put back has counted more than its successor."""
    stage = converged(text())
    stage.world.event_activation = False
    for _ in range(4):
        stop(stage)
        ran_again(stage)
    stop(stage)
    old = copy.deepcopy(stage.lun(which))
    ran_again(stage)
    believed_no_more(stage, which)
    outage(stage, DISKS[which])
    back(stage, DISKS[which])
    stage.settle(passes=8)
    assert copies(stage, which) == 2
    stop(stage)
    stage.world.reboot(login=False)
    put_back(stage, which, old)
    stage.world.reboot()

    ran = stage.apply()  # no Harm

    assert ran.exit in (3, 4), str(ran)


@pytest.mark.parametrize("which", OTHER)
def test_alone_in_view_it_starts_nothing(which):
    stage = rolled(which, dirty=False)
    stage.world.cut(DISKS[OTHER[which]])
    stage.world.advance(5.0)

    ran = stage.apply()

    assert not stage.world.actives
    assert ran.exit == 4
    assert "older" in ran.finding(Kind.REFUSED)
    stage.world.restore(DISKS[OTHER[which]])
    stage.world.advance(60.0)
    stage.settle(passes=8)
    assert stage.world.active("testlv").line().split()[5] == "AA"


@pytest.mark.parametrize("which", OTHER)
def test_put_back_in_an_outage_it_is_copied_again(which):
    """Its bitmap knows nothing of what it lost before it dropped out."""
    stage = converged(text())
    stage.world.event_activation = False
    stop(stage)
    old = copy.deepcopy(stage.lun(which))
    ran_again(stage)
    before = copies(stage, which)
    outage(stage, DISKS[which])
    stage.apply()
    stage.world.logout(DISKS[which])
    put_back(stage, which, old)
    back(stage, DISKS[which])

    stage.settle(passes=8)

    assert stage.world.active("testlv").line().split()[5] == "AA"
    assert copies(stage, which) == before + 1


def test_both_put_back_are_an_administrators_to_decide():
    """Both backups were restored on purpose."""
    stage = converged(text())
    stage.world.event_activation = False
    stop(stage)
    old = {which: copy.deepcopy(stage.lun(which)) for which in OTHER}
    ran_again(stage)
    stop(stage)
    stage.world.reboot(login=False)
    for which, lun in old.items():
        put_back(stage, which, lun)
    for uuid in stage.world.acknowledged:
        stage.world.acknowledged[uuid] = set(old["left"].part.legs[uuid].writes)

    ran = stage.apply()

    assert not stage.world.actives
    assert "older" in ran.finding(Kind.REFUSED)
    stage.desired = stage.desired._replace(choice=("vg0/testlv", "filer1"))
    stage.apply()
    stage.desired = stage.desired._replace(choice=None)
    stage.settle(passes=8)
    assert stage.world.active("testlv").line().split()[5] == "AA"


@pytest.mark.parametrize("cut_between", [0, 1, 2])
def test_a_power_cut_alone_costs_no_copy(cut_between):
    stage = converged(text())
    stage.world.event_activation = False
    stop(stage)
    ran_again(stage)
    before = dict(stage.world.copied)
    stage.world.cut_between = cut_between
    stage.world.reboot()

    stage.settle(passes=8)

    assert stage.world.copied == before


@pytest.mark.parametrize("which", OTHER)
def test_the_longer_count_is_named_as_failed(which):
    """Each is newer in something."""
    stage = converged(text())
    stage.world.event_activation = False
    stop(stage)
    for uuid in stage.world.acknowledged:
        one, other = (stage.lun(d).part.legs[uuid] for d in (which, OTHER[which]))
        one.failed, one.events, other.events = frozenset({pv(stage, OTHER[which])}), one.events + 3, one.events + 9
    stage.world.version += 1

    ran = stage.apply()

    assert not stage.world.actives
    assert ran.exit == 4
    assert entry(stage).diverged


RUBBISH = "\x07"


def spoil(monkeypatch, stage: Stage, which: str) -> None:
    """The server lost the blocks in which this leg keeps its own metadata."""
    true = storage.superblock

    def superblock(world, node, block, count):
        found = world.node(node)
        if found and found[1].pv == pv(stage, which) and not found[1].legs.get("repaired"):
            return 0, RUBBISH * (count * 4096), ""
        return true(world, node, block, count)

    monkeypatch.setattr(storage, "superblock", superblock)


@pytest.mark.parametrize("which", OTHER)
def test_a_leg_with_rubbish_does_not_block_the_other(which, monkeypatch):
    stage = converged(text())
    stage.world.event_activation = False
    stop(stage)
    stage.world.reboot()
    spoil(monkeypatch, stage, which)

    ran = stage.apply()

    assert [m.path for m in stage.world.mounts] == [PATH]
    assert ran.exit == 3
    monkeypatch.undo()
    stage.settle(passes=8)
    assert stage.world.active("testlv").line().split()[5] == "AA"
    assert copies(stage, which) == 2


@pytest.mark.parametrize("which", OTHER)
def test_a_leg_with_rubbish_is_not_the_only_way_out(which, monkeypatch):
    """Without a journal nothing shows whether the other leg is good: an administrator does."""
    stage = converged(text())
    stage.world.event_activation = False
    stop(stage)
    stage.world.reboot()
    stage.world.files = {p: c for p, c in stage.world.files.items() if not p.startswith(paths.JOURNAL_DIR)}
    stage.world.cut(DISKS[which])
    stage.apply()
    assert not stage.world.actives
    stage.world.restore(DISKS[which])
    stage.world.advance(60)
    spoil(monkeypatch, stage, which)
    stage.desired = stage.desired._replace(choice=("vg0/testlv", DISKS[OTHER[which]]))

    stage.apply()

    assert [m.path for m in stage.world.mounts] == [PATH]


@pytest.mark.parametrize("in_use", [False, True])
@pytest.mark.parametrize("which", OTHER)
def test_a_leg_whose_own_metadata_reads_as_zeros(which, in_use):
    """A thin LUN that lost blocks. The kernel starts nothing with such a leg, nor takes it back into a table."""
    stage = converged(text())
    stage.world.event_activation = False
    if in_use:
        outage(stage, DISKS[which])
        stage.apply()
    else:
        stop(stage)
        stage.world.reboot(login=False)
    (leg,) = stage.lun(which).part.legs.values()
    leg.blank = True
    if in_use:
        back(stage, DISKS[which])
    else:
        stage.world.reboot()

    ran = stage.apply()

    assert [m.path for m in stage.world.mounts] == [PATH], str(ran)
    assert ran.exit == 3
    stage.settle(passes=8)
    assert stage.world.active("testlv").line().split()[5] == "AA"
    assert copies(stage, which) == 2


@pytest.mark.parametrize("dirty", [False, True])
@pytest.mark.parametrize("which", OTHER)
def test_started_by_somebody_else_it_is_copied_again(which, dirty):
    """LVM's events, or a hand, before the first pass: the legs are not made equal from it."""
    stage = rolled(which, dirty)
    before = copies(stage, which), copies(stage, OTHER[which])
    start_by_hand(stage)

    stage.settle(passes=8)

    assert (copies(stage, which), copies(stage, OTHER[which])) == (before[0] + 1, before[1])
    assert all(holds_all(stage, disk) for disk in OTHER)


@pytest.mark.parametrize("kind", ["raid1", "mirror"])
@pytest.mark.parametrize("which", OTHER)
def test_older_metadata_alone_in_view_starts_nothing(which, kind):
    """It was put back to a state of the same activation, which no counter tells; the group was changed since."""
    stage = converged(text(type=kind))
    stage.world.event_activation = False
    old = copy.deepcopy(stage.lun(which))
    believed_no_more(stage, OTHER[which])
    stage.settle(passes=8)
    outage(stage, DISKS[OTHER[which]])
    flag(stage)
    back(stage, DISKS[OTHER[which]])
    stage.settle(passes=8)
    stop(stage)
    stage.world.reboot(login=False)
    put_back(stage, which, old)
    stage.world.cut(DISKS[OTHER[which]])
    stage.world.reboot()

    ran = stage.apply()

    assert not stage.world.actives
    assert ran.exit == 4, str(ran)
    stage.desired = stage.desired._replace(choice=("vg0/testlv", DISKS[which]))
    for uuid in stage.world.acknowledged:
        stage.world.acknowledged[uuid] = set(old.part.legs[uuid].writes)
    stage.apply()
    assert [m.path for m in stage.world.mounts] == [PATH]


# Any order of it

ROUNDS = st.tuples(
    st.sampled_from((None, "left", "right")),  # of which disk a snapshot is taken, at rest
    st.sampled_from((None, "left", "right")),  # whose server dies in service, and returns
    st.booleans(),  # its disk is put back meanwhile
    st.booleans(),  # a pass sees the outage
    st.sampled_from(("stop", "cut")),
    st.integers(0, 2),  # which of two superblocks the power cut left behind
    st.sampled_from((None, "left", "right")),  # which disk is put back at rest
    st.sampled_from(("kept", "kept", "lost", "old")),  # the journal
)


@example(  # put back to the state after a power cut, beside a leg that was stopped in order, with the journal of then
    rounds=[
        (None, None, False, False, "cut", 0, None, "kept"),
        ("left", None, False, False, "stop", 0, "left", "old"),
    ]
)
@given(st.lists(ROUNDS, min_size=1, max_size=3))
@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
def test_whatever_is_put_back_nothing_acknowledged_is_lost(rounds):
    """One leg at a time is put back, to a state from before the last activation; the other has everything. It all ends in
    full redundancy, or with an administrator who is asked; never in Harm."""
    stage = converged(text())
    world = stage.world
    world.event_activation = False
    kept: dict[str, object] = {}
    made_again = dict(world.copied)
    stop(stage)
    for taken, dies, at_once, seen, end, number, later, the_journal in rounds:
        fresh = {taken: copy.deepcopy(stage.lun(taken))} if taken else {}
        notes = {p: c for p, c in world.files.items() if p.startswith(paths.JOURNAL_DIR)}
        for _ in range(6):
            stage.apply()
            world.advance(60.0)
        kept |= fresh
        if made_again != stage.world.copied:
            kept, made_again = {}, dict(stage.world.copied)  # what came before counts apart (docs/facts/md-events.md)
        if not world.mounts:
            break  # refused: an administrator
        if dies:
            outage(stage, DISKS[dies])
            if seen:
                stage.apply()
            if at_once and dies in kept:
                world.logout(DISKS[dies])
                put_back(stage, dies, kept[dies])
            back(stage, DISKS[dies])
            for _ in range(4):
                stage.apply()
                world.advance(60.0)
            if made_again != stage.world.copied:
                kept, made_again = {}, dict(stage.world.copied)
        world.cut_between = number
        if end == "stop":
            stop(stage)
        world.reboot(login=False)
        if later in kept and holds_all(stage, OTHER[later]):
            put_back(stage, later, kept[later])
        if the_journal == "lost" or (the_journal == "old" and end == "stop"):
            world.files = {p: c for p, c in world.files.items() if p not in notes}
            world.files |= notes if the_journal == "old" else {}
        world.reboot()
    for _ in range(10):
        last = stage.apply()
        world.advance(120.0)
    if last.exit == 0:
        assert world.active("testlv").line().split()[5] == "AA"
        assert all(holds_all(stage, disk) for disk in OTHER)
    else:
        assert last.exit == 4, str(last)


def holds_all(stage: Stage, disk: str) -> bool:
    area = stage.lun(disk).part
    acknowledged = stage.world.acknowledged.items()
    return all(uuid in area.legs and writes <= area.legs[uuid].writes for uuid, writes in acknowledged)
