"""Outages one after the other, for as long as SOAK says (seconds; `make soak`: 900). lunmirror runs from its own timer
and nothing else repairs; a writer keeps the acknowledged blocks and their checksums on another disk."""

import itertools
import json
import os
import random
import time

import pytest
from kit import MOUNT, Lab
from test_boot import RAID1, install_units
from test_outages import whole

SECONDS = int(os.environ.get("SOAK", "0"))
FAULTS = {"cut": "restore", "stop": "start", "hang": "unhang"}  # by `filer`: what breaks it, and what repairs it
OFTEN = "[Timer]\nOnUnitInactiveSec=\nOnActiveSec=\nOnUnitInactiveSec=4\nOnActiveSec=4\n"
# Each quarter of a second: is the volume whole by device-mapper's word? One line "TIME LETTERS" for each change.
SAMPLER = (
    "while :; do now=$(dmsetup status --noflush vg0-testlv | cut -d' ' -f6); "
    '[ "$now" = "$last" ] || { echo "$(date +%s.%N) $now" >> /root/letters; last=$now; }; sleep 0.25; done'
)

pytestmark = pytest.mark.skipif(not SECONDS, reason="a soak is asked for by name: make soak")


def in_service(lab: Lab) -> float:
    """Waits until redundancy is full and a whole pass has said so: only then does the journal know that both legs have
    everything (docs/failures.md, "between a copy's end and the next pass"). The seconds it took."""
    begun = time.monotonic()
    good = "dmsetup status --noflush vg0-testlv | grep -q 'raid1 2 AA .* idle'"
    pass_of = "systemctl show lunmirror.service -p InvocationID --value"
    lab.run(
        f"for i in $(seq 480); do {good} && break; sleep 0.25; done; {good} || exit 1; before=$({pass_of});"
        f" for i in $(seq 480); do {good} && [ $({pass_of}) != $before ] &&"
        " [ $(systemctl is-active lunmirror.service) = inactive ] &&"
        " [ $(systemctl show lunmirror.service -p ExecMainStatus --value) = 0 ] && exit 0; sleep 0.25; done; exit 1",
        timeout=400,
    )
    return time.monotonic() - begun


def without_redundancy(lab: Lab) -> float:
    """Seconds that device-mapper did not say AA."""
    rows = [line.split() for line in lab.get("/root/letters").decode().splitlines()]
    changes = [(float(row[0]), row[1] if len(row) > 1 else "") for row in rows]
    pairs = itertools.pairwise(changes)
    return sum(later - at for (at, letters), (later, _) in pairs if letters != "AA")


def test_soak(converged) -> None:
    seed = int(os.environ.get("SOAK_SEED", random.SystemRandom().randrange(1 << 30)))
    print(f"SOAK_SEED={seed}")
    chance = random.Random(seed)
    lab = converged("raid1-boot", RAID1)
    install_units(lab)
    lab.run("mkdir -p /etc/systemd/system/lunmirror.timer.d")
    lab.put("/etc/systemd/system/lunmirror.timer.d/often.conf", OFTEN)
    lab.run("systemctl daemon-reload; systemctl start lunmirror-release.service lunmirror.service lunmirror.timer")
    lab.spawn(SAMPLER)
    writer = lab.spawn(f"writer {MOUNT}/blocks --log /root/blocks.log --interval-ms 100")
    begun, outages, healing = time.monotonic(), 0, []
    while time.monotonic() - begun < SECONDS:
        server = f"filer{outages % 2 + 1}"
        fault = chance.choice(tuple(FAULTS))
        lab.run(
            f"filer {fault} {server}; sleep {chance.uniform(1, 40):.1f}; filer {FAULTS[fault]} {server}", timeout=120
        )
        healing.append(in_service(lab))
        outages += 1
        assert writer.poll() is None, writer.output()
    lab.run("pkill -TERM -f '[w]riter /mnt'")
    writer.wait(60)
    lab.run(
        "systemctl stop lunmirror.timer lunmirror-soon.timer lunmirror-return.socket lunmirror-return.service; pkill -f '[r]oot/letters'",
        check=False,
    )
    lab.settle()
    lost = without_redundancy(lab)
    said = json.loads(lab.run(f"writer verify {MOUNT}/blocks /root/blocks.log", check=False, timeout=300).stdout)
    passes = lab.run("journalctl -b -o cat -u lunmirror.service --no-pager -g 'Finished' | wc -l").stdout.strip()
    lab.figure(
        f"{SECONDS} s, seed {seed}: {outages} outages, {said['writes']} acknowledged writes, longest stall"
        f" {said['max_latency_s']:.1f} s, {passes} passes, {lost:.0f} s without redundancy; healed at the latest"
        f" {max(healing):.0f} s after a return"
    )
    assert len(lab.sessions()) == 2
    assert said["ok"], said
    assert said["errors"] == 0, said
    assert said["max_latency_s"] <= 15, said
    assert outages >= SECONDS // 120
    assert lost > 0, "no outage was felt"
    whole(lab)
    read = lab.checksum(f"{MOUNT}/blocks")
    assert set(lab.on_each_leg("blocks").values()) == {read}  # what was verified is on both
