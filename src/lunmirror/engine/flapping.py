"""Settings that another program keeps setting back: multipathd's fast_io_fail_tmo, a configuration manager that
rewrites node records. Two passes in a row repair such a setting; the next one leaves it, and reports that it is flapping.

It stays so until it reads as declared or as something else, until the declaration changes, or until the machine boots.
What lunmirror itself has made in the same pass (a record that was gone, a disk that was scanned for) is nobody's undoing.
What passes leave each other about it lies in /run (cli/passes.py keeps it there); this module only decides.
"""

from lunmirror.engine.model import Finding, Kind, Outcome, Plan, Ref, RemoveFile, Run, Step, WriteFile, WriteValue

LAYERS = frozenset({"node", "udev", "session", "scsi"})  # settings only: a mount is always worth repairing
REPAIRS_IN_A_ROW = 2  # passes in a row that repair the same setting
MAKER = {"scsi": "disk"}  # layer -> the layer whose steps make its resources, by the same name; else the layer itself


class Flapping:
    """`previous`: how many passes in a row have repaired each setting, by its name (see `_names`), as the last one left it.
    `current`: the same for the next pass, as found so far by this one."""

    def __init__(self, previous: dict[str, int] | None = None) -> None:
        self.previous = previous or {}
        self.current: dict[str, int] = {}
        self._made: set[Ref] = set()  # resources that this pass has made, or re-created: they begin with defaults

    def suppress(self, planned: Plan) -> Plan:
        """The plan without steps that would only go on with a fight: each is reported instead. A step that repairs
        something else as well is taken."""
        if not self.previous:
            return planned
        steps, findings = [], list(planned.findings)
        for step in planned.steps:
            names = _names(step)
            if (
                names
                and (_renews(step) or not self._is_new(step.ref))
                and all(self.previous.get(name, 0) >= REPAIRS_IN_A_ROW for name in names)
            ):
                self.current |= {name: self.previous[name] for name in names}
                findings.append(_finding(step))
            else:
                steps.append(step)
        return Plan(tuple(steps), tuple(findings))

    def record(self, outcomes: tuple[Outcome, ...]) -> None:
        """These steps were taken."""
        for outcome in outcomes:
            if _renews(outcome.step):  # done or not: it was tried
                self.current |= {name: self.previous.get(name, 0) + 1 for name in _names(outcome.step)}
                continue
            if outcome.status != "done":
                continue
            if isinstance(outcome.step.action, (Run, RemoveFile)):
                self._made.add(outcome.step.ref)
            elif not self._is_new(outcome.step.ref):
                self.current |= {name: self.previous.get(name, 0) + 1 for name in _names(outcome.step)}

    def _is_new(self, ref: Ref) -> bool:
        return Ref(MAKER.get(ref.layer, ref.layer), ref.name) in self._made


def _names(step: Step) -> tuple[str, ...]:
    """One for each setting that a step repairs: where it is, what is declared, what was found instead. A kernel
    attribute's path has the session in it, so that a new session is another setting."""
    if _renews(step):
        return (f"{step.ref}: renewed",)
    if step.ref.layer not in LAYERS or not isinstance(step.action, (WriteFile, WriteValue)) or step.after:
        return ()
    path = step.action.path
    return tuple(f"{path}: {drift.key} = {drift.desired}, not {drift.observed}" for drift in step.drift)


def _renews(step: Step) -> bool:
    """It ends or begins a session that was stuck, or iscsid itself (layers/session/renew.py)."""
    return step.ref.layer == "session" and isinstance(step.action, Run) and bool(step.server) and not step.after


def _finding(step: Step) -> Finding:
    if _renews(step):
        return Finding(
            step.ref,
            Kind.REFUSED,
            f"given up: {step.title}",
            why=f"the last {REPAIRS_IN_A_ROW} passes did it, and the session was lost or stuck again each time",
            next="look at the journal of iscsid and at the server's own log; lunmirror takes it up again when a pass has found"
            " the session in order, or after a boot",
            key=step.drift[0].key,
        )
    changes = "; ".join(f"{d.key} is {d.observed}, declared {d.desired}" for d in step.drift)
    return Finding(
        step.ref,
        Kind.REFUSED,
        f"flapping: another program keeps setting this back: {step.title}",
        why=f"the last {REPAIRS_IN_A_ROW} passes that changed anything here did it, each time it was set back, and it is left now: {changes}",
        next="find out who sets it (a configuration manager, multipathd, a udev rule of somebody else), and stop that or"
        " declare its value; lunmirror takes it up again when it reads otherwise, or when the declaration changes",
        key=step.drift[0].key,
    )
