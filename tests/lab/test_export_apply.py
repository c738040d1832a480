"""`export --apply` on a storage server: this machine is one beside what it is otherwise, over its loopback address, with
somebody else's target in use all the time."""

import re

import pytest
from kit import MOUNT, SERVERS, Lab, config, volume
from test_chap import chap

HERE = "127.0.0.1"
TARGET = SERVERS["filer1"][2]
OTHER = "iqn.2001-01.org.example:other"
BACKING, LOOP = "/srv/filers/export.img", "/dev/loop7"
SECRETS = ("outgoing-Xq7-one", "incoming-Zp4-one")
KINDS = pytest.mark.parametrize("kind", ["lio", "tgt"])
BEHIND = """
[servers.filer1.export]
format = "{kind}"
clients = ["{client}"]
[servers.filer1.export.disks.left]
path = "/dev/loop7"
{more}
"""
NOW = {
    "lio": "targetctl save /root/now.json && cat /root/now.json",
    "tgt": "tgtadm --lld iscsi --op show --mode target",
}
KEPT = {"lio": "/etc/rtslib-fb-target/saveconfig.json", "tgt": "/etc/tgt/conf.d/lunmirror-filer1.conf"}


def exported(lab: Lab, kind: str, more: str = "") -> str:
    client = re.search(r"^InitiatorName=(\S+)", lab.get("/etc/iscsi/initiatorname.iscsi").decode(), re.M)
    assert client
    behind = BEHIND.format(kind=kind, client=client[1], more=more)
    text = config(volume=volume("48MiB"), servers={"filer1": chap("filer1", mutual=True)}, more=behind)
    return text.replace(SERVERS["filer1"][0], HERE)


def server(lab: Lab, kind: str) -> None:
    """The target software with somebody else's target, that somebody is logged in to; our backing is blank."""
    lab.run(f"truncate -s 128M {BACKING} && losetup {LOOP} {BACKING}; truncate -s 64M /srv/filers/other.img")
    for name, secret in zip(("filer1", "filer1-mutual"), SECRETS, strict=True):
        lab.put(f"/etc/lunmirror/secrets/{name}", secret + "\n", 0o600)
    if kind == "tgt":
        lab.put(
            "/etc/tgt/conf.d/other.conf",
            f"<target {OTHER}>\n    backing-store /srv/filers/other.img\n</target>\n".encode(),
        )
        lab.run("systemctl unmask tgt && systemctl start tgt", timeout=120)
    else:
        tpg = f"/iscsi/{OTHER}/tpg1"
        lab.run(
            "targetcli set global auto_add_default_portal=false"
            " && targetcli /backstores/fileio create other /srv/filers/other.img 64M false"
            f" && targetcli /iscsi create {OTHER} && targetcli {tpg}/portals create {HERE} 3260"
            f" && targetcli {tpg}/luns create /backstores/fileio/other && targetcli {tpg} set attribute"
            " generate_node_acls=1 authentication=0 && targetcli saveconfig",
            timeout=180,
        )
    lab.run(
        f"iscsiadm -m node -o new -T {OTHER} -p {HERE}:3260 && iscsiadm -m node -T {OTHER} -p {HERE} --login",
        timeout=60,
    )


def others(lab: Lab, kind: str) -> tuple[str, str]:
    """Its session, as long as it is the same one and its disk is read; its settings."""
    script = f"cd /sys/class/iscsi_session && grep -l '^{OTHER}$' */targetname"
    sid = lab.run(script).stdout.split("/")[0]
    assert lab.run(f"cat /sys/class/iscsi_session/{sid}/state").stdout.strip() == "LOGGED_IN"
    disk = lab.run(f"ls /sys/class/iscsi_session/{sid}/device/target*/*/block").stdout.split()[-1]
    lab.run(f"dd if=/dev/{disk} of=/dev/null bs=64k count=4 iflag=direct", timeout=60)
    if kind == "tgt":
        return sid, lab.run(NOW[kind]).stdout.partition(OTHER)[2].partition("\nTarget ")[0].strip()
    pick = (
        f"import json; d = json.load(open('{KEPT[kind]}')); print([t for t in d['targets'] if t['wwn'] == '{OTHER}'])"
    )
    return sid, lab.run(["python3", "-c", pick]).stdout


def serial(lab: Lab) -> str:
    return lab.run(
        f"cat /sys/class/block/{lab.device('left').removeprefix('/dev/')}/device/vpd_pg80 | tr -d '\\0'"
    ).stdout


def run(lab: Lab, how: str, expect: int) -> str:
    done = lab.run(f"lunmirror export filer1 {how}", check=False, timeout=180)
    assert done.rc == expect, done.stdout + done.stderr
    assert not [secret for secret in SECRETS if secret in done.stdout + done.stderr]
    return done.stdout


