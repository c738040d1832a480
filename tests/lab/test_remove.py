"""What is not declared any more, taken out of service on the real machine; its data only by name."""

from kit import LAYOUTS, MOUNT, Lab

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
