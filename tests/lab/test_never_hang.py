"""Every verb ends within its deadline, whatever the disks do; and says what it could not see, and why."""

import re

from kit import MOUNT, SERVERS, Lab
from test_outages import RAID1, back

MORE = 2.0  # seconds that a blocked leg may cost `status` and `plan`
EMULATION = 3.0  # seconds more, for two busy emulated processors
LVM_READ = 30.0  # seconds: the longest any read of LVM is waited for (lvm/read.py), and 2 more to end it


def seconds(lab: Lab, *words: str, says: str = "", within: float = 120.0) -> tuple[float, str]:
    """How long a verb takes, and all that it says."""
    done = lab.run(["lunmirror", *words], check=False, timeout=180)
    print(f"$ lunmirror {' '.join(words)}: exit {done.rc} after {done.seconds:.1f} s\n{done.stdout}")
    assert says in done.stdout, done.stdout + done.stderr
    assert done.seconds <= within, f"{words} took {done.seconds:.1f} s, not {within:.1f} s"
    return done.seconds, done.stdout


def healthy(lab: Lab) -> dict[str, float]:
    return {verb: max(seconds(lab, verb)[0] for _ in range(2)) for verb in ("status", "plan")}


def hold(lab: Lab, tmo: int = 90) -> None:
    """Sessions that fail stay so, and their disks blocked, for as long as the test takes."""
    lab.run(f"for s in /sys/class/iscsi_session/*; do echo {tmo} > $s/recovery_tmo; done")


def test_a_blocked_leg_costs_two_seconds_at_most(converged):
    lab = converged("raid1-5s", RAID1)
    usual = healthy(lab)
    hold(lab)
    for verb in ("status", "plan"):
        limit = usual[verb] + MORE + EMULATION
        lab.run("filer cut filer2")
        grey, said = seconds(lab, verb, within=limit)
        assert "filer2" in said
        assert re.search("does not answer|is FAILED", said)
        lab.run(
            "for i in $(seq 80); do grep -q FAILED /sys/class/iscsi_session/*/state && exit 0; sleep 0.25; done; exit 1",
            timeout=60,
        )
        failed, said = seconds(lab, verb, says="is FAILED", within=limit)
        assert re.search(r"detected conn error \(\d+\) at \d{4}-", said) or re.search(r"since \d{4}-", said), said
        lab.figure(f"{verb}: healthy {usual[verb]:.1f} s, just cut {grey:.1f} s, blocked {failed:.1f} s")
        lab.run("filer restore filer2")
        back(lab, "right")
        hold(lab)


def test_iscsid_stopped_and_dead(converged):
    lab = converged("raid1-5s", RAID1)
    usual = healthy(lab)
    lab.run("kill -STOP $(cat /run/iscsid.pid)")
    for verb in ("status", "plan"):
        seconds(lab, verb, within=usual[verb] + MORE + EMULATION)
    stopped = lab.apply(expect=0)
    assert "is stopped" in str(stopped.findings("note")), str(stopped)
    lab.run("systemctl stop iscsid.socket; kill -KILL $(cat /run/iscsid.pid)")
    dead = lab.apply(expect=0)
    assert "iscsid does not run" in str(dead.findings("note")), str(dead)
    told, _ = seconds(lab, "status", says="iscsid does not run")
    lab.run("systemctl start iscsid.socket; systemctl restart iscsid")
    lab.run(f"dd if=/dev/zero of={MOUNT}/touch bs=4k count=1 oflag=dsync", timeout=60)
    # It logged both sessions in again at once: a leg may have dropped out for a moment.
    back(lab, "left")
    back(lab, "right")
    assert "iscsid" not in str(lab.settle().findings("note"))
    lab.figure(f"status {usual['status']:.1f} s, with iscsid dead {told:.1f} s")


def test_a_portal_that_accepts_and_never_answers(converged):
    lab = converged("raid1-5s", RAID1)
    lab.run("filer hang filer2")
    first, _ = seconds(lab, "status", within=LVM_READ + 2 + EMULATION + 10)
    lab.run(f"dd if=/dev/zero of={MOUNT}/touch bs=4k count=1 oflag=dsync; sleep 5", timeout=120)
    lab.run(f"iscsiadm -m node -T {SERVERS['filer2'][2]} --logout", check=False, timeout=120)
    ran = lab.apply(timeout=180)
    assert ran.rc in (1, 3), str(ran)
    assert "filer2" in str(ran.findings())
    lab.figure(
        f"status beside a server that hangs {first:.1f} s; apply with a login that is never answered {ran.seconds:.1f} s"
    )
    lab.run("filer heal filer2")
    lab.settle()


def test_a_stuck_lvm_is_abandoned_named_and_not_doubled(converged):
    lab = converged("raid1-5s", RAID1)
    usual = healthy(lab)
    # A disk of somebody else that takes commands and never ends them, and does not look ill.
    lab.run("modprobe scsi_debug dev_size_mb=8; udevadm settle; sleep 2")
    lab.run(
        "for d in /sys/block/sd*; do grep -q scsi_debug $d/device/model && echo 600 > $d/device/timeout; done; true"
    )
    lab.run("echo 1 > /sys/bus/pseudo/drivers/scsi_debug/every_nth; echo 4 > /sys/bus/pseudo/drivers/scsi_debug/opts")

    first, said = seconds(lab, "status", within=LVM_READ + 2 + EMULATION + 5)

    assert re.search(r"lvm \(pid \d+\) did not end within 30 s and cannot be killed", said), said
    assert re.search(r"waits in the kernel .*/dev/sd", said), said
    stuck = lab.run("pgrep -c -x lvm", check=False).stdout.strip()
    second, said = seconds(lab, "status", within=usual["status"] + MORE + EMULATION)
    assert "lvm was not started" in said
    applied = lab.apply()
    assert applied.titles() == [], str(applied)
    assert lab.run("pgrep -c -x lvm", check=False).stdout.strip() == stuck
    lab.figure(
        f"status: LVM abandoned after {first:.1f} s, the next one ended in {second:.1f} s without a second LVM"
    )
