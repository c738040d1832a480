"""A server returns: how soon repair begins, with the units alone, and how soon redundancy is whole."""

import json

import pytest
from kit import MOUNT, Lab
from test_boot import RAID1, install_units
from test_outages import given_up, whole

# Seconds since the machine started at which the session is logged in again, and each leg in sync.
CLOCK = """
import json, subprocess, sys, time
iqn, times = sys.argv[1], {}
import glob
session = next(s for s in glob.glob("/sys/class/iscsi_session/*") if open(s + "/targetname").read().strip() == iqn)
while "whole" not in times and time.monotonic() < float(sys.argv[2]) + 300:
    if "back" not in times and open(session + "/state").read().strip() == "LOGGED_IN":
        times["back"] = time.monotonic()
    if "back" in times and " AA " in subprocess.run(["dmsetup", "status", "vg0-testlv"], capture_output=True, text=True).stdout:
        times["whole"] = time.monotonic()
    time.sleep(0.05)
print(json.dumps(times))
"""


def started(lab: Lab) -> float:
    """When the last pass began, in seconds since the machine started."""
    said = lab.run("systemctl show lunmirror.service -p ExecMainStartTimestampMonotonic --value").stdout
    return int(said) / 1e6


@pytest.mark.unproven
def test_repair_begins_when_a_session_is_back(converged) -> None:
    lab = converged("raid1-boot", RAID1)
    install_units(lab)
    lab.put("/root/clock.py", CLOCK)
    lab.run("systemctl start lunmirror.service lunmirror.timer", timeout=120)
    assert lab.run("systemctl is-active lunmirror-return.service", check=False).stdout.strip() == "inactive"
    iqn = lab.target("right")

    for _ in range(3):
        lab.run("filer cut filer2")
        lab.run(f"dd if=/dev/urandom of={MOUNT}/new bs=4k count=1 conv=fsync status=none", timeout=60)
        given_up(lab)
        lab.run(
            "for i in $(seq 400); do systemctl -q is-active lunmirror-return.service && exit 0; sleep 0.25; done; exit 1",
            timeout=150,
        )
        now = float(lab.run("cut -d' ' -f1 /proc/uptime").stdout)
        clock = lab.spawn(f"python3 /root/clock.py {iqn} {now}")
        lab.run("filer restore filer2")
        times = json.loads(clock.wait(400).stdout)
        begun = started(lab)
        lab.figure(
            f"pass {begun - times['back']:.1f} s after the session was back, whole {times['whole'] - times['back']:.1f} s"
        )
        assert begun - times["back"] < 4, times  # one that ran already is waited for

    lab.run(
        "for i in $(seq 400); do systemctl -q is-active lunmirror-return.service || exit 0; sleep 0.25; done; exit 1"
    )
    lab.run("systemctl stop lunmirror.timer")
    lab.settle()
    whole(lab)
