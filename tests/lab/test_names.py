"""Names as they are in the field: targets with capital letters, a node database that was moved behind a link, fstab lines
by label or UUID. And what an administrator's `rm` or fstab line must not lead to."""

from pathlib import Path

import pytest
from kit import LAYOUTS, MOUNT, SERVERS, Lab, Ran, config
from world import told

TARGET = SERVERS["filer1"][2]
SYNOLOGY = "iqn.2000-01.com.synology:DiskStation.Target-1.0123456789"
LABELLED = config(
    volume='size = "64MiB"\nfilesystem = { type = "ext4", label = "mail" }\nmount = "/mnt/test"',
    policy='stall_budget = "6s"\nboot_wait = "5s"',
)
RELEASE = (Path(__file__).parents[2] / "contrib/libexec/release-mounts").read_text()
LINE = "/mnt/test ext4 defaults,_netdev,nofail,x-systemd.device-timeout=95s 0 2"


def renamed(lab: Lab) -> None:
    """Both servers have the vendor's default as the names of their targets."""
    lab.run(f"sed -i 's/{TARGET}/{SYNOLOGY}/' /usr/local/lib/lunmirror-lab/filer.py")
    for server in ("filer1", "filer2"):
        lab.run(f"filer stop {server}; filer start {server}", timeout=120)


def waits(ran: Ran) -> list[str]:
    return [title for title in ran.titles() if not title.startswith(("wait", "give"))]


def test_target_names_with_capital_letters(lab: Lab) -> None:
    renamed(lab)
    text = config(policy='stall_budget = "6s"\nboot_wait = "5s"').replace(TARGET, SYNOLOGY)
    lab.configure(text.replace(SYNOLOGY, SYNOLOGY.lower()))
    refused = lab.apply(expect=4)
    told(refused, "write target = ", SYNOLOGY, "disks.left.target")
    assert lab.records() == {}

    lab.configure(text)
    lab.settle()
    assert sorted(s["target"] for s in lab.sessions().values()) == [SYNOLOGY, f"{SYNOLOGY}-2"]
    assert any(f"/{SYNOLOGY}/" in path for path in lab.records())
    witness = lab.write_file()
    before = lab.footprint()
    assert lab.apply(expect=0).titles() == []
    assert lab.footprint() == before

    lab.run("filer cut filer2; dd if=/dev/zero of=/mnt/test/meanwhile bs=4k count=1 oflag=dsync", timeout=120)
    lab.run("for i in $(seq 240); do dmsetup status vg0-testlv | grep -qw AD && exit 0; sleep 0.25; done; exit 1")
    lab.apply(expect=3)
    lab.run(
        "filer restore filer2; for i in $(seq 240); do"
        " [ $(cat /sys/class/iscsi_session/*/state | grep -c LOGGED_IN) = 2 ] && exit 0; sleep 0.25; done; exit 1",
        timeout=120,
    )
    lab.settle(passes=12)
    lab.synced()
    assert lab.checksum(f"{MOUNT}/witness") == witness
    assert lab.apply(expect=0).titles() == []
    assert len(set(lab.on_each_leg().values())) == 1


def test_a_node_database_behind_a_link(lab: Lab) -> None:
    """On another file system, where nothing can be renamed to from /etc."""
    lab.run("mkdir -p /srv/filers/state && mv $NODES /srv/filers/state/ 2>/dev/null || mkdir /srv/filers/state/nodes")
    lab.run("ln -s /srv/filers/state/nodes $NODES; ls -ld $NODES /srv /srv/filers /srv/filers/state")
    assert lab.run("stat -L -c %d $NODES").stdout != lab.run("stat -c %d $(dirname $NODES)").stdout
    lab.configure(config())
    lab.settle()
    assert lab.mounted()
    assert TARGET in lab.run("iscsiadm -m node").stdout
    record = f"/srv/filers/state/nodes/{TARGET}/192.168.1.115,3260,1/default"
    assert "node.startup = automatic" in lab.run(f"cat {record}").stdout
    lab.run(f"sed -i 's/^node.startup = .*/node.startup = manual/' {record}")
    assert len(lab.apply(expect=0).titles()) == 1
    assert "node.startup = automatic" in lab.run(f"cat {record}").stdout
    assert lab.apply(expect=0).titles() == []
    assert lab.run("find /srv/filers/state $(dirname $NODES) -name '*lunmirror*'").stdout == ""
    lab.run("chmod 777 /srv/filers/state")
    told(
        lab.apply(expect=3), "others may write to /srv/filers/state"
    )  # all is in service, only the records are not known


