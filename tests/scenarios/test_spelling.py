"""Targets whose names have capital letters: the server's own spelling works, any other is refused with it."""

import pytest

from lunmirror.engine.model import Kind
from sim.stage import PAUSE, SERVERS, Stage, compiled, text
from sim.world import make_world

OLD = SERVERS["filer1"][1]
NEW = "iqn.2000-01.com.synology:DiskStation.Target-1.0123456789"


def stage(configured: str) -> Stage:
    world = make_world(servers=2)
    for server in world.servers.values():
        server.targets = {name.replace(OLD, NEW): luns for name, luns in server.targets.items()}
    return Stage(configured, world)


def test_the_servers_own_spelling_is_used_throughout() -> None:
    here = stage(text().replace(OLD, NEW))
    assert here.settle().exit == 0
    assert sorted(s.target for s in here.world.sessions) == [NEW, f"{NEW}-2"]
    assert here.apply().done == []
    here.world.logout("filer1")
    here.world.advance(PAUSE)
    assert here.settle().exit == 0
    assert len(here.world.sessions) == 2


@pytest.mark.parametrize("spelled", [NEW.lower(), NEW.replace("DiskStation", "Diskstation")])
def test_another_spelling_is_refused_with_the_right_one(spelled: str) -> None:
    here = stage(text().replace(OLD, spelled))
    refused = here.apply()
    assert (refused.exit, refused.host.changed) == (4, [])
    assert f'write target = "{NEW}"' in refused.finding(Kind.REFUSED)
    assert not here.world.sessions


def test_what_is_derived_is_the_same_in_any_spelling() -> None:
    """The UUIDs of existing disks stay what they were."""
    one, other = (compiled(text().replace(OLD, name)).disks["left"] for name in (NEW, NEW.lower()))
    assert (one.pv_uuid, one.table_guid) == (other.pv_uuid, other.table_guid)
    assert compiled(text()).disks["left"].pv_uuid == "k2qaz8-TLHi-TwfH-EuXO-ZZ5E-Juv4-rd0ucL"
