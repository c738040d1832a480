"""Real reboots and power cuts of the client, with the units as `make install` lays them out, and storage servers that
start (or do not) by units of their own. Everything is judged by systemd, by device-mapper and by the bytes."""

import json
import re
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from kit import MOUNT, Lab, config, state
from machine import MachineGone

ROOT = Path(__file__).parents[2]
BUDGET, BOOT_WAIT = 15, 10  # seconds
RAID1 = config(policy=f'stall_budget = "{BUDGET}s"\nboot_wait = "{BOOT_WAIT}s"')
SHUTDOWN = BUDGET + 30  # seconds that a shutdown with a dead server may take
PATIENT = ("--lock-wait", "120s")  # the timer's own passes go on
EMULATION = 10  # seconds beyond boot_wait, as the issue allows


@dataclass
class Boot:
    """Seconds since the kernel's start, but for `shutdown`: how long the way down before took."""

    shutdown: float
    state: str  # `systemctl is-system-running`
    online: float  # the network
    begun: float  # the first pass
    ended: float
    exit: int  # of the first pass
    mounted: float  # 0: not
    multi_user: float

    @property
    def pass_to_mount(self) -> float:
        return self.mounted - self.begun

    def __str__(self) -> str:
        mounted = f"{self.mounted:.0f}" if self.mounted else "never"
        return (
            f"shutdown {self.shutdown:.0f} s; online {self.online:.0f}, pass {self.begun:.0f} to {self.ended:.0f},"
            f" mounted {mounted}, multi-user {self.multi_user:.0f} s after the kernel; exit {self.exit}, {self.state}"
        )


def install_units(lab: Lab) -> None:
    """What `make install` puts beside the program, by the very rule that does it; then what docs/boot.md tells."""
    stage = lab.machine.workdir / "installed"
    make = ["make", "-s", "-C", str(ROOT), "install-files", f"DESTDIR={stage}"]
    subprocess.run(make, check=True, capture_output=True)
    for path in stage.rglob("*"):
        there = f"/{path.relative_to(stage)}"
        if path.is_file() and not there.startswith("/etc/"):
            lab.put(there, path.read_bytes(), path.stat().st_mode & 0o777)
    lab.run("ln -sfn /usr/local/sbin/lunmirror /usr/local/bin/lunmirror")  # the lab's program is elsewhere
    lab.run("systemctl daemon-reload; systemctl enable -q lunmirror.service lunmirror.timer; sync", timeout=120)


def units_by_hand(lab: Lab) -> None:
    """The units, and no timer that starts a pass of its own in between."""
    install_units(lab)
    lab.run(
        "systemctl mask --now lunmirror.timer lunmirror-soon.timer lunmirror-return.socket lunmirror-return.service",
        check=False,
    )


@pytest.fixture
def installed(converged) -> Lab:
    """Both servers up, the volume mounted and in sync, units enabled; none of them has been started yet."""
    lab = converged("raid1-boot", RAID1)
    if state("raid1-units", RAID1) in lab.machine.converged:
        lab.machine.restore(state("raid1-units", RAID1))
        return lab
    install_units(lab)
    lab.keep("raid1-units", RAID1)
    return lab


def seconds(lab: Lab, unit: str, stamp: str) -> float:
    """A timestamp of a unit, in seconds since the kernel's start; 0 if it never was so."""
    return int(lab.run(f"systemctl show {unit} -p {stamp} --value").stdout.strip() or 0) / 1e6


def boot(lab: Lab, shutdown: float = 0.0) -> Boot:
    """Starts the machine and waits until systemd has done all it wanted to."""
    lab.machine.boot(wait=False)
    systemd = lab.machine.wait_booted(timeout=400)
    keep_journals(lab)
    first = lab.run(
        "journalctl -b -o short-monotonic -u lunmirror.service --no-pager -g 'Starting|Finished|Failed to start'"
    )
    stamps = [(float(m[1]), m[2]) for m in re.finditer(r"\[ *([\d.]+)\] \S+ systemd\[1\]: (\w+)", first.stdout)]
    begun = next(at for at, word in stamps if word == "Starting")
    ended = next(at for at, word in stamps if word in ("Finished", "Failed"))
    said = lab.run("journalctl -b -o cat -u lunmirror.service --no-pager -g 'run ended'").stdout.splitlines()
    ran = json.loads(next(line for line in said if line.startswith("{")))
    mount = "mnt-test.mount"
    return Boot(
        shutdown,
        systemd,
        seconds(lab, "network-online.target", "ActiveEnterTimestampMonotonic"),
        begun,
        ended,
        ran["exit"],
        seconds(lab, mount, "ActiveEnterTimestampMonotonic") if lab.mounted() else 0.0,
        seconds(lab, "multi-user.target", "ActiveEnterTimestampMonotonic"),
    )


