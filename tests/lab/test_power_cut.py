"""The client loses its power while it writes. What a writer was told is there, and the legs are made equal: the kernel
does not do that (docs/facts/lab.md#power-cut). And it loses its power in the middle of `apply`, again and again."""

import json
import random
import time

import pytest
from kit import LAYOUTS, MOUNT, Lab, config
from machine import Handle
from test_outages import RAID1, whole

EQUAL = "make the legs of vg0/testlv equal after an unclean end"
WRITERS = 6


def idle(lab: Lab) -> None:
    lab.run(
        "for i in $(seq 240); do dmsetup status vg0-testlv | grep -qw idle && exit 0; sleep 0.5; done; exit 1",
        timeout=150,
    )


def differing(lab: Lab) -> int:
    """Sectors of the two legs of a volume that is not active which differ, read off the disks themselves."""
    extent = int(lab.run("vgs --noheadings --units b --nosuffix -o vg_extent_size vg0").stdout)
    size = int(lab.run("lvs --noheadings --units b --nosuffix -o lv_size vg0/testlv").stdout)
    places = []
    for leg in (0, 1):
        query = f"lvs -a --noheadings -o devices vg0/testlv_rimage_{leg}"
        node, first = lab.run(query).stdout.strip().removesuffix(")").split("(")
        start = int(lab.run(f"pvs --noheadings --units b --nosuffix -o pe_start {node}").stdout)
        places.append((node, start + int(first) * extent))
    (one, at), (other, there) = places
    compare = f"cmp -l --ignore-initial={at}:{there} --bytes={size} {one} {other}"
    return int(lab.run(f"{compare} | awk '{{s[int(($1-1)/512)]}} END {{print length(s)}}'", timeout=180).stdout)


def test_legs_that_a_power_cut_forced_apart_are_made_equal(converged):
    lab = converged("raid1-5s", RAID1)
    lab.run("for s in /sys/class/iscsi_session/*; do echo 100 > $s/recovery_tmo; done")  # nothing is to be given up
    for n in range(WRITERS):
        lab.spawn(f"writer {MOUNT}/blocks{n} --log /root/blocks{n}.log --interval-ms 10 --direct")
    lab.run("sleep 8; filer hang filer2; sleep 6")
    # The servers lose their power with the client, and what nobody had flushed: one of them had written it out by itself.
    lab.run("timeout 60 sync $(filer path filer1 1)", timeout=90)
    lab.machine.power_cut()
    lab.machine.boot()
    lab.run(
        "for i in $(seq 120); do [ $(ls -d /sys/class/iscsi_session/* | wc -l) = 2 ] && exit 0; sleep 1; done",
        timeout=180,
    )
    differed = differing(lab)
    lab.figure(f"{differed} sectors differed after the power cut")

    first = lab.apply(expect=3)

    assert EQUAL in first.titles(), str(first)
    assert "not a clean one" in str(first.findings("degraded")), str(first)
    idle(lab)
    lab.settle()
    whole(lab)
    for n in range(WRITERS):
        lab.run(f"writer verify {MOUNT}/blocks{n} /root/blocks{n}.log", timeout=120)
    assert len(set(lab.on_each_leg("blocks0").values())) == 1
    assert differed, "the power cut left the legs equal: nothing is shown"


def test_after_an_orderly_reboot_nothing_is_compared(converged):
    lab = converged("raid1-5s", RAID1)
    witness = lab.write_file()
    lab.machine.reboot()

    ran = lab.apply()

    assert EQUAL not in ran.titles(), str(ran)
    assert "activate volume vg0/testlv" in ran.titles(), str(ran)
    assert lab.checksum(f"{MOUNT}/witness") == witness
    lab.settle()
    assert lab.apply(expect=0).titles() == []


# -- in the middle of apply -------------------------------------------------------------------------------------------

# Runs in the machine, right after a boot: what is not whole, one sentence a line. A file that is not there is whole.
WHOLE = r"""
import glob, json, os, subprocess
OWNER = open("/root/fstab.owner").read().splitlines()

def text(path):
    with open(path, "rb") as file:
        return file.read().decode()

def record(path):
    lines = text(path).splitlines()
    assert lines[:1] and lines[0].startswith("# BEGIN RECORD") and lines[-1] == "# END RECORD", lines[-3:]
    assert all(" = " in line for line in lines if not line.startswith("#")), lines
    assert any(line.startswith("node.conn[0].address = ") for line in lines)

def fstab(path):
    content = text(path)
    assert content.endswith("\n"), content
    lines = content.splitlines()
    assert lines[:len(OWNER)] == OWNER, content
    assert len(lines) <= len(OWNER) + 1, content
    assert all(len(line.split()) == 6 for line in lines[len(OWNER):]), content

def rules(path):
    content = text(path)
    assert content.startswith("# Written by lunmirror") and content.endswith("\n"), content
    lines = [line for line in content.splitlines() if line and not line.startswith("#")]
    assert 1 <= len(lines) <= 3 and all(line.startswith("ACTION") and line.count('"') % 2 == 0 for line in lines), content

def journal(path):
    document = json.loads(text(path))
    assert document["schema"] == 1 and document["running"], document

KINDS = {
    "/etc/fstab": fstab, "/etc/udev/rules.d/85-lunmirror.rules": rules,
    "/var/lib/lunmirror/volumes/*.json": journal, "/etc/iscsi/nodes/*/*/*": record, "/var/lib/iscsi/nodes/*/*/*": record,
}
for pattern, judge in KINDS.items():
    for path in glob.glob(pattern):
        try:
            judge(path)
        except Exception as fault:
            print(path, type(fault).__name__, fault)
assert os.path.exists("/etc/fstab")
"""

