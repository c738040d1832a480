"""Reads from the near leg alone, on a real raid1: by the disks' own counters."""

import pytest
from kit import LAYOUTS, Lab, config

NEAR = config(partition=True, servers={"filer1": 'read_from = "near"'})


def health(lab: Lab) -> dict[str, str]:
    """Leg -> the health that LVM shows."""
    out = lab.run("lvs -a --noheadings --separator , -o lv_name,lv_health_status vg0").stdout
    rows = (line.strip().split(",") for line in out.splitlines() if "_rimage_" in line)
    return {name.strip("[]")[-1]: status for name, status in rows}


def read_from(lab: Lab) -> dict[str, int]:
    """Sectors that each disk gives while 16 MiB of the mirror are read past the cache."""

    def counted(disk: str) -> int:
        return int(lab.run(f"cat /sys/class/block/{lab.device(disk)}/stat").stdout.split()[2])

    before = {disk: counted(disk) for disk in ("left", "right")}
    lab.run("dd if=/dev/vg0/testlv of=/dev/null bs=64k count=256 iflag=direct", timeout=120)
    return {disk: counted(disk) - was for disk, was in before.items()}


@pytest.mark.unproven
def test_reads_come_from_the_near_leg_and_after_an_outage_too(converged) -> None:
    lab: Lab = converged("core", LAYOUTS["core"])
    lab.configure(NEAR)
    assert "read vg0/testlv from filer1" in lab.settle().titles() or health(lab)
    assert health(lab) == {"0": "", "1": "writemostly"}
    assert lab.apply(expect=0).titles() == []
    sectors = read_from(lab)
    assert sectors["left"] >= 30000, sectors
    assert sectors["right"] < 3000, sectors

    lab.run("filer cut filer2; dd if=/dev/zero of=/mnt/test/meanwhile bs=4k count=1 oflag=dsync", timeout=120)
    lab.run("for i in $(seq 240); do dmsetup status vg0-testlv | grep -qw AD && exit 0; sleep 0.25; done; exit 1")
    lab.run(
        "filer restore filer2; for i in $(seq 240); do"
        " [ $(cat /sys/class/iscsi_session/*/state | grep -c LOGGED_IN) = 2 ] && exit 0; sleep 0.25; done; exit 1",
        timeout=120,
    )
    lab.settle(passes=12)
    assert health(lab) == {"0": "", "1": "writemostly"}
    sectors = read_from(lab)
    assert sectors["right"] < 3000, sectors
    assert len(set(lab.on_each_leg("meanwhile").values())) == 1
