"""`apply` is killed with -9 again and again, at random instants: each next pass goes on from whatever it left, nothing
is formatted or wiped twice, no lock blocks, and no acknowledged write is lost. The programs that it had started are
not killed with it half of the time, as when only the process dies."""

import json
import random

import pytest
from kit import LAYOUTS, MOUNT, Lab, config
from test_outages import RAID1, back, given_up, healthy_device, whole, writing

# Runs in the machine. argv: seed, kills wanted, longest life (s), for how long to go on at the most (s). Ends early
# when a pass came to its end with nothing left to do.
KILLER = r"""
import json, os, random, signal, subprocess, sys, time
seed, most, longest, patience = (float(word) for word in sys.argv[1:5])
chance, kills, ended, end = random.Random(seed), 0, [], time.monotonic() + patience
while kills < most and time.monotonic() < end:
    life = chance.choice((0.3, 0.6, 1.0)) * longest * chance.random()
    one = subprocess.Popen(["lunmirror", "apply", "--lock-wait", "60s"], stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    try:
        said = one.communicate(timeout=life)[1].decode()
        ended.append(one.returncode)
        assert "internal error" not in said and "Traceback" not in said, said
        if one.returncode == 0 and "nothing" in sys.argv[5:]:
            break
        if one.returncode not in (0, 3):
            print(said, file=sys.stderr)
    except subprocess.TimeoutExpired:
        (os.killpg if chance.random() < 0.5 else os.kill)(one.pid, signal.SIGKILL)
        one.communicate()
        kills += 1
print(json.dumps({"kills": kills, "ended": ended}))
"""


def killed(lab: Lab, kills: int, longest: float, until_done: bool) -> int:
    """How many passes were killed. Each that was left to end did so well."""
    lab.put("/root/killer.py", KILLER)
    seed = random.SystemRandom().randrange(1 << 30)
    words = [str(seed), str(kills), str(longest), "420", *(["nothing"] if until_done else [])]
    ran = lab.run(["python3", "/root/killer.py", *words], timeout=600)
    said = json.loads(ran.stdout)
    assert set(said["ended"]) <= {0, 3}, f"seed {seed}: {said}\n{ran.stderr}"
    lab.figure(f"{said['kills']} passes killed, {len(said['ended'])} came to their end (seed {seed})")
    return said["kills"]


def leftovers(lab: Lab) -> list[str]:
    """Temporary files, and locks that somebody would wait for."""
    find = "find /etc /var/lib/lunmirror /run/lunmirror -name '*lunmirror.tmp*'; ls /run/lock/iscsi/lock.write"
    return lab.run(f"{{ {find}; }} 2>/dev/null", check=False).stdout.split()


@pytest.mark.parametrize("attempt", range(4))
def test_from_blank_to_mounted(lab: Lab, attempt: int) -> None:
    lab.configure(LAYOUTS["core"] if attempt % 2 else config())
    count = killed(lab, 40, longest=12.0, until_done=False)
    lab.settle()
    assert count >= 8, "too few to tell anything"
    made = lab.run("tune2fs -l /dev/vg0/testlv | grep -i 'filesystem uuid'").stdout
    witness = lab.write_file()
    killed(lab, 12, longest=1.5, until_done=False)  # of passes that have nothing to do
    ran = lab.settle()
    assert ran.titles() == [], "nothing was left to do"
    assert lab.run("tune2fs -l /dev/vg0/testlv | grep -i 'filesystem uuid'").stdout == made
    assert lab.checksum(f"{MOUNT}/witness") == witness
    assert leftovers(lab) == []
    assert lab.run("vgs --noheadings -o lv_count,pv_count vg0").stdout.split() == ["1", "2"]
    assert len(lab.sessions()) == 2
    assert lab.run(f"grep -c {MOUNT} /etc/fstab").stdout.strip() == "1"
    assert set(lab.on_each_leg().values()) == {witness}


# Stands in LVM's place: the victim's command is killed after a while, as by a power cut.
WRAPPER = """#!/bin/sh
[ "${0##*/}" = lvm ] || exec /opt/real/lvm "${0##*/}" "$@"
if [ "$1" = "$(cat /root/victim 2>/dev/null)" ]; then exec timeout -s KILL "$(cat /root/after)" /opt/real/lvm "$@"; fi
exec /opt/real/lvm "$@"
"""
PARTS = "/opt/real/lvm lvs -a --noheadings -o lv_name,lv_active vg0 2>/dev/null | grep -E '^ *testlv_r(meta|image)' | wc -l"
ONE = config(disks=("left",), volume='size = "64MiB"\ntype = "linear"\nfilesystem = "ext4"\nmount = "/mnt/test"')


