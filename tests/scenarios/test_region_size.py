"""The region size of a raid1: set when it is made, brought to what is declared while it is in use."""

import pytest

from sim.stage import Stage, converged, text
from sim.stories import outage

MIB = 1 << 20


def region(stage: Stage) -> int:
    lv = stage.world.metas()["vg0"].lv("testlv")
    assert lv
    return lv.region


def declared(size: str) -> str:
    return text(more=f'region_size = "{size}"')


def test_it_is_made_with_what_is_declared() -> None:
    assert region(converged(declared("16MiB"))) == 16 * MIB


@pytest.mark.parametrize(("size", "wanted"), [("8MiB", 8), ("512KiB", 0.5), ("1GiB", 64)])
def test_it_is_changed_in_use_and_nothing_is_copied(size: str, wanted: float) -> None:
    stage = converged(text()).configure(declared(size))
    before = {leg.pv: leg.copied for leg in stage.world.active("testlv").legs}

    last = stage.apply()

    assert (last.exit, region(stage)) == (0, wanted * MIB), str(last)
    assert stage.world.mounts
    assert {leg.pv: leg.copied for leg in stage.world.active("testlv").legs} == before
    assert stage.apply().host.changed == []


def test_it_grows_with_the_volume() -> None:
    stage = converged(text()).configure(text(size="384MiB"))

    stage.settle()

    assert region(stage) == 4 * MIB
    assert stage.apply().host.changed == []


def test_it_waits_until_every_leg_is_in_sync() -> None:
    stage = outage(converged(text()), "filer2")
    stage.apply()
    stage.configure(declared("8MiB"))

    assert stage.apply().exit == 3
    assert region(stage) == 2 * MIB
    stage.world.restore("filer2")
    stage.settle()
    assert region(stage) == 8 * MIB


def test_a_mirror_that_becomes_a_raid1_gets_it_too() -> None:
    stage = converged(text(type="mirror")).configure(declared("8MiB"))

    stage.settle()

    assert region(stage) == 8 * MIB
