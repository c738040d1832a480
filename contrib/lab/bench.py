#!/usr/bin/env python3
"""What a run with nothing to do costs, as ratios within one boot of the lab machine (`make bench`).

  bench.py [--wheel PATH] [--samples N] [--sizes 1,10,50] [--type linear|raid1]

CPU is user + system time of a process and all its children, as wait4 counts it, median of N after a warm-up. The
yardstick is taken in turns with what it measures: `python3 -c pass`, and the very command lines of LVM and dmsetup
that lunmirror was seen (strace) to run. What is printed is kept in demo-out/bench.txt.

Two parts: the article's setup (partitions, raid1, ext4, mounted), and growth: for each volume one target, one disk, one
group, one linear volume (--type raid1: two of the first two), without file system and mount, since making fifty of those
takes long under emulation.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from demo import CONFIG as ARTICLE  # noqa: E402
from demo import OUT, Show, built_wheel  # noqa: E402
from machine import LabError, Machine  # noqa: E402

CONFIG = "/etc/lunmirror/lunmirror.toml"
# What lunmirror gives its children (host/child.py), so that the yardstick runs in the same surroundings.
CHILD = {"LC_ALL": "C", "LANG": "C", "TZ": "UTC", "HOME": "/", "LVM_SUPPRESS_FD_WARNINGS": "1"}
PYTHON = ["python3", "-c", "pass"]
BOUND = 3.0  # times the yardstick: what issue 13 allows
MOST_CHILDREN = 2
SERVERS = {"filer1": (1, "192.168.1.115"), "filer2": (2, "192.168.1.120")}
LUN_BYTES = 32 << 20
SETTLE_SECONDS = 1800
PASSES_THAT_MAY_FAIL = 4
SHOWN_FAILURES = 3
QUIET_SECONDS = 15

# Targets beyond the first: bNNN, target number NNN + 1, one LUN each, on a sparse file.
TARGETS = r"""
set -e
for number in $(seq {first} {last}); do
    name=$(printf 'b%03d' $number) tid=$((number + 1)) file=/srv/filers/{server}/b$number.img
    truncate -s {size} $file
    tgtadm -C {control} --lld iscsi --mode target --op new --tid $tid --targetname iqn.2026-11.lab.{server}:$name
    tgtadm -C {control} --lld iscsi --mode logicalunit --op new --tid $tid --lun 1 --backing-store $file --bstype rdwr
    tgtadm -C {control} --lld iscsi --mode target --op bind --tid $tid -I ALL
