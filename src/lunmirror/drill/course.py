"""The course of a drill: write, cut, wait, repair, report. The traffic returns on every way out of here, and whatever
becomes of this process the kernel lets it return (`cut`).
"""

import os
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from lunmirror.analysis.servers import silent_servers
from lunmirror.drill.cut import Cut
from lunmirror.drill.plan import Place, Rehearsal, is_whole
from lunmirror.drill.probe import Write, write_steadily, writes
from lunmirror.drill.watch import GIVEN_UP, Sample, samples, watch
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import HostError, LunmirrorError
from lunmirror.engine.model import Report
from lunmirror.host.protocol import Reader
from lunmirror.host.waiting import Interrupted, until
from lunmirror.host.words import of
from lunmirror.host.worker import Worker

BEFORE = 4.0  # seconds of ordinary writing before the cut
AFTER = 2.0  # and after redundancy is full
ENDING = 5.0  # seconds for a copy of the process to end
OUTAGE_PACE = 10.0  # seconds between passes while the server is away, as the timer has it (contrib/systemd)
REPAIR_PACE = 3.0


class Pass(NamedTuple):
    """One ordinary pass of the drill: when it began (monotonic), how long it took, what it did, or why it failed."""

    begun: float
    seconds: float
    titles: tuple[str, ...]
    error: str = ""


class Course(NamedTuple):
    """All that was seen. Times are on the monotonic clock, in seconds; `whole_at` None: not within the deadline.
    `date` is the wall clock at the cut. `packets` were dropped; None if that is not known."""

    rehearsal: Rehearsal
    date: str
    cut_at: float
    lifted_at: float
    ended_at: float
    whole_at: float | None
    writes: dict[str, tuple[Write, ...]]
    samples: tuple[Sample, ...]
    passes: tuple[Pass, ...]
    packets: int | None
    notes: tuple[str, ...]


class Stage:
    """What a course is played on: the machine, and ways to walk a pass and to say where things are."""

    def __init__(
        self,
        desired: Desired,
        reader: Reader,
        cut: Cut,
        walk: Callable[[], Report],
        say: Callable[[str], None],
        aside: Callable[..., Worker] = Worker,
    ) -> None:
        self.desired, self.reader, self.cut, self.walk, self.say, self.aside = desired, reader, cut, walk, say, aside


def play(rehearsal: Rehearsal, stage: Stage, repair: float) -> tuple[Course, Report | None]:
    """The whole drill, and the report of its last pass. `repair` is the longest wait for full redundancy after the
    traffic returned, in seconds. Raises HostError if it could not begin, Interrupted."""
    stage.cut.prepare()
    notes = list(rehearsal.notes)
    with ExitStack() as stack:
        stack.callback(stage.cut.lift)
        writers = {p.volume: _writer(p, stage, stack, notes) for p in rehearsal.places}
        watcher = stage.aside("the watcher", partial(watch, rehearsal, stage.desired, stage.reader))
        stack.callback(lambda: _stop(watcher, notes))
        _warm_up(rehearsal.places, writers, stage)
        stage.say(f"dropping the traffic of server {rehearsal.server} for {rehearsal.seconds} s")
        stack.callback(stage.cut.lift)  # once more, to be the first thing done on every way out
        date = stage.reader.date()
        cut_at = time.monotonic()  # before, not after: nothing that the cut causes may seem to be earlier
        stage.cut.begin(rehearsal.endpoints, rehearsal.seconds)
        ends = time.monotonic() + rehearsal.seconds
        walks = Walks(rehearsal, stage)
        walks.through_the_outage(lambda: samples(watcher.log.read()), ends)
        packets = stage.cut.packets()
        if trouble := stage.cut.lift():
            notes.append(f"the table that dropped the traffic is inert, but could not be removed: {trouble}")
        stage.say(f"the traffic of server {rehearsal.server} is let through again; repairing")
        whole_at = walks.until_whole(ends + repair)
        if whole_at is not None:
            until(lambda: False, AFTER)
        ended_at = time.monotonic()
    course = Course(
        rehearsal=rehearsal,
        date=date,
        cut_at=cut_at,
        lifted_at=ends,
        ended_at=ended_at,
        whole_at=whole_at,
        writes={volume: writes(writer.log.read()) for volume, writer in writers.items()},
        samples=samples(watcher.log.read()),
        passes=tuple(walks.passes),
        packets=packets,
        notes=tuple(notes),
    )
    return course, walks.last


