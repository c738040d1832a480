"""The region size of a raid1: changed in use, without a copy; and what it does to random writes."""

import json

import pytest
from kit import MOUNT, Lab, config
from test_outages import back, given_up, whole

FILE = 96 << 20  # bytes
RANDOM = f"""
import json, mmap, os, random, threading, time
fd = os.open("{MOUNT}/big", os.O_RDWR | os.O_DIRECT)
until, done = time.monotonic() + 15, []
def write(seed):
    page, choose, count = mmap.mmap(-1, 4096), random.Random(seed), 0
    page[:8] = b"lunmirro"
    while time.monotonic() < until:
        os.pwrite(fd, page, 4096 * choose.randrange({FILE} // 4096))
        count += 1
    done.append(count)
threads = [threading.Thread(target=write, args=(n,)) for n in range(16)]
[t.start() for t in threads]
[t.join() for t in threads]
print(json.dumps(sum(done) / 15))
"""


def declared(region: str) -> str:
    lines = f'size = "256MiB"\nfilesystem = "ext4"\nmount = "{MOUNT}"\nregion_size = "{region}"'
    return config(volume=lines, policy='stall_budget = "6s"\nboot_wait = "5s"')


def random_writes(lab: Lab) -> float:
    """4 KiB writes a second, 16 at a time, past the page cache."""
    lab.put("/root/iops.py", RANDOM)
    lab.run("sync; sleep 12")  # the bits of what was before are cleared
    return float(json.loads(lab.run("python3 /root/iops.py", timeout=120).stdout))


def written(lab: Lab) -> list[int]:
    return [512 * int(lab.run(f"cat /sys/block/{lab.device(d)}/stat").stdout.split()[6]) for d in ("left", "right")]


@pytest.mark.unproven
def test_the_region_size_is_changed_in_use(converged) -> None:
    lab = converged("region-2m", declared("2MiB"))
    witness = lab.write_file()
    lab.run(f"dd if=/dev/zero of={MOUNT}/big bs=1M count={FILE >> 20} conv=fsync status=none", timeout=300)
    assert " region_size 4096 " in lab.run("dmsetup table vg0-testlv").stdout
    small = random_writes(lab)
    lab.configure(declared("16MiB"))
    before = written(lab)

    changed = lab.apply(expect=0)

    assert [t for t in changed.titles() if "region size" in t], str(changed)
    assert " region_size 32768 " in lab.run("dmsetup table vg0-testlv").stdout
    assert max(now - then for now, then in zip(written(lab), before, strict=True)) < 8 << 20
    assert lab.apply(expect=0).titles() == []
    large = random_writes(lab)
    lab.figure(f"random 4 KiB writes, 16 at a time: {small:.0f}/s with regions of 2 MiB, {large:.0f}/s with 16 MiB")
    assert large > 1.2 * small

    lab.run("filer cut filer2")
    with lab.writing():
        given_up(lab, letters="AD")
    lab.run("filer restore filer2")
    back(lab, "right")
    lab.settle()
    whole(lab)
    assert set(lab.on_each_leg().values()) == {witness}
