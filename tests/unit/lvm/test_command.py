"""The devices that a command may be shown."""

import pytest

from lunmirror.engine.desired import Desired, Disk
from lunmirror.engine.model import Present
from lunmirror.layers.group.facts import DuplicateNames, NoGroup
from lunmirror.lvm.command import devices_of


@pytest.mark.parametrize("group", [NoGroup("here"), DuplicateNames(("a", "b"))])
def test_a_group_that_is_none_or_two_has_no_devices(group: object) -> None:
    """Found in the lab: `status` beside a pass that was just making the group."""
    disk = Disk("left", "filer1", "iqn.2006-01.com.example:one", 1)
    desired = Desired({}, {"left": disk}, {}, {}, 15, 5)
    assert devices_of({"group": {"vg0": Present(group)}}, desired) == ("<disk left>",)
