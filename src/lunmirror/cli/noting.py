"""The configuration is not valid, so no pass begins; what the journal has to know of the volumes in service is noted all the
same, by what was declared last. Without it a leg that failed meanwhile would later be started alone."""

from contextlib import suppress

from lunmirror.cli import maintained
from lunmirror.config import cache
from lunmirror.engine.errors import LunmirrorError
from lunmirror.engine.execute import Executor
from lunmirror.engine.journal import is_note
from lunmirror.engine.log import Log
from lunmirror.engine.model import Outcome, Present, Step
from lunmirror.engine.reconcile import run_pass
from lunmirror.engine.runlock import held
from lunmirror.host import paths
from lunmirror.host.protocol import Host
from lunmirror.layers.volume.facts import LogicalVolume


def newest(verb: str, host: Host, log: Log) -> None:
    """One look, and the notes that follow from it; what cannot be had now is left to the next pass."""
    desired = cache.last(paths.COMPILED)
    if desired is None:
        return
    desired = maintained.under(desired)
    with suppress(LunmirrorError), held(verb, 0):
        states = run_pass("plan", log.run, desired, host).seen.get("volume", {})
        active = {id for id, s in states.items() if isinstance(s, Present) and _is_active(s.facts)}
        host.forget()
        run_pass(verb, log.run, desired, host, _Notes(host, active, log))


def _is_active(facts: object) -> bool:
    return isinstance(facts, LogicalVolume) and facts.active


class _Notes(Executor):
    """Takes the notes of some volumes, and nothing else: of one that is not in service a note only prepares its start."""

    def __init__(self, host: Host, volumes: set[str], log: Log) -> None:
        super().__init__(host, log.outcome)
        self.volumes = volumes

    def take(self, steps: tuple[Step, ...]) -> list[Outcome]:
        return super().take(
            tuple(s for s in steps if is_note(s) and s.ref.layer == "volume" and s.ref.name in self.volumes)
        )