def lvm_killed(lab: Lab, verb: str, after: float) -> str:
    """One pass in which this command of LVM's is killed `after` seconds; what is then by itself, and the pass's exit."""
    lab.put("/root/victim", verb)
    lab.put("/root/after", str(after))
    rc = lab.apply(timeout=200).rc
    lab.run("rm /root/victim")
    return f"{lab.run(PARTS).stdout.strip()}:{rc}"


def stand_in(lab: Lab) -> None:
    lab.run("mkdir -p /opt/real && cp /usr/sbin/lvm /opt/real/lvm && rm /usr/sbin/lvm")
    lab.put("/usr/sbin/lvm", WRAPPER, 0o755)


def in_the_way(lab: Lab) -> bool:
    """One pass; an administrator runs what he is reported, if a killed command left devices that LVM does not know."""
    found = [f for f in lab.apply().findings("blocked") if "cannot be given a leg yet" in f["what"]]
    for command in (word for f in found for word in f["next"].split("`")[1::2]):
        lab.run(command)
    return bool(found)


def test_lvcreate_is_killed_at_any_instant(converged) -> None:
    """A half-made volume is removed and re-created; sub-volumes left active are deactivated first."""
    lab = converged("raid1-6s", RAID1)
    stand_in(lab)
    seen = []
    for n in range(10):
        # An old file system would rightly be refused, where the killed lvcreate had not yet wiped the extents.
        forget = "/opt/real/lvm lvremove -y vg0/testlv; rm -f /var/lib/lunmirror/volumes/*"
        lab.run(f"umount {MOUNT}; wipefs -a /dev/vg0/testlv; {forget}", timeout=120)
        seen.append(lvm_killed(lab, "lvcreate", 0.4 + 0.14 * n))
        lab.settle()
        assert lab.mounted()
        assert lab.run("lvs --noheadings -o lv_name vg0").stdout.split() == ["testlv"]
    lab.figure(f"10 times; parts by themselves and exit code: {' '.join(seen)}")
    assert {one.partition(":")[0] for one in seen} - {"0"}, "never half-made: nothing is shown"
    witness = lab.write_file()
    whole(lab)
    assert set(lab.on_each_leg().values()) == {witness}


def test_a_leg_is_being_added_when_lvconvert_is_killed(converged) -> None:
    lab = converged("single-raid1", ONE)
    witness = lab.write_file()
    stand_in(lab)
    seen, told = [], 0
    for n in range(10):
        lab.configure(RAID1)
        seen.append(lvm_killed(lab, "lvconvert", 0.4 + 0.14 * n))
        told += in_the_way(lab)
        lab.settle()
        assert " AA " in lab.dm()
        assert lab.run("lvs --noheadings -o lv_name vg0").stdout.split() == ["testlv"]
        if n < 9:
            lab.configure(ONE)
            lab.run(f"/opt/real/lvm lvconvert -y -m 0 vg0/testlv /dev/{lab.device('right')}", timeout=120)
    lab.figure(
        f"10 times; parts by themselves and exit code: {' '.join(seen)}; {told} times an administrator was told"
    )
    assert {one.partition(":")[0] for one in seen} - {"0"}, "never half-added: nothing is shown"
    assert lab.checksum(f"{MOUNT}/witness") == witness
    whole(lab)
    assert set(lab.on_each_leg().values()) == {witness}


def test_what_a_killed_lvconvert_left_in_device_mapper_is_reported(converged) -> None:
    """LVM does not know it, so nothing of LVM's takes it away; the commands that are told do."""
    lab = converged("single-raid1", ONE)
    lab.run("dmsetup create vg0-testlv_rimage_1 --table '0 8192 zero'")
    lab.configure(RAID1)
    assert in_the_way(lab)
    lab.settle()
    assert " AA " in lab.dm()


@pytest.mark.parametrize("attempt", range(2))
def test_while_it_heals(converged, attempt: int) -> None:
    lab = converged("raid1-6s", RAID1)
    with writing(lab):
        for _ in range(2):
            lab.run("filer cut filer2")
            given_up(lab)
            lab.run(f"lvchange --devices {healthy_device(lab, 'left')} --addtag meanwhile vg0/testlv")
            lab.run(f"lvchange --devices {healthy_device(lab, 'left')} --deltag meanwhile vg0/testlv")
            lab.run("filer restore filer2")
            back(lab, "right")
            killed(lab, 12, longest=6.0, until_done=True)
            lab.settle()
    whole(lab)
    assert leftovers(lab) == []
    lab.write_file()
    assert len(set(lab.on_each_leg().values())) == 1
