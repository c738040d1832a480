"""One pass: for each layer, lowest first: observe, plan, gate, execute, observe again.

`plan` runs the same loop without executing. Verification is the planner again: after its steps a layer is observed
once more, and what its plan then still wants is the failure to report.
"""

from lunmirror.engine import gate
from lunmirror.engine.desired import Desired
from lunmirror.engine.execute import Executor
from lunmirror.engine.flapping import Flapping
from lunmirror.engine.model import WAITS, Finding, Kind, Observed, Outcome, Plan, Ref, Report, Step, World
from lunmirror.host.protocol import Reader
from lunmirror.layers import LAYERS, Layer

# A choice between split halves takes the most: stop, note, start, note, drop, note, add, note; and two to spare.
ROUNDS = 10


class Pass:
    """The state of one pass while it runs. Without an executor it only plans."""

    def __init__(
        self,
        desired: Desired,
        reader: Reader,
        executor: Executor | None,
        flapping: Flapping,
        attended: bool = True,
    ) -> None:
        self.desired, self.reader, self.executor, self.flapping = desired, reader, executor, flapping
        self.attended = attended
        self.seen: dict[str, Observed] = {}
        self.steps: list[Step] = []
        self.outcomes: list[Outcome] = []
        self.findings: list[Finding] = []
        self.pending: set[Ref] = set()
        self.disturbed: set[str] = set()

    def walk(self) -> None:
        for layer in LAYERS:
            if self.executor is None:
                self._predict(layer)
            else:
                self._settle(layer, self.executor)

    def _look(self, layer: Layer) -> Plan:
        self.seen[layer.name] = layer.observe(self.desired, self.reader, self.seen)
        planned = layer.plan(self.desired, self.seen, frozenset(self.pending))
        planned = self.flapping.suppress(planned)
        if not self.attended:
            allowed = frozenset(gate.UNATTENDED[word] for word in self.desired.unattended)
            planned = gate.left_to_somebody(planned, allowed)
        return gate.enforce(planned, frozenset(self.disturbed))

    def _predict(self, layer: Layer) -> None:
        planned = self._look(layer)
        # In the order of apply: what waits for steps of its own resource comes in the layer's next round.
        self.steps += sorted(planned.steps, key=lambda step: step.ref in step.after)
        self._find(planned.findings)
        # Waiting makes nothing: what depends on an absent server is not predicted, but said to be blocked.
        self.pending |= {step.ref for step in planned.steps if not isinstance(step.action, WAITS)}
        self.disturbed |= {step.server for step in planned.steps if step.server}

    def _settle(self, layer: Layer, executor: Executor) -> None:
        taken: set[Step] = set()
        failed: set[Ref] = set()
        for _ in range(ROUNDS):
            planned = self._look(layer)
            todo = tuple(s for s in planned.steps if s not in taken and s.ref not in failed and not s.after)
            if not todo:
                break
            outcomes = executor.take(todo)
            self.outcomes += outcomes
            self.flapping.record(tuple(outcomes))
            for lower in (other for other in LAYERS if other.name in layer.invalidates):
                self.seen[lower.name] = lower.observe(self.desired, self.reader, self.seen)
            taken |= {o.step for o in outcomes}
            failed |= {o.step.ref for o in outcomes if o.status != "done"}
            self.disturbed |= {o.step.server for o in outcomes if o.step.server}
        else:
            planned = self._look(layer)  # the last word is the machine's, not the last round's plan
        self._find(planned.findings)
        self._find(_left_over(planned, failed))

    def _find(self, findings: tuple[Finding, ...]) -> None:
        """A layer that is walked twice says the same thing only once."""
        self.findings += [f for f in findings if f not in self.findings]


def _left_over(planned: Plan, failed: set[Ref]) -> tuple[Finding, ...]:
    """Steps that were taken, or could not be, and are wanted all the same: they did not hold."""
    return tuple(
        Finding(
            step.ref,
            Kind.BLOCKED,
            f"still not as declared after this pass: {step.title}",
            why="; ".join(f"{d.key} is {d.observed}, declared {d.desired}" for d in step.drift),
            next="run `lunmirror plan` to see it; the step's own outcome in the log says what happened",
            key=step.drift[0].key if step.drift else "",
        )
        for step in planned.steps
        if step.ref not in failed and not isinstance(step.action, WAITS)
    )


def run_pass(
    verb: str,
    run: str,
    desired: Desired,
    reader: Reader,
    executor: Executor | None = None,
    detailed: bool = False,
    flapping: Flapping | None = None,
    attended: bool = True,
) -> Report:
    """Walk every layer once and report what was seen, done and not done. `run` identifies the pass in logs; `detailed`:
    changes made are to show in the exit code; `attended`: somebody asked for it; `flapping`: what earlier passes repaired in vain, and learns of this one."""
    started = reader.now()
    this = Pass(desired, reader, executor, flapping or Flapping(), attended)
    this.walk()
    world: World = this.seen
    findings = tuple(this.findings)
    if desired.maintenance:
        from lunmirror.analysis import resting  # only a pass under one

        findings = resting.reported(findings, world, desired)
    return Report(
        verb=verb,
        run=run,
        steps=tuple(this.steps),
        outcomes=tuple(this.outcomes),
        findings=findings,
        seen=world,
        seconds=reader.now() - started,
        detailed=detailed,
    )