@pytest.mark.parametrize(
    "name", ["LABEL=mail", "UUID", "/dev/disk/by-label/mail", "/dev/disk/by-id/dm-name-vg0-testlv"]
)
def test_an_fstab_line_by_another_name_is_ours(converged, name: str) -> None:
    lab: Lab = converged("labelled", LABELLED)
    witness = lab.write_file()
    if name == "UUID":
        name = "UUID=" + lab.run("blkid -s UUID -o value /dev/vg0/testlv").stdout.strip()
    lab.run(
        f"sed -i 's#^/dev/vg0/testlv .*#{name} {LINE}#' /etc/fstab && grep -q '^{name} ' /etc/fstab && systemctl daemon-reload"
    )
    fstab = lab.get("/etc/fstab")
    lab.run(f"umount {MOUNT}; mount {MOUNT}")
    assert lab.apply(expect=0).titles() == []

    lab.run(f"umount {MOUNT}; lvchange -an vg0/testlv; udevadm settle")
    predicted = lab.plan(expect=2)
    done = lab.apply(expect=0)
    assert waits(predicted) == waits(done), f"{predicted}\n{done}"
    assert lab.checksum(f"{MOUNT}/witness") == witness
    assert lab.get("/etc/fstab") == fstab

    lab.run("sed -i '/mnt.test/s/,nofail//' /etc/fstab")  # what is declared is put right, the name stays its owner's
    lab.apply(expect=0)
    assert lab.get("/etc/fstab") == fstab


@pytest.mark.parametrize("priority", [-200, 200])
def test_a_label_that_two_carry_is_no_proof(converged, priority: int) -> None:
    """Whichever of the two udev leads the name to."""
    lab: Lab = converged("labelled", LABELLED)
    rule = f'KERNEL=="loop6", OPTIONS+="link_priority={priority}"\n'
    lab.put("/etc/udev/rules.d/99-twin.rules", rule, 0o644)
    lab.run(f"sed -i 's#^/dev/vg0/testlv .*#LABEL=mail {LINE}#' /etc/fstab && systemctl daemon-reload")
    lab.run(
        "truncate -s 16M /var/tmp/twin && mke2fs -q -t ext4 -L mail /var/tmp/twin && losetup /dev/loop6 /var/tmp/twin"
    )
    claims = lab.run("udevadm trigger --settle /dev/loop6; udevadm settle; ls /run/udev/links/*by-label*mail").stdout
    assert "b7:6" in claims.split(), claims
    fstab = lab.get("/etc/fstab")
    told(lab.apply(expect=4), "LABEL=mail", "other devices have the same name (numbers 7:6)")
    assert lab.get("/etc/fstab") == fstab
    lab.run("losetup -d /dev/loop6; rm /etc/udev/rules.d/99-twin.rules; udevadm settle")
    assert lab.apply(expect=0).titles() == []


def test_release_ends_nobody_for_a_root_file_system_with_netdev(converged) -> None:
    lab: Lab = converged("core", LAYOUTS["core"])
    # As libmount notes it where the root is mounted with that option, not mounted again.
    lab.run("echo 'SRC=/dev/vda TARGET=/ ROOT=/ OPTS=_netdev' >> /run/mount/utab")
    shown = lab.run("findmnt --mtab -nlo TARGET,OPTIONS; cat /run/mount/utab", check=False).stdout
    assert "/" in lab.run("findmnt --mtab -nlo TARGET -O _netdev", check=False).stdout.split(), shown
    lab.put(
        "/root/release",
        RELEASE.replace('[ "$(systemctl is-system-running 2>/dev/null)" = stopping ] || exit 0', ""),
        0o755,
    )
    bystander = lab.spawn("exec sleep 300 < /etc/hostname")
    holder = lab.spawn(f"cd {MOUNT} && exec sleep 300")
    lab.run("sleep 1")
    said = lab.run("sh /root/release", timeout=120).stdout
    assert "still in use" in said
    assert not lab.mounted()
    assert holder.wait(10) != 0
    assert bystander.poll() is None
    assert lab.run("findmnt -no TARGET /").stdout.strip() == "/"


def test_a_run_lock_that_is_removed_lets_nobody_in(converged) -> None:
    lab: Lab = converged("core", LAYOUTS["core"])
    lab.run("lvchange -an vg0/testlv 2>/dev/null; true")
    lab.run(
        "lunmirror apply --json > /root/first 2>&1 & pid=$!; until [ -s /run/lunmirror/lock ]; do :; done; kill -STOP $pid; echo $pid > /root/pid"
    )
    lab.run("rm -r /run/lunmirror")
    told(lab.apply(expect=75), "another pass is running", "was removed while it ran")
    lab.run(
        "kill -CONT $(cat /root/pid); while kill -0 $(cat /root/pid) 2>/dev/null; do sleep 0.2; done", timeout=120
    )
    assert '"exit": 0' in lab.run("cat /root/first").stdout or lab.apply(expect=0)
    assert lab.apply(expect=0).titles() == []


def test_a_record_that_is_deleted_each_time_is_made_whole_each_time(converged) -> None:
    lab: Lab = converged("core", LAYOUTS["core"])
    wanted = lab.get(lab.record())
    for _ in range(4):
        lab.run(f"rm -r $NODES/{TARGET}")
        ran = lab.apply(expect=0)
        assert "flapping" not in str(ran.findings())
        assert lab.get(lab.record()) == wanted
