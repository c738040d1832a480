"""A copy of a leg's LUN in sight of the machine, and a second session to it: LVM knows physical volumes by UUID alone,
and of two with one UUID takes the one whose device has the first name. lunmirror goes by server, target and LUN."""

from collections.abc import Callable

import pytest
from kit import LAYOUTS, MOUNT, SERVERS, Lab, config
from test_nothing_to_do import assert_only_reads
from world import take, told

VOLUME = 'size = "48MiB"\nfilesystem = "ext4"\nmount = "/mnt/test"'
LUN5 = config(volume=VOLUME, lun=5)
STOP = f"sync; umount {MOUNT} && lvchange -an vg0/testlv && iscsiadm -m node -u"


def copy_as(lab: Lab, source: str, lun: int, server: str, number: int) -> str:
    """The server shows what the other's LUN holds now as one LUN more. The fingerprint of the copy."""
    size = lab.run(f"stat -c %s $(filer path {source} {lun})").stdout.strip()
    lab.run(f"sync; filer lun {server} add {number} {size}")
    lab.run(f"cp --sparse=always $(filer path {source} {lun}) $(filer path {server} {number}); sync", timeout=200)
    return lab.backing(server, number)


def leads_to(lab: Lab) -> set[str]:
    """What the legs' tables lead to, each as "TARGET LUN n…"."""
    table = take(lab)
    legs = (lines for name, lines in table.items() if name.startswith("device vg0-testlv_rimage"))
    return {line.split(" linear ")[1] for lines in legs for line in lines if " linear " in line}


def hide(lab: Lab, number: int) -> None:
    """The kernel forgets every LUN of that number: LVM, run by hand below, would take it for the leg."""
    lab.run(
        f"for one in /sys/class/scsi_disk/*:*:*:{number}/device/delete; do echo 1 > $one; done; udevadm settle || true"
    )


def not_on(lab: Lab, number: int) -> None:
    assert not [place for place in leads_to(lab) if f" LUN {number} " in f"{place} "], leads_to(lab)


@pytest.mark.parametrize("away", ["filer1", "filer2"])
def test_a_copy_is_not_started_in_the_place_of_a_leg_that_is_away(converged: Callable[..., Lab], away: str) -> None:
    other = {"filer1": "filer2", "filer2": "filer1"}[away]
    lab = converged("core", LAYOUTS["core"])
    copied = copy_as(lab, away, 1, other, 9)
    newer = lab.write_file("newer")
    lab.apply(expect=0)
    lab.run(STOP, timeout=120)
    lab.run(f"filer cut {away}")

    started = lab.apply(expect=3)

    told(started, f"LUN 9 of {SERVERS[other][2]}", "is not that disk")
    not_on(lab, 9)
    lab.run("echo 3 > /proc/sys/vm/drop_caches")
    assert lab.checksum(f"{MOUNT}/newer") == newer
    assert lab.lunmirror("can-lose", other).rc != 0
    assert lab.backing(other, 9) == copied
    lab.run(f"filer restore {away}")
    lab.settle()
    assert lab.backing(other, 9) == copied
    hide(lab, 9)
    assert set(lab.on_each_leg("newer").values()) == {newer}


def test_a_leg_that_dies_in_service_is_not_led_to_a_copy(converged: Callable[..., Lab]) -> None:
    lab = converged("core", LAYOUTS["core"])
    copied = copy_as(lab, "filer1", 1, "filer2", 9)
    lab.run("iscsiadm -m session --rescan; udevadm settle || true", timeout=120)
    told(lab.apply(expect=0), "LUN 9", "is not that disk")
    rc, executed = lab.executed("apply")
    assert rc == 0
    assert_only_reads(executed)
    lab.run("filer cut filer1")
    newer = lab.write_file("newer")
    for _ in range(2):
        lab.apply(expect=3)
        not_on(lab, 9)
        lab.run("sleep 5")
    assert lab.backing("filer2", 9) == copied
    lab.run("filer restore filer1")
    lab.settle()
    assert lab.backing("filer2", 9) == copied
    hide(lab, 9)
    assert set(lab.on_each_leg("newer").values()) == {newer}


def test_a_leg_that_a_hand_led_to_a_copy_is_reported_and_copied_again(converged: Callable[..., Lab]) -> None:
    """`lvchange --refresh` while the original is away: LVM finds its UUID on the copy."""
    lab = converged("core", LAYOUTS["core"])
    copy_as(lab, "filer1", 1, "filer2", 9)
    lab.run("iscsiadm -m session --rescan; udevadm settle || true", timeout=120)
    lab.run("filer cut filer1")
    newer = lab.write_file("newer")
    lab.run("sleep 10")
    lab.apply(expect=3)
    said = lab.run("lvchange --refresh vg0/testlv", timeout=120, check=False)
    lab.figure(
        f"lvchange --refresh by hand beside the copy: rc {said.rc}; legs on {sorted(leads_to(lab))}; {lab.dm()}"
    )
    assert [place for place in leads_to(lab) if " LUN 9 " in f"{place} "], f"LVM did not take the copy: {said}"

    seen = lab.apply(expect=4)

    told(seen, "not the declared disk", "LUN 9")
    assert lab.lunmirror("can-lose", "filer2").rc != 0
    lab.run("filer restore filer1; sleep 5")
    for _ in range(8):
        if (ran := lab.apply()).rc == 0:
            break
        lab.run("sleep 5")
    assert ran.rc == 0, str(ran)
    not_on(lab, 9)
    lab.synced()
    lab.run("lvchange --syncaction check vg0/testlv; sleep 3", timeout=60)
    lab.run("until lvs --noheadings -o raid_sync_action vg0/testlv | grep -q idle; do sleep 1; done", timeout=120)
    assert lab.run("lvs --noheadings -o raid_mismatch_count vg0/testlv").stdout.strip() == "0"
    hide(lab, 9)
    assert set(lab.on_each_leg("newer").values()) == {newer}


