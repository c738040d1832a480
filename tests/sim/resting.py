"""A simulated machine on which an administrator takes a server into maintenance: as cli/maintained.py and cli/passes.py do it."""

from lunmirror.analysis.result import exit_of
from lunmirror.engine import gate, maintenance
from lunmirror.engine.desired import Maintenance
from lunmirror.engine.execute import Executor
from lunmirror.engine.model import Present, Report
from lunmirror.engine.reconcile import run_pass
from lunmirror.engine.relogin import Stage as Walker
from lunmirror.host import paths
from sim.machine import Fault, SimHost, no_fault
from sim.stage import Pass, Stage
from sim.watchers import EPOCH


class Resting:
    """A stage whose passes heed the note of a maintenance."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    @property
    def now(self) -> int:
        return EPOCH + int(self.stage.world.now)

    @property
    def noted(self) -> bool:
        return paths.MAINTENANCE in self.stage.world.files

    def heed(self, host: SimHost) -> None:
        self.stage.desired = maintenance.under(self.stage.desired, host.read(paths.MAINTENANCE), self.now)

    def begin(self, server: str, seconds: int = 7200, fault: Fault = no_fault) -> "Pass | list[str]":
        """What stands against it; or it is noted, and the pass that follows."""
        host = SimHost(self.stage.world, fault)
        try:
            self.heed(host)
            on = self.stage.desired.resting
            if on and on != server:
                return [f"{on} is in maintenance"]
            report = run_pass("plan", "run", self.stage.desired, host)
            if not on and (against := maintenance.objections(server, self.stage.desired, report, host)):
                assert not host.changed
                return against
            one = Maintenance(server, self.now, self.now + seconds, "alice")
            wanted = maintenance.note(one, host.read(paths.MAINTENANCE), self.stage.desired)
            Executor(host).take(gate.enforce(wanted, frozenset()).steps)
            return self._walked(host)
        finally:
            self.stage.check()

    def apply(self, fault: Fault = no_fault) -> Pass:
        host = SimHost(self.stage.world, fault)
        try:
            return self._walked(host)
        finally:
            self.stage.check()

    def end(self, fault: Fault = no_fault) -> Pass:
        host = SimHost(self.stage.world, fault)
        try:
            raw = host.read(paths.MAINTENANCE)
            if isinstance(raw, Present):
                self._forget(host, raw)
            return self._walked(host)
        finally:
            self.stage.check()

    def settle(self, passes: int = 8) -> Pass:
        """Passes until one changes nothing and ends with 0; that one."""
        for _ in range(passes):
            last = self.apply()
            if not last.host.changed and last.exit == 0:
                return last
            self.stage.world.advance(60.0)
        raise AssertionError(f"not settled after {passes} passes: {last}")

    def look(self) -> Pass:
        """As `status` does."""
        host = SimHost(self.stage.world)
        self.heed(host)
        return Pass(run_pass("status", "run", self.stage.desired, host), host)

    def _forget(self, host: SimHost, raw: Present[bytes]) -> None:
        Executor(host).take(gate.enforce(maintenance.forget(raw, self.stage.desired), frozenset()).steps)

    def _walked(self, host: SimHost) -> Pass:
        self.heed(host)
        desired, executor = self.stage.desired, Executor(host)

        def walk() -> Report:
            host.forget()
            return run_pass("apply", "run", desired, host, executor)

        seen = walk()
        if desired.maintenance and not desired.maintenance.over:
            seen = maintenance.hold(Walker(desired, host, executor, walk, self.stage.world.advance), seen)
        elif desired.maintenance and isinstance(raw := host.read(paths.MAINTENANCE), Present):
            self._forget(host, raw)
        done = Pass(seen, host)
        assert done.exit == int(exit_of(seen))
        return done