def keep_journals(lab: Lab) -> None:
    """Of the way down and the way up, beside the machine's console.log: for whoever has to find out why."""
    for which, name in (("-1", "down"), ("0", "up")):
        text = lab.run(f"journalctl -b {which} -o short-monotonic --no-pager | tail -n 600", check=False).stdout
        number = len(list(lab.machine.workdir.glob(f"journal-*-{name}.log")))
        (lab.machine.workdir / f"journal-{number:02d}-{name}.log").write_text(text)


def reboot(lab: Lab) -> Boot:
    """An orderly shutdown, however long it takes, and the next boot."""
    return boot(lab, lab.machine.shutdown(timeout=300))


_normal: list[Boot] = []


def normal(lab: Lab) -> Boot:
    """A boot with both servers up, once for the session: what the others are held against, and begin from."""
    if not _normal:
        _normal.append(reboot(lab))
        calm(lab)
        lab.keep("raid1-booted", RAID1)
    return _normal[0]


@pytest.fixture
def usual(installed: Lab) -> Boot:
    measured = normal(installed)
    installed.machine.restore(state("raid1-booted", RAID1))
    return measured


def in_time(seen: Boot, usual: Boot, waited: float) -> None:
    """Mounted no later than usual plus what is waited for. The same work before any of ours tells how much slower the
    shared processors are this time."""
    slower = max(1.0, seen.online / usual.online)
    assert seen.mounted, seen
    assert seen.pass_to_mount <= usual.pass_to_mount * slower + waited + EMULATION, (str(seen), str(usual))


def failed(lab: Lab) -> list[str]:
    return [
        line.split()[0] for line in lab.run("systemctl list-units --failed --plain --no-legend").stdout.splitlines()
    ]


def no_emergency(lab: Lab) -> None:
    assert (
        lab.run("systemctl is-active emergency.target rescue.target", check=False).stdout.split() == ["inactive"] * 2
    )


def letters(lab: Lab) -> str:
    return lab.dm().split()[5] if lab.dm() else ""


def healed(lab: Lab, timeout: int = 120) -> float:
    """Waits for full redundancy, touching nothing; the seconds it took."""
    wait = f"for i in $(seq {timeout * 4}); do dmsetup status vg0-testlv | grep -q 'raid1 2 AA .* idle' && exit 0; sleep 0.25; done; exit 1"
    return lab.run(wait, timeout=timeout + 60).seconds


def calm(lab: Lab) -> None:
    """Waits until a pass has said that all is well, and no other is under way."""
    last = "[ $(systemctl show lunmirror.service -p ExecMainStatus --value) = 0 ] && [ $(systemctl is-active lunmirror.service) = inactive ]"
    lab.run(f"for i in $(seq 240); do {last} && exit 0; sleep 0.5; done; exit 1", timeout=200)


def same(lab: Lab) -> None:
    """The legs are equal sector by sector."""
    lab.run("lvchange --syncaction check vg0/testlv; sleep 1", timeout=60)
    healed(lab)
    assert int(lab.run("lvs --noheadings -o raid_mismatch_count vg0/testlv").stdout) == 0


def steps(lab: Lab) -> str:
    """Everything that passes of this boot did, as they logged it."""
    return lab.run("journalctl -b -o cat -u lunmirror.service --no-pager").stdout


def pauses(lab: Lab) -> list[float]:
    """Seconds from the end of each pass to the beginning of the next."""
    about = lab.run("journalctl -b -o short-monotonic -u lunmirror.service --no-pager -g 'Starting|Finished'").stdout
    stamps = [(float(m[1]), m[2]) for m in re.finditer(r"\[ *([\d.]+)\] \S+ systemd\[1\]: (\w+)", about)]
    return [
        later - at
        for (at, word), (later, next_word) in pairwise(stamps)
        if (word, next_word) == ("Finished", "Starting")
    ]


