"""How fast a copy goes, from two readings of counters that touch no disk.

A mirror's regions are counted as they are done. A raid1's count moves only every sixteenth of the volume (md keeps
curr_resync_completed in such steps: drivers/md/md.c, md_do_sync), so two readings a second apart would mostly show
nothing, and sometimes a jump. What is exact there is what the kernel wrote to the leg being rebuilt beyond what users
wrote to the volume: both are counted in sysfs, by the second.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from lunmirror.analysis.health import is_copying
from lunmirror.analysis.risk import facts_of
from lunmirror.engine.desired import Desired, Volume
from lunmirror.engine.model import Present, Report
from lunmirror.engine.plain import count
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import text
from lunmirror.layers.volume.facts import Leg, LogicalVolume
from lunmirror.layers.volume.observe import health
from lunmirror.lvm.read import DmLine, read_status

SECTOR = 512
WRITTEN = 6  # the field of a block device's `stat` that counts sectors written (Documentation/block/stat.rst)


class Reading(NamedTuple):
    """One look at one volume. `at` is on the reader's clock, in seconds; `done` and `total` are device-mapper's;
    `written` counts bytes that a copy wrote, from an arbitrary start; None if that is not known. `line` is what
    device-mapper said, '' for an inactive volume: if it changed but for the count, much may have changed."""

    at: float
    done: int
    total: int
    copying: bool
    written: int | None
    line: str


class Speed(NamedTuple):
    """Bytes a second, and the seconds that are left at most at that pace."""

    rate: float
    left: float


def read(report: Report, desired: Desired, reader: Reader) -> dict[str, Reading]:
    """Volume id -> a reading, of every volume that the report knows. One `dmsetup status`, and sysfs."""
    status = read_status(reader)
    if not isinstance(status, Present):
        return {}
    known = ((v, facts) for v in desired.volumes.values() if (facts := facts_of(v, report.seen)))
    return {volume.id: _reading(volume, facts, status.facts, reader) for volume, facts in known}


def speed(first: Reading, last: Reading, size: int) -> Speed | None:
    """None if nothing was seen to be copied between the two. `size` is the volume's, in bytes."""
    seconds = last.at - first.at
    if seconds <= 0 or not last.copying or not last.total or last.total != first.total:
        return None
    per_unit = size / last.total
    copied = (last.done - first.done) * per_unit
    if first.written is not None and last.written is not None:
        copied = last.written - first.written
    if copied <= 0:
        return None
    return Speed(copied / seconds, (last.total - last.done) * per_unit / (copied / seconds))


def speeds(
    first: Mapping[str, Reading], last: Mapping[str, Reading], report: Report, desired: Desired
) -> dict[str, Speed]:
    """Volume id -> its speed, for those that are being copied and of which it is known."""
    found = {}
    for name in first.keys() & last.keys():
        facts = facts_of(desired.volumes[name], report.seen)
        pace = speed(first[name], last[name], facts.size) if facts else None
        if pace:
            found[name] = pace
    return found


def any_copying(report: Report, desired: Desired) -> bool:
    return any((facts := facts_of(v, report.seen)) and is_copying(facts) for v in desired.volumes.values())


def _reading(
    volume: Volume, facts: LogicalVolume, status: Mapping[str, tuple[DmLine, ...]], reader: Reader
) -> Reading:
    lines = status.get(volume.dm, ())
    letters, done, total, action = health(facts.type, lines[0] if len(lines) == 1 else None)
    legs = tuple(leg._replace(letter=letters[n : n + 1]) for n, leg in enumerate(facts.legs))
    now = facts._replace(active=bool(lines), legs=legs, done=done, total=total, action=action)
    copying = is_copying(now)
    written = _written(volume, now, reader) if copying and facts.type == "raid1" else None
    line = " ".join(filter(None, (*(one.target for one in lines), letters, action)))
    return Reading(reader.now(), done, total, copying, written, line)


def _written(volume: Volume, facts: LogicalVolume, reader: Reader) -> int | None:
    """Bytes written to the leg that is being rebuilt beyond what was written to the volume."""
    target = _target(facts.legs)
    if target is None:
        return None
    leg = volume._replace(name=target.name).dm
    on_leg, on_volume = _sectors(leg, reader), _sectors(volume.dm, reader)
    return None if on_leg is None or on_volume is None else (on_leg - on_volume) * SECTOR


def _target(legs: Iterable[Leg]) -> Leg | None:
    """A resync (every letter `a`) copies from the first leg; a recovery writes to the legs that are behind."""
    behind = [leg for leg in legs if leg.letter == "a"]
    return behind[-1] if behind else None


def _sectors(dm: str, reader: Reader) -> int | None:
    node = reader.link(f"{paths.MAPPER}/{dm}")
    if not isinstance(node, Present):
        return None
    words = text(reader, f"{paths.SYS_BLOCK}/{node.facts.rsplit('/', 1)[-1]}/stat").split()
    return count(words[WRITTEN]) if len(words) > WRITTEN else None
