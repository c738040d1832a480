#!/usr/bin/env python3
"""Does the lab itself hold? Boots a machine, tries what scenarios rely on, prints timings. Exit 1 at the first failure.

--measure: also the CPU time that common programs and imports cost in the guest.
"""

import json
import statistics
import sys
import tempfile
import time

from machine import CommandTimeout, Machine

IQN = "iqn.2006-01.com.openfiler:linuxtest1lv"
PORTALS = {"192.168.1.115": IQN, "192.168.1.120": IQN + "-2"}
MEASURED = {
    "python3": "python3 -c pass",
    "venv python": "/opt/lunmirror/bin/python -c pass",
    "dmsetup status": "dmsetup status",
    "lvm fullreport": "lvm fullreport -a --nolocking --reportformat json",
} | {
    f"import {name}": f"/opt/lunmirror/bin/python -c 'import {name}'"
    for name in (
        "pydantic",
        "structlog",
        "jinja2",
        "tomli",
        "dataclasses",
        "argparse",
        "subprocess",
        "json",
        "typing",
    )
}


def timed(label, work):
    begun = time.monotonic()
    answer = work()
    print(f"{label:<44} {time.monotonic() - begun:8.2f} s", flush=True)
    return answer


def login(machine):
    for portal in PORTALS:
        found = machine.run(f"iscsiadm -m discovery -t st -p {portal}").stdout.split()
        assert found == [f"{portal}:3260,1", PORTALS[portal]], found
    machine.run("iscsiadm -m node -L all")
    machine.run("udevadm settle")


def disks(machine):
    lines = machine.run("lsblk -dnbo NAME,SIZE,TRAN,SERIAL,WWN").stdout.splitlines()
    return [line.split() for line in lines if "iscsi" in line]


def links(machine):
    return machine.run("ls -l /dev/disk/by-path /dev/disk/by-id", check=False).stdout


def restored(machine):
    machine.put("/root/mark", "before")
    timed("snapshot", lambda: machine.snapshot("mark"))
    machine.put("/root/mark", "after")
    waiting = machine.spawn("sleep 100")
    timed("restore", lambda: machine.restore("mark"))
    assert machine.get("/root/mark") == b"before"
    assert abs(float(machine.run("date +%s.%N").stdout) - time.time()) < 2
    try:
        waiting.wait(1)
    except Exception as error:
        assert type(error).__name__ == "MachineGone", error
    else:
        raise AssertionError("a handle outlived a restore")


def faults(machine):
    reach = "timeout 2 bash -c '</dev/tcp/192.168.1.120/3260'"
    for fault, cure in (("cut", "restore"), ("stop", "start"), ("crash", "restore")):
        machine.run(f"filer {fault} filer2")
        assert machine.run(reach, check=False).rc, fault
        machine.run(f"filer {cure} filer2")
        machine.run(f"for i in $(seq 20); do {reach} && exit; sleep 0.2; done; exit 1")
    machine.run("filer hang filer2")
    try:
        machine.run("iscsiadm -m discovery -t st -p 192.168.1.120", timeout=5)
    except CommandTimeout:
        pass
    else:
        raise AssertionError("a hung server answered")
    machine.run("filer unhang filer2")


def durable(machine):
    """What a server acknowledged, and what the writer logged, is there after a power cut."""
    disk = machine.run(f"readlink -f /dev/disk/by-path/ip-192.168.1.115:3260-iscsi-{IQN}-lun-1").stdout.strip()
    writer = machine.spawn(f"writer {disk} --log /root/log --direct --interval-ms 1")
    time.sleep(5)
    machine.power_cut()
    assert writer.reply.done.is_set()
    timed("boot after a power cut", machine.boot)
    login(machine)
    disk = machine.run(f"readlink -f /dev/disk/by-path/ip-192.168.1.115:3260-iscsi-{IQN}-lun-1").stdout.strip()
    report = json.loads(machine.run(f"writer verify {disk} /root/log", check=False).stdout)
    print("  writer:", report)
    assert report["ok"] and report["writes"] > 20, report


def measure(machine):
    for label, command in MEASURED.items():
        machine.run(command)
        samples = [machine.run(command) for _ in range(5)]
        cpu = statistics.median(sample.cpu for sample in samples)
        wall = statistics.median(sample.seconds for sample in samples)
        print(f"  cpu {label:<22} {cpu * 1000:7.0f} ms   wall {wall * 1000:7.0f} ms", flush=True)


def main():
    with tempfile.TemporaryDirectory(prefix="lunmirror-lab-") as folder, Machine(folder) as machine:
        print("acceleration", machine.accel)
        timed("first boot (resumes a booted image)", machine.boot)
        begun = time.monotonic()
        for _ in range(20):
            machine.run(["/bin/true"])
        print(f"{'run() overhead, mean of 20':<44} {(time.monotonic() - begun) * 50:8.0f} ms")
        timed("discovery of and login to two servers", lambda: login(machine))
        found = disks(machine)
        assert len(found) == 2 and {disk[1] for disk in found} == {str(2 << 30)}, found
        assert len({tuple(disk[3:]) for disk in found}) == 1, f"serials should be equal: {found}"
        print("  disks:", found)
        timed("snapshot and restore, checked", lambda: restored(machine))
        assert len(disks(machine)) == 2
        timed("cut, stop, crash, hang and their cures", lambda: faults(machine))
        durable(machine)
        timed(
            "writer on a file",
            lambda: machine.run("writer /root/w --log /root/wl --seconds 2 && writer verify /root/w /root/wl"),
        )
        if "--measure" in sys.argv:
            measure(machine)
        machine.run("iscsiadm -m node -U all")
        assert not disks(machine)
        timed("reboot", machine.reboot)
        timed("shutdown", machine.shutdown)
    print("lab: all well")


if __name__ == "__main__":
    try:
        main()
    except AssertionError as error:
        sys.exit(f"lab: {error}")
