"""What only looks like ours: a group of the machine's own that has the declared name, and a mount point that lies within
another declared mount."""

from kit import LAYOUTS, MOUNT, Lab, config, volume
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


def test_a_volume_removed_by_mistake_is_not_made_again(converged) -> None:
    """Exit 4 with both ways out; LVM's own archive brings it back, and nothing on it is lost."""
    lab = converged("core", LAYOUTS["core"])
    witness = lab.write_file()
    lab.run(f"umount {MOUNT} && lvremove -y vg0/testlv", timeout=120)
    told = lab.apply(expect=4)
    assert told.titles() == []
    assert "vgcfgrestore --list vg0" in str(told.findings("refused"))
    assert "testlv" not in lab.run("lvs --noheadings -o lv_name vg0").stdout
    archive = lab.run("grep -l 'lvremove' /etc/lvm/archive/vg0_*.vg | tail -1").stdout.strip()
    lab.run(f"vgcfgrestore -f {archive} vg0", timeout=120)
    lab.apply(expect=None, timeout=200)
    lab.settle()
    assert lab.mounted()
    assert lab.checksum(f"{MOUNT}/witness") == witness


def test_one_removed_for_good_is_made_again_when_its_journal_is(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    lab.run(f"umount {MOUNT} && lvremove -y vg0/testlv", timeout=120)
    command = lab.apply(expect=4).findings("refused")[0]["next"].split("`")[3]
    assert command.startswith("rm /var/lib/lunmirror/volumes/")
    lab.run(command)
    lab.settle()
    assert lab.mounted()
    assert lab.run(f"ls {MOUNT}").stdout.split() == ["lost+found"]