def test_both_servers_up(installed: Lab) -> None:
    lab = installed
    verify = lab.run(
        "systemd-analyze verify --man=no lunmirror.service lunmirror-release.service lunmirror.timer lunmirror-soon.timer lunmirror-return.socket lunmirror-return.service 2>&1",
        timeout=120,
    )
    assert "lunmirror" not in verify.stdout, verify.stdout
    witness = lab.write_file()
    seqno = lab.seqno()

    seen = reboot(lab) if _normal else normal(lab)

    lab.figure(str(seen))
    # The servers run in this machine, so they were restarted, too; a server whose return udev never noted may have been
    # restarted before the end: compared once.
    assert (seen.state, seen.exit in (0, 3), failed(lab)) == ("running", True, []), steps(lab)
    no_emergency(lab)
    assert letters(lab) == "AA"
    calm(lab)
    assert lab.checksum(f"{MOUNT}/witness") == witness
    assert lab.seqno() == seqno  # no metadata was written on the way
    assert "alone" not in steps(lab)
    for unit in ("open-iscsi.service", "lunmirror-release.service", "lunmirror.timer"):
        assert lab.run(["systemctl", "is-active", unit], check=False).stdout.strip() == "active"


def test_a_leg_dies_under_a_busy_mount_at_shutdown_and_is_absent_at_boot(installed: Lab, usual: Boot) -> None:
    """The writer belongs to no unit: nobody ends it before the mount is to go."""
    lab = installed
    witness = lab.write_file()
    lab.spawn(["writer", f"{MOUNT}/blocks", "--log", "/var/tmp/blocks.log", "--interval-ms", "50"])
    lab.run("filer disable filer2; sleep 3; filer cut filer2; sleep 1")

    seen = reboot(lab)

    lab.figure(
        f"filer2 absent: {seen}; usual: {usual.shutdown:.0f} s down, mounted {usual.pass_to_mount:.0f} s into the pass"
    )
    assert seen.shutdown <= SHUTDOWN, seen
    assert (seen.state, seen.exit, failed(lab)) == ("running", 3, [])
    no_emergency(lab)
    in_time(seen, usual, BOOT_WAIT)
    assert letters(lab) in ("AD", "DA")
    assert lab.checksum(f"{MOUNT}/witness") == witness
    wrote = json.loads(lab.run(f"writer verify {MOUNT}/blocks /var/tmp/blocks.log", timeout=120).stdout)
    assert wrote["errors"] == 0, wrote  # its file system was there until it ended
    assert wrote["lost"] == wrote["torn"] == [], wrote
    assert (
        lab.run("journalctl -b -1 -k --no-pager -g 'EXT4-fs error|aborted journal'", check=False).stdout.count("EXT4")
        == 0
    )

    lab.run("filer enable filer2; filer start filer2")
    took = healed(lab)
    lab.figure(f"redundancy full {took:.0f} s after filer2's return, by itself")
    calm(lab)
    assert failed(lab) == []
    waits = pauses(lab)
    lab.figure(f"next pass after {', '.join(f'{w:.0f}' for w in waits)} s")
    assert max(waits) <= 10 + 3, waits  # three for a machine that has other things to do
    same(lab)
    assert lab.checksum(f"{MOUNT}/witness") == witness


def test_a_leg_is_long_dead_at_shutdown_and_the_same_is_absent_at_boot(installed: Lab, usual: Boot) -> None:
    """The first leg this time; the journal was written by a pass while it was away."""
    lab = installed
    lab.run("filer disable filer1; filer cut filer1")
    witness = lab.write_file()
    lab.run(
        "for i in $(seq 240); do dmsetup status vg0-testlv | grep -qw DA && exit 0; sleep 0.5; done; exit 1",
        timeout=150,
    )
    lab.apply(*PATIENT, expect=3)

    seen = reboot(lab)

    lab.figure(f"filer1 absent: {seen}")
    assert seen.shutdown <= SHUTDOWN, seen
    assert (seen.state, seen.exit, failed(lab)) == ("running", 3, [])
    in_time(seen, usual, BOOT_WAIT)
    assert letters(lab) in ("AD", "DA")
    assert lab.checksum(f"{MOUNT}/witness") == witness
    lab.run("filer enable filer1; filer start filer1")
    lab.figure(f"redundancy full {healed(lab):.0f} s after filer1's return, by itself")
    calm(lab)
    same(lab)


