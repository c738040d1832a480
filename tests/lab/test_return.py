"""A leg is given up, a server returns: how soon a pass begins, with the units alone, and that nothing of ours runs
meanwhile. systemd listens to device-mapper and iSCSI (docs/facts/events.md)."""

import json

import pytest
from kit import MOUNT, Lab
from test_boot import RAID1, boot, install_units
from test_outages import given_up, whole

WATCHER, SOCKET, PASS = "lunmirror-return.service", "lunmirror-return.socket", "lunmirror.service"
# How soon a pass begins, in seconds: one on bare metal; here two emulated processors start systemctl and Python.
SOON = 4
# Seconds since the machine started at which the leg is given up, the journal has noted it, the session is logged in
# again, and each leg in sync: those that are named, in this order.
CLOCK = """
import glob, json, os, subprocess, sys, time
iqn, wanted, times = sys.argv[1], sys.argv[2:], {}
session = next(s for s in glob.glob("/sys/class/iscsi_session/*") if open(s + "/targetname").read().strip() == iqn)
[journal] = glob.glob("/var/lib/lunmirror/volumes/*.json")
legs = lambda: len(json.load(open(journal))["running"])
letters = lambda: subprocess.run(["dmsetup", "status", "vg0-testlv"], capture_output=True, text=True).stdout.split()[5]
look = {
    "failed": lambda: letters() == "AD",
    "noted": lambda: legs() == 1,
    "lost": lambda: open(session + "/state").read().strip() != "LOGGED_IN",
    "back": lambda: open(session + "/state").read().strip() == "LOGGED_IN",
    "whole": lambda: letters() == "AA",
}
end = time.monotonic() + 300
while wanted and time.monotonic() < end:
    if look[wanted[0]]():
        times[wanted.pop(0)] = time.monotonic()
    else:
        time.sleep(0.05)
print(json.dumps(times))
"""


def begun(lab: Lab, unit: str = PASS) -> float:
    """When it last began, in seconds since the machine started; 0 for never."""
    said = lab.run(["systemctl", "show", unit, "-p", "ExecMainStartTimestampMonotonic", "--value"]).stdout
    return int(said) / 1e6


def passes(lab: Lab, what: str = "Starting") -> list[float]:
    """When each pass of this boot began; or ended."""
    said = lab.run(f"journalctl -b -o short-monotonic --no-pager -u {PASS} -g '{what}'").stdout
    return [float(line[1:].split("]")[0]) for line in said.splitlines() if line.startswith("[")]


def first_after(lab: Lab, instant: float) -> float:
    """Seconds from an instant, or from the end of a pass that ran at that time, to the beginning of the first pass after it."""
    begun, ended = passes(lab), passes(lab, "Deactivated successfully|Failed with result")
    before = max((at for at in begun if at < instant), default=0.0)
    free = min((at for at in ended if at > before), default=instant)
    return min(at for at in begun if at >= instant) - max(instant, free)


def state(lab: Lab, unit: str) -> str:
    return str(lab.run(["systemctl", "is-active", unit], check=False).stdout.strip())


def resting(lab: Lab) -> None:
    """Until nothing of ours runs: all is in order, and the watcher has seen it."""
    lab.run(
        f"for i in $(seq 400); do systemctl -q is-active {WATCHER} || exit 0; sleep 0.25; done; systemctl status {WATCHER}; exit 1",
        timeout=150,
    )


def write(lab: Lab) -> None:
    lab.run(f"dd if=/dev/urandom of={MOUNT}/new bs=4k count=1 conv=fsync status=none", timeout=60)


@pytest.fixture
def watched(converged) -> Lab:
    lab = converged("raid1-boot", RAID1)
    install_units(lab)
    lab.put("/root/clock.py", CLOCK)
    lab.run(f"systemctl start {PASS} lunmirror.timer", timeout=120)
    resting(lab)
    assert state(lab, SOCKET) == "active", lab.run(f"systemctl status {SOCKET}", check=False).stdout
    return lab


@pytest.mark.unproven
def test_a_pass_begins_when_a_leg_is_given_up_and_when_its_session_is_back(watched: Lab) -> None:
    lab = watched
    iqn = lab.target("right")
    before = begun(lab, WATCHER)
    lab.run(f"sleep 10; systemctl start {PASS}; sleep 3", timeout=120)
    assert begun(lab, WATCHER) == before  # a pass that changes nothing is no event: in the healthy state nothing runs

    clock = lab.spawn(["python3", "/root/clock.py", iqn, "failed", "noted"])
    lab.run("filer cut filer2")
    write(lab)
    given_up(lab)
    times = json.loads(clock.wait(400).stdout)
    lab.figure(
        f"pass {first_after(lab, times['failed']):.1f} s after the leg was given up, noted {times['noted'] - times['failed']:.1f} s"
    )
    assert state(lab, WATCHER) == "active"
    assert first_after(lab, times["failed"]) < SOON, (times, passes(lab))  # not the timer's, up to a minute later

    clock = lab.spawn(["python3", "/root/clock.py", iqn, "back", "whole"])
    lab.run("filer restore filer2")
    times = json.loads(clock.wait(400).stdout)
    lab.figure(
        f"pass {first_after(lab, times['back']):.1f} s after the session was back, whole {times['whole'] - times['back']:.1f} s"
    )
    assert first_after(lab, times["back"]) < SOON, (times, passes(lab))

    resting(lab)
    lab.run("systemctl stop lunmirror.timer")
    assert state(lab, SOCKET) == "inactive"
    lab.settle()
    whole(lab)


def test_the_power_goes_just_after_a_leg_was_given_up(watched: Lab) -> None:
    """And then only the older leg is there: the journal knows that it fell behind."""
    lab = watched
    clock = lab.spawn(["python3", "/root/clock.py", lab.target("right"), "failed", "noted"])
    lab.run("filer disable filer1; filer cut filer2")
    write(lab)
    given_up(lab)
    times = json.loads(clock.wait(400).stdout)
    lab.machine.power_cut()
    lab.figure(f"power gone when it was noted, {times['noted'] - times['failed']:.1f} s after the leg was given up")

    seen = boot(lab)

    assert seen.mounted == 0, seen
    assert lab.run("dmsetup status vg0-testlv", check=False).rc != 0, "it was started on the leg that fell behind"


def test_a_cable_out_for_seconds_is_followed_by_a_pass(watched: Lab) -> None:
    """No leg is given up, so nothing but the session's own messages shows it; a server that was restarted shows the same."""
    lab = watched
    clock = lab.spawn(["python3", "/root/clock.py", lab.target("right"), "lost", "back"])
    lab.run("filer cut filer2; sleep 3; filer restore filer2")
    times = json.loads(clock.wait(400).stdout)
    lab.run("sleep 5")
    lab.figure(f"pass {first_after(lab, times['back']):.1f} s after the session was back")
    assert first_after(lab, times["back"]) < SOON, (times, passes(lab))

    spent = "cut -d' ' -f1 /proc/$(systemctl show lunmirror-return.service -p MainPID --value)/schedstat"
    watching = lab.run(
        f"systemctl -q is-active {WATCHER} && a=$({spent}) && sleep 4 && b=$({spent}) && echo $((b - a))", check=False
    )
    if watching.rc == 0:  # it may have ended already
        lab.figure(f"the watcher used {int(watching.stdout) / 4e7:.1f} % of a CPU")
    resting(lab)
