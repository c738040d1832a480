"""The same sequence on the simulator and on the real machine comes to the same facts at every station.

Blank LUNs, the first pass, in sync, the second pass, one outage with metadata written meanwhile, repaired.
"""

import json
from pathlib import Path
from typing import Any

from contract.facts import normalised
from lunmirror.engine.execute import Executor
from lunmirror.engine.reconcile import run_pass
from sim.machine import SimHost
from sim.stage import Stage, text
from sim.stories import back, flag, outage

FACTS = Path(__file__).parent / "facts.py"
CONFIG = text()


class Simulated:
    def __init__(self) -> None:
        self.stage = Stage(CONFIG)

    def look(self, verb: str) -> dict[str, Any]:
        host = SimHost(self.stage.world)
        report = run_pass(verb, "contract", self.stage.desired, host, Executor(host) if verb == "apply" else None)
        return json.loads(json.dumps(normalised(report, self.stage.desired)))

    def sync(self) -> None:
        self.stage.world.advance(60.0)

    def cut(self) -> None:
        outage(self.stage, "filer2")

    def flag(self) -> None:
        flag(self.stage)

    def back(self) -> None:
        back(self.stage, "filer2")


class Real:
    def __init__(self, lab: Any) -> None:
        self.lab = lab
        lab.configure(CONFIG)
        lab.put("/tmp/facts.py", FACTS.read_text())

    def look(self, verb: str) -> dict[str, Any]:
        python = self.lab.run("head -1 $(command -v lunmirror) | tr -d '#!'").stdout.strip()
        command = [python, "-c", f"import sys; sys.path.insert(0, '/tmp'); import facts; facts.look({verb!r})"]
        return json.loads(self.lab.run(command, timeout=400).stdout.splitlines()[-1])

    def sync(self) -> None:
        self.lab.synced()

    def cut(self) -> None:
        self.lab.run(["filer", "cut", "filer2"])
        self.lab.run(
            "for i in 1 2 3 4 5 6; do timeout 30 touch /mnt/test/x && sync -f /mnt/test; sleep 5; done", timeout=300
        )

    def flag(self) -> None:
        devices = self.lab.run("pvs --noheadings -o pv_name 2>/dev/null | grep /dev/sd").stdout.split()
        self.lab.run(["lvchange", "--devices", devices[0], "--addtag", "somebody", "vg0/testlv"])
        self.lab.run(["lvchange", "--devices", devices[0], "--deltag", "somebody", "vg0/testlv"])

    def back(self) -> None:
        self.lab.run(["filer", "restore", "filer2"])
        self.lab.run(
            "until grep -q LOGGED_IN /sys/class/iscsi_session/*/state && ! grep -qE 'FAILED|FREE' /sys/class/iscsi_session/*/state; do sleep 1; done",
            timeout=120,
        )


def stations(machine: Any) -> list[tuple[str, dict[str, Any]]]:
    found = [("blank", machine.look("plan")), ("first pass", without_progress(machine.look("apply")))]
    machine.sync()
    found += [("in sync", machine.look("apply")), ("nothing to do", machine.look("apply"))]
    machine.cut()
    found.append(("one server gone", machine.look("plan")))
    machine.flag()
    machine.back()
    found.append(("back, flagged", machine.look("plan")))
    found.append(("repaired", without_progress(machine.look("apply"))))
    machine.sync()
    found.append(("at the end", without_journal(machine.look("apply"))))
    return found


def without_journal(facts: dict[str, Any]) -> dict[str, Any]:
    """Whether a fast copy was noted at the end of the pass that began it, or by the next one."""
    journal = ("MakeDirectory", "WriteFile")
    facts["steps"] = [s for s in facts["steps"] if not (s[0].startswith("volume") and s[2] in journal)]
    return facts


def without_progress(facts: dict[str, Any]) -> dict[str, Any]:
    """How far the copying is depends on the machine's speed, and with it what the journal is reported."""
    volume = facts["facts"]["volume vg0/testlv"][1]
    for key in ("ratio", "action", "synced"):
        volume.pop(key)
    volume["legs"] = [leg[:2] for leg in volume["legs"]]
    facts["findings"] = [f for f in facts["findings"] if f[0] != "degraded"]
    # A LUN that is not there the moment after the login is asked for.
    facts["steps"] = [s for s in facts["steps"] if not (s[0].startswith("disk") and s[2] == "WriteValue")]
    return without_journal(facts)
