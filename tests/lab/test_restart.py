"""A server that is restarted and has lost what it acknowledged; and outages that lose nothing, which cost no full copy.

The loss is real: while the server is down, the bytes that it had before the last writes are put back under its LUN, as a
write cache that was never flushed would leave them.
"""

import json

import pytest
from kit import DISKS, MOUNT, Lab, config
from test_outages import back, given_up, served_again, whole

OTHER = {"left": "right", "right": "left"}
LONG = config(policy='stall_budget = "3m"\nboot_wait = "5s"')
SHORT = config(policy='stall_budget = "6s"\nboot_wait = "5s"')
SIZE = 64 << 20  # bytes of the volume
THROUGH = "mode_page=8:0:18:0x10:0:0xff:0xff:0:0:0xff:0xff:0xff:0xff:0x80:0x14:0:0:0:0:0:0"  # tgt's own, without WCE
CONTROL = {"left": 1, "right": 2}  # of tgtd
BLOCK = 1024  # bytes: what mke2fs takes for a volume of this size
LOSE = r"""
import os, sys
image, old, new, size = *sys.argv[1:4], int(sys.argv[4])
data = open(new, "rb").read()
lost = {data[n : n + size] for n in range(0, len(data), size)}
count, at, piece = 0, 0, 1 << 20
with open(image, "r+b") as now, open(old, "rb") as before:
    while True:
        try:
            at = os.lseek(now.fileno(), at, os.SEEK_DATA) // piece * piece
        except OSError:
            break
        there = os.pread(now.fileno(), piece, at)
        for n in range(0, len(there), size):
            if there[n : n + size] in lost:
                os.pwrite(now.fileno(), os.pread(before.fileno(), size, at + n), at + n)
                count += 1
        at += piece
    os.fsync(now.fileno())
print(count)
"""


def journal(lab: Lab) -> dict:
    return json.loads(lab.get(lab.run("ls /var/lib/lunmirror/volumes/*.json").stdout.strip()))


def overwritten(lab: Lab, server: str, name: str = "witness") -> str:
    """A file of acknowledged bytes, older than md's bitmap remembers; the LUN as it was before is kept in /root/old."""
    lab.write_file(name)
    lab.run(f"cp --sparse=always $(filer path {server} 1) /root/old", timeout=120)
    lab.run("head -c 4194304 /dev/urandom > /root/new")
    lab.run(
        f"dd if=/root/new of={MOUNT}/{name} bs=1M conv=notrunc oflag=direct status=none && sync -f {MOUNT}/{name}"
    )
    lab.run("sleep 12")  # md clears its bits some 5 to 10 s after a write
    return lab.checksum("/root/new")


def lose(lab: Lab, server: str) -> None:
    """What was written since then is gone from the LUN of a server that is down."""
    lab.put("/root/lose.py", LOSE)
    ran = lab.run(f"python3 /root/lose.py $(filer path {server} 1) /root/old /root/new {BLOCK}", timeout=600)
    assert int(ran.stdout) == (4 << 20) // BLOCK, ran.stdout


def start(lab: Lab, server: str) -> None:
    """Its targets are defined before it can be reached: else the session may be lost for good (test_stuck_session.py)."""
    lab.run(f"filer cut {server}; filer start {server}; filer restore {server}")


def written(lab: Lab) -> dict[str, int]:
    """Bytes that the kernel has written to each leg's disk."""
    return {d: 512 * int(lab.run(f"cat /sys/block/{lab.device(d)}/stat").stdout.split()[6]) for d in OTHER}


@pytest.mark.parametrize("which", OTHER)
def test_a_loss_within_the_replacement_timeout_is_made_good(converged, which: str) -> None:
    """md never fails the leg, and fsync is answered with 0."""
    lab = converged("restart-3m", LONG)
    server = DISKS[which]
    now = overwritten(lab, server)
    before = written(lab)

    lab.run(f"filer stop {server}")
    lose(lab, server)
    start(lab, server)
    back(lab, which)
    lab.run(f"sync -f {MOUNT}/witness")
    assert " AA " in lab.dm()

    late = (
        "for i in $(seq 120); do cat /var/lib/lunmirror/attention/* 2>/dev/null && exit 0; sleep 0.25; done; exit 1"
    )
    noted = lab.run(late).stdout.split()  # udev's
    assert noted[0] == lab.run("cat /proc/sys/kernel/random/boot_id").stdout.strip()

    assert lab.lunmirror("can-lose", DISKS[OTHER[which]]).rc != 0
    lab.slow_copy()
    first = lab.apply(expect=3)
    assert [t for t in first.titles() if "again in full" in t], str(first)
    assert lab.lunmirror("can-lose", DISKS[OTHER[which]]).rc != 0
    lab.slow_copy(False)
    lab.settle()

    after = written(lab)
    assert after[which] - before[which] >= SIZE
    assert after[OTHER[which]] - before[OTHER[which]] < SIZE
    whole(lab)
    assert lab.apply(expect=0).titles() == []
    assert set(lab.on_each_leg().values()) == {now}


