"""`adopt` on real hosts that were set up by hand, by the seed article's own commands."""

import pytest
from kit import CONFIG, MOUNT, SERVERS, Lab

ARTICLE = """
set -e
for n in 115 120; do iscsiadm -m discovery -t st -p 192.168.1.$n; done
iscsiadm -m node -T {one} -p 192.168.1.115 --login
iscsiadm -m node -T {two} -p 192.168.1.120 --login
udevadm settle
sed -i 's/^node.conn\\[0\\].startup = .*/node.conn[0].startup = automatic/' $NODES/*/*/default
"""
DISK = "$(ls /sys/class/iscsi_session/*/device/target*/*:1/block -d | head -{n} | tail -1 | xargs ls)"
LVM = """
set -e
for d in {left} {right}; do printf 'label: dos\\ntype=8e\\n' | sfdisk -q /dev/$d; done
udevadm settle
pvcreate /dev/{left}1; pvcreate /dev/{right}1
vgcreate vg0 /dev/{left}1 /dev/{right}1
"""
VOLUMES = {
    "the article": "lvcreate --mirrors 1 --type mirror --corelog --name testlv --size 64M vg0 && mke2fs -q -j /dev/vg0/testlv",
    "raid1": "lvcreate -y --type raid1 -m 1 --name testlv --size 64M vg0 && mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 -L mail /dev/vg0/testlv",
}
FSTAB = {"the article": "", "raid1": f"LABEL=mail {MOUNT} ext4 noatime 0 2"}


def by_hand(lab: Lab, kind: str) -> None:
    lab.run(ARTICLE.format(one=SERVERS["filer1"][2], two=SERVERS["filer2"][2]), timeout=120)
    left, right = (lab.run(f"echo {DISK.format(n=n)}").stdout.strip() for n in (1, 2))
    assert left != right
    lab.run(LVM.format(left=left, right=right), timeout=120)
    lab.run(VOLUMES[kind], timeout=120)
    lab.run(f"mkdir -p {MOUNT}; echo '{FSTAB[kind]}' >> /etc/fstab; systemctl daemon-reload")
    lab.run(f"mount {MOUNT}" if FSTAB[kind] else f"mount /dev/vg0/testlv {MOUNT}")
    lab.synced()


def adopted(lab: Lab, expect: int = 0) -> str:
    """What it prints; that it changed nothing."""
    lab.run("sync; sleep 20; sync", timeout=60)  # the journal is written, and md's bitmap is clean again
    before = lab.footprint(), [lab.backing(server) for server in ("filer1", "filer2")]
    ran = lab.run("lunmirror adopt", check=False, timeout=300)
    assert ran.rc == expect, ran.stderr
    assert (lab.footprint(), [lab.backing(server) for server in ("filer1", "filer2")]) == before
    return ran.stdout


@pytest.mark.parametrize("kind", VOLUMES)
def test_a_host_by_the_articles_commands_is_adopted(lab: Lab, kind: str) -> None:
    by_hand(lab, kind)
    witness, table = lab.write_file(), lab.run("dmsetup table").stdout
    text = adopted(lab)
    lab.put(CONFIG, text, 0o644)
    assert lab.run("lunmirror check").rc == 0
    plan = lab.plan(expect=2)
    risky = [step for step in plan.report["steps"] if step["risk"] != "none"]
    assert risky == []
    lab.settle()
    assert lab.run("dmsetup table").stdout == table
    assert lab.checksum(f"{MOUNT}/witness") == witness
    assert lab.apply(expect=0).titles() == []
    assert adopted(lab).partition("\nversion = 1\n")[2] == text.partition("\nversion = 1\n")[2] != ""
    lab.run(f"umount {MOUNT}; vgchange -an vg0; iscsiadm -m node -u", timeout=120)
    lab.settle()
    assert lab.checksum(f"{MOUNT}/witness") == witness


def test_a_secret_stays_in_its_record(lab: Lab) -> None:
    by_hand(lab, "the article")
    record = f"$NODES/{SERVERS['filer1'][2]}/192.168.1.115,3260,1/default"
    lines = ("authmethod = CHAP", "username = client1", "password = correct-horse")
    for line in lines:
        lab.run(f"sed -i 's/^# END RECORD/node.session.auth.{line}\\n&/' {record}")
    text = adopted(lab)
    assert "correct-horse" not in text
    assert 'password_file = "secrets/filer1"' in text
    lab.put(CONFIG, text, 0o644)
    script = "\n".join(line[1:] for line in text.splitlines() if line.startswith("#   "))
    lab.run(script)
    assert lab.run("cat /etc/lunmirror/secrets/filer1").stdout == "correct-horse\n"
    assert lab.run("lunmirror check").rc == 0


def test_a_group_with_a_disk_of_this_machine_is_not_expressed(lab: Lab) -> None:
    by_hand(lab, "raid1")
    lab.run(
        "truncate -s 64M /var/tmp/local.img; losetup /dev/loop5 /var/tmp/local.img; pvcreate /dev/loop5", timeout=60
    )
    lab.run("vgextend vg0 /dev/loop5; udevadm settle", timeout=60)
    text = adopted(lab, expect=4)
    assert "no iSCSI disk" in " ".join(text.replace("#", " ").split())
    assert "[groups" not in text