# What a pass is set against when the one before came to its end; each is a part of the way from blank to mounted.
DAMAGE = (
    "rm -r $NODES/*linuxtest1lv",
    "sed -i 's/^node.startup = .*/node.startup = manual/' $NODES/*/*/default",
    f"sed -i '\\:{MOUNT}:d' /etc/fstab",
    "rm /etc/udev/rules.d/85-lunmirror.rules",
    f"fuser -s -k -M {MOUNT}; umount {MOUNT}; lvchange -an vg0/testlv; rm -r /var/lib/lunmirror",
)
CUTS = 9
DONE = '"outcome": "done"'


def done(run: Handle) -> int:
    """Steps that a pass has reported as done so far."""
    return "".join(run.output()).count(DONE)


class Client:
    """A machine that loses its power in the middle of passes."""

    def __init__(self, lab: Lab, chance: random.Random) -> None:
        self.lab, self.chance = lab, chance
        self.steps: list[int] = []  # how many steps each pass had done when the power went
        self.made = self.witness = ""

    def damaged(self) -> None:
        script = " ; ".join(self.chance.sample(DAMAGE, self.chance.randint(1, len(DAMAGE))))
        # The same damage twice running would be a hand that lunmirror does not fight for ever (test_flapping.py).
        self.lab.run(f"{script}; rm -f /run/lunmirror/flapping.json; sync", check=False, timeout=120)

    def cut(self) -> bool:
        """True if the power went while the pass ran, after some steps of it; false if it came to its end before."""
        writer = f"until mountpoint -q {MOUNT}; do sleep 0.2; done; exec writer {MOUNT}/blocks --log /root/blocks.log"
        self.lab.spawn(writer)
        run = self.lab.spawn(["lunmirror", "apply", "--lock-wait", "60s"])
        steps, late = self.chance.randint(0, 6), self.chance.random() * 3.0
        while done(run) < steps and run.poll() is None:
            time.sleep(0.2)
        time.sleep(late)
        ended, said = run.poll(), run.output()
        if ended is not None:
            assert ended.rc in (0, 3), f"{ended}"
            return False
        self.lab.machine.power_cut()
        self.steps.append("".join(said).count(DONE))
        return True

    def boot(self) -> None:
        self.lab.machine.boot()
        state = self.lab.run("systemctl is-system-running", check=False).stdout.strip()
        failed = self.lab.run("systemctl --failed --plain --no-legend", check=False).stdout
        assert state == "running", f"{state}: {failed}"
        torn = self.lab.run(["python3", "-c", WHOLE]).stdout
        assert torn == "", torn

    def known(self) -> None:
        """After a pass that came to its end: the file system is still that of the first time, and so are its data."""
        made = self.lab.run("tune2fs -l /dev/vg0/testlv | grep -e 'created' -e 'UUID'").stdout
        if not self.made:
            self.made, self.witness = made, self.lab.write_file()
        assert made == self.made, "it was formatted once more"
        assert self.lab.checksum(f"{MOUNT}/witness") == self.witness


@pytest.mark.parametrize("attempt", range(3))
def test_the_power_goes_in_the_middle_of_apply(lab: Lab, attempt: int) -> None:
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}")
    client = Client(lab, random.Random(seed))
    lab.configure(LAYOUTS["core"] if attempt % 2 else config())
    lab.run("cp /etc/fstab /root/fstab.owner; sync")
    cuts = 0
    for _ in range(CUTS * 3):
        if client.cut():
            cuts += 1
            client.boot()
            if cuts == CUTS:
                break
        else:
            client.known()
            client.damaged()
    lab.settle()
    client.known()
    whole(lab)
    said = {"ok": True, "writes": 0}  # nobody wrote if the power always went before it was mounted
    if lab.run("test -s /root/blocks.log", check=False).rc == 0:
        said = json.loads(lab.run(f"writer verify {MOUNT}/blocks /root/blocks.log", check=False, timeout=120).stdout)
    assert said["ok"], said
    lab.figure(f"{cuts} power cuts, after {client.steps} steps (seed {seed}); {said['writes']} writes acknowledged")
    assert cuts == CUTS, "too few to tell anything"
    assert sum(map(bool, client.steps)) >= 2, f"cut too early to tell anything: {client.steps}"
    assert lab.run("vgs --noheadings -o lv_count,pv_count vg0").stdout.split() == ["1", "2"]
    assert lab.run(f"grep -c {MOUNT} /etc/fstab").stdout.strip() == "1"
    assert lab.apply(expect=0).titles() == []
    assert set(lab.on_each_leg().values()) == {client.witness}
