"""A leg that is not trusted: it starts nothing, counts as no copy, is the source of nothing, and is copied again in
full, exactly that leg."""

import pytest

from lunmirror.analysis.health import health
from lunmirror.analysis.risk import losses
from lunmirror.engine import journal
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Kind, Present
from lunmirror.host import paths
from sim.stage import DISKS, Stage, converged, text
from sim.stories import STORIES, back, believed_no_more, distrusted, outage

TOLD = [name for name in STORIES if "distrusted" in name]
OTHER = {"left": "right", "right": "left"}


def entry(stage: Stage) -> journal.Entry:
    (content,) = (c for p, c in stage.world.files.items() if p.startswith(paths.JOURNAL_DIR))
    return journal.parse(Present(content)).facts


def pv(stage: Stage, disk: str) -> str:
    return stage.desired.disks[disk].pv_uuid


@pytest.mark.parametrize("name", TOLD)
def test_exactly_that_leg_is_copied_again_in_full(name):
    stage = STORIES[name]()
    (which,) = (disk for disk in OTHER if pv(stage, disk) in entry(stage).rebuild)
    before = dict(stage.world.copied)

    stage.settle()

    assert stage.world.copied == before | {pv(stage, which): before.get(pv(stage, which), 0) + 1}
    assert entry(stage).running == tuple(sorted((pv(stage, "left"), pv(stage, "right"))))
    assert (entry(stage).rebuild, entry(stage).why, entry(stage).diverged) == ((), {}, ())
    assert not stage.apply().host.changed


@pytest.mark.parametrize("which", OTHER)
@pytest.mark.parametrize("kind", ["raid1", "mirror"])
def test_it_counts_as_no_copy(kind, which):
    """Though the kernel shows every leg in sync."""
    stage = distrusted(kind, which)

    report = stage.plan().report

    [volume] = stage.desired.volumes.values()
    assert health(volume, report.seen, stage.desired).state == "degraded"
    [loss] = losses(DISKS[OTHER[which]], report.seen, stage.desired)
    assert "older" in loss.why
    assert losses(DISKS[which], report.seen, stage.desired) == ()


@pytest.mark.parametrize("which", OTHER)
def test_while_the_other_server_is_away_it_starts_nothing(which):
    stage = distrusted("raid1", which, at_rest=True)
    stage.world.cut(DISKS[OTHER[which]])
    stage.world.reboot()

    ran = stage.apply()

    assert not stage.world.actives
    assert ran.exit == Exit.REFUSED
    assert "older" in ran.finding(Kind.REFUSED)


@pytest.mark.parametrize("which", OTHER)
def test_an_administrator_may_keep_it_all_the_same(which):
    """The other server never comes back."""
    stage = distrusted("raid1", which, at_rest=True)
    stage.world.cut(DISKS[OTHER[which]])
    stage.world.reboot()
    stage.apply()
    stage.desired = stage.desired._replace(choice=("vg0/testlv", DISKS[which]))
    for uuid in stage.world.acknowledged:
        stage.world.acknowledged[uuid] = set(stage.world.area_of(pv(stage, which)).legs[uuid].writes)

    stage.apply()

    assert [m.path for m in stage.world.mounts] == ["/mnt/test"]
    assert entry(stage).rebuild == (pv(stage, OTHER[which]),)


def test_a_leg_that_died_is_not_refreshed_but_copied():
    stage = converged(text())
    stage.world.cut("filer2")
    stage.world.advance(60.0)
    stage.apply()
    believed_no_more(stage, "right")
    stage.world.restore("filer2")
    stage.world.advance(10.0)

    stage.settle()

    assert stage.world.copied[pv(stage, "right")] == 2  # when it was made, and now
    assert stage.world.active("testlv").line().split()[5] == "AA"


def test_no_leg_is_left_to_believe():
    stage = converged(text())
    with pytest.raises(ValueError, match="every leg"):
        believed_no_more(believed_no_more(stage, "left"), "right")


@pytest.mark.parametrize("reboot", [False, True])
@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("reason", [journal.CACHE, journal.OLDER])
@pytest.mark.parametrize("which", OTHER)
@pytest.mark.parametrize("kind", ["raid1", "mirror"])
def test_the_kernel_goes_on_with_it_alone(kind, which, reason, seen, reboot):
    """The leg that is believed fails before the other could be re-created. What is written then is on the other alone, and
    that one lacks what made it distrusted: an administrator decides, whenever the first pass looks."""
    stage = converged(text(type=kind))
    stage.world.event_activation = False
    believed_no_more(stage, which, reason)
    outage(stage, DISKS[OTHER[which]])
    if seen:
        stage.apply()
    stage.world.advance(60.0)
    if reboot:
        stage.world.restore(DISKS[OTHER[which]])
        stage.world.reboot()
    else:
        back(stage, DISKS[OTHER[which]])

    for _ in range(3):
        last = stage.apply()  # Harm, if it is started from the other
        stage.world.advance(60.0)

    assert last.exit == Exit.REFUSED, str(last)
    assert "lunmirror choose vg0/testlv" in last.finding(Kind.REFUSED)
    stage.desired = stage.desired._replace(choice=("vg0/testlv", DISKS[which]))
    stage.apply()
    stage.desired = stage.desired._replace(choice=None)
    assert stage.settle(passes=8).exit == 0
    assert entry(stage).diverged == ()


THREE = ("left", "right", "third")


@pytest.mark.parametrize("dead", ["left", "third"])
def test_another_leg_is_dead_beside_it(dead):
    """Of three. A refresh would let both in, so none is done; the one that is distrusted goes first."""
    stage = converged(text(disks=THREE))
    outage(stage, "filer2")
    outage(stage, DISKS[dead])
    stage.apply()
    believed_no_more(stage, "right")
    before = dict(stage.world.copied)
    back(stage, "filer2", DISKS[dead])

    assert stage.settle(passes=8).exit == 0

    assert stage.world.active("testlv").line().split()[5] == "AAA"
    assert stage.world.copied == before | {pv(stage, "right"): before[pv(stage, "right")] + 1}
