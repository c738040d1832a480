"""What a planner is given for one resource, and the steps and findings that all planners make in the same words.

A planner is a table in its module's docstring and functions `(ctx, facts) -> Plan`. A layer extends `Context` with what
its own questions need.
"""

from collections.abc import Iterable

from lunmirror.engine.desired import Desired, Path
from lunmirror.engine.model import (
    ABSENT,
    Action,
    Drift,
    Finding,
    Guard,
    Kind,
    Plan,
    Ref,
    Risk,
    Seen,
    Step,
    Unknown,
    World,
)

NOT_LOOKED_AT = Unknown("it was not looked at")


class Context:
    """One resource while it is planned.

    ref:     the resource; `key` is the TOML key path that declares it.
    seen:    what was observed of all layers; `state` of this resource.
    pending: lower resources with steps that are not taken yet (only in predictions).
    """

    def __init__(self, ref: Ref, key: str, desired: Desired, seen: World, pending: frozenset[Ref]) -> None:
        self.ref, self.key, self.desired, self.seen, self.pending = ref, key, desired, seen, pending
        self.state: Seen[object] = seen.get(ref.layer, {}).get(ref.name, NOT_LOOKED_AT)

    def below(self, layer: str, name: str) -> Seen[object]:
        """What was observed of a resource of a lower layer; Absent if nothing was."""
        return self.seen.get(layer, {}).get(name, ABSENT)

    def waits_for(self, *refs: Ref) -> tuple[Ref, ...]:
        """Those of the resources that have to come first and are not done yet."""
        return tuple(ref for ref in refs if ref in self.pending)

    def step(
        self,
        title: str,
        action: Action,
        *drift: Drift,
        risk: Risk = Risk.NONE,
        proof: str = "",
        guards: tuple[Guard, ...] = (),
        after: tuple[Ref, ...] = (),
        together: bool = False,
        server: str = "",
    ) -> Step:
        """One step of this resource (see model.Step)."""
        return Step(self.ref, title, action, drift, risk, proof, guards, after, together, server)

    def finding(self, kind: Kind, what: str, why: str = "", next: str = "", key: str = "") -> Finding:
        """One finding about this resource. `key` is relative to the resource's own, '' for that."""
        return Finding(self.ref, kind, what, why, next, f"{self.key}.{key}" if key else self.key)

    def blocked(self, what: str, why: str, next: str, key: str = "") -> Plan:
        return Plan(findings=(self.finding(Kind.BLOCKED, what, why, next, key),))

    def degraded(self, what: str, why: str, next: str, key: str = "") -> Plan:
        return Plan(findings=(self.finding(Kind.DEGRADED, what, why, next, key),))

    def refused(self, what: str, why: str, next: str, key: str = "") -> Plan:
        return Plan(findings=(self.finding(Kind.REFUSED, what, why, next, key),))

    def noted(self, what: str, why: str = "", next: str = "", key: str = "") -> Plan:
        return Plan(findings=(self.finding(Kind.NOTE, what, why, next, key),))


class PathContext(Context):
    """One path, a target through a portal of its server, while its record or its session is planned. `place` says it to an
    administrator."""

    def __init__(self, layer: str, path: Path, desired: Desired, seen: World, pending: frozenset[Ref]) -> None:
        super().__init__(Ref(layer, path.name), f"servers.{path.server.name}", desired, seen, pending)
        self.path = path
        self.place = f"{path.target} at {path.portal}"


def reason_of(state: Seen[object], otherwise: str = "it was not found") -> str:
    """Why something could not be seen."""
    return state.reason if isinstance(state, Unknown) else otherwise


def joined(plans: Iterable[Plan]) -> Plan:
    """All steps and findings, in order."""
    made = tuple(plans)
    return Plan(tuple(s for p in made for s in p.steps), tuple(f for p in made for f in p.findings))
