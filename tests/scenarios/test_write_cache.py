"""What a server's write cache is declared to be, and what its disks say."""

import pytest

from lunmirror.engine.model import Kind
from lunmirror.report.status import document, tree
from sim.stage import Stage, text
from sim.stories import outage
from sim.world import make_world

THROUGH = text().replace("[servers.filer2]", 'write_cache = "through"\n[servers.filer2]')


def declared(*, back: str) -> Stage:
    """filer1 is declared to have no volatile cache; the LUN of `back` has one."""
    world = make_world()
    for name, server in world.servers.items():
        for lun in (lun for luns in server.targets.values() for lun in luns.values()):
            lun.cache = "write back" if name == back else "write through"
    return Stage(THROUGH, world)


def test_a_volatile_cache_is_refused_and_nothing_is_made_on_it() -> None:
    stage = declared(back="filer1")

    last = stage.apply()

    assert last.exit == 4, str(last)
    refusal = next(f for f in last.report.findings if f.kind is Kind.REFUSED)
    assert (refusal.ref.name, refusal.key) == ("left", "servers.filer1.write_cache")
    assert "write-cache off" in refusal.next
    assert "write back" in refusal.why
    assert not stage.world.actives


@pytest.mark.parametrize("back", ["filer2", ""])
def test_what_is_accepted_is_taken_into_use(back: str) -> None:
    assert declared(back=back).settle().exit == 0


def test_a_volume_in_service_goes_on_and_it_is_reported() -> None:
    stage = declared(back="")
    stage.settle()
    session = next(s for s in stage.world.sessions if s.server.name == "filer1")
    session.disks[0].cache = "write back"
    stage.world.version += 1

    assert stage.apply().exit == 4

    last = stage.apply()

    assert (last.exit, last.host.changed) == (4, []), str(last)
    assert stage.world.actives


def test_status_shows_the_cache_of_each_leg() -> None:
    stage = declared(back="filer2")
    stage.settle()
    report = stage.plan().report

    legs = document(report, stage.desired)["groups"][0]["volumes"][0]["legs"]

    assert {leg["server"]: leg["write_cache"] for leg in legs} == {"filer1": "through", "filer2": "back"}
    assert "write cache through" in "\n".join(tree(report, stage.desired))


def third(cache: str, kind: str) -> Stage:
    """A whole volume, and another (or the successor of one, dead or alive) declared on a server that must have no volatile cache."""
    world = make_world(servers=3)
    for name, server in world.servers.items():
        for lun in (lun for luns in server.targets.values() for lun in luns.values()):
            lun.cache = cache if name == "filer3" else "write through"
    two = Stage(text(), world)
    assert two.settle().exit == 0
    if kind == "dead":
        outage(two, "filer2").apply()
        two.world.given_up = {two.desired.disks["right"].pv_uuid}
    if kind == "added":
        declared = text(disks=("left", "right", "third"))
    else:
        declared = text(disks=("left", "third"), replaces=("third", "right"))
    return two.configure(declared.replace("[servers.filer3]", '[servers.filer3]\nwrite_cache = "through"'))


@pytest.mark.parametrize("kind", ["added", "replaced", "dead"])
def test_no_leg_is_put_on_a_refused_cache(kind: str) -> None:
    stage = third("write back", kind)

    last = stage.settle()

    assert last.exit == 4, str(last)
    assert len(stage.world.active("testlv").legs) == 2
    assert any("gets no leg there" in f.what for f in last.report.findings), str(last)


def test_a_leg_is_added_on_an_accepted_cache() -> None:
    stage = third("write through", "added")

    assert stage.settle().exit == 0
    assert len(stage.world.active("testlv").legs) == 3
