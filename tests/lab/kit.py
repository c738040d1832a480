"""What the lab tests speak: one machine, lunmirror in it, and the world's state read without lunmirror's help."""

import hashlib
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import Machine

SERVERS = {
    "filer1": ("192.168.1.115", "fd00::15", "iqn.2006-01.com.openfiler:linuxtest1lv"),
    "filer2": ("192.168.1.120", "fd00::20", "iqn.2006-01.com.openfiler:linuxtest1lv-2"),
    "filer3": ("192.168.1.125", "fd00::25", "iqn.2006-01.com.openfiler:linuxtest1lv-3"),
}
DISKS = {"left": "filer1", "right": "filer2", "third": "filer3"}
CONFIG = "/etc/lunmirror/lunmirror.toml"
MOUNT = "/mnt/test"


def config(
    *,
    disks: tuple[str, ...] = ("left", "right"),
    volume: str = 'size = "64MiB"\nfilesystem = "ext4"\nmount = "/mnt/test"',
    policy: str = 'stall_budget = "15s"\nboot_wait = "5s"',
    servers: dict[str, str] | None = None,
    disk: dict[str, str] | None = None,
    partition: bool = False,
    ipv6: bool = False,
    lun: int = 1,
    more: str = "",
) -> str:
    """The article's setup with small volumes, as TOML; `servers` and `disk` add lines to one table by name."""
    parts = [f"version = 1\n\n[policy]\n{policy}\n"]
    for name in dict.fromkeys(DISKS[d] for d in disks):
        portal = f"[{SERVERS[name][1]}]:3260" if ipv6 else SERVERS[name][0]
        parts.append(f'[servers.{name}]\nportals = ["{portal}"]\n{(servers or {}).get(name, "")}\n')
    for name in disks:
        server = DISKS[name]
        lines = [f'server = "{server}"', f'target = "{SERVERS[server][2]}"', f"lun = {lun}"]
        lines += ["partition = true"] if partition else []
        parts.append(f"[disks.{name}]\n" + "\n".join([*lines, (disk or {}).get(name, "")]) + "\n")
    names = ", ".join(f'"{d}"' for d in disks)
    parts.append(f"[groups.vg0]\ndisks = [{names}]\n\n[groups.vg0.volumes.testlv]\n{volume}\n")
    return "\n".join([*parts, more])


def volume(size: str = "64MiB", type: str = "raid1", filesystem: str = "ext4") -> str:
    """The lines of one volume."""
    return f'size = "{size}"\ntype = "{type}"\nfilesystem = "{filesystem}"\nmount = "{MOUNT}"'


# Configurations that several files start from, converged: `converged("core", LAYOUTS["core"])`.
LAYOUTS = {
    "core": config(partition=True),
    "mirror": config(volume=volume(type="mirror")),
    "xfs": config(volume=volume("304MiB", filesystem="xfs"), ipv6=True),
    "single": config(disks=("left",), volume=volume(type="linear")),
}


def state(name: str, text: str) -> str:
    """The snapshot of a configuration brought to its end: two files that choose one name do not get each other's."""
    return f"{name}-{digest(text.encode())[:8]}"


@dataclass
class Ran:
    """One run of lunmirror: exit code, the report (JSON), the log lines, raw output and wall-clock seconds."""

    rc: int
    report: dict[str, Any]
    log: list[dict[str, Any]]
    stdout: str
    stderr: str
    seconds: float

    def titles(self, layer: str = "") -> list[str]:
        """What was done (apply) or would be (plan)."""
        steps = [o["step"] for o in self.report.get("outcomes", ())] or self.report.get("steps", [])
        return [s["title"] for s in steps if layer in ("", s["resource"]["layer"])]

    def layers(self) -> set[str]:
        return {o["step"]["resource"]["layer"] for o in self.report.get("outcomes", ())}

    def findings(self, kind: str = "") -> list[dict[str, Any]]:
        return [f for f in self.report.get("findings", ()) if kind in ("", f["kind"])]

    def __str__(self) -> str:
        return f"exit {self.rc} after {self.seconds:.1f} s\n{self.stdout}\n{self.stderr}"


