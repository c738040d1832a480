"""What only looks like ours: a group of the machine's own that has the declared name, and a mount point that lies within
another declared mount."""

from kit import MOUNT, Lab, config, volume
from world import changed, take, told

OUTER = '[groups.vg0.volumes.outer]\nsize = "16MiB"\nfilesystem = "ext4"\nmount = "/mnt"\n'


def test_a_group_that_only_has_the_name_is_left_as_it_is(lab: Lab) -> None:
    lab.run("modprobe scsi_debug dev_size_mb=64; udevadm settle")
    own = lab.run("grep -l scsi_debug /sys/block/sd*/device/model | cut -d/ -f4").stdout.strip()
    lab.run(f"vgcreate vg0 /dev/{own} && lvcreate -y -n testlv -L 16M vg0 && mke2fs -q -t ext4 /dev/vg0/testlv")
    before = take(lab)
    filled = lab.run("sha256sum /dev/vg0/testlv").stdout
    lab.configure(config())

    ran = lab.apply(expect=4)

    told(ran, "another volume group named vg0", f"/dev/{own}", "vgrename")
    ours = {name for name in changed(before, take(lab)) if "vg0" in name}
    assert ours == set(), "its group, or a volume in it"
    assert lab.run("vgs --noheadings -o pv_count,lv_count vg0").stdout.split() == ["1", "1"]
    assert lab.run("sha256sum /dev/vg0/testlv").stdout == filled
    assert not lab.mounted()
    assert lab.apply(expect=4).titles() == []


def in_place(lab: Lab, witness: str) -> None:
    seen = lab.run("findmnt -rno TARGET,SOURCE | grep ^/mnt").stdout.split()
    assert seen == ["/mnt", "/dev/mapper/vg0-outer", MOUNT, "/dev/mapper/vg0-testlv"]
    assert lab.checksum(f"{MOUNT}/witness") == witness


def test_a_mount_within_another_is_made_after_it(lab: Lab) -> None:
    """Declared the other way round. Mounted over it, the outer one would hide it, and its file."""
    lab.configure(config(volume=volume(), more=OUTER))
    lab.settle()
    witness = lab.write_file()
    in_place(lab, witness)
    lab.run(f"umount {MOUNT} /mnt")
    assert lab.apply(expect=0).layers() == {"mount"}
    in_place(lab, witness)
    assert lab.apply(expect=0).titles() == []
