"""How much of a raid1 one bit of its bitmap stands for: its region.

md sets a region's bit on each leg before the first write into it, and clears it some seconds later. With small regions
nearly every random write waits for such a bit (docs/facts/region-size.md: 2 MiB, LVM's default, is several times slower
than 16 MiB). With large ones more is copied after an outage: each region that was written to, as a whole.
"""

from lunmirror.engine.model import Drift, Plan, Risk
from lunmirror.engine.plain import exactly
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import LogicalVolume

LEAST, USUAL = 2 << 20, 16 << 20  # bytes
FEWEST = 64  # regions of a small volume, so that not all of it is copied for a few writes
MOST = 1 << 21  # regions: what md's bitmap can count (lvm2, raid_manip.c: raid_ensure_min_region_size)


def wanted(declared: int, size: int) -> int:
    """Bytes, a power of two. `declared`: what the configuration says, 0 for nothing; `size`: the volume's bytes."""
    usual = max(LEAST, min(USUAL, _floor(size // FEWEST)))
    region = min(declared or usual, _floor(size))
    while size > region * MOST:
        region *= 2
    return region


def _floor(number: int) -> int:
    """The largest power of two that is not above the number; 1 for less than that."""
    return 1 << max(number.bit_length() - 1, 0)


def options(ctx: VolumeContext) -> tuple[str, ...]:
    """For the lvcreate of a raid1."""
    if ctx.group:
        size = ctx.wanted_extents() * ctx.group.extent_size
    elif ctx.volume.size.bytes:
        size = ctx.volume.size.bytes
    else:
        return ("--regionsize", "<region size>")
    return ("--regionsize", words(wanted(ctx.volume.region_size, size)))


def words(region: int) -> str:
    """As LVM's options take it."""
    return f"{region >> 10}k"


def change(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """In use, and without a copy. LVM refuses while legs are copied or compared, and while a member is missing."""
    if facts.type != "raid1" or ctx.volume.type != "raid1" or not facts.region or facts.action != "idle":
        return None
    region = wanted(ctx.volume.region_size, facts.size)
    if region == facts.region or not ctx.whole():
        return None
    mib = region / (1 << 20)
    return ctx.steps(
        f"set the region size of {ctx.volume.id} to {mib:g} MiB: that much is copied after an outage for one write",
        ctx.lvm("lvconvert", "-y", "--regionsize", words(region), ctx.volume.id),
        Drift(f"{ctx.volume.key}.region_size", exactly(region), exactly(facts.region)),
        risk=Risk.ONLINE,
    )
