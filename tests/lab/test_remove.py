"""What is not declared any more, taken out of service on the real machine; its data only by name."""

from kit import LAYOUTS, MOUNT, Lab, config
from world import BYSTANDER, add_bystander, told

ID = "vg0/testlv"


def undeclared(converged) -> Lab:
    lab: Lab = converged("core", LAYOUTS["core"])
    lab.configure(LAYOUTS["core"].partition("[groups.vg0.volumes")[0])
    return lab


def test_a_volume_is_taken_out_of_service_and_declared_again(converged) -> None:
    lab = undeclared(converged)
    witness = lab.write_file()
    shown = lab.lunmirror("remove", ID)
    assert shown.rc == 2, str(shown)
    assert lab.mounted(), "without a terminal and --yes it only shows"
    ran = lab.lunmirror("remove", ID, "--yes", expect=0)
    assert ran.titles()[0] == f"unmount {MOUNT}", str(ran)
    assert not lab.mounted()
    assert MOUNT not in lab.get("/etc/fstab").decode()
    assert "testlv" not in lab.run("dmsetup ls", check=False).stdout
    lab.configure(LAYOUTS["core"])
    lab.settle()
    lab.synced()
    assert lab.checksum(f"{MOUNT}/witness") == witness
    assert set(lab.on_each_leg().values()) == {witness}


def test_what_is_busy_is_left(converged) -> None:
    lab = undeclared(converged)
    lab.spawn(f"sh -c 'cd {MOUNT} && sleep 300'")
    lab.run("sleep 2")
    ran = lab.lunmirror("remove", ID, "--yes")
    assert ran.rc == 1, str(ran)
    assert lab.mounted()
    assert MOUNT in lab.get("/etc/fstab").decode()


def test_its_data_go_by_name_alone(converged) -> None:
    lab = undeclared(converged)
    lab.lunmirror("remove", ID, "--wipe-data", ID, "--yes", expect=0)
    assert "testlv" not in lab.run("lvs --noheadings -o lv_name -a", check=False, timeout=60).stdout
    assert lab.apply(expect=0).titles() == []
    lab.configure(LAYOUTS["core"])
    lab.settle()
    assert lab.mounted()


def test_a_server_that_nothing_needs_is_logged_out_of(converged) -> None:
    lab: Lab = converged("bystander", LAYOUTS["core"], add_bystander)
    records = {path for path in lab.records() if BYSTANDER in path}
    assert records
    kept = {path: raw for path, raw in lab.records().items() if path not in records}
    told(lab.lunmirror("remove", BYSTANDER, "--yes", expect=4), "is built on")
    lab.run("umount /mnt/other; vgchange -an other", timeout=60)
    device = lab.run("pvs --noheadings -o pv_name -S vg_name=other", timeout=60).stdout.strip()
    lab.run(f"lvremove -y other; vgremove other; pvremove {device}; mkfs.ext4 -q -F {device}", timeout=120)
    lab.run(f"mount {device} /mnt/other && udevadm settle")
    told(lab.lunmirror("remove", BYSTANDER, "--yes", expect=4), "is mounted at /mnt/other")
    lab.run("umount /mnt/other; udevadm settle")
    assert BYSTANDER in {about["target"] for about in lab.sessions().values()}

    ran = lab.lunmirror("remove", BYSTANDER, "--yes", expect=0)
    assert [title.split()[0] for title in ran.titles()] == ["log", "delete"], str(ran)
    assert BYSTANDER not in {about["target"] for about in lab.sessions().values()}
    assert lab.records() == kept
    assert lab.apply(expect=0).titles() == []
    assert lab.mounted()
    told(lab.lunmirror("remove", BYSTANDER, "--yes", expect=4), "has no session and no node record")


def test_a_server_goes_by_its_name(converged) -> None:
    """Its disk is in no group, and its server is taken out of the configuration."""
    spare = config(disks=("left", "right", "third"), partition=True)
    lab: Lab = converged("spare", spare.replace('"left", "right", "third"]', '"left", "right"]'))
    third = lab.target("third")
    assert any(third in path for path in lab.records())
    lab.configure(LAYOUTS["core"])
    lab.apply(expect=0)
    told(lab.plan(expect=0), third, "lunmirror remove filer3")
    lab.lunmirror("remove", "filer3", "--yes", expect=0)
    assert third not in {about["target"] for about in lab.sessions().values()}
    assert not any(third in path for path in lab.records())
    assert lab.apply(expect=0).titles() == []
    assert third not in str(lab.plan(expect=0))
    assert lab.mounted()
