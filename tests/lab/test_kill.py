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
