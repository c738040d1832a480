"""`speed` on a mirror in service: it reads each leg and the mirror, writes nothing, and is bounded when a server dies."""

import json

import pytest
from kit import MOUNT, Lab, config, volume
from test_outages import RAID1, back

LARGE = config(policy='stall_budget = "6s"\nboot_wait = "5s"', volume=volume("384MiB"))
SECTORS_READ, SECTORS_WRITTEN = 2, 6  # fields of /sys/block/*/stat (Documentation/block/stat.rst)


def counts(lab: Lab, disk: str) -> list[int]:
    return [int(n) for n in lab.run(f"cat /sys/block/{lab.device(disk).removeprefix('/dev/')}/stat").stdout.split()]


def quiet(lab: Lab, disk: str) -> None:
    """Waits until nothing writes any more: a new ext4 has its inode tables zeroed in the background."""
    stat = f"awk '{{print $7}}' /sys/block/{lab.device(disk).removeprefix('/dev/')}/stat"
    lab.run(f"for i in $(seq 60); do a=$({stat}); sleep 4; [ $a = $({stat}) ] && exit 0; done; exit 1", timeout=300)


@pytest.mark.unproven
def test_each_leg_and_the_mirror_are_read_and_nothing_is_written(converged):
    lab = converged("raid1-5s", RAID1)
    lab.run(f"sync -f {MOUNT}")
    quiet(lab, "left")
    before = {disk: counts(lab, disk) for disk in ("left", "right")}
    seqno, world = lab.seqno(), lab.footprint()

    found = lab.lunmirror("speed", "--most", "32MiB", expect=0, timeout=120)

    readings = {r["device"]: r for r in found.report["readings"]}
    assert set(readings) == {"leg on filer1", "leg on filer2", "the mirror"}
    for one in readings.values():
        assert one["one_reader"] > 0
        assert one["several_readers"] > 0
        assert 0 < one["bytes"] <= 32 << 20
    for disk, old in before.items():
        new = counts(lab, disk)
        # Each leg 31 MiB alone, and of the mirror its share: past the cache, so each of it went over the wire.
        assert 16 << 11 <= new[SECTORS_READ] - old[SECTORS_READ] <= 80 << 11
        assert new[SECTORS_WRITTEN] - old[SECTORS_WRITTEN] <= 64, "md's own superblock at most"
    assert (lab.seqno(), lab.footprint()) == (seqno, world)
    assert all(r["interface"] and r["mtu"] for r in found.report["network"]), found.stdout
    lab.figure("; ".join(f"{d}: {r['several_readers'] >> 20} MiB/s" for d, r in readings.items()))


def test_a_dead_leg_is_not_read_and_costs_seconds(converged):
    lab = converged("raid1-5s", RAID1)
    lab.run("filer cut filer2")
    found = lab.lunmirror("speed", "--most", "16MiB", expect=3, timeout=120)

    readings = {r["device"]: r for r in found.report["readings"]}
    assert readings["leg on filer1"]["several_readers"] > 0
    assert readings["leg on filer2"]["several_readers"] is None
    why = readings["leg on filer2"]["why"]
    assert any(words in why for words in ("does not answer", "FAILED", "FREE")), why
    assert found.seconds < 60
    lab.run("filer restore filer2")
    back(lab, "right")


def test_a_server_that_dies_in_the_middle_of_a_reading_holds_nobody_up(converged):
    """The reads under way wait as long as the kernel does; speed does not."""
    lab = converged("raid1-large", LARGE)
    stat = f"/sys/block/{lab.device('left').removeprefix('/dev/')}/stat"
    # From 8 MiB on it is the reader, and nothing that looks at the disk.
    lab.put(
        "/root/wait",
        f"b=$(awk '{{print $3}}' {stat}); until test $(awk '{{print $3}}' {stat}) -gt $((b + 16384)); do sleep 0.1; done",
    )
    lab.spawn("lunmirror speed --seconds 30 --most 16GiB --json > /root/speed.json; echo $? > /root/speed.rc")
    lab.run("timeout 120 sh /root/wait && filer cut filer1", timeout=150)
    lab.run("for i in $(seq 300); do test -e /root/speed.rc && exit 0; sleep 1; done; exit 1", timeout=330)
    assert int(lab.get("/root/speed.rc")) in (3, 4)
    first = json.loads(lab.get("/root/speed.json"))["readings"][0]
    assert first["why"], first
    lab.run("filer restore filer1")
    back(lab, "left")
    lab.settle()
