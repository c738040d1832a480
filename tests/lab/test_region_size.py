"""The region size of a raid1: changed in use, without a copy; and what it does to random writes."""

import json

import pytest
from kit import MOUNT, Lab, config
from test_outages import back, given_up, whole

# Over so many regions that the bit of one is cleared before its next write, which a small file hides.
SPREAD = 1536  # MiB
RANDOM = f"""
import json, mmap, os, random, threading, time
fd = os.open("/dev/mapper/vg0-testlv", os.O_RDWR | os.O_DIRECT)
until, done = time.monotonic() + 20, []
def write(seed):
    page, choose, count = mmap.mmap(-1, 4096), random.Random(seed), 0
    page[:8] = b"lunmirro"
    while time.monotonic() < until:
        os.pwrite(fd, page, 4096 * choose.randrange({SPREAD << 20} // 4096))
        count += 1
    done.append(count)
threads = [threading.Thread(target=write, args=(n,)) for n in range(16)]
[t.start() for t in threads]
[t.join() for t in threads]
print(json.dumps(sum(done) / 20))
"""


def declared(region: str, volume: str = f'size = "256MiB"\nfilesystem = "ext4"\nmount = "{MOUNT}"') -> str:
    lines = f'{volume}\nregion_size = "{region}"'
    return config(volume=lines, policy='stall_budget = "6s"\nboot_wait = "5s"')


def random_writes(lab: Lab) -> float:
    """4 KiB writes a second, 16 at a time, past the page cache."""
    lab.put("/root/iops.py", RANDOM)
    lab.run("sync; sleep 12")  # the bits of what was before are cleared
    return float(json.loads(lab.run("python3 /root/iops.py", timeout=120).stdout))


def written(lab: Lab) -> list[int]:
    return [512 * int(lab.run(f"cat /sys/block/{lab.device(d)}/stat").stdout.split()[6]) for d in ("left", "right")]


def test_the_region_size_is_changed_in_use(converged) -> None:
    lab = converged("region-2m", declared("2MiB"))
    witness = lab.write_file()
    assert " region_size 4096 " in lab.run("dmsetup table vg0-testlv").stdout
    lab.configure(declared("16MiB"))
    before = written(lab)

    changed = lab.apply(expect=0)

    assert [t for t in changed.titles() if "region size" in t], str(changed)
    assert " region_size 32768 " in lab.run("dmsetup table vg0-testlv").stdout
    assert max(now - then for now, then in zip(written(lab), before, strict=True)) < 8 << 20
    assert lab.apply(expect=0).titles() == []

    lab.run("filer cut filer2")
    with lab.writing():
        given_up(lab, letters="AD")
        lab.run("sleep 10")  # the writer has to be seen going on
    lab.run("filer restore filer2")
    back(lab, "right")
    lab.settle()
    whole(lab)
    assert set(lab.on_each_leg().values()) == {witness}


@pytest.mark.unproven
def test_larger_regions_make_random_writes_faster(converged) -> None:
    lab = converged("region-raw", declared("2MiB", f'size = "{SPREAD}MiB"'))
    small = random_writes(lab)
    lab.configure(declared("16MiB", f'size = "{SPREAD}MiB"'))
    lab.apply(expect=0)
    large = random_writes(lab)
    lab.figure(f"random 4 KiB writes, 16 at a time: {small:.0f}/s with regions of 2 MiB, {large:.0f}/s with 16 MiB")
    assert large > 1.2 * small
