"""Growth under a running writer: it never fails, and its data verify (issue 2, what must be shown, 4)."""

import pytest
from kit import DISKS, LAYOUTS, Lab, Ran, config
from predicted import assert_predicted

MIB = 1 << 20
SECTORS = 2048  # in a MiB


@pytest.mark.parametrize(("layout", "old", "new"), [("core", 64, 128), ("mirror", 64, 128), ("xfs", 304, 368)])
def test_size_raised(converged, layout: str, old: int, new: int) -> None:
    """The volume and the file system on it, mounted."""
    lab = converged(layout, LAYOUTS[layout])
    assert lab.sectors() == old * SECTORS
    before = lab.capacity()
    lab.configure(LAYOUTS[layout].replace(f"{old}MiB", f"{new}MiB"))
    plan = lab.plan(expect=2)
    with lab.writing():
        grow(lab, plan)
        grown = lab.capacity()
        lab.settle()
    assert lab.sectors() == new * SECTORS
    assert grown == lab.capacity()
    assert grown - before > (new - old) * MIB * 0.9  # in the very first pass
    assert_whole(lab, 2)
    lab.write_file("filling", (new - old + 8) * MIB)


def test_linear_to_raid1(converged) -> None:
    """The second server is bought."""
    lab = converged("single", LAYOUTS["single"])
    assert lab.dm().split()[2] == "linear"
    lab.configure(config())
    plan = lab.plan(expect=2)
    with lab.writing():
        grow(lab, plan)
        lab.settle()
    assert_whole(lab, 2)
    assert_same_on_each_leg(lab, "left", "right")


def test_mirror_to_raid1(converged) -> None:
    lab = converged("mirror", LAYOUTS["mirror"])
    assert lab.dm().split()[2] == "mirror"
    lab.configure(config())
    plan = lab.plan(expect=2)
    with lab.writing():
        grow(lab, plan)
        lab.settle()
    assert_whole(lab, 2)
    assert_same_on_each_leg(lab, "left", "right")


def test_third_leg(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    lab.configure(config(disks=("left", "right", "third"), partition=True))
    plan = lab.plan(expect=2)
    with lab.writing():
        grow(lab, plan)
        lab.settle()
    assert_whole(lab, 3)
    assert_same_on_each_leg(lab, "left", "right", "third", partition="1")


def grow(lab: Lab, plan: Ran) -> None:
    """One pass, which does what was planned."""
    lab.slow_copy()
    assert_predicted(lab, plan, lab.apply())
    lab.slow_copy(False)


def assert_whole(lab: Lab, legs: int) -> None:
    """Every leg in sync by device-mapper's letters and ratio, nothing left to do."""
    words = lab.dm().split()
    assert words[2] == ("raid" if "raid1" in lab.run("lvs --noheadings -o segtype vg0/testlv").stdout else "mirror")
    assert "A" * legs in words, lab.dm()
    assert f"{lab.sectors()}/{lab.sectors()}" in words or words[2] == "mirror", lab.dm()
    assert lab.run("lvs --noheadings -o lv_tags vg0/testlv").stdout.strip() == ""
    assert lab.apply("--detailed-exitcode", expect=0).titles() == []


def assert_same_on_each_leg(lab: Lab, *disks: str, partition: str = "") -> None:
    devices = [f"/dev/{lab.device(disk)}{partition}" for disk in disks]
    assert list(lab.placement().values()) == devices
    assert len({DISKS[disk] for disk in disks}) == len(disks)
    written = lab.checksum("/mnt/test/ledger")
    assert lab.on_each_leg("ledger") == dict.fromkeys(devices, written)
