"""What the legs of a stopped raid1 say of each other and of its end, read from their own metadata before anything
starts them: once it is active, the kernel has tidied both traces away (docs/facts/lab.md#power-cut,
docs/facts/lab.md#split-brain).

- `failed_devices` of a leg names the legs that it ran without. Two legs that name each other are in split brain.
- The write-intent bitmap has a bit set wherever a write had begun and not yet come to its end on every leg
  (drivers/md/md-bitmap.c). A clean stop clears them all. So a bit that is set after a stop means that the legs may
  differ there, and dm-raid does not make them equal at the next start.

On disk (drivers/md/dm-raid.c, struct dm_raid_superblock; drivers/md/md-bitmap.h, bitmap_super_t), little-endian: the
superblock at the start of the leg's metadata volume, the bitmap's superblock 4 KiB behind it, its bits after that.
"""

from typing import NamedTuple

from lunmirror.engine.model import ABSENT, Present, Seen, Unknown
from lunmirror.host import paths
from lunmirror.host.protocol import Reader

BLOCK = 4096  # bytes: what one read is counted in; O_DIRECT wants whole sectors, of 4 KiB on some disks
MOST_BLOCKS = 66  # blocks: both superblocks and the bits of 2^21 regions, more than LVM ever makes
DEADLINE = 10.0  # seconds for one read of at most 264 KiB

DONE = (1 << 64) - 1  # MaxSector: as a recovery offset, that nothing is left to be copied
_BITS = BLOCK + 256  # offset of the first bit


class Superblock(NamedTuple):
    """What one leg holds. `position` is its number in the array, `failed` the numbers of the legs it ran without;
    `dirty`: writes had begun that may not have come to an end on every leg. `recovering`: it was being copied, and that
    had not come to its end. `part`: the UUID of the metadata volume, another one for a leg re-created. `cleared`: what the
    counter was when a bit of its bitmap was cleared last: a leg that has counted less lacks what no bit knows of. How `events`
    moves: docs/facts/md-events.md."""

    position: int
    events: int
    failed: frozenset[int]
    dirty: bool
    recovering: bool = False
    part: str = ""
    cleared: int = 0


class Rubbish(NamedTuple):
    """The metadata of a leg could be read, and is not dm-raid's."""

    why: str


class LegSuperblocks(NamedTuple):
    """PV UUID -> that leg's superblock, of every leg in view that has one; and PV UUID -> what is wrong with it, of those
    whose metadata could be read and is rubbish."""

    legs: dict[str, Superblock]
    rubbish: dict[str, str] = {}  # noqa: RUF012, nobody changes it

    def marked_failed(self, among: frozenset[str] | None = None) -> frozenset[str]:
        """The legs that another (of those in `among`; None: any) ran without."""
        reporting = [leg for pv, leg in self.legs.items() if among is None or pv in among]
        return frozenset(pv for pv, leg in self.legs.items() if any(leg.position in one.failed for one in reporting))

    def split_brain(self, but: tuple[str, ...] = ()) -> tuple[tuple[str, str], ...]:
        """Pairs of legs that each ran without the other; those in `but` are not asked."""
        pvs = sorted(pv for pv in self.legs if pv not in but)
        return tuple(
            (one, other)
            for n, one in enumerate(pvs)
            for other in pvs[n + 1 :]
            if self.legs[other].position in self.legs[one].failed
            and self.legs[one].position in self.legs[other].failed
        )

    @property
    def unclean(self) -> bool:
        """The legs may differ though none of them knows it. Where one was left behind, its return copies every region
        whose bit is set (md-bitmap.c, md_bitmap_load) from one of the others to it, so nothing more is needed where there is
        one other. Several others are not made equal by that (raid1.c, raid1_sync_request writes to what is not in sync)."""
        dirty, failed = (any(getattr(leg, word) for leg in self.legs.values()) for word in ("dirty", "failed"))
        return dirty and (not failed or len(self.legs.keys() - self.marked_failed()) > 1)


def read(reader: Reader, node: str, offset: int, size: int) -> Seen[Superblock | Rubbish]:
    """Present(Superblock) of the metadata volume of `size` bytes that begins at byte `offset` of the device `node`, or
    Present(Rubbish); Absent if none was ever written there; Unknown if that is not known. Past the page cache, in a child with a
    deadline."""
    if offset < 0 or offset % BLOCK or size < 2 * BLOCK:
        return Unknown(f"where its metadata lies on {node} is not known")
    count = min(MOST_BLOCKS, size // BLOCK)
    argv = (
        paths.DD,
        f"if={node}",
        f"bs={BLOCK}",
        f"skip={offset // BLOCK}",
        f"count={count}",
        "iflag=direct",
        "status=none",
    )
    ran = reader.query(argv, DEADLINE)
    if ran.rc != 0:
        return Unknown(f"{node} could not be read at byte {offset}: {ran.why}")
    return parse(ran.out.encode("utf-8", "surrogateescape"), count * BLOCK)


def parse(raw: bytes, length: int) -> Seen[Superblock | Rubbish]:
    """As `read`; `length` is how many bytes were asked for."""
    if len(raw) != length:
        return Unknown(f"only {len(raw)} of {length} bytes of a leg's metadata could be read")
    if raw[:4] != b"DmRd":
        return Present(Rubbish("its metadata is not in dm-raid's format")) if raw[:BLOCK].strip(b"\0") else ABSENT
    devices, position = _number(raw, 8, 4), _number(raw, 12, 4)
    events, failed = _number(raw, 16, 8), _number(raw, 24, 8)
    if not 0 <= position < devices <= 64:
        return Present(Rubbish(f"its metadata is not in dm-raid's format: leg {position} of {devices}"))
    numbers = frozenset(n for n in range(devices) if failed >> n & 1)
    cleared = _number(raw, BLOCK + 32, 8) if raw[BLOCK : BLOCK + 4] == b"bitm" else 0
    recovering = _number(raw, 32, 8) != DONE
    return Present(Superblock(position, events, numbers, _is_dirty(raw), recovering, cleared=cleared))


def _is_dirty(raw: bytes) -> bool:
    """Whether any bit is set. A bitmap that cannot be read may have one."""
    sectors, chunk = _number(raw, BLOCK + 40, 8), _number(raw, BLOCK + 52, 4)
    if raw[BLOCK : BLOCK + 4] != b"bitm" or not chunk or not sectors:
        return True
    bits = -(-sectors * 512 // chunk)
    whole, rest = divmod(bits, 8)
    if _BITS + whole + bool(rest) > len(raw):
        return True
    tail = raw[_BITS + whole] & ((1 << rest) - 1) if rest else 0
    return bool(raw[_BITS : _BITS + whole].strip(b"\0") or tail)


def _number(raw: bytes, offset: int, length: int) -> int:
    """Not by `struct`: every pass would pay for its import, and hardly one reads a superblock."""
    return int.from_bytes(raw[offset : offset + length], "little")