@pytest.mark.parametrize("which", OTHER)
def test_a_loss_beyond_the_replacement_timeout_is_made_good(converged, which: str) -> None:
    """The leg comes back, and its bitmap does not know of what the server lost."""
    lab = converged("restart-6s", SHORT)
    server = DISKS[which]
    now = overwritten(lab, server)

    lab.run(f"filer stop {server}")
    lose(lab, server)
    with lab.writing():
        given_up(lab, letters="DA" if which == "left" else "AD")
        lab.run("sleep 10")  # it was away for long already: the writer has to be seen going on
    lab.run(f"filer start {server}")
    served_again(lab, which)
    lab.settle()

    whole(lab)
    assert journal(lab)["rebuild"] == []
    assert set(lab.on_each_leg().values()) == {now}


@pytest.mark.parametrize("which", OTHER)
def test_a_repair_ends_before_it_copies_what_a_server_lost(converged, which: str) -> None:
    """A repair copies from the first leg. It is held back here, and what is lost lies behind a file that keeps it busy: what
    it copied before the pass is not undone."""
    lab = converged("restart-3m", LONG)
    server = DISKS[which]
    lab.run(f"head -c 25165824 /dev/zero > {MOUNT}/ahead && sync -f {MOUNT}/ahead")
    now = overwritten(lab, server)
    lab.slow_copy()
    lab.run("lvchange --syncaction repair vg0/testlv && sleep 1")
    assert " repair " in lab.dm()

    lab.run(f"filer stop {server}")
    lose(lab, server)
    start(lab, server)
    back(lab, which)
    lab.run(f"sync -f {MOUNT}/witness")
    first = lab.apply(expect=3)

    assert [t for t in first.titles() if t.startswith("stop the repair")], str(first)
    assert " repair " not in lab.dm()
    lab.slow_copy(False)
    lab.settle()
    whole(lab)
    assert set(lab.on_each_leg().values()) == {now}


def test_a_lost_journal_forgets_no_comparison(converged) -> None:
    """Both servers were restarted, and the journal is lost while the legs are compared: LVM's metadata remember it."""
    lab = converged("restart-3m", LONG)
    witness = lab.write_file()
    lab.slow_copy()
    for which in OTHER:
        lab.run(f"filer stop {DISKS[which]}")
    for which in OTHER:
        start(lab, DISKS[which])
        back(lab, which)
    lab.apply(expect=3)
    assert "lunmirror.compare" in lab.run("lvs --noheadings -o lv_tags vg0/testlv").stdout
    assert journal(lab)["scrub"] == "comparing"

    lab.run("rm /var/lib/lunmirror/volumes/*.json")
    ran = lab.apply(expect=3)

    # The check that was begun before is waited for: nobody knows any more what it is for.
    assert journal(lab)["scrub"] == "compare", str(ran)
    assert all(lab.lunmirror("can-lose", server).rc != 0 for server in map(DISKS.get, OTHER))
    lab.slow_copy(False)
    lab.settle()
    whole(lab)
    assert set(lab.on_each_leg().values()) == {witness}
    assert "lunmirror." not in lab.run("lvs --noheadings -o lv_tags vg0/testlv").stdout


@pytest.mark.parametrize("beyond", [False, True])
def test_ten_clean_outages_cost_no_full_copy(converged, beyond: bool) -> None:
    lab = converged("restart-6s", SHORT)
    begun = written(lab)

    for n in range(10):
        which = list(OTHER)[n % 2]
        server = DISKS[which]
        lab.run(f"filer cut {server}; sleep 3; touch {MOUNT}/{n}; sync -f {MOUNT}/{n}", timeout=60)
        if beyond:
            given_up(lab, letters="DA" if which == "left" else "AD")
        lab.run(f"filer restore {server}")
        back(lab, which)
        lab.settle()

    spent = {d: (n - begun[d]) >> 20 for d, n in written(lab).items()}
    lab.figure(f"MiB written in ten outages: {spent}")
    assert sum(spent.values()) < SIZE >> 20, spent
    assert journal(lab)["rebuild"] == []
    whole(lab)


def write_through(lab: Lab, which: str) -> None:
    command = (
        f"tgtadm -C {CONTROL[which]} --lld iscsi --mode logicalunit --op update --tid 1 --lun 1 --params {THROUGH}"
    )
    lab.run(command)


def test_ten_restarts_of_a_server_that_writes_through_cost_no_full_copy(converged) -> None:
    lab = converged("restart-6s", SHORT)
    for which in OTHER:
        write_through(lab, which)
        lab.run(f"echo 1 > /sys/block/{lab.device(which)}/device/rescan")
        assert (
            lab.run(f"cat /sys/block/{lab.device(which)}/device/scsi_disk/*/cache_type").stdout == "write through\n"
        )
    lab.settle()

    def restarted(which: str) -> None:
        lab.run(f"filer stop {DISKS[which]}; filer start {DISKS[which]}")
        write_through(lab, which)
        served_again(lab, which)
        lab.settle()

    # Of the time when its cache was volatile the first restart may have lost something: that is looked into once.
    for which in OTHER:
        restarted(which)
    begun = written(lab)

    for n in range(10):
        restarted(list(OTHER)[n % 2])

    spent = {d: (n - begun[d]) >> 20 for d, n in written(lab).items()}
    lab.figure(f"MiB written in ten restarts: {spent}")
    assert sum(spent.values()) < SIZE >> 20, spent
    whole(lab)


def test_a_volatile_cache_is_refused_where_none_is_accepted(lab: Lab) -> None:
    lab.configure(config(servers={"filer1": 'write_cache = "through"'}))

    refused = lab.apply(expect=4)

    assert "write-cache off" in str(refused.findings("refused"))
    assert lab.dm() == ""