class Lab:
    """A machine with lunmirror installed."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.database: str = machine.database  # open-iscsi's: /etc/iscsi on Debian 12, /var/lib/iscsi on 13
        self.nodes = f"{self.database}/nodes"
        self.spawn = machine.spawn
        self.put = machine.put
        self.get = machine.get
        self.figures: list[str] = machine.figures  # what the evidence shows beside the result

    def run(self, cmd, *about, **more) -> Any:
        """machine.run(), with $NODES for the node records' directory."""
        more["env"] = {"NODES": self.nodes} | (more.get("env") or {})
        return self.machine.run(cmd, *about, **more)

    def figure(self, text: str) -> None:
        """Something measured, for docs/evidence.md."""
        self.figures.append(text)

    def keep(self, name: str, text: str) -> None:
        """This very state is what `converged(name, text)` starts from; udev has come to its end, on a slow host too."""
        self.run("udevadm settle --timeout 60", timeout=120)
        self.machine.snapshot(state(name, text))
        self.machine.converged.add(state(name, text))

    # -- lunmirror ------------------------------------------------------------------------------------------------

    def configure(self, text: str) -> None:
        self.put(CONFIG, text, 0o600)

    def lunmirror(self, *words: str, expect: int | None = None, timeout: float = 300) -> Ran:
        """Runs a verb with --json; asserts its exit code if `expect` is given."""
        done = self.run(["lunmirror", *words, "--json"], check=False, timeout=timeout)
        try:
            report = json.loads(done.stdout)
        except ValueError:
            report = {}
        log = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
        ran = Ran(done.rc, report, log, done.stdout, done.stderr, done.seconds)
        assert expect is None or ran.rc == expect, f"expected exit {expect}: {ran}"
        return ran

    def apply(self, *words: str, expect: int | None = None, timeout: float = 300) -> Ran:
        return self.lunmirror("apply", *words, expect=expect, timeout=timeout)

    def plan(self, *words: str, expect: int | None = None) -> Ran:
        return self.lunmirror("plan", *words, expect=expect)

    def status(self, expect: int | None = None) -> Ran:
        return self.lunmirror("status", expect=expect)

    def settle(self, expect: int = 0, passes: int = 8) -> Ran:
        """Passes until copying is over and the exit code is the expected one."""
        for _ in range(passes):
            ran = self.apply()
            if ran.rc == expect:
                return ran
            assert ran.rc == 3, str(ran)
            if re.search(r" [AaD]*D[AaD]* ", self.dm()):
                self.run("sleep 3")  # the next pass repairs it
            else:
                self.synced()
        raise AssertionError(f"not settled after {passes} passes: {ran}")

    def executed(self, *words: str) -> tuple[int, list[list[str]]]:
        """Runs a verb under strace: its exit code and the argv of every program executed."""
        trace = "/tmp/lunmirror.trace"
        # Without the filter in the kernel, every system call stops: fourteen times as slow.
        command = [
            "strace",
            "-f",
            "--seccomp-bpf",
            "-qq",
            "-s",
            "4096",
            "-e",
            "trace=execve",
            "-e",
            "signal=none",
            "-o",
            trace,
        ]
        done = self.run([*command, "lunmirror", *words], check=False, timeout=300)
        found = []
        for line in self.get(trace).decode(errors="replace").splitlines():
            # An execve among other processes' calls ends its line with "<unfinished ...>": it counts.
            match = re.search(r"execve\((\".*?\"), \[(.*?)\], 0x", line)
            if match and " = -1 " not in line:
                found.append([json.loads(word) for word in re.findall(r'"(?:[^"\\]|\\.)*"', match[2])])
        return done.rc, found[1:]

    # -- the world ------------------------------------------------------------------------------------------------

    def dm(self, name: str = "vg0-testlv") -> str:
        """The volume's line of `dmsetup status`, '' if it is not active."""
        done = self.run(["dmsetup", "status", name], check=False)
        return done.stdout.strip() if done.rc == 0 else ""

    def synced(self, name: str = "vg0-testlv", timeout: float = 240) -> None:
        """Waits, in the machine, until every leg is in sync by letters and by ratio."""
        script = (
            f"for i in $(seq 1 {int(timeout * 2)}); do dmsetup status {name} | "
            "awk '{for(i=4;i<=NF;i++){if($i ~ /^[AaDFSRU]+$/ && $i !~ /^A+$/)exit 1;"
            'if(split($i,r,"/")==2&&r[1]!=r[2])exit 1}}\' && exit 0; sleep 0.5; done; exit 1'
        )
        self.run(script, timeout=timeout + 60)

    def seqno(self, group: str = "vg0") -> int:
        done = self.run(f"vgs --noheadings -o vg_seqno {group}", check=False)
        return int(done.stdout) if done.rc == 0 else -1

    def records(self) -> dict[str, str]:
        """Every node record: path -> content."""
        listed = self.run("find $NODES -type f 2>/dev/null", check=False).stdout.split()
        return {path: self.get(path).decode() for path in listed}

    def record(self, disk: str = "left", ipv6: bool = False) -> str:
        """The path of one disk's node record."""
        address4, address6, iqn = SERVERS[DISKS[disk]]
        return f"{self.nodes}/{iqn}/{address6 if ipv6 else address4},3260,1/default"

    def sessions(self) -> dict[str, dict[str, str]]:
        """Session id -> target, state, recovery_tmo, from sysfs."""
        script = "cd /sys/class/iscsi_session && for s in *; do echo $s $(cat $s/targetname $s/state $s/recovery_tmo); done"
        rows = (line.split() for line in self.run(script, check=False).stdout.splitlines())
        return {r[0]: {"target": r[1], "state": r[2], "recovery_tmo": r[3]} for r in rows if len(r) == 4}

    def sid(self, disk: str) -> str:
        iqn = SERVERS[DISKS[disk]][2]
        return next(s for s, about in self.sessions().items() if about["target"] == iqn)

    def target(self, disk: str) -> str:
        return SERVERS[DISKS[disk]][2]

    def devices(self, disk: str, lun: int | None = None) -> list[str]:
        """The SCSI disks of a target, ["sda"], found through its session: all, or that of one LUN."""
        number = "*" if lun is None else lun if lun < 256 else lun | 0x4000  # as the kernel writes it
        where = f"/sys/class/iscsi_session/{self.sid(disk)}/device/target*/*:*:*:{number}/block"
        listed = f"for directory in {where}; do ls $directory; done"
        return self.run(listed).stdout.split()

    def device(self, disk: str, lun: int | None = None) -> str:
        """The SCSI disk of the only LUN, or of one."""
        found = self.devices(disk, lun)
        assert len(found) == 1, found
        return found[0]

    def mounted(self, path: str = MOUNT) -> str:
        """ "SOURCE FSTYPE OPTIONS" of what is mounted there, '' if nothing."""
        return self.run(["findmnt", "-rno", "SOURCE,FSTYPE,OPTIONS", path], check=False).stdout.strip()

    def footprint(self) -> dict[str, str]:
        """Everything that a pass with nothing to do must leave exactly as it is."""
        script = r"""
        find /etc/iscsi /var/lib/iscsi /etc/fstab /etc/lunmirror /etc/lvm /mnt /var/lib/lunmirror /run/lunmirror/desired.json \
            -xdev -printf '%p %i %T@ %s %m\n' 2>/dev/null | sort
        for s in /sys/class/iscsi_session/*; do echo "$s $(cat $s/targetname $s/recovery_tmo | tr '\n' ' ')"; done
        for b in /sys/class/block/sd*; do echo "$b $(cat $b/diskseq) $(ls $b/holders | tr '\n' ' ')"; done
        vgs --noheadings -o vg_name,vg_seqno 2>/dev/null
        dmsetup table 2>/dev/null
        findmnt -rno TARGET,SOURCE,FSTYPE,OPTIONS
        """
        lines = self.run(script, check=False, timeout=120).stdout.splitlines()
        return {line.split(" ", 1)[0] + f"#{n}": line for n, line in enumerate(lines)}

    def backing(self, server: str, lun: int = 1) -> str:
        """sha256 of a LUN's backing file."""
        return self.run(["filer", "hash", server, str(lun)], timeout=120).stdout.strip()

    def sectors(self, name: str = "vg0-testlv") -> int:
        """The size of an active volume, in sectors of 512 bytes, as device-mapper has it."""
        return int(self.dm(name).split()[1])

    def capacity(self, path: str = MOUNT) -> int:
        """Bytes of the file system mounted there, as `df` has it."""
        return int(self.run(["df", "-B1", "--output=size", path]).stdout.split()[-1])

    def placement(self, volume: str = "vg0/testlv") -> dict[str, str]:
        """Leg ("testlv_rimage_0"; a linear volume itself) -> device of its physical volume ("/dev/sda1"), by `lvs`."""
        group, lv = volume.split("/")
        query = f"lvs -a --noheadings -o lv_name,devices {group}"
        rows = [line.replace("[", "").replace("]", "").split() for line in self.run(query).stdout.splitlines()]
        legs = [r for r in rows if f"{lv}_rimage_" in r[0] or f"{lv}_mimage_" in r[0]] or [
            r for r in rows if r[0] == lv
        ]
        assert all("," not in devices for _, devices in legs), legs
        return {leg: devices.partition("(")[0] for leg, devices in legs}

    def slow_copy(self, slow: bool = True) -> None:
        """Holds the kernel's copying between legs down to next to nothing, or lets it run again."""
        kib, percent = (100, 1) if slow else (200_000, 100)
        self.run(
            "modprobe -a dm-raid dm-mirror; cd /proc/sys/dev/raid; "
            f"echo {min(kib, 1000)} > speed_limit_min; echo {kib} > speed_limit_max; "
            f"echo {percent} > /sys/module/dm_mirror/parameters/raid1_resync_throttle"
        )

    @contextmanager
    def stopwatch(self) -> Iterator[list[str]]:
        """Afterwards the list holds every file and directory whose inode changed meanwhile, anywhere on the root file
        system, in /run or in /dev: content, name, mode or owner. The system's own journal is left out, and so are the pipes
        by which LVM's report asks dmeventd whether it watches a volume."""
        changed: list[str] = []
        self.run("sleep 8; udevadm settle; sync; touch /tmp/since; sleep 0.1")  # udev comes late to what was before
        yield changed
        own = "-path /tmp -o -path /run/lunmirror-lab -o -path /var/tmp -o -path /var/log/journal -o -path /run/log/journal"
        own += " -o -path '/run/dmeventd-*'"
        script = f"find / /run /dev -xdev \\( {own} \\) -prune -o -cnewer /tmp/since -print"
        changed += self.run(script, timeout=120).stdout.split("\n")[:-1]

    @contextmanager
    def writing(self, name: str = "ledger") -> Iterator[None]:
        """A synced writer through the mount meanwhile. It must have written all the time, without one error, and
        every block that was acknowledged must still be there, on the disks."""
        path, log = f"{MOUNT}/{name}", f"/var/tmp/{name}.log"
        self.run(f"rm -f {log}")
        begun = self.spawn(["writer", path, "--log", log, "--interval-ms", "50"])
        self.run(f"until [ $(wc -l < {log} || echo 0) -gt 3 ]; do sleep 0.1; done", timeout=60)
        lines = int(self.run(f"wc -l < {log}").stdout)
        yield
        assert begun.poll() is None, begun.output()
        after = int(self.run(f"wc -l < {log}").stdout)
        self.run(f"until [ $(wc -l < {log}) -gt {after + 3} ]; do sleep 0.1; done", timeout=60)  # and goes on
        begun.kill(15)
        begun.wait(60)
        said = json.loads(self.run(["writer", "verify", path, log], check=False, timeout=120).stdout)
        assert said["ok"], said
        assert said["errors"] == 0, said
        assert after - lines > 20, said
        assert said["longest_gap_s"] < 30, said
        self.written = said

    def last_written(self, server: str, lun: int = 1) -> str:
        """When a LUN's backing file was last written to, and its size: much cheaper than `backing`."""
        return self.run(f"stat -c '%i %s %y' $(filer path {server} {lun})").stdout.strip()

    # -- data -----------------------------------------------------------------------------------------------------

    def write_file(self, name: str = "witness", size: int = 4 << 20) -> str:
        """A file of random bytes through the mount; its sha256."""
        path = f"{MOUNT}/{name}"
        self.run(f"head -c {size} /dev/urandom > {path} && sync -f {path}", timeout=300)
        return self.checksum(path)

    def checksum(self, path: str) -> str:
        return self.run(["sha256sum", path], timeout=120).stdout.split()[0]

    def on_each_leg(self, name: str = "witness", volume: str = "vg0/testlv") -> dict[str, str]:
        """PV device -> sha256 of the file as that leg alone has it: the volume is taken down, and each leg's own
        extents are mounted read-only through a device-mapper table of our own making."""
        group, lv = volume.split("/")
        self.run(f"sync; umount {MOUNT}; lvchange -an {volume}")
        extent = int(self.run(f"vgs --noheadings --units s --nosuffix -o vg_extent_size {group}").stdout)
        query = "lvs -a --noheadings --units s --nosuffix -o lv_name,seg_start,seg_size,devices,segtype " + group
        starts: dict[str, int] = {}
        for line in self.run("pvs --noheadings --units s --nosuffix -o pv_name,pe_start").stdout.splitlines():
            starts[line.split()[0]] = int(line.split()[1])
        tables: dict[str, list[tuple[int, int, str, int]]] = {}
        for line in self.run(query).stdout.splitlines():
            image, start, size, device, segtype = line.split()
            if segtype == "linear" and (f"{lv}_rimage_" in image or f"{lv}_mimage_" in image or image == lv):
                node, first = re.fullmatch(r"(.+)\((\d+)\)", device).groups()
                row = (int(start), int(size), node, starts[node] + int(first) * extent)
                tables.setdefault(image, []).append(row)
        sums = {}
        for rows in tables.values():
            table = "\n".join(f"{s} {n} linear {node} {offset}" for s, n, node, offset in sorted(rows))
            self.run(["dmsetup", "create", "--readonly", "oneleg"], input=(table + "\n").encode())
            kind = self.run("blkid -p -s TYPE -o value /dev/mapper/oneleg").stdout.strip()
            how = "ro,norecovery,nouuid" if kind == "xfs" else "ro,noload"
            self.run(f"mkdir -p /mnt/oneleg && mount -t {kind} -o {how} /dev/mapper/oneleg /mnt/oneleg")
            sums[rows[0][2]] = self.checksum(f"/mnt/oneleg/{name}")
            self.run("umount /mnt/oneleg && dmsetup remove oneleg")
        return sums


def dpkg(lab: Lab, package: Path) -> str:
    """Installs a Debian package without a network; what was said."""
    lab.put(f"/root/{package.name}", package.read_bytes())
    running = lab.spawn(["dpkg", "-i", f"/root/{package.name}"])
    begun = time.monotonic()
    while (ended := running.poll()) is None:
        assert time.monotonic() - begun < 400, lab.run("ps -e --forest -o pid,etimes,time,wchan:20,args").stdout
        time.sleep(0.5)
    assert ended.rc == 0, str(ended)
    return ended.stdout


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel() -> Path:
    """The wheel under test: LUNMIRROR_WHEEL, as `make` sets it."""
    import os

    return Path(os.environ["LUNMIRROR_WHEEL"])
