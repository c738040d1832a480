"""What `export` prints is what the target software takes: by tgt-admin itself and by rtslib, to a mounted mirror."""

import json
import re

from kit import DISKS, MOUNT, SERVERS, Lab, config, volume

CONTROL = {"filer1": 1, "filer2": 2}  # tgtd's control numbers (contrib/lab/guest/filer.py)


def exported(lab: Lab) -> str:
    initiator = re.search(r"^InitiatorName=(\S+)", lab.get("/etc/iscsi/initiatorname.iscsi").decode(), re.M)
    assert initiator
    parts = []
    for disk, server in list(DISKS.items())[:2]:
        parts.append(f'[servers.{server}.export]\nclients = ["{initiator[1]}"]\n')
        parts.append(
            f'[servers.{server}.export.disks.{disk}]\npath = "/srv/filers/{server}-export.img"\nsize = "512MiB"\n'
        )
    return config(volume=volume("48MiB"), more="\n".join(parts))


def test_tgt_takes_the_file_and_a_mirror_is_mounted_on_it(lab: Lab):
    """The lab's own targets are deleted first, so that nothing but our file exports anything."""
    lab.configure(exported(lab))
    for server, control in CONTROL.items():
        lab.run(f"truncate -s 512M /srv/filers/{server}-export.img")
        lab.run(f"lunmirror export {server} --format tgt > /root/{server}.conf")
        lab.run(f"tgtadm -C {control} --lld iscsi --mode target --op delete --force --tid 1")
        done = lab.run(f"tgt-admin -C {control} -c /root/{server}.conf --execute --verbose", timeout=60)
        assert "Skipping" not in done.stdout, done.stdout
        show = f"tgtadm -C {control} --lld iscsi --op show --mode target"
        lab.run(f"{show} | lunmirror export {server} --format tgt --check /dev/stdin")
    ran = lab.settle(passes=12)
    print(ran)
    lab.synced()
    assert MOUNT in lab.run("findmnt -n -o TARGET").stdout
    wwids = {lab.run(f"cat /sys/class/block/{lab.device(d)}/device/wwid").stdout.strip() for d in ("left", "right")}
    assert len(wwids) == 2, wwids
    for disk in ("left", "right"):
        name = lab.device(disk).removeprefix("/dev/")
        assert lab.run(f"cat /sys/block/{name}/device/scsi_disk/*/cache_type").stdout.strip() == "write through"
        assert lab.run(f"cat /sys/block/{name}/queue/discard_max_bytes").stdout.strip() == "0"
    assert "report the same" not in "\n".join(f["what"] for f in lab.plan(expect=0).findings("note"))


def test_nobody_else_may_log_in(lab: Lab):
    text = re.sub(r'clients = \["[^"]+"\]', 'clients = ["iqn.2001-01.org.example:somebody"]', exported(lab))
    lab.configure(text)
    lab.run(
        "truncate -s 512M /srv/filers/filer1-export.img; lunmirror export filer1 --format tgt > /root/filer1.conf"
    )
    lab.run("tgtadm -C 1 --lld iscsi --mode target --op delete --force --tid 1")
    lab.run("tgt-admin -C 1 -c /root/filer1.conf --execute", timeout=60)
    target, address = SERVERS["filer1"][2], SERVERS["filer1"][0]
    lab.run(f"iscsiadm -m node -o new -T {target} -p {address}:3260 -I default")
    lab.run(f"iscsiadm -m node -T {target} -p {address} -o update -n node.session.initial_login_retry_max -v 1")
    assert lab.run(f"iscsiadm -m node -T {target} -p {address} --login", check=False, timeout=60).rc != 0


def test_lio_restores_the_file_and_saves_the_same(lab: Lab):
    """Only what was printed is compared: rtslib adds every other attribute."""
    lab.configure(exported(lab).replace("192.168.1.115", "127.0.0.1:3261"))
    lab.run("truncate -s 512M /srv/filers/filer1-export.img; lunmirror export filer1 --format lio > /root/lio.json")
    done = lab.run(
        "modprobe iscsi_target_mod target_core_file && targetctl restore /root/lio.json", check=False, timeout=60
    )
    assert done.rc == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout + done.stderr
    lab.run("targetctl save /root/saved.json", timeout=60)
    printed, saved = (json.loads(lab.get(f"/root/{name}.json")) for name in ("lio", "saved"))
    assert _within(printed["storage_objects"], saved["storage_objects"])
    assert _within(printed["targets"], saved["targets"])
    same = lab.run("lunmirror export filer1 --format lio --check /root/saved.json", check=False)
    assert same.rc == 0, same.stdout + same.stderr
    lab.run('sed -i \'s/"generate_node_acls": 0/"generate_node_acls": 1/\' /root/saved.json')
    other = lab.run("lunmirror export filer1 --format lio --check /root/saved.json", check=False)
    assert (other.rc, "generate_node_acls is 1" in other.stdout) == (2, True), other.stdout
    lab.run("targetctl clear", timeout=60)


def _within(ours, theirs) -> bool:
    """Whether all that is printed stands in what was saved."""
    if isinstance(ours, dict):
        return all(key in theirs and _within(value, theirs[key]) for key, value in ours.items())
    if isinstance(ours, list):
        return all(any(_within(one, other) for other in theirs) for one in ours)
    return str(int(ours) if isinstance(ours, bool) else ours) == str(
        int(theirs) if isinstance(theirs, bool) else theirs
    )
