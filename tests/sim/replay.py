"""A pass over a machine that answers from a record: what is measured then is the pass, and not the simulator."""

from collections.abc import Callable
from typing import Any

from lunmirror.cli.after import note_targets
from lunmirror.engine.desired import Desired
from lunmirror.engine.log import Log
from lunmirror.engine.model import Report
from lunmirror.engine.reconcile import run_pass
from lunmirror.host import paths
from sim.machine import SimHost
from sim.stage import Stage

ASKED = ("query", "read", "glob", "link", "directory", "reach", "now", "date")
Tape = dict[tuple[str, Any], Any]


class Recorder(SimHost):
    """Notes every answer."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.world)
        self.tape: Tape = {}


class Replay(SimHost):
    """Answers from the tape, and asks the world nothing."""

    def __init__(self, stage: Stage, tape: Tape) -> None:
        super().__init__(stage.world)
        self.tape = tape


def _recording(name: str) -> Callable[..., Any]:
    real = getattr(SimHost, name)

    def ask(self: Recorder, *asked: Any) -> Any:
        answer = self.tape[name, asked] = real(self, *asked)
        return answer

    return ask


def _replaying(name: str) -> Callable[..., Any]:
    return lambda self, *asked: self.tape[name, asked]


for _name in ASKED:
    setattr(Recorder, _name, _recording(_name))
    setattr(Replay, _name, _replaying(_name))


def recorded(stage: Stage) -> Tape:
    """What a pass with nothing to do asks of this machine, and is answered."""
    host = Recorder(stage)
    report = run(stage.desired, host)
    assert not report.steps
    note_targets(report, stage.desired, host, Log("apply", "run"))  # as an earlier pass did
    host.read(paths.TARGETS)
    return host.tape


def run(desired: Desired, host: SimHost) -> Report:
    """A pass that may change nothing."""
    return run_pass("apply", "run", desired, host)
