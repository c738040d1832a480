"""The machine becomes the next Debian with a mirror in service: its open-iscsi keeps the records in another place, to which
its package moves them, if nothing is there yet."""

from sim.iscsi import configure_newer, unpack_newer
from sim.stage import Stage, converged, text
from sim.stories import outage

OLD, NEW = "/etc/iscsi/nodes/", "/var/lib/iscsi/nodes/"
NEIGHBOUR = "iqn.2006-01.com.openfiler:neighbour/192.168.1.130,3260,1/default"


def records(stage: Stage) -> dict[str, bytes]:
    return {path: raw for path, raw in stage.world.files.items() if path.startswith((OLD, NEW))}


def with_a_neighbour() -> Stage:
    stage = converged(text())
    stage.world.files[OLD + NEIGHBOUR] = b"# BEGIN RECORD 2.1.8\nnode.name = x\n# END RECORD\n"
    stage.world.version += 1
    return stage


def test_nothing_is_to_do_before_meanwhile_and_afterwards() -> None:
    stage = with_a_neighbour()
    before = records(stage)

    unpack_newer(stage.world)
    meanwhile = stage.apply()
    assert meanwhile.exit == 3
    assert "an upgrade of open-iscsi has not ended" in str(meanwhile)
    assert records(stage) == before
    configure_newer(stage.world)

    assert records(stage) == {path.replace(OLD, NEW): raw for path, raw in before.items()}
    assert stage.apply().exit == 0
    assert records(stage).keys() == {path.replace(OLD, NEW) for path in before}


def test_a_record_that_is_missing_meanwhile_is_made_afterwards() -> None:
    """It would stand in the new place before all the others, which then stayed where nobody looks."""
    stage = with_a_neighbour()
    mine = next(path for path in records(stage) if "linuxtest1lv/" in path)
    del stage.world.files[mine]
    outage(stage, "filer2")
    before = records(stage)

    unpack_newer(stage.world)
    stage.apply()
    assert records(stage) == before
    configure_newer(stage.world)
    stage.apply()

    assert records(stage).keys() == {path.replace(OLD, NEW) for path in {*before, mine}}