@pytest.mark.unproven
def test_both_servers_die_and_return_after_the_boot(installed: Lab, usual: Boot) -> None:
    lab = installed
    witness = lab.write_file()
    lab.run("filer disable filer1; filer disable filer2; filer cut filer1; filer cut filer2")

    seen = reboot(lab)

    lab.figure(f"both absent: {seen}")
    assert seen.shutdown <= SHUTDOWN, seen
    # The truth: what is declared is out of service. Nothing else fails, and the boot comes to its end.
    assert (seen.exit, seen.mounted) == (1, 0.0)
    assert seen.state in ("degraded", "running")  # running: the next pass has begun already
    assert set(failed(lab)) <= {"lunmirror.service"}
    no_emergency(lab)
    assert letters(lab) == ""
    # filer2 was restarted with a volatile cache, and the volume did not end in order: filer1 may have what it lost.
    lab.run("filer enable filer2; filer start filer2")
    last = "[ $(systemctl show lunmirror.service -p ExecMainStatus --value) = 104 ]"
    lab.run(f"for i in $(seq 240); do {last} && exit 0; sleep 0.5; done; exit 1", timeout=200)
    assert letters(lab) == ""
    assert "`lunmirror choose vg0/testlv --keep filer2`" in steps(lab)
    lab.run("filer enable filer1; filer start filer1")
    mounted = lab.run(
        f"for i in $(seq 240); do findmnt {MOUNT} && exit 0; sleep 0.5; done; exit 1", timeout=200
    ).seconds
    lab.figure(f"mounted {mounted:.0f} s, redundancy full {healed(lab):.0f} s after filer1's return, by itself")
    calm(lab)
    assert (failed(lab), lab.run("systemctl is-system-running").stdout.strip()) == ([], "running")
    same(lab)
    assert lab.checksum(f"{MOUNT}/witness") == witness


def test_a_server_returns_while_the_boot_waits_for_it(installed: Lab, usual: Boot) -> None:
    """iscsid has been told to log in by open-iscsi.service and is still at it when lunmirror asks for the same."""
    lab = installed
    lab.configure(RAID1.replace(f'boot_wait = "{BOOT_WAIT}s"', 'boot_wait = "60s"'))
    lab.apply(*PATIENT, expect=0)
    witness = lab.write_file()
    shutdown = lab.machine.shutdown(timeout=300)
    lab.machine.boot(wait=False)
    lab.run("until systemctl is-active -q lunmirror-lab-network; do sleep 0.2; done; filer cut filer2", timeout=240)
    assert lab.run("systemctl is-active lunmirror.service", check=False).stdout.strip() == "inactive"
    lab.run(
        "until ss -Htnp state syn-sent | grep -q lunmirror; do sleep 0.2; done; sleep 6; filer restore filer2",
        timeout=300,
    )
    lab.machine.wait_booted(timeout=400)
    keep_journals(lab)

    told = steps(lab)
    lab.figure(f"filer2 back during boot_wait; shutdown {shutdown:.0f} s")
    assert "wait for filer2" in told, told
    assert "alone" not in told, told
    assert letters(lab) == "AA", lab.dm()
    assert lab.run("systemctl show lunmirror.service -p ExecMainStatus --value").stdout.strip() == "0"
    assert lab.checksum(f"{MOUNT}/witness") == witness
    assert failed(lab) == []


def test_the_client_loses_power_under_a_writer(installed: Lab, usual: Boot) -> None:
    lab = installed
    witness = lab.write_file()
    lab.spawn(["writer", f"{MOUNT}/blocks", "--log", "/var/tmp/blocks.log", "--interval-ms", "20"])
    lab.run("sleep 5")
    lab.machine.power_cut()
    with pytest.raises(MachineGone):
        lab.run("true")

    seen = boot(lab)

    lab.figure(f"after a power cut: {seen}")
    assert seen.exit in (0, 3), seen
    assert (seen.state, failed(lab)) == ("running", [])
    no_emergency(lab)
    in_time(seen, usual, 0)
    healed(lab)
    wrote = json.loads(lab.run(f"writer verify {MOUNT}/blocks /var/tmp/blocks.log", timeout=120).stdout)
    assert wrote["lost"] == wrote["torn"] == [], wrote
    assert wrote["writes"] > 20, wrote
    assert lab.checksum(f"{MOUNT}/witness") == witness
    calm(lab)


def test_no_event_of_lvm_starts_a_group(converged) -> None:
    """Both disks appear at once, and udev tells LVM: what then starts the group is lunmirror or nobody."""
    lab = converged("raid1-boot", RAID1)

    def return_of_both_disks() -> str:
        lab.run(
            f"umount {MOUNT}; lvchange -an vg0/testlv; iscsiadm -m node --logoutall=all; udevadm settle", timeout=120
        )
        lab.run("iscsiadm -m node --loginall=automatic; udevadm settle; sleep 10", timeout=180)
        return lab.dm()

    assert return_of_both_disks() == ""
    lab.apply(expect=0)
    lab.run("vgchange --setautoactivation y vg0")
    assert "raid1 2 AA" in return_of_both_disks()  # what LVM does of itself

    planned = lab.plan(expect=2)
    assert planned.titles("group") == ["switch off event activation of volume group vg0"]
    lab.apply(expect=0)
    assert lab.run("vgs --noheadings --binary -o vg_autoactivation vg0").stdout.strip() == "0"
    assert return_of_both_disks() == ""
