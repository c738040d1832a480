"""From blank LUNs to a mounted mirror, in every shape that it may have (issue 2, what must be shown, 1).

Six shapes in which every kind of mirror meets every placement and address family, and every file system both kinds
of mirror, both placements and both families.
"""

from typing import NamedTuple

import pytest
from kit import DISKS, LAYOUTS, MOUNT, Lab, config, volume
from predicted import assert_predicted


class Shape(NamedTuple):
    type: str
    place: str
    filesystem: str
    ip: str
    lun: int = 1
    disks: tuple[str, ...] = ("left", "right")

    @property
    def id(self) -> str:
        return f"{self.type}-{self.place}-{self.filesystem}-{self.ip}-lun{self.lun}-{len(self.disks)}legs"

    @property
    def toml(self) -> str:
        return config(
            disks=self.disks,
            volume=volume("304MiB" if self.filesystem == "xfs" else "64MiB", self.type, self.filesystem),
            partition=self.place == "partition",
            ipv6=self.ip == "ipv6",
            lun=self.lun,
        )


THREE = ("left", "right", "third")
SHAPES = [
    pytest.param(Shape("raid1", "partition", "ext4", "ipv4"), marks=pytest.mark.core),
    Shape("mirror", "partition", "ext3", "ipv4"),  # the article's
    Shape("mirror", "whole", "ext4", "ipv6", lun=7),
    Shape("raid1", "whole", "ext3", "ipv6", lun=300, disks=THREE),  # from 256 up, LUNs are addressed otherwise
    Shape("raid1", "whole", "xfs", "ipv4", lun=7),
    Shape("mirror", "partition", "xfs", "ipv6", disks=THREE),
]


def shape_id(shape: Shape) -> str:
    return shape.id


@pytest.mark.parametrize("shape", SHAPES, ids=shape_id)
def test_blank_to_mounted(lab: Lab, shape: Shape) -> None:
    if shape.lun != 1:  # LUN 1 stays, blank, beside it
        for disk in shape.disks:
            lab.run(["filer", "lun", DISKS[disk], "add", str(shape.lun), "512M"])
    lab.configure(shape.toml)
    lab.slow_copy()
    plan = lab.plan(expect=2)
    before = [lab.last_written(DISKS[disk], shape.lun) for disk in shape.disks]

    first = lab.apply(expect=3)

    assert_predicted(lab, plan, first)
    after = [lab.last_written(DISKS[disk], shape.lun) for disk in shape.disks]
    assert not set(before) & set(after), "each LUN was written to, and the lab can tell"
    assert [f["resource"]["layer"] for f in first.findings("degraded")] == ["volume"]
    assert not first.findings("blocked")
    assert not first.findings("refused")
    assert not in_sync(lab), "the copying was to be under way: nothing was shown about exit 3"
    assert mounted_as_declared(lab, shape), "a volume can be used while it is copied"

    lab.slow_copy(False)
    lab.synced()
    lab.apply(expect=0)
    if shape.toml == LAYOUTS["core"]:
        lab.keep("core", shape.toml)

    part = "1" if shape.place == "partition" else ""
    devices = [f"/dev/{lab.device(disk, shape.lun)}{part}" for disk in shape.disks]
    assert list(lab.placement().values()) == devices  # a leg on each server's disk, in the order declared
    assert lab.run("pvs --noheadings -o pv_name").stdout.split() == sorted(devices)
    assert_fstab_line_serves(lab, shape)

    written = lab.write_file()
    assert lab.on_each_leg() == dict.fromkeys(devices, written)


def in_sync(lab: Lab) -> bool:
    """By device-mapper's letters and ratio."""
    words = lab.dm().split()
    ratio = next(w for w in words[3:] if "/" in w)
    letters = next(w for w in words[3:] if w.isalpha() and set(w) <= set("AaDFSRU"))
    return set(letters) == {"A"} and ratio.split("/")[0] == ratio.split("/")[1]


def mounted_as_declared(lab: Lab, shape: Shape) -> bool:
    source, kind, options = lab.mounted().split()
    same = "test $(stat -Lc %t:%T /dev/vg0/testlv) = $(stat -Lc %t:%T " + source + ")"
    return kind == shape.filesystem and "rw" in options.split(",") and lab.run(same, check=False).rc == 0


def assert_fstab_line_serves(lab: Lab, shape: Shape) -> None:
    """One line, with what keeps boot from hanging, by which `mount` alone mounts the same."""
    lines = [line.split() for line in lab.get("/etc/fstab").decode().splitlines() if MOUNT in line.split()]
    assert len(lines) == 1, lines
    _, path, kind, options, *_ = lines[0]
    assert (path, kind) == (MOUNT, shape.filesystem)
    assert {"_netdev", "nofail"} <= set(options.split(","))
    lab.run(f"umount {MOUNT}")
    assert not lab.mounted()
    lab.run(f"mount {MOUNT}")
    assert mounted_as_declared(lab, shape)
