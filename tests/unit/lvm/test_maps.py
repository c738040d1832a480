"""A multipath map answers through what is left of its paths, but not while it still counts on one that does not."""

import pytest

from lunmirror.lvm import maps
from lunmirror.lvm.devices import Devices
from scenarios.test_multipath import SECOND, converged
from sim.machine import SimHost


def verdict(dark=(), seconds=0.0):
    stage = converged()
    server = stage.world.servers["filer1"]
    server.dark |= set(dark)
    stage.world.idle = True
    stage.world.advance(seconds)
    stage.world.version += 1
    one = next(m for m in stage.world.multipathd.maps if m.wwid.endswith("filer1"))
    host = SimHost(stage.world)
    return Devices(host).verdict(one.kernel), maps.letters(host)


def test_a_whole_map_answers():
    why, letters = verdict()
    assert why == ""
    assert sorted(letters.values()) == ["A", "A", "A", "A"]


@pytest.mark.parametrize("seconds", [0.5, 8.0])
def test_not_while_a_path_is_dying(seconds):
    assert verdict({SECOND["filer1"]}, seconds)[0] != ""


def test_again_once_that_path_has_failed():
    why, letters = verdict({SECOND["filer1"]}, 60.0)
    assert why == ""
    assert sorted(letters.values()) == ["A", "A", "A", "F"]


def test_not_without_a_path():
    why, _ = verdict({SECOND["filer1"], "192.168.1.115"}, 60.0)
    assert why == "every path of its multipath map has failed"
