"""What administrators do by hand, with the real LVM (docs/facts/by-hand.md)."""

import pytest
from kit import DISKS, LAYOUTS, MOUNT, Lab, config, volume
from test_outages import back
from world import told


def disk_of(lab: Lab, server: str) -> str:
    """The physical volume behind the server, as a device."""
    for line in lab.run("pvs --noheadings -o pv_name,vg_name").stdout.splitlines():
        name, group = [*line.split(), ""][:2]
        kernel = name.removeprefix("/dev/")
        host = lab.run(f"readlink -f /sys/class/block/{kernel}").stdout
        if group == "vg0" and target_of(lab, host) == server:
            return name
    raise AssertionError(f"no physical volume on {server}")


def target_of(lab: Lab, path: str) -> str:
    session = next(part for part in path.split("/") if part.startswith("session"))
    target = lab.run(f"cat /sys/class/iscsi_session/{session}/targetname").stdout.strip()
    return "filer2" if target.endswith("-2") else "filer1"


def noted(lab: Lab) -> str:
    return lab.run("cat /var/lib/lunmirror/volumes/*.json").stdout


def pv_uuid(lab: Lab, device: str) -> str:
    return lab.run(f"pvs --noheadings -o pv_uuid {device}").stdout.strip()


def test_a_raid1_under_a_snapshot_is_kept_whole(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    two = disk_of(lab, "filer2")
    stale, good = pv_uuid(lab, two), pv_uuid(lab, disk_of(lab, "filer1"))
    lab.run(f"lvcreate -y -s -L 16M -n nightly vg0/testlv {two}")
    assert lab.dm().split()[2] == "snapshot-origin"
    lab.settle()  # its legs run under another device now, which is noted once
    assert lab.apply(expect=0).titles() == []
    lab.run("filer cut filer2")
    lab.run(f"dd if=/dev/urandom of={MOUNT}/new bs=64k count=16 conv=fsync", timeout=120)
    lab.apply(expect=3)
    assert f'"running": [\n  "{good}"\n ]' in noted(lab)
    assert stale in noted(lab)
    lab.run("filer restore filer2")
    back(lab, "right")
    lab.settle()
    assert " AA " in lab.dm("vg0-testlv-real")


def test_a_snapshot_on_the_absent_server_and_a_boot(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    lab.run(f"lvcreate -y -s -L 16M -n nightly vg0/testlv {disk_of(lab, 'filer2')}")
    lab.settle()
    newer = lab.write_file("newer")
    lab.run(f"sync; umount {MOUNT}; lvchange -an vg0/testlv; iscsiadm -m node -u; filer cut filer2", timeout=120)

    ran = lab.apply()

    lab.figure(f"exit {ran.rc}; {ran}; {lab.run('dmsetup ls --tree; lvs -a -o+devices', check=False).stdout}")
    lab.run("filer restore filer2")
    lab.settle()
    assert lab.checksum(f"{MOUNT}/newer") == newer
    assert " AA " in lab.dm("vg0-testlv-real")


def test_a_renamed_volume_is_not_made_again(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    lab.run("lvrename vg0 testlv testold")
    ran = lab.apply(expect=4)
    told(ran, "lvrename vg0 testold testlv")
    assert lab.run("lvs --noheadings -o lv_name vg0").stdout.split() == ["testold"]
    lab.run("lvrename vg0 testold testlv")
    lab.settle()
    assert lab.run(f"findmnt -no SOURCE {MOUNT}").stdout.strip() == "/dev/mapper/vg0-testlv"


def test_a_tracked_leg_is_left_alone(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    lab.run(f"lvconvert -y --splitmirrors 1 --trackchanges vg0/testlv {disk_of(lab, 'filer2')}")
    for _ in range(2):
        ran = lab.apply(expect=3)
        assert ran.titles("volume") == [t for t in ran.titles("volume") if t.startswith("note")]
    told(ran, "lvconvert --merge vg0/testlv_rimage_1")
    lab.run("lvconvert -y --merge vg0/testlv_rimage_1")
    lab.settle()
    assert " AA " in lab.dm()


def test_a_read_only_volume_is_no_damage(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    lab.run(f"umount {MOUNT}; lvchange -p r vg0/testlv")
    for _ in range(2):
        ran = lab.apply(expect=4)
    told(ran, "lvchange -p rw vg0/testlv")
    assert "fsck" not in ran.stdout
    assert lab.run(f"findmnt -no OPTIONS {MOUNT}").stdout.startswith("ro")
    assert " AA " in lab.dm()


@pytest.mark.parametrize("how", ["skip", "list"])
def test_what_lvm_would_not_activate_is_reported(converged, how: str) -> None:
    lab = converged("core", LAYOUTS["core"])
    lab.run(f"umount {MOUNT}; lvchange -a n vg0/testlv")
    if how == "skip":
        lab.run("lvchange -k y vg0/testlv")
    else:
        lab.put("/etc/lvm/lvmlocal.conf", 'activation { volume_list = [ "other" ] }\n')
    ran = lab.apply(expect=4)
    told(ran, "lvchange -k n vg0/testlv" if how == "skip" else "activation/volume_list")
    assert lab.dm() == ""
    lab.run("lvchange -k n vg0/testlv" if how == "skip" else "rm /etc/lvm/lvmlocal.conf")
    lab.settle()


@pytest.mark.parametrize(
    ("command", "words", "undo"),
    [
        ("vgexport vg0", "vgimport vg0", "vgimport vg0"),
        ("vgchange -y --systemid other vg0", "system ID", ""),
    ],
)
def test_a_group_that_is_somebody_elses_was_removed_by_nobody(converged, command: str, words: str, undo: str) -> None:
    lab = converged("core", LAYOUTS["core"])
    lab.run(f"umount {MOUNT}; vgchange -a n vg0; {command}")
    ran = lab.apply(expect=4)
    assert "removed" not in told(ran, words)
    commands = [f["next"] for f in ran.findings("refused") if f["resource"]["layer"] == "group"]
    lab.run(undo or commands[0].split("`")[1])
    lab.settle()


def test_settings_that_change_reports_blind_nobody(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    words = "compact_output=1 prefixes=1 quoted=0 columns_as_rows=1 mark_hidden_devices=0"
    words += ' list_item_separator=";" binary_values_as_numeric=0 two_word_unknown_device=1'
    lab.put(
        "/etc/lvm/lvmlocal.conf",
        f"report {{ {words} }} log {{ verbose=3 silent=1 command_names=1 report_command_log=1 }}\n"
        'global { units="h" } activation { mode="partial" mirror_image_fault_policy="allocate" }\n',
    )
    assert lab.apply(expect=0).titles() == []
    lab.run(f"umount {MOUNT}; lvchange -a n vg0/testlv")
    lab.settle()


def test_a_mirror_that_nobody_watches_is_no_redundancy(converged) -> None:
    lab = converged("mirror", LAYOUTS["mirror"])
    lab.put("/etc/lvm/lvmlocal.conf", "activation { monitoring=0 }\n")
    assert lab.apply(expect=0).titles() == []  # dmeventd watches it all the same, since it was started before
    lab.run(f"umount {MOUNT}; lvchange -a n vg0/testlv")
    lab.apply()
    lab.synced()
    ran = lab.apply(expect=3)
    told(ran, "lvchange --monitor y vg0/testlv")
    assert lab.lunmirror("can-lose", "filer2").rc != 0
    lab.run("rm /etc/lvm/lvmlocal.conf; lvchange --monitor y vg0/testlv")
    lab.settle()


@pytest.mark.parametrize(
    ("command", "back"),
    [
        ("lvconvert -y --raidintegrity y vg0/testlv", "lvconvert -y --raidintegrity n vg0/testlv"),
        (
            "lvcreate -y -L 16M -n c vg0 && lvconvert -y --type cache --cachepool c vg0/testlv",
            "lvconvert -y --splitcache vg0/testlv",
        ),
    ],
)
def test_other_layouts_are_left_alone(converged, command: str, back: str) -> None:
    lab = converged("core", LAYOUTS["core"])
    lab.run(command, timeout=240)
    ran = lab.apply(expect=4)
    assert not [t for t in ran.titles("volume") if not t.startswith("note")]
    lab.run(back, timeout=240)
    lab.settle()


def test_a_volume_taken_out_of_the_configuration_is_spoken_of(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    lab.configure(config(partition=True).partition("[groups.vg0.volumes")[0])
    told(lab.apply(expect=0), "volume vg0/testlv is not declared", f"mounted at {MOUNT}")
    told(lab.status(), "volume vg0/testlv is not declared")
    lab.configure(config(partition=True, volume=volume()).replace("volumes.testlv", "volumes.data"))
    told(lab.apply(expect=4), "lvrename vg0 testlv data")
    assert lab.run("lvs --noheadings -o lv_name vg0").stdout.split() == ["testlv"]


def test_enlarged_luns_are_used(converged) -> None:
    """The servers enlarge their LUNs, one after the other, and this machine is told to look."""
    text = config(lun=2, volume=volume(type="mirror"))
    lab = converged("small-luns", text, lambda lab: lab.run("for n in 1 2; do filer lun filer$n add 2 256M; done"))
    bytes_before = int(lab.run(f"blockdev --getsize64 {disk_of(lab, 'filer1')}").stdout)
    for disk in ("left", "right"):
        device = f"/dev/{lab.device(disk, 2)}"
        lab.run(f"filer lun {DISKS[disk]} resize 2 384M", timeout=120)
        lab.run(f"until dd if={device} of=/dev/null count=8 iflag=direct; do sleep 1; done", timeout=120)
    lab.run("iscsiadm -m session -R; udevadm settle", timeout=120)
    assert int(lab.run(f"blockdev --getsize64 {disk_of(lab, 'filer1')}").stdout) > bytes_before
    lab.settle()
    lab.configure(text.replace("64MiB", f"{(bytes_before >> 20) + 32}MiB"))
    assert any(title.startswith("let the physical volume") for title in lab.apply().titles("volume"))
    lab.settle()
    assert lab.sectors() > bytes_before // 512


def test_a_renamed_disk_is_noted_on_its_physical_volume(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    lab.configure(LAYOUTS["core"].replace("[disks.right]", "[disks.rechts]").replace('"right"', '"rechts"'))
    assert len(lab.apply(expect=0).titles("group")) == 1
    assert "lunmirror.lun=filer2/" in lab.run("pvs --noheadings -o pv_tags").stdout
    assert lab.apply(expect=0).titles() == []


def test_pvmove_under_way_is_left_alone(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    one = disk_of(lab, "filer1")
    lab.slow_copy()
    lab.run(f"pvmove -b -i 600 --alloc anywhere -n testlv_rimage_0 {one}:0-8 {one}:40-100", timeout=120)
    ran = lab.apply(expect=4)
    told(ran, "moving a part")
    assert not [t for t in ran.titles("volume") if not t.startswith("note")]
    lab.slow_copy(False)
    lab.run("pvmove --abort", timeout=120)
    lab.settle()


def written_in(lab: Lab) -> float:
    """Seconds that one direct write to the mirror takes."""
    begun = (
        "import os,mmap,time; f=os.open('/mnt/test/one',os.O_RDWR|os.O_DIRECT); m=mmap.mmap(-1,4096); b=time.time()"
    )
    return float(lab.run(["python3", "-c", f"{begun}; os.pwrite(f,m,0); print(time.time()-b)"], timeout=60).stdout)


@pytest.mark.parametrize("after", ["", "lvconvert -y --regionsize 4m vg0/testlv", "lvchange --refresh vg0/testlv"])
def test_write_behind_lets_no_leg_lag(converged, after: str) -> None:
    """LVM notes it, and md goes by the bitmap's own superblock: a write is acknowledged when every leg has it."""
    lab = converged("core", LAYOUTS["core"])
    lab.run("dd if=/dev/zero of=/mnt/test/one bs=4k count=1 oflag=direct")
    lab.run(f"lvchange --writemostly {disk_of(lab, 'filer1')}:y --writebehind 256 vg0/testlv; {after}", timeout=120)
    assert lab.run("lvs --noheadings -o raid_write_behind vg0/testlv").stdout.split() == ["256"]
    assert "max_write_behind 0" in lab.run("dmsetup table vg0-testlv").stdout
    lab.run("filer netem filer1 delay 600ms")
    assert min(written_in(lab) for _ in range(3)) >= 0.6
    lab.run("filer netem filer1 off")
    assert min(written_in(lab) for _ in range(3)) < 0.6
