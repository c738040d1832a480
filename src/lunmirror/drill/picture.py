"""The picture: latency of each write over time, as one SVG file that needs nothing else. Pure but for the template.

Every column of two pixels shows the span from the shortest to the longest write begun in it, so that a file stays small and no
long write is averaged away. A write longer than a column is a bar from its beginning to its end.
"""

from math import ceil, floor, log10
from typing import Any, NamedTuple

from lunmirror.drill.course import Course
from lunmirror.drill.probe import Write
from lunmirror.drill.result import Result

WIDTH, PLOT, LEFT, RIGHT = 1000, 320, 84, 150  # pixels; RIGHT has room for the last event's label
HEAD, LANE, FOOT = 70, 17, 64
CHARACTER = 6.6  # pixels of one letter of a label, at most
COLUMN = 2.0  # pixels
COLORS = 5  # classes s0… of the template
LEAST = 1e-4  # seconds


class Label(NamedTuple):
    """An event: its line is at `x`, its text begins there in lane `lane`, 0 the lowest."""

    x: float
    text: str
    lane: int


class Scale:
    """Seconds from the cut and seconds of latency, to pixels."""

    def __init__(self, first: float, last: float, low: int, high: int, top: float) -> None:
        self.first, self.span = first, max(last - first, 1.0)
        self.low, self.high, self.top = low, high, top

    def x(self, at: float) -> float:
        return round(LEFT + (at - self.first) / self.span * (WIDTH - LEFT - RIGHT), 1)

    def y(self, seconds: float) -> float:
        power = log10(max(seconds, 10.0**self.low))
        return round(self.top + PLOT * (self.high - min(power, self.high)) / (self.high - self.low), 1)


def draw(course: Course, result: Result) -> str:
    """The SVG document."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(f"{__file__.rpartition('/')[0]}/templates")
    environment = Environment(
        loader=loader, undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("latency.svg.j2").render(view(course, result))


def view(course: Course, result: Result) -> dict[str, Any]:
    """All that the template places."""
    latencies = [w.lasted(course.ended_at) for mine in course.writes.values() for w in mine]
    low = floor(log10(max(LEAST, min(latencies, default=0.001))))
    high = max(ceil(log10(max([result.budget, *latencies]) * 1.05)), low + 1)
    begun = [w.begun for mine in course.writes.values() for w in mine]
    first, last = min([course.cut_at, *begun]), max(course.ended_at, course.lifted_at)
    flat = Scale(first - course.cut_at, last - course.cut_at, low, high, 0)
    labels = placed(
        [(flat.x(e.at), e.text if not e.label else f"{e.label} {_at(e.at)}") for e in result.events if e.label]
    )
    top = HEAD + LANE * (1 + max((label.lane for label in labels), default=0)) + 4
    scale = Scale(flat.first, last - course.cut_at, low, high, top)
    series = [
        {"name": volume, "number": n % COLORS, **strokes(mine, course, scale)}
        for n, (volume, mine) in enumerate(course.writes.items())
    ]
    return {
        "width": WIDTH,
        "height": top + PLOT + FOOT,
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "top": top,
        "bottom": top + PLOT,
        "title": f"lunmirror drill: server {result.server}, {result.date.replace('T', ' ').replace('Z', ' UTC')}:",
        "verdict": "passed" if result.passed else "FAILED",
        "passed": result.passed,
        "summary": _summary(result),
        "labels": [{**label._asdict(), "y": top - 6 - LANE * label.lane} for label in labels],
        "cut": (scale.x(0.0), scale.x(course.lifted_at - course.cut_at)),
        "budget": (scale.y(result.budget), f"stall budget {result.budget} s"),
        "x_ticks": [(scale.x(t), f"{t:g}") for t in _ticks(flat.first, last - course.cut_at)],
        "y_ticks": [(scale.y(10.0**p), _power(p)) for p in range(low, high + 1)],
        "series": series,
    }


def placed(events: list[tuple[float, str]]) -> list[Label]:
    """Lanes, from the right: whoever would run into a label to its right goes above it, so that its line, which runs
    down at its left end, crosses no text."""
    labels: list[Label] = []
    for x, text in sorted(events, reverse=True):
        end = x + len(text) * CHARACTER + 6
        lane = max((other.lane + 1 for other in labels if other.x < end), default=0)
        labels.append(Label(x, text, lane))
    return labels[::-1]


def strokes(mine: tuple[Write, ...], course: Course, scale: Scale) -> dict[str, Any]:
    """One series as SVG path data: `spans` of short writes by column, `bars` of long ones; and where writes `failed`."""
    columns: dict[int, tuple[float, float]] = {}
    bars, failed = [], []
    for write in mine:
        lasted = write.lasted(course.ended_at)
        x, end = scale.x(write.begun - course.cut_at), scale.x(write.begun + lasted - course.cut_at)
        if write.error:
            failed.append((x, scale.y(lasted)))
        elif end - x > 2 * COLUMN:
            bars.append(f"M{x:g} {scale.y(lasted):g}H{end:g}")
        else:
            column = round(x / COLUMN)
            least, most = columns.get(column, (lasted, lasted))
            columns[column] = (min(least, lasted), max(most, lasted))
    spans = [
        f"M{column * COLUMN:g} {scale.y(least) + 1:g}V{scale.y(most) - 1:g}"
        for column, (least, most) in sorted(columns.items())
    ]
    return {"spans": "".join(spans), "bars": "".join(bars), "failed": failed}


def _summary(result: Result) -> str:
    whole = (
        "redundancy not full again"
        if result.whole is None
        else f"full redundancy {result.whole:.1f} s after its return"
    )
    errors = "no error" if not result.errors else f"{result.errors} errors"
    return f"longest stall {result.stall:.1f} s of {result.budget} s, {errors} in {result.writes} writes, {whole}"


def _at(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 99.95 else f"{seconds:.0f} s"


def _power(power: int) -> str:
    return f"{10**power:g} s" if power >= 0 else f"{10 ** (power + 3):g} ms"


def _ticks(first: float, last: float) -> list[float]:
    """At most about ten round numbers within."""
    step = next((s for s in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600) if (last - first) / s <= 10), 7200)
    return [float(n * step) for n in range(ceil(first / step), floor(last / step) + 1)]
