"""Large frames that vanish on the way to a server: nothing is built on such a way, and no program waits for it."""

import pytest

from lunmirror.engine.model import Kind
from sim.machine import Call
from sim.stage import Stage, converged, text
from sim.stories import blank


def narrow(stage: Stage, server: str, largest: int) -> Stage:
    stage.world.servers[server].largest = largest
    stage.world.version += 1
    return stage


@pytest.mark.parametrize("partition", [True, False])
def test_a_disk_that_answers_small_reads_only_is_refused(partition: bool) -> None:
    """A page comes through, a larger answer does not."""
    stage = narrow(blank(partition=partition), "filer2", 6000)
    begun = stage.world.now
    last = stage.settle()

    assert last.exit == 4, str(last)
    said = last.finding(Kind.REFUSED)
    assert "disk right" in said
    assert "answers small reads and no large one" in said
    assert "MTU" in said
    assert stage.lun("right").blank
    assert "vg0" not in stage.world.metas(), "its group is not made on the other disk alone"
    shown = [line for line in last.host.lines if line[0] == "lvm"]
    right = next(d.kernel for s in stage.world.sessions for d in s.disks if d.lun is stage.lun("right"))
    assert not [line for line in shown if f"/dev/{right}" in ",".join(line)], "LVM would wait for it"
    assert stage.world.now - begun < 300

    assert narrow(stage, "filer2", 0).settle().exit == 0
    assert stage.world.actives


def test_a_way_that_carries_no_page_is_waited_for_in_vain() -> None:
    """The kernel itself cannot read the disk's partitions: udev never knows it."""
    stage = narrow(blank(), "filer2", 1500)
    last = stage.apply()

    assert last.exit == 1, str(last)
    assert stage.lun("right").blank
    assert "vg0" not in stage.world.metas()
    assert narrow(stage, "filer2", 0).settle().exit == 0


def test_a_server_that_dies_then_is_no_matter_of_frames() -> None:
    stage = blank()

    def die(call: Call) -> str:
        if call.kind == "query" and "bs=262144" in call.what:
            stage.world.cut("filer2")
        return ""

    last = stage.apply(die)
    assert stage.world.servers["filer2"].state == "cut", "or this shows nothing"
    assert "MTU" not in last.finding(Kind.REFUSED)
    assert stage.lun("right").blank


def test_with_nothing_to_do_no_disk_is_asked() -> None:
    last = converged(text()).apply()
    assert not [line for line in last.host.lines if line[0] == "dd"]
