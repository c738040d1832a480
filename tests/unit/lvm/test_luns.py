"""How the kernel writes a LUN's number: what is waited for is what is then looked for."""

import pytest

from lunmirror.engine.desired import Disk
from lunmirror.engine.model import AwaitPath
from lunmirror.layers.disk.context import DiskContext
from lunmirror.layers.disk.facts import NoDisk
from lunmirror.layers.disk.plan import wait_for
from lunmirror.lvm import luns
from sim.stage import compiled, text


@pytest.mark.parametrize(("lun", "numbers"), [(1, (1,)), (255, (255,)), (256, (256, 16640)), (300, (300, 16684))])
def test_from_256_up_there_are_two_ways(lun: int, numbers: tuple[int, ...]) -> None:
    assert luns.numbers(lun) == numbers
    there = "/sys/class/iscsi_session/session3/device/target*/*:*:*"
    assert luns.patterns("session3", lun) == tuple(f"{there}:{n}/block/*" for n in numbers)


def test_either_is_waited_for() -> None:
    """Found in the lab: a LUN 300 that came after the login was waited for under the other number, in vain."""
    disk = Disk("left", "filer1", "iqn.2006-01.com.example:one", 300)
    missing = NoDisk("host3", luns.patterns("session3", 300))
    desired = compiled(text())
    ctx = DiskContext(disk, desired, {}, frozenset())
    *_, wait = wait_for(ctx, missing.host, missing.patterns).steps
    assert isinstance(wait.action, AwaitPath)
    assert wait.action.patterns == luns.patterns("session3", 300)
