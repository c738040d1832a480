"""What lunmirror writes to can no longer be written, from the middle of a pass on: what was done stays, what failed is
told, and the pass after it goes on.

Not here: too few open files in the whole system (fs.file-max does not bind root), and a disk that acknowledges writes
and drops them (no layer is reported of it; a scrub finds it, and that is the administrator's to start).
"""

import random
import re
import time

import pytest
from kit import LAYOUTS, MOUNT, Lab
from test_kill import leftovers
from test_outages import whole

# Both places, since the journal lies in /var. Their contents are on a file system of their own that can be filled.
SMALL = (
    "for d in etc var/lib/lunmirror; do mkdir -p /$d /root/$d; mount -t tmpfs -o size=24m small /root/$d;"
    " cp -a /$d/. /root/$d; mount --bind /root/$d /$d; umount /root/$d; done"
)
WAYS = {
    "read-only": ("mount -o remount,ro /etc; mount -o remount,ro /var/lib/lunmirror", "mount -o remount,rw /etc; mount -o remount,rw /var/lib/lunmirror"),
    "full": ("cat /dev/zero > /etc/filler; cat /dev/zero > /var/lib/lunmirror/filler; true", "rm /etc/filler /var/lib/lunmirror/filler"),
}  # fmt: skip


@pytest.mark.parametrize("attempt", range(2))
@pytest.mark.parametrize("way", WAYS)
def test_in_the_middle_of_a_pass(lab: Lab, way: str, attempt: int) -> None:
    seed = random.SystemRandom().randrange(1 << 30)
    steps = random.Random(seed).randint(1, 18)
    lab.configure(LAYOUTS["core"])
    lab.run(SMALL)
    spoil, repair = WAYS[way]
    run = lab.spawn(["lunmirror", "apply"])
    end = time.monotonic() + 120
    while run.output()[1].count('"outcome": "done"') < steps and run.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    assert run.poll() is None, f"it ended before step {steps}: {run.output()}"
    lab.run(spoil, timeout=120)
    ended = run.wait(300)
    said = ended.stdout + ended.stderr
    done = ended.stderr.count('"outcome": "done"')
    lab.figure(f"/etc and /var {way} after step {steps} (seed {seed}): exit {ended.rc} after {done} steps")
    assert ended.rc == 1, said
    assert re.search("read-only|no space left|is full", said, re.I), said
    assert not re.search("Traceback|internal error", said), said
    assert MOUNT in lab.get("/etc/fstab").decode() or not lab.mounted(), "a mount that no boot would make again"

    lab.run(repair)
    lab.settle()
    witness = lab.write_file()
    assert lab.apply(expect=0).titles() == []
    whole(lab)
    assert leftovers(lab) == []
    assert set(lab.on_each_leg().values()) == {witness}