def with_lun5(lab: Lab) -> None:
    for server in ("filer1", "filer2"):
        lab.run(f"filer lun {server} add 5 256M")


def test_a_copy_with_a_lower_number_beside_the_original(converged: Callable[..., Lab]) -> None:
    lab = converged("lun5", LUN5, with_lun5)
    copied = copy_as(lab, "filer1", 5, "filer1", 2)
    newer = lab.write_file("newer")
    lab.run(STOP, timeout=120)

    started = lab.apply()

    assert started.rc in (0, 3), str(started)
    told(started, "LUN 2", "is not that disk")
    not_on(lab, 2)
    lab.run("echo 3 > /proc/sys/vm/drop_caches")
    assert lab.checksum(f"{MOUNT}/newer") == newer
    lab.settle()
    assert lab.backing("filer1", 2) == copied


def test_a_copy_on_a_loop_device(converged: Callable[..., Lab]) -> None:
    lab = converged("plain", config(volume=VOLUME))
    lab.run("cp --sparse=always $(filer path filer1 1) /srv/filers/backup.img; sync", timeout=200)
    newer = lab.write_file("newer")
    lab.run(STOP, timeout=120)
    lab.run("losetup -f --show /srv/filers/backup.img; udevadm settle || true; filer cut filer1")
    copied = lab.run("sha256sum /srv/filers/backup.img", timeout=200).stdout

    started = lab.apply(expect=3)

    told(started, "/srv/filers/backup.img", "is not that disk")
    assert "loop" not in str(leads_to(lab))
    assert lab.checksum(f"{MOUNT}/newer") == newer
    assert lab.run("sha256sum /srv/filers/backup.img", timeout=200).stdout == copied
    lab.run("filer restore filer1")
    lab.settle()
    lab.run("losetup -D")
    assert set(lab.on_each_leg("newer").values()) == {newer}


def test_a_second_session_through_another_interface(converged: Callable[..., Lab]) -> None:
    lab = converged("core", LAYOUTS["core"])
    target = lab.target("left")
    record = f"iscsiadm -m node -T {target} -p 192.168.1.115:3260,1 -I nic1"
    lab.run("iscsiadm -m iface -I nic1 -o new")
    lab.run(f"{record} -o new; {record.replace(',1', '')} --login; udevadm settle || true", timeout=120)
    assert len(lab.sessions()) == 3
    before = lab.seqno()

    seen = lab.apply(expect=4)

    told(seen, "nic1", "a second time", "iscsiadm -m session -r")
    assert "overwrite" not in seen.stdout
    assert seen.titles() == []
    lab.run("filer cut filer1")
    newer = lab.write_file("newer")
    lab.run("sleep 15; filer restore filer1; sleep 10")
    for _ in range(6):
        lab.apply(expect=4)
        lab.run("sleep 3")
    assert " AA " in lab.dm()
    assert lab.seqno() == before
    command = next(f for f in seen.findings("refused") if "nic1" in f["what"])["next"].split("`")[3]
    lab.run(command)
    lab.settle()
    assert set(lab.on_each_leg("newer").values()) == {newer}


def test_two_sessions_asked_for_by_iscsid_conf_become_one(lab: Lab) -> None:
    lab.run("sed -i 's/^node.session.nr_sessions.*/node.session.nr_sessions = 2/' /etc/iscsi/iscsid.conf")
    assert "nr_sessions = 2" in lab.run("grep nr_sessions /etc/iscsi/iscsid.conf").stdout
    lab.configure(LAYOUTS["core"])
    lab.settle()
    assert len(lab.sessions()) == 2
    assert all("nr_sessions = 1" in text for text in lab.records().values())


def test_twins_made_before_are_named_and_one_of_them_is_used(converged: Callable[..., Lab]) -> None:
    lab = converged("core", LAYOUTS["core"])
    lab.run(
        f"iscsiadm -m session -r {lab.sid('left').removeprefix('session')} -o new; udevadm settle || true", timeout=60
    )
    assert len(lab.sessions()) == 3

    seen = lab.apply(expect=4)

    told(seen, "more than one session")
    assert "overwrite" not in seen.stdout
    assert seen.titles() == []
    lab.run(STOP.rsplit("&&", 1)[0], timeout=60)
    lab.apply(expect=4)
    assert lab.mounted()
    assert " AA " in lab.dm()
