"""What was measured, as a table for people and as JSON for programs. Pure."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from lunmirror.engine.exits import Exit
from lunmirror.report.style import BOLD, Style, block
from lunmirror.report.words import rate, size
from lunmirror.speed.causes import Reading, limits
from lunmirror.speed.reading import SEVERAL, Bounds, Rate
from lunmirror.speed.wire import Route, notes, words

SCHEMA = 1
_NAME, _COLUMN = 24, 13  # columns


class Result(NamedTuple):
    """`readings` in the order in which they were made. `notes` are worth knowing with the figures."""

    date: str
    bounds: Bounds
    readings: tuple[Reading, ...]
    routes: tuple[Route, ...]
    notes: tuple[str, ...]

    @property
    def exit(self) -> Exit:
        """All was measured, some was, or nothing."""
        whole = [r for r in self.readings if r.measured and not r.measured.fault]
        if len(whole) == len(self.readings):
            return Exit.CONVERGED
        return Exit.DEGRADED if whole else Exit.REFUSED


def render(found: Result, style: Style) -> str:
    """Ends in a newline. Fits 80 columns unless names are long."""
    bounds = found.bounds
    most = f"at most {bounds.seconds:g} s for each figure and {size(bounds.most)} of each device"
    lines = style.lines("", f"read past the cache, {most}; nothing was written")
    for volume in dict.fromkeys(r.volume for r in found.readings):
        mine = tuple(r for r in found.readings if r.volume == volume)
        head = f"{volume:<{_NAME}}{'one reader':>{_COLUMN}}{f'{SEVERAL} readers':>{_COLUMN}}{'4 KiB read':>{_COLUMN}}"
        lines += ["", style.paint(f"{head}  of the link", BOLD)]
        for reading in mine:
            lines += _row(reading, style)
        for sentence in limits(tuple(r for r in mine if r.disk)):
            lines += style.lines("  ", sentence)
    lines += ["", style.paint("network", BOLD)]
    for route in found.routes:
        lines += style.lines(f"  {route.server:<{_NAME - 2}}", words(route))
    for note in (*notes(found.routes), *found.notes):
        lines += style.lines("  note: ", note)
    return block(lines, style)


def _row(reading: Reading, style: Style) -> list[str]:
    name = f"  {reading.what:<{_NAME - 2}}"
    if reading.measured is None:
        return style.lines(name, f" not read: {reading.why}", indent=_NAME)
    measured = reading.measured
    figures = (_rate(measured.one), _rate(measured.several), _milliseconds(measured.latency))
    row = name + "".join(f"{figure:>{_COLUMN}}" for figure in figures) + f"  {_share(reading)}"
    return [row, *(style.lines(" " * 4, measured.fault) if measured.fault else [])]


def _rate(measured: Rate | None) -> str:
    return rate(measured.per_second) if measured else "-"


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"


def _share(reading: Reading) -> str:
    return "" if reading.share is None else f"{reading.share:.0%} of {reading.link}"


def render_json(found: Result, run: str) -> str:
    document = {
        "schema": SCHEMA,
        "verb": "speed",
        "run": run,
        "result": found.exit.name.lower(),
        "exit": int(found.exit),
        "date": found.date,
        "seconds": found.bounds.seconds,
        "most_bytes": found.bounds.most,
        "readings": [_reading(r) for r in found.readings],
        "limits": {
            v: list(limits(tuple(r for r in found.readings if r.volume == v and r.disk))) for v in _volumes(found)
        },
        "network": [r._asdict() | {"cards": list(r.cards)} for r in found.routes],
        "notes": [*notes(found.routes), *found.notes],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _volumes(found: Result) -> Iterable[str]:
    return dict.fromkeys(r.volume for r in found.readings)


def _reading(reading: Reading) -> dict[str, Any]:
    """Rates in bytes a second, the latency in seconds; null for what was not measured."""
    measured = reading.measured
    rates = {
        name: round(r.per_second) if r else None
        for name, r in (
            ("one_reader", measured.one if measured else None),
            ("several_readers", measured.several if measured else None),
        )
    }
    latency = measured.latency if measured else None
    return {
        "volume": reading.volume,
        "device": reading.what,
        "server": reading.server or None,
        "disk": reading.disk or None,
        **rates,
        "small_read": None if latency is None else round(latency, 6),
        "bytes": sum(r.bytes for r in (measured.one, measured.several) if r) if measured else 0,
        "link_mbit": reading.link,
        "share": None if reading.share is None else round(reading.share, 3),
        "why": reading.why or (measured.fault if measured else "") or None,
    }