class Walks:
    """The ordinary passes of a drill."""

    def __init__(self, rehearsal: Rehearsal, stage: Stage) -> None:
        self.rehearsal, self.stage = rehearsal, stage
        self.passes: list[Pass] = []
        self.last: Report | None = None

    def through_the_outage(self, seen: Callable[[], tuple[Sample, ...]], ends: float) -> None:
        """Until the cut ends. No pass before every leg is given up: until then whatever reads the disks would wait
        with them, and a drill has nothing to learn from that."""
        due = 0.0
        while (left := ends - time.monotonic()) > 0:
            until(lambda: False, min(left, 0.5))
            now = time.monotonic()
            if now >= due and now < ends - 1 and _given_up(self.rehearsal.volumes, seen()):
                self._walk()
                due = time.monotonic() + OUTAGE_PACE

    def until_whole(self, deadline: float) -> float | None:
        """Passes until redundancy is full; when that was first seen."""
        while True:
            begun = time.monotonic()
            report = self._walk()
            if report is not None and self._is_whole(report):
                return time.monotonic()
            now = time.monotonic()
            if now >= deadline:
                return None
            until(lambda: False, max(0.5, min(begun + REPAIR_PACE, deadline) - now))

    def _walk(self) -> Report | None:
        begun = time.monotonic()
        try:
            report = self.stage.walk()
        except Interrupted:
            raise
        except LunmirrorError as error:
            self.passes.append(Pass(begun, time.monotonic() - begun, (), error.what))
            return None
        self.last = report
        done = tuple(f"{o.step.ref}: {o.step.title}" for o in report.outcomes if o.status == "done")
        failed = "; ".join(f"{o.step.ref}: {o.error}" for o in report.outcomes if o.status == "failed")
        self.passes.append(Pass(begun, time.monotonic() - begun, done, failed))
        for line in done:
            self.stage.say(line)
        return report

    def _is_whole(self, report: Report) -> bool:
        silent = silent_servers(self.rehearsal.server, report, self.stage.desired, self.stage.reader)
        return is_whole(self.rehearsal, report, self.stage.desired, silent)


def _given_up(volumes: Iterable[str], seen: tuple[Sample, ...]) -> bool:
    return bool(seen) and all(seen[-1].volumes.get(v) == GIVEN_UP for v in volumes)


def _writer(place: Place, stage: Stage, stack: ExitStack, notes: list[str]) -> Worker:
    writer = stage.aside(f"the writer on {place.directory}", partial(write_steadily, place.directory, place.device))
    stack.callback(lambda: _stop(writer, notes))
    return writer


def _warm_up(places: tuple[Place, ...], writers: dict[str, Worker], stage: Stage) -> None:
    """Some ordinary writing. Raises HostError if even that does not work."""
    stage.say(f"writing to {', '.join(p.directory for p in places)} as usual for {BEFORE:g} s")
    until(lambda: False, BEFORE)
    for place in places:
        seen = writes(writers[place.volume].log.read())
        fault = next((w.error for w in seen if w.error), 0)
        if fault or not any(w.seconds is not None for w in seen):
            why = of(OSError(fault, os.strerror(fault))) if fault else f"no write ended within {BEFORE:g} s"
            raise HostError(
                f"the drill's own file cannot be written on {place.directory}: {why}",
                why="a drill measures what its own writes meet, so they must succeed before it",
                next="correct that, then drill again; no traffic was dropped",
            )


def _stop(copy: Worker, notes: list[str]) -> None:
    if trouble := copy.stop(ENDING):
        notes.append(trouble)
