"""`read_from = "near"`: reads of a raid1 come from one server, as long as its leg works."""

from lunmirror.engine.model import Kind
from sim.stage import Stage, converged, text
from sim.stories import outage


def declared(word: str, server: str = "filer1", **more: str) -> str:
    return text(**more).replace(f"[servers.{server}]\n", f'[servers.{server}]\nread_from = "{word}"\n')


NEAR = declared("near")


def mostly(stage: Stage) -> set[str]:
    """Disks whose legs are write-mostly."""
    lv = stage.world.metas()["vg0"].lv("testlv")
    assert lv
    flagged = {pv for number, pv in lv.legs if lv.identity(number, pv) in lv.mostly}
    return {name for name, disk in stage.desired.disks.items() if disk.pv_uuid in flagged}


def test_the_other_leg_becomes_write_mostly_in_use() -> None:
    stage = converged(text()).configure(NEAR)
    before = {leg.pv: leg.copied for leg in stage.world.active("testlv").legs}
    last = stage.apply()
    assert (last.exit, mostly(stage)) == (0, {"right"}), str(last)
    assert [o.step.title for o in last.report.outcomes][-1] == "read vg0/testlv from filer1"
    assert {leg.pv: leg.copied for leg in stage.world.active("testlv").legs} == before
    assert stage.apply().host.changed == []


def test_from_blank_it_waits_for_the_first_copy() -> None:
    stage = Stage(NEAR)
    stage.apply()
    assert mostly(stage) == set()
    assert stage.settle().exit == 0
    assert mostly(stage) == {"right"}


def test_it_changes_sides() -> None:
    stage = converged(NEAR).configure(declared("near", "filer2"))
    assert stage.settle().exit == 0
    assert mostly(stage) == {"left"}


def test_any_takes_the_flag_away_and_nothing_leaves_it() -> None:
    stage = converged(NEAR).configure(text())
    assert stage.apply().host.changed == []
    assert mostly(stage) == {"right"}
    stage.configure(declared("any"))
    stage.settle()
    assert mostly(stage) == set()


def test_it_outlasts_an_outage_and_a_refresh() -> None:
    for server in ("filer1", "filer2"):
        stage = outage(converged(NEAR), server)
        assert stage.apply().exit == 3
        stage.world.restore(server)
        assert stage.settle().exit == 0
        assert mostly(stage) == {"right"}
        assert stage.world.lost() == {}


def test_a_leg_that_is_made_again_is_flagged_again() -> None:
    """Its disk is replaced by another one: LVM gives the new leg no flag."""
    stage = converged(declared("near", disks=("left", "third"))).configure(
        declared("near", disks=("left", "right"), replaces=("right", "third"))
    )
    stage.world.given_up = {stage.desired.disks["third"].pv_uuid}
    for _ in range(8):
        last = stage.apply()
        stage.world.advance(60)
    assert mostly(stage) == {"right"}, str(last)


def test_all_near_is_as_any() -> None:
    both = NEAR.replace("[servers.filer2]\n", '[servers.filer2]\nread_from = "near"\n')
    stage = converged(NEAR).configure(both)
    stage.settle()
    assert mostly(stage) == set()


def test_a_mirror_has_no_such_flag() -> None:
    stage = converged(declared("near", type="mirror"))
    last = stage.apply()
    assert last.host.changed == []
    assert not last.finding(Kind.REFUSED)
