"""What watchers of a simulated machine see: the status file after each pass."""

from datetime import UTC, datetime

from lunmirror.analysis import copying
from lunmirror.watch import document, events
from sim.machine import Fault, SimHost, no_fault
from sim.stage import Pass, Stage

REMINDER = 86400
EPOCH = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())  # the world's clock begins there


class Watched:
    """A stage, and what its passes leave in /run."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.status: document.Document = {}
        self.notes = events.Notes()
        self.told: list[str] = []  # every event, in its order

    @property
    def now(self) -> int:
        return EPOCH + int(self.stage.world.now)

    def apply(self, fault: Fault = no_fault) -> Pass:
        done = self.stage.apply(fault)
        self.see(done)
        return done

    def see(self, done: Pass) -> None:
        """As cli/after.py does it."""
        report, desired = done.report, self.stage.desired
        copied = document.any_copying(report, desired)
        readings = copying.read(report, desired, SimHost(self.stage.world)) if copied else {}
        self.status = document.document(report, desired, readings, self.status, self.now)
        boot = self.stage.world.files["/proc/sys/kernel/random/boot_id"].decode().strip()
        before, self.notes = self.notes, events.after_pass(self.notes, self.status, boot, REMINDER)
        self.told += [e["event"] for e in self.notes.pending if e["serial"] > before.serial]

    @property
    def volume(self) -> document.Document:
        (volume,) = self.status["volumes"]
        return volume

    def server(self, name: str) -> document.Document:
        return next(s for s in self.status["servers"] if s["server"] == name)
