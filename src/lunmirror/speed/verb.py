"""The verb: what was asked on the command line, the readings one after the other, and what it ends with."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from lunmirror.analysis.health import is_copying
from lunmirror.engine.desired import Desired, Volume
from lunmirror.engine.errors import UsageError
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Report, facts_of
from lunmirror.engine.plain import count
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import number, text
from lunmirror.layers.volume.facts import LogicalVolume
from lunmirror.report.style import Style
from lunmirror.speed import aims, result, wire
from lunmirror.speed.aims import Aim, Skipped
from lunmirror.speed.causes import Queue, Reading
from lunmirror.speed.reading import Bounds, Measured, measure

SECONDS, LONGEST = 2, 30
MOST = "512MiB"
WAIT = 60.0  # seconds for a pass to end, before each reading
LEAST, LARGEST = 16 << 20, 16 << 30  # bytes


class Asked(NamedTuple):
    """`volumes` are ids."""

    volumes: tuple[str, ...]
    bounds: Bounds
    json: bool


def look(
    asked: Asked,
    desired: Desired,
    reader: Reader,
    report: Report,
    run: str,
    say: Callable[[str], None],
    style: Style,
    read: Callable[[Aim, Bounds], Measured] = measure,
    alone: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> tuple[Exit, str]:
    """Read what may be read, one device at a time; how it ends, and what to print. Each reading is made while `alone`: a pass
    that takes a leg out, or stops a volume, finds no device open. Raises BusyError, Interrupted."""
    routes = wire.routes(desired, report.seen, reader)
    readings: list[Reading] = []
    notes: list[str] = []
    for volume in (desired.volumes[v] for v in asked.volumes):
        notes += _copying(volume, report)
        for aim in aims.aims(volume, report, desired, reader):
            say(f"reading {volume.id}: {aim.what}")
            with alone():
                readings.append(_reading(aim, asked.bounds, desired, reader, routes, read))
    found = result.Result(reader.date(), asked.bounds, tuple(readings), routes, tuple(notes))
    return found.exit, result.render_json(found, run) if asked.json else result.render(found, style)


def _reading(
    aim: Aim | Skipped,
    bounds: Bounds,
    desired: Desired,
    reader: Reader,
    routes: tuple[wire.Route, ...],
    read: Callable[[Aim, Bounds], Measured],
) -> Reading:
    server = desired.disks[aim.disk].server if aim.disk else ""
    mine = tuple(r for r in routes if r.server == server)
    about = Reading(aim.volume, aim.what, server, aim.disk, None, mine)
    why = aim.why if isinstance(aim, Skipped) else aims.ready(aim, reader)
    if isinstance(aim, Skipped) or why:
        return about._replace(why=why)
    queues = tuple(_queue(kernel, reader) for kernel in aim.under)
    measured = read(aim, bounds)
    after = aims.ready(aim, reader)
    if after:
        measured = measured._replace(fault=measured.fault or f"while it was read: {after}")
    return about._replace(measured=measured, queues=queues)


def _queue(kernel: str, reader: Reader) -> Queue:
    base = f"{paths.SYS_BLOCK}/{kernel}"
    words = text(reader, f"{base}/queue/scheduler").split()
    chosen = next((w.strip("[]") for w in words if w.startswith("[")), "")
    return Queue(kernel, number(reader, f"{base}/device/queue_depth"), chosen)


def _copying(volume: Volume, report: Report) -> list[str]:
    facts = facts_of(report.seen.get("volume", {}).get(volume.id), LogicalVolume)
    if facts is None or not is_copying(facts):
        return []
    return [f"a leg of volume {volume.id} is being copied: its figures are lower than they will be"]


def bounds(seconds: int | None, most: str | None) -> Bounds:
    """With the defaults filled in. Raises UsageError."""
    from lunmirror.config.problems import InvalidValue
    from lunmirror.config.units import size_in_bytes

    try:
        found = size_in_bytes(most or MOST)
    except InvalidValue as wrong:
        raise UsageError(f"--most: {wrong.what}", why=wrong.why, next=wrong.next) from wrong
    if not LEAST <= found <= LARGEST:
        raise UsageError(f"--most cannot be {most}", next="use 16MiB to 16GiB")
    return Bounds(float(seconds or SECONDS), found)


def seconds(words: str) -> int:
    """For argparse. Raises UsageError."""
    found = count(words)
    if found is None or not 1 <= found <= LONGEST:
        raise UsageError(f"--seconds cannot be {words}", next=f"use 1 to {LONGEST}")
    return found
