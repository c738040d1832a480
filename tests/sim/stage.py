"""What the scenarios speak: a configuration, a world, passes over it, and what the world comes to."""

from functools import cache
from typing import Any

from lunmirror import config
from lunmirror.analysis.result import exit_of
from lunmirror.engine import journal
from lunmirror.engine.desired import Desired
from lunmirror.engine.execute import Executor
from lunmirror.engine.flapping import Flapping
from lunmirror.engine.model import Kind, Present, Report
from lunmirror.engine.reconcile import run_pass
from sim.advice import destroys
from sim.disks import Harm
from sim.iscsi import ROOTS, settings
from sim.machine import Fault, SimHost, no_fault
from sim.world import World, make_world

SERVERS = {
    "filer1": ("192.168.1.115", "iqn.2006-01.com.openfiler:linuxtest1lv"),
    "filer2": ("192.168.1.120", "iqn.2006-01.com.openfiler:linuxtest1lv-2"),
    "filer3": ("192.168.1.125", "iqn.2006-01.com.openfiler:linuxtest1lv-3"),
}
DISKS = {"left": "filer1", "right": "filer2", "third": "filer3", "right2": "filer2"}
RECORD = "/etc/iscsi/nodes/{}/{},3260,1/default"
RECORDS = tuple(f"{root}/nodes/" for root in ROOTS)
PAUSE = 60.0  # seconds between two passes, as from cron


def text(
    *,
    disks: tuple[str, ...] = ("left", "right"),
    partition: bool = True,
    type: str = "raid1",
    size: str = "64MiB",
    filesystem: str = "ext4",
    policy: str = 'stall_budget = "15s"\nboot_wait = "5s"',
    more: str = "",
    disk_more: str = "",
    replaces: tuple[str, str] = ("", ""),
) -> str:
    """`replaces`: (the new disk, the old one, which stays declared)."""
    parts = [f"version = 1\n[policy]\n{policy}"]
    declared = [*disks, *filter(None, replaces[1:])]
    for name in dict.fromkeys(DISKS[d] for d in declared):
        parts.append(f'[servers.{name}]\nportals = ["{SERVERS[name][0]}"]')
    for name in declared:
        server = DISKS[name]
        lines = [f'server = "{server}"', f'target = "{SERVERS[server][1]}"', "lun = 1", disk_more]
        lines += [f'replaces = "{replaces[1]}"'] if name == replaces[0] else []
        parts.append(f"[disks.{name}]\n" + "\n".join([*lines, "partition = true" if partition else ""]))
    names = ", ".join(f'"{d}"' for d in disks)
    parts.append(f"[groups.vg0]\ndisks = [{names}]\n[groups.vg0.volumes.testlv]\n")
    parts.append(f'size = "{size}"\ntype = "{type}"\nfilesystem = "{filesystem}"\nmount = "/mnt/test"\n{more}')
    return "\n".join(parts)


@cache
def compiled(text: str) -> Desired:
    return config.compile_texts([("/etc/lunmirror/lunmirror.toml", text)])


class Stage:
    """One machine under one configuration."""

    def __init__(self, text: str, world: World | None = None) -> None:
        self.world = world or make_world()
        self.configure(text)
        self.foreign = foreign(self.world)

    def clone(self) -> "Stage":
        other = object.__new__(Stage)
        other.desired, other.world, other.foreign = self.desired, self.world.clone(), self.foreign
        return other

    def configure(self, text: str) -> "Stage":
        self.desired = compiled(text)
        places = {d.pv_uuid: (d.server, d.target, d.lun) for d in self.desired.disks.values() if d.pv_uuid}
        self.world.declared |= places
        return self

    def apply(self, fault: Fault = no_fault, flapping: Flapping | None = None) -> "Pass":
        """One pass. What must hold after every pass is checked here."""
        done = self.run(fault, flapping)
        if done.exit == 0 and self.world.believed():
            raise Harm("full redundancy is reported, and a leg lacks what its server lost")
        return done

    def run(self, fault: Fault = no_fault, flapping: Flapping | None = None) -> "Pass":
        """The same for a pass in the middle of which a server may lose its power."""
        host = SimHost(self.world, fault)
        try:
            report = run_pass("apply", "run", self.desired, host, Executor(host), flapping=flapping)
        finally:
            self.check()
        return Pass(report, host)

    def plan(self, fault: Fault = no_fault, flapping: Flapping | None = None) -> "Pass":
        host = SimHost(self.world, fault)
        report = run_pass("plan", "run", self.desired, host, flapping=flapping)
        assert not host.changed, "plan changed something"
        return Pass(report, host)

    def check(self) -> None:
        self.world.assert_safe()
        if foreign(self.world) != self.foreign:
            raise Harm("something that is not ours was changed")

    def settle(self, passes: int = 5) -> "Pass":
        """At most that many healthy passes, with time between them, until one changes nothing; that one."""
        for _ in range(passes + 1):
            last = self.apply()
            if not last.host.changed and last.exit != 3:
                return last
            self.world.advance(PAUSE)
        raise AssertionError(f"not settled after {passes} passes: {last}")

    def record(self, disk: str = "left") -> str:
        address, target = SERVERS[DISKS[disk]]
        return RECORD.format(target, address)

    def lun(self, disk: str = "left") -> Any:
        server = self.world.servers[DISKS[disk]]
        return server.targets[SERVERS[DISKS[disk]][1]][1]


