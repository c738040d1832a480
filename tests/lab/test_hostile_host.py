"""A host and a network that misbehave: slow and lossy, a disk whose writes fail, a clock that jumps, no descriptors
left, tools that flood. What is asked for still comes to its end, or is reported; what is there stays."""

import json

import pytest
from kit import DISKS, LAYOUTS, MOUNT, Lab
from test_outages import back, whole, writing

LVM = "/usr/sbin/lvm"
FLOOD = "#!/bin/sh\nhead -c 1048576 /dev/zero | tr '\\0' x >&2\n"


def test_a_slow_and_lossy_network(lab: Lab) -> None:
    """On a network that carries some kilobytes a second a LUN cannot be proven blank: nothing is made of it, and that is
    said. On one that is merely bad, all that is declared is made."""
    lab.run("filer netem filer1 delay 60ms 20ms loss 2%; filer netem filer2 delay 120ms 40ms loss 3%")
    lab.configure(LAYOUTS["core"])
    before = {disk: lab.backing(DISKS[disk]) for disk in ("left", "right")}
    hopeless = lab.apply(timeout=400)
    unread = [f["resource"]["name"] for f in hopeless.findings("blocked") if "cannot be established" in f["what"]]
    assert bool(unread) == (hopeless.rc == 1), str(hopeless)
    assert {disk: lab.backing(DISKS[disk]) for disk in unread} == {disk: before[disk] for disk in unread}
    lab.run("filer netem filer1 delay 10ms 2ms loss 1%; filer netem filer2 delay 20ms 3ms loss 1%")
    passes = 0
    while (ran := lab.apply(timeout=400)).rc:
        passes += 1
        assert ran.rc in (1, 3), str(ran)
        assert passes < 15, str(ran)
    witness = lab.write_file()
    assert lab.apply(expect=0).titles() == []
    lab.run("filer netem filer1; filer netem filer2", check=False)
    lab.figure(f"exit {hopeless.rc} where nothing could be read in time; {passes + 1} passes on the bad network")
    whole(lab)
    assert set(lab.on_each_leg().values()) == {witness}


def test_a_disk_whose_writes_fail(converged) -> None:
    """The server answers, its disk does not take a write: the leg is given up, and comes back whole."""
    from test_budget import budget, config, hang_backing

    lab = converged("flakey", config(policy=budget(6)), hang_backing)
    table = lab.run("dmsetup table hang1").stdout.strip()
    start, size, _, device, offset = table.split()
    with writing(lab):
        flakey = f"{start} {size} flakey {device} {offset} 0 3600 1 error_writes"
        lab.run(
            f"modprobe dm-flakey; dmsetup suspend --noflush --nolockfs hang1; dmsetup reload hang1 --table '{flakey}'; dmsetup resume hang1"
        )
        lab.run(
            "for i in $(seq 480); do dmsetup status vg0-testlv | grep -qw AD && exit 0; sleep 0.25; done; exit 1",
            timeout=180,
        )
        ran = lab.apply(timeout=400)
        assert ran.rc in (1, 3), str(ran)
        assert "AA" not in lab.dm(), "a leg that takes no write is not whole"
        lab.run(
            f"dmsetup suspend --noflush --nolockfs hang1; dmsetup reload hang1 --table '{table}'; dmsetup resume hang1"
        )
        back(lab, "right", timeout=120)
        lab.settle()
    whole(lab)
    lab.write_file()
    assert len(set(lab.on_each_leg().values())) == 1


@pytest.mark.parametrize("jump", ["+10 years", "-1 year"])
def test_the_clock_jumps(lab: Lab, jump: str) -> None:
    lab.configure(LAYOUTS["core"])
    run = lab.spawn(["lunmirror", "apply"])
    lab.run(f"sleep 4; date -s '{jump}'; sleep 3; date -s '{jump}'", timeout=60)
    ended = run.wait(300)
    assert ended.rc in (0, 3), str(run.output())
    lab.settle()
    lab.run(f"date -s '{jump}'; umount {MOUNT}; lvchange -an vg0/testlv")
    assert lab.apply(expect=0).layers() == {"volume", "mount"}
    assert lab.apply(expect=0).titles() == []
    lab.run("filer cut filer2; echo x > /mnt/test/x; sync -f /mnt/test/x; filer restore filer2", timeout=120)
    back(lab, "right")
    lab.settle()
    whole(lab)


def test_no_descriptors_left(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    lab.run(f"umount {MOUNT}")
    ended = set()
    for most in (3, 4, 5, 6, 7, 8, 10, 12, 16, 24):
        done = lab.run(f"ulimit -n {most}; exec lunmirror apply --json", check=False, timeout=120)
        said = done.stdout + done.stderr
        ended.add(done.rc)
        if "Fatal Python error" in said:
            continue  # the interpreter itself did not come up
        assert "internal error" not in said, f"{most}: {said}"
        assert "Traceback" not in said, f"{most}: {said}"
        if done.rc == 0:
            break
    assert ended - {0}, "never too few to tell anything"
    assert lab.apply(expect=0).layers() <= {"mount"}
    assert lab.mounted()
    assert lab.apply(expect=0).titles() == []


def test_a_tool_that_floods(converged) -> None:
    """A megabyte of complaints before the answer, and then instead of one."""
    lab = converged("core", LAYOUTS["core"])
    witness = lab.write_file()
    lab.run(f"mkdir -p /opt/real && cp {LVM} /opt/real/lvm && rm {LVM}")
    lab.put(LVM, FLOOD + 'exec /opt/real/lvm "$@"\n', 0o755)
    lab.run(f"umount {MOUNT}; /opt/real/lvm lvchange -an vg0/testlv")
    ran = lab.apply(expect=0)
    assert ran.layers() == {"volume", "mount"}
    assert len(ran.stdout + ran.stderr) < 200_000, "the flood goes on into the log"
    lab.put(LVM, FLOOD + "exit 5\n", 0o755)
    lab.run(f"umount {MOUNT}; /opt/real/lvm lvchange -an vg0/testlv")
    measured = lab.run(
        '/usr/bin/python3 -c \'import resource, subprocess, json; d = subprocess.run(["lunmirror", "apply"], capture_output=True); print(json.dumps([d.returncode, len(d.stdout) + len(d.stderr), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))\'',
        timeout=120,
    )
    rc, length, kib = json.loads(measured.stdout)
    assert rc == 1
    assert length < 200_000
    assert kib < 200 * 1024
    lab.figure(f"a megabyte on stderr: {kib >> 10} MiB of memory, {length} bytes told")
    lab.run(f"rm {LVM}; cp /opt/real/lvm {LVM}")
    assert lab.apply(expect=0).layers() == {"volume", "mount"}
    assert lab.checksum(f"{MOUNT}/witness") == witness
