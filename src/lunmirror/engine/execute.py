"""Carries steps out: the only module that changes anything. It decides nothing; it refuses only what moved under it."""

from collections.abc import Callable, Iterator

from lunmirror.engine.model import (
    AwaitPath,
    AwaitPortals,
    AwaitSessions,
    Guard,
    MakeDirectory,
    Outcome,
    Present,
    Ref,
    RemoveFile,
    Run,
    Step,
    WriteFile,
    WriteValue,
)
from lunmirror.host import paths
from lunmirror.host.protocol import ActionFailed, Host, Ran
from lunmirror.lvm.command import under_settings

AT_ONCE = 8  # programs running side by side: forty logins at once outlasted their deadlines in the lab


class Executor:
    """Takes steps in order on one host; `report` hears every outcome as soon as it is known, and `begin` hears of every
    step before it begins; `allow` says whether somebody who was asked wants it taken."""

    def __init__(
        self,
        host: Host,
        report: Callable[[Outcome], None] = lambda outcome: None,
        begin: Callable[[Step], None] = lambda step: None,
        allow: Callable[[Step], bool] = lambda step: True,
    ) -> None:
        self.host, self.report, self.begin, self.allow = host, report, begin, allow

    def take(self, steps: tuple[Step, ...]) -> list[Outcome]:
        """Outcomes in the order of the steps. A failed step skips the later steps of its own resource, no others."""
        outcomes: list[Outcome] = []
        failed: set[Ref] = set()
        for batch in _batches(steps):
            ready = []
            for step in batch:
                why = "an earlier step of this resource failed" if step.ref in failed else ""
                if not why and not self.allow(step):
                    why = "it was not agreed to"
                    failed.add(step.ref)
                if why:
                    outcomes.append(Outcome(step, "skipped", error=why))
                    self.report(outcomes[-1])
                else:
                    ready.append(step)
            for outcome in self._together(ready) if len(ready) > 1 else map(self._one, ready):
                outcomes.append(outcome)
                self.report(outcome)
                if outcome.status != "done":
                    failed.add(outcome.step.ref)
        return outcomes

    def _one(self, step: Step) -> Outcome:
        started = self.host.now()
        try:
            for guard in step.guards:
                self._check(guard)
            self.begin(step)
            self._act(step)
        except ActionFailed as failure:
            return Outcome(step, "failed", self.host.now() - started, str(failure))
        return Outcome(step, "done", self.host.now() - started)

    def _together(self, steps: list[Step]) -> list[Outcome]:
        """Programs that may run at the same time: only `Run` steps are ever marked so."""
        runs = tuple((under_settings(s.action.argv), s.action.deadline) for s in steps if isinstance(s.action, Run))
        try:
            for step in steps:
                for guard in step.guards:
                    self._check(guard)
                self.begin(step)
            answers = self.host.run_together(runs)
            pairs = zip(steps, answers, strict=True)
            self._settle([s.action for s, a in pairs if isinstance(s.action, Run) and a.rc in s.action.ok])
        except ActionFailed as failure:
            return [Outcome(s, "failed", error=str(failure)) for s in steps]
        return [self._judge(s, a) for s, a in zip(steps, answers, strict=True)]

    def _check(self, guard: Guard) -> None:
        seen = self.host.read(guard.path)
        now = seen.facts.decode(errors="replace").strip() if isinstance(seen, Present) else "unreadable"
        if now != guard.content:
            raise ActionFailed(
                f"the machine changed since it was observed: {guard.path} is {now!r}, was {guard.content!r};"
                " nothing was done, the next pass looks again"
            )

    def _act(self, step: Step) -> None:
        host = self.host
        match step.action:
            case Run(argv, deadline, stdin, ok) as run:
                ran = host.run(under_settings(argv), deadline, stdin)
                if ran.rc not in ok:
                    raise ActionFailed(self._why(run, ran))
                if run.makes:
                    host.flush(run.makes)
                self._settle([run])
            case WriteFile(path, content, before, mode, scratch, locked):
                host.write(path, content, before, mode, scratch, locked)
            case RemoveFile(path, before, locked):
                host.remove(path, before, locked)
            case WriteValue(path, value):
                host.write_value(path, value)
            case MakeDirectory(path, mode):
                host.make_directory(path, mode)
            case AwaitPath(patterns, deadline):
                host.await_path(patterns, deadline)
            case AwaitPortals(endpoints, deadline):
                host.await_portals(endpoints, deadline)
            case AwaitSessions(wanted, deadline):
                host.await_sessions(wanted, deadline)

    def _judge(self, step: Step, ran: Ran) -> Outcome:
        assert isinstance(step.action, Run)
        if ran.rc in step.action.ok:
            return Outcome(step, "done", ran.seconds)
        return Outcome(step, "failed", ran.seconds, self._why(step.action, ran))

    def _why(self, run: Run, ran: Ran) -> str:
        meaning = dict(run.meanings).get(ran.rc, "") if ran.rc is not None else ""
        if run.argv[0] == paths.LVM and (room := self.host.no_room(paths.LVM_ETC)):
            # It may say no more than "Failed to commit VG" (docs/facts/lab.md#power-cut-and-files).
            meaning = f"{paths.LVM_ETC}, where LVM keeps its archive, cannot be written: {room}"
        return f"{meaning} ({ran.why})" if meaning else ran.why

    def _settle(self, done: list[Run]) -> None:
        """Gives the effects of what was run time to show, all at once."""
        waits = [run.settles for run in done if run.settles]
        if waits:
            wanted = tuple(one for wait in waits for one in wait.wanted)
            self.host.await_sessions(wanted, max(wait.deadline for wait in waits))


def _batches(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    """Runs of neighbouring `together` steps, each of a resource of its own, at most AT_ONCE; every other step alone."""
    batch: list[Step] = []
    for step in steps:
        fits = step.together and len(batch) < AT_ONCE and all(step.ref != other.ref for other in batch)
        if batch and not fits:
            yield tuple(batch)
            batch = []
        if step.together:
            batch.append(step)
        else:
            yield (step,)
    if batch:
        yield tuple(batch)