done
"""


class Bench:
    def __init__(self, machine, show, samples):
        self.machine, self.show, self.samples = machine, show, samples

    # -- getting there --------------------------------------------------------------------------------------------

    def converge(self, config):
        """Passes until nothing is to be done and all is in sync; says what each pass took."""
        self.machine.put(CONFIG, config, 0o600)
        deadline, patience = time.monotonic() + SETTLE_SECONDS, PASSES_THAT_MAY_FAIL
        while True:
            handle, begun, said = self.machine.spawn(["lunmirror", "apply", "--json"]), time.monotonic(), 0
            while not (result := handle.poll()):
                passed = time.monotonic() - begun
                if passed // QUIET_SECONDS > said:
                    said = passed // QUIET_SECONDS
                    steps = handle.output()[1].count('"outcome": "done"')
                    self.show.status(f"  ... {passed:.0f} s, {steps} steps", often=False)
                time.sleep(0.5)
            report = json.loads(result.stdout) if result.stdout else {}
            self.show.line(
                f"  lunmirror apply: {len(report.get('outcomes', []))} steps in {result.seconds:.1f} s, exit {result.rc}"
            )
            if result.rc == 0 and not report["outcomes"]:
                return
            failures = [o for o in report.get("outcomes", []) if o["status"] == "failed"]
            for failure in failures[:SHOWN_FAILURES]:
                self.show.line(f"    failed: {failure['step']['title'][:80]}: {failure['error'][:200]}")
            # Many logins at once may take longer here than they are given; iscsid goes on with them.
            patience -= result.rc == 1
            if result.rc not in (0, 1, 3) or not patience or time.monotonic() > deadline:
                raise LabError(f"lunmirror apply does not come to rest: exit {result.rc}\n{result.stderr[-3000:]}")
            if result.rc:
                time.sleep(5)

    def add_targets(self, first, last, kind):
        for server in list(SERVERS)[: 2 if kind == "raid1" else 1]:
            script = TARGETS.format(first=first, last=last, server=server, control=SERVERS[server][0], size=LUN_BYTES)
            self.machine.run(script, timeout=600)

    # -- measuring ------------------------------------------------------------------------------------------------

    def children(self):
        """The command line of every program that a no-op apply executes."""
        trace = "/tmp/trace"
        self.machine.run(
            [
                "strace",
                "-f",
                "-qq",
                "-s",
                "100000",
                "-e",
                "trace=execve",
                "-e",
                "signal=none",
                "-o",
                trace,
                "lunmirror",
                "apply",
            ],
            timeout=300,
        )
        found = []
        for line in self.machine.get(trace).decode(errors="replace").splitlines():
            match = re.search(r'execve\("(.*?)", \[(.*?)\], 0x.*(\) = 0|<unfinished \.\.\.>)$', line)
            if match:
                found.append([json.loads(word) for word in re.findall(r'"(?:[^"\\]|\\.)*"', match[2])])
        return found[1:]  # the first is lunmirror itself

    def cost(self):
        """({what: CPU seconds}, {what: wall seconds}, the children) of a no-op apply and of its yardstick."""
        children = self.children()
        jobs = {"apply": (["lunmirror", "apply"], None), "python": (PYTHON, None)}
        jobs |= {f"child {n}": (words, CHILD) for n, words in enumerate(children)}
        jobs["venv python"] = (["/opt/lunmirror/bin/python", "-c", "pass"], None)
        cpu, wall = {}, {}
        for turn in range(self.samples + 1):
            for name, (words, env) in jobs.items():
                result = self.machine.run(words, env=env, timeout=300)
                if turn:  # the first is the warm-up
                    cpu.setdefault(name, []).append(result.cpu)
                    wall.setdefault(name, []).append(result.seconds)
                elif name == "apply" and "nothing to do" not in result.stdout:
                    raise LabError(f"this apply has something to do:\n{result.stdout}")
            self.show.status(f"  sample {turn} of {self.samples}")
        self.show.end_line()
        spread = {name: (min(values), max(values)) for name, values in cpu.items()}
        return median(cpu), median(wall), spread, children


def median(samples):
    return {name: statistics.median(values) for name, values in samples.items()}


def yardstick(cpu):
    return cpu["python"] + sum(seconds for name, seconds in cpu.items() if name.startswith("child"))


def growth_config(count, kind):
    legs = {"l": "filer1", "r": "filer2"} if kind == "raid1" else {"l": "filer1"}
    parts = ['version = 1\n\n[policy]\nstall_budget = "15s"\nboot_wait = "5s"\n']
    parts += [f'[servers.{server}]\nportals = ["{SERVERS[server][1]}"]\n' for server in legs.values()]
    for number in range(1, count + 1):
        for leg, server in legs.items():
            parts.append(
                f'[disks.{leg}{number}]\nserver = "{server}"\ntarget = "iqn.2026-11.lab.{server}:b{number:03}"\nlun = 1\n'
            )
        names = ", ".join(f'"{leg}{number}"' for leg in legs)
        parts.append(
            f'[groups.g{number}]\ndisks = [{names}]\n\n[groups.g{number}.volumes.v]\nsize = "8MiB"\ntype = "{kind}"\n'
        )
    return "\n".join(parts)


def article(bench, show):
    """Part one; whether the bounds are kept."""
    show.heading("The article's setup: two targets, one raid1 volume, ext4, mounted")
    bench.converge(ARTICLE)
    cpu, wall, spread, children = bench.cost()
    show.line()
    show.line(f"programs that a no-op apply executes: {len(children)} (at most {MOST_CHILDREN})")
    for words in children:
        show.line(f"  {' '.join(words)[:110]}")
    names = {
        "python": "python3 -c pass",
        "apply": "lunmirror apply, nothing to do",
        "venv python": "(the environment's own python -c pass)",
    }
    names |= {f"child {n}": f"{' '.join(words[:2])[:40]}, as above" for n, words in enumerate(children)}
    show.line()
    show.line(f"{'':<42} {'CPU':>8} {'least':>8} {'most':>8} {'wall':>8}")
    for name in sorted(cpu, key=lambda name: (name == "venv python", name == "apply", name != "python", name)):
        low, high = spread[name]
        show.line(
            f"{names[name]:<42} {cpu[name] * 1000:5.0f} ms {low * 1000:5.0f} ms {high * 1000:5.0f} ms {wall[name] * 1000:5.0f} ms"
        )
    ratio = cpu["apply"] / yardstick(cpu)
    kept = (
        ratio <= BOUND
        and len(children) <= MOST_CHILDREN
        and not any("iscsiadm" in word for words in children for word in words)
    )
    show.line(
        f"ratio to the sum of python3, lvm and dmsetup: {ratio:.2f} (at most {BOUND}){'' if kept else '  NOT KEPT'}"
    )
    return kept


def growth(bench, show, sizes, kind):
    """Part two: the table."""
    show.heading(f"Growth: {kind} volumes of two extents, each on disks of its own; no file system, no mount")
    rows, had = [], 0
    for count in sizes:
        show.line(f"{count} volume(s):")
        bench.add_targets(had + 1, count, kind)
        had = count
        bench.converge(growth_config(count, kind))
        cpu, wall, _, children = bench.cost()
        rows.append((count, cpu, wall, len(children)))
        show.line(
            f"  CPU: apply {cpu['apply']:.2f} s, yardstick {yardstick(cpu):.2f} s, {cpu['apply'] / yardstick(cpu):.2f} times"
        )
    targets = 2 if kind == "raid1" else 1
    first_count, first, *_ = rows[0]
    show.line()
    show.line(
        f"{'volumes':>7} {'targets':>7} {'programs':>8} {'apply CPU':>10} {'wall':>8} {'yardstick':>10} {'ratio':>6} "
        f"{'own CPU':>9} {'own per volume added':>21} {'yardstick likewise':>19}"
    )
    for count, cpu, wall, programs in rows:
        measure = yardstick(cpu)
        own, first_own = cpu["apply"] - measure, first["apply"] - yardstick(first)
        added = count - first_count
        per = f"{(own - first_own) / added * 1000:.1f} ms" if added else "-"
        likewise = f"{(measure - yardstick(first)) / added * 1000:.1f} ms" if added else "-"
        show.line(
            f"{count:>7} {count * targets:>7} {programs:>8} {cpu['apply']:>8.2f} s {wall['apply']:>6.2f} s {measure:>8.2f} s "
            f"{cpu['apply'] / measure:>6.2f} {own:>7.2f} s {per:>21} {likewise:>19}"
        )
    show.line("yardstick: python3 -c pass + the same lvm fullreport + dmsetup status. own CPU: apply less yardstick.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="the lunmirror to measure (default: built from this checkout)")
    parser.add_argument("--samples", type=int, default=9, help="runs of each, after a warm-up (default 9)")
    parser.add_argument("--sizes", default="1,10,50", help="numbers of volumes for the growth table; '' for none")
    parser.add_argument(
        "--type", default="linear", choices=("linear", "raid1"), help="of the volumes of the growth table"
    )
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",") if size]
    show = Show(OUT / "bench.txt")
    try:
        with tempfile.TemporaryDirectory(prefix="lunmirror-bench-") as folder:
            wheel = built_wheel(arguments.wheel, folder, show)
            with Machine(Path(folder, "machine")) as machine:
                machine.boot()
                machine.install(wheel)
                about = machine.run(
                    "uname -r; lvm version | sed -n 's/ *LVM version: *//p'; python3 --version"
                ).stdout.split("\n")
                show.line(
                    f"machine: {machine.accel}, kernel {about[0]}, LVM {about[1]}, {about[2]}; {wheel.name}; {arguments.samples} samples"
                )
                machine.snapshot("ready")
                bench = Bench(machine, show, arguments.samples)
                kept = article(bench, show)
                if sizes:
                    machine.restore("ready")
                    growth(bench, show, sizes, arguments.type)
    except (LabError, subprocess.CalledProcessError) as failure:
        show.end_line()
        show.line(f"bench: {failure}", "31")
        return 1
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
