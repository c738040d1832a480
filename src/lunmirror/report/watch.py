"""Following the mirrors until they are whole: when to look in full, and what one frame shows.

A full look walks every layer and asks LVM; in between only device-mapper's counters are read, which touches no disk.
Pure but for the two functions that it is given; pausing, drawing and stopping are the caller's.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from lunmirror.analysis.copying import Reading, Speed, speeds
from lunmirror.analysis.health import DEGRADED, FULL, REBUILDING, Health, health
from lunmirror.analysis.verdict import judge
from lunmirror.engine.desired import Desired
from lunmirror.engine.model import Report
from lunmirror.engine.plain import shown
from lunmirror.report import words
from lunmirror.report.table import Paint
from lunmirror.report.words import rate, span

PAUSE = 1.0  # seconds between readings
PERIOD = 10.0  # seconds after which a full look is due, whatever the counters say
WINDOW = 10.0  # seconds over which a speed is reported
CELLS, LEAST = 24, 6  # of a bar: where there is room, and below which there is none
_COLORS = {FULL: "32", REBUILDING: "33", DEGRADED: "33"}


class Frame(NamedTuple):
    """The last full look, and the counters since. `asked` is on the reader's clock, in seconds."""

    report: Report
    readings: Mapping[str, Reading]
    speeds: Mapping[str, Speed]
    asked: float


def follow(
    look: Callable[[], Report],
    read: Callable[[Report], dict[str, Reading]],
    now: Callable[[], float],
    desired: Desired,
) -> Iterator[Frame]:
    """One frame after the other, without end. `look` walks the layers, `read` reads the counters; each asks again."""
    report, looked = look(), now()
    history = [read(report)]
    while True:
        paces = speeds(history[0], history[-1], report, desired)
        yield Frame(report, history[-1], paces, now())
        latest = read(report)
        if _lines(latest) != _lines(history[-1]) or now() - looked >= PERIOD or _arrived(latest, history[-1]):
            report, looked = look(), now()
            latest = read(report)
        if _lines(latest) != _lines(history[-1]):
            history = []  # another copy, or none: its speed is reported again
        history = [*(one for one in history if _time(latest) - _time(one) <= WINDOW), latest]


def _lines(readings: Mapping[str, Reading]) -> dict[str, str]:
    return {name: one.line for name, one in readings.items()}


def _arrived(latest: Mapping[str, Reading], before: Mapping[str, Reading]) -> bool:
    """A copy has ended."""
    return any(not one.copying and name in before and before[name].copying for name, one in latest.items())


def _time(readings: Mapping[str, Reading]) -> float:
    return max((one.at for one in readings.values()), default=0.0)


def lines(frame: Frame, desired: Desired, paint: Paint | None = None, columns: int = 80) -> list[str]:
    """One line for each declared volume, fitted to the terminal: name and state; of a copy a bar, percent and pace, of
    anything else that is amiss its cause."""
    paint = paint or Paint(False)
    wide = max((len(v) for v in desired.volumes), default=0)
    causes = {v.volume: v.cause.text for v in judge(frame.report, desired).volumes}
    found = []
    for volume in desired.volumes.values():
        state = health(volume, frame.report.seen, desired)
        share = _share(state, frame)
        head = f"{volume.id:{wide}}  {paint(state.state, _COLORS.get(state.state, '31'))}"
        said: list[str] = []
        if state.state == REBUILDING:
            pace = frame.speeds.get(volume.id)
            words_ = f"{_percent(share)}" + (f"  {rate(pace.rate)}, {span(pace.left)} left" if pace else "")
            room = columns - wide - len(state.state) - len(words_) - 8
            if room < -4:  # whole words, or none
                words_ = _percent(share)
            said = [*([bar(share, min(CELLS, room))] if room >= LEAST else []), words_]
        elif state.state != FULL:
            said = [shown(causes[volume.id])]
        found.append(fitted("  ".join((head, *said)), columns))
    return found


def changes(frame: Frame, desired: Desired) -> list[str]:
    """The same without what moves every second, for logs: whole percents, no pace."""
    found = []
    for volume in desired.volumes.values():
        state = health(volume, frame.report.seen, desired)
        share = _share(state, frame)
        percent = f" ({int(100 * share)} %)" if share is not None and state.state == REBUILDING else ""
        found.append(f"{volume.id}: {state.state}{percent}: {shown(state.words)}")
    return found


def fitted(line: str, width: int) -> str:
    """The line cut to so many columns, escapes not counted: a frame that wraps could not be drawn over."""
    out, column, escape = [], 0, False
    for letter in line:
        escape = escape or letter == "\x1b"
        if escape or column < width:
            out.append(letter)
        column += not escape
        escape = escape and letter != "m"
    return "".join(out)


def bar(share: float | None, cells: int = CELLS) -> str:
    """Filled as far as is done; empty dots where that is not known. Full only when all is done."""
    if share is None:
        return "[" + "·" * cells + "]"
    return f"[{words.bar(share, cells)}]"


def _share(state: Health, frame: Frame) -> float | None:
    """What part is in sync. Only a copy in progress is reported by its count: a dead leg reads 100 % too."""
    if state.state == FULL:
        return 1.0
    reading = frame.readings.get(state.volume)
    return reading.done / reading.total if state.state == REBUILDING and reading and reading.total else None


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{int(1000 * share) / 10:g} %"
