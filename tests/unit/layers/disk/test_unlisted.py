"""What blkid calls a physical volume of ours is never offered for overwriting, whatever LVM shows."""

import pytest

from lunmirror.engine.model import Kind
from lunmirror.layers.disk.context import DiskContext
from lunmirror.layers.disk.facts import Device, Holds, Lun
from lunmirror.layers.disk.fitness import unlisted
from sim.stage import compiled, text

DESIRED = compiled(text(partition=False))
LEFT = DESIRED.disks["left"]
SDB = Device("sdb", "/dev/sdb", 1 << 30, "8:16", "4", ())


def found(what: str, expected: str = ""):
    lun = Lun(SDB, (SDB,), SDB, False, None, Holds(what), "", expected)
    plan = unlisted(DiskContext(LEFT, DESIRED, {}, frozenset()), lun)
    return plan and plan.findings[0]


@pytest.mark.parametrize("disk", ["left", "right"])
def test_ours_is_refused_without_a_consent(disk: str) -> None:
    finding = found(f"LVM2_member signature (uuid {DESIRED.disks[disk].pv_uuid})")

    assert finding.kind is Kind.REFUSED
    assert "overwrite" not in finding.next
    assert "LVM does not show" in finding.what


def test_so_is_an_adopted_one_that_the_group_misses() -> None:
    assert found("LVM2_member signature (uuid adopted)", expected="adopted")


def test_anything_else_is_judged_elsewhere() -> None:
    assert found("LVM2_member signature (uuid somebodys)") is None
    assert found("ext4 signature (uuid 1)") is None