@pytest.mark.parametrize("kind", ["lio", pytest.param("tgt", marks=pytest.mark.unproven)])
def test_from_blank_to_a_mounted_mirror_beside_another_target(lab: Lab, kind: str) -> None:
    lab.configure(exported(lab, kind))
    server(lab, kind)
    before, now = others(lab, kind), lab.run(NOW[kind]).stdout

    assert "missing" in run(lab, "--check", 2)
    assert lab.run(NOW[kind]).stdout == now
    rc, argvs = lab.executed("export", "filer1", "--apply")
    assert rc == 0
    if kind == "lio":  # tgt-admin has no other way than tgtadm's command line
        assert not [argv for argv in argvs for secret in SECRETS if secret in " ".join(argv)]
    assert "exports what is declared" in run(lab, "--check", 0)
    assert others(lab, kind) == before
    done = lab.run(NOW[kind]).stdout
    assert "exports what is declared" in run(lab, "--apply", 0)
    assert lab.run(NOW[kind]).stdout == done

    lab.settle(passes=12)
    witness = lab.write_file()
    first = serial(lab)
    lab.configure(exported(lab, kind, 'serial = "00000000-0000-4000-8000-000000000001"'))
    assert "somebody is logged in" in run(lab, "--apply", 4)
    assert serial(lab) == first
    assert lab.mounted()

    # It is changed while the client does without it; the mirror is whole again afterwards.
    lab.lunmirror("maintenance", "filer1", "--for", "1h", timeout=300)
    run(lab, "--apply", 0)
    lab.lunmirror("maintenance", "filer1", "--end", timeout=300)
    lab.settle(passes=12)
    assert "0000000000004000" in serial(lab).replace("-", "")
    assert others(lab, kind) == before
    assert lab.checksum(f"{MOUNT}/witness") == witness
    assert set(lab.on_each_leg().values()) == {witness}

    # What it starts from is the same.
    lab.run(f"iscsiadm -m node --logoutall=all; stat -c %a {KEPT[kind]} | grep -qx 600", timeout=60)
    again = {"lio": "targetctl clear && targetctl restore", "tgt": "systemctl restart tgt"}[kind]
    lab.run(again, timeout=120)
    run(lab, "--check", 0)


@pytest.mark.unproven
@KINDS
def test_a_backing_that_is_in_use_or_holds_something_is_refused(lab: Lab, kind: str) -> None:
    lab.configure(exported(lab, kind))
    server(lab, kind)
    now = lab.run(NOW[kind]).stdout

    def refused(*words: str) -> None:
        held = lab.run(f"sha256sum {BACKING}", timeout=60).stdout
        said = run(lab, "--apply", 4)
        assert not [word for word in words if word not in said], said
        assert (lab.run(NOW[kind]).stdout, lab.run(f"sha256sum {BACKING}", timeout=60).stdout) == (now, held)

    lab.run(f"mkfs.ext4 -q -F {LOOP}", timeout=60)
    refused("holds ext4", "did not make for disk left")
    lab.run(f"mkdir -p /mnt/held && mount -o ro,noload {LOOP} /mnt/held")
    refused("is mounted on this machine, at /mnt/held")
    lab.run(
        f"umount /mnt/held && wipefs -qa {LOOP} && pvcreate -qq {LOOP} && vgcreate -qq guest {LOOP} && lvcreate -qq -Wn -L 16M -n lv guest"
    )
    refused("is in use on this machine")
    lab.run("vgchange -qq -an guest")
    refused("holds LVM2_member")
    lab.run(f"losetup -d {LOOP}")
    refused("/dev/loop7")
    lab.configure(exported(lab, kind).replace(HERE, "192.168.1.99"))
    assert lab.run("lunmirror export filer1 --apply", check=False, timeout=60).rc == 1
    assert lab.run(NOW[kind]).stdout == now


@pytest.mark.unproven
def test_a_server_started_before_its_backing_waits_for_it(lab: Lab) -> None:
    """docs/servers.md, "Start after what backs the LUNs"."""
    lab.configure(exported(lab, "tgt").replace(LOOP, "/dev/mapper/backing"))
    server(lab, "tgt")
    there = f"dmsetup create backing --table '0 262144 linear {LOOP} 0' && udevadm settle"
    lab.run(there)
    run(lab, "--apply", 0)
    lab.run(
        "iscsiadm -m node --logoutall=all; systemctl stop tgt && dmsetup remove backing && udevadm settle",
        timeout=120,
    )
    lab.run("systemctl start tgt", timeout=120)
    said = run(lab, "--check", 4)
    assert "LUN 1 is missing" in said
    assert "/dev/mapper/backing is not there" in said

    lab.run("systemctl stop tgt", timeout=120)
    wait = "[Unit]\nRequires=dev-mapper-backing.device\nAfter=dev-mapper-backing.device\n"
    lab.put("/etc/systemd/system/tgt.service.d/wait.conf", wait.encode())
    lab.run("systemctl daemon-reload; systemctl start --no-block tgt; sleep 3", timeout=120)
    assert lab.run("systemctl is-active tgt", check=False).stdout.strip() != "active"
    lab.run(
        f"{there}; for i in $(seq 100); do systemctl -q is-active tgt && exit 0; sleep 0.5; done; exit 1", timeout=120
    )
    run(lab, "--check", 0)