class Pass:
    """What one pass reported and did."""

    def __init__(self, report: Report, host: SimHost) -> None:
        self.report, self.host = report, host
        for finding in report.findings:
            if words := destroys(f"{finding.what}; {finding.why}; {finding.next}"):
                raise Harm(f"whoever follows this advice destroys data ({words}): {finding}")
        self.exit = int(exit_of(report))

    @property
    def done(self) -> list[str]:
        return [str(c.what) for c in self.host.changed]

    @property
    def layers(self) -> list[str]:
        return list(dict.fromkeys(o.step.ref.layer for o in self.report.outcomes))

    def kinds(self) -> set[Kind]:
        return {f.kind for f in self.report.findings}

    def finding(self, kind: Kind) -> str:
        return "\n".join(f"{f.ref}: {f.what}; {f.why}; {f.next}" for f in self.report.findings if f.kind is kind)

    def __str__(self) -> str:
        steps = [f"  {o.status:7} {o.step.title} {o.error}" for o in self.report.outcomes]
        said = [f"  {f.kind.value:8} {f.ref}: {f.what}; {f.why}" for f in self.report.findings]
        return "\n".join([f"exit {self.exit}", *steps, *said])


def foreign(world: World) -> object:
    """Everything in the world that nobody gave to lunmirror: it must stay as it is."""
    luns = {(s, n): lun.fingerprint() for s, _, n, lun in world.luns() if n != 1}
    return luns, world.files["/etc/fstab"].splitlines()[:4]


def end_state(stage: Stage) -> dict[str, Any]:
    """What a world came to, without what may differ between two ways to it: sequence numbers, sdX, times, writes, and the
    order of legs that were re-created."""
    world = stage.world
    records = {p: settings(c) for p, c in world.files.items() if p.startswith(RECORDS)}
    luns = {}
    for server, _, number, lun in world.luns():
        table = (lun.table.guid, lun.table.whole) if lun.table else None
        luns[server, number] = (table, lun.body.pv, lun.part.pv, lun.body.signature, lun.part.signature)
    groups = {}
    for name, meta in world.metas().items():
        lvs = {n: (lv.type, lv.extents, sorted(lv.pvs), lv.tags, lv.log, lv.region) for n, lv in meta.lvs}
        groups[name] = (meta.tags, meta.pvs, sorted(meta.missing), lvs)
    active = {}
    for volume in world.actives:
        source = volume.source()
        fs = source.data.fs if source else None
        filesystem = (fs.type, fs.label, fs.extents, fs.complete) if fs else None
        letters = "".join(leg.letter for leg in volume.legs)
        stale = [leg.pv for leg in volume.legs if leg.disk is None or leg.disk.gone]
        active[volume.group, volume.name] = (volume.type, letters, volume.ratio(), filesystem, stale)
    entries = [
        journal.parse(Present(content)).facts
        for path, content in world.files.items()
        if path.startswith("/var/lib/lunmirror/volumes/") and path.endswith(".json")
    ]
    return {
        "records": records,
        "sessions": sorted((s.target, s.address, s.state, s.recovery_tmo) for s in world.sessions),
        "luns": luns,
        "groups": groups,
        "active": active,
        "mounts": sorted((m.path, m.active.name, m.type, m.flags) for m in world.mounts),
        "fstab": world.files["/etc/fstab"],
        "units": {p.rpartition("/")[2]: c for p, c in world.units.items()},
        "journal": sorted((e.volume, e.running, e.diverged) for e in entries),
        "files": sorted(p for p in world.files if not p.startswith((*RECORDS, "/var/lib/lunmirror/"))),
    }


@cache
def _converged(text: str) -> Stage:
    servers = 3 if "filer3" in text else 2
    stage = Stage(text, make_world(servers=servers))
    stage.settle()
    return stage


def converged(text: str) -> Stage:
    """A machine that lunmirror brought to this configuration; a fresh copy each time."""
    return _converged(text).clone()
