"""What holds a leg back, as far as its own figures, the link's and the kernel's queues show it. Pure.

The first cause that fits is named; a guess is none. The share of a link is of what iSCSI can carry at best: of each full
frame of 1538 bytes on the wire 1448 are data (Ethernet, IPv4 and TCP with timestamps; a header of 48 bytes each some
dozens of frames is left out), of a jumbo frame of 9038 bytes 8948.
"""

from typing import NamedTuple

from lunmirror.report.words import rate
from lunmirror.speed.reading import SEVERAL, Measured
from lunmirror.speed.wire import Route

JUMBO = 4000  # bytes of MTU from which frames count as large
FULL = 0.85  # share from which a link is the limit
GAINS = 1.3  # how much more several readers must get before one reader's waiting is the limit
SLOW = 0.6  # of the fastest leg
LONG = 0.005  # seconds for a small read there and back, beyond which the other end is slow
PLAIN = ("none", "noop", "mq-deadline", "deadline")  # schedulers that hold nothing back on a disk of this kind


class Queue(NamedTuple):
    """Of one SCSI disk: how many commands the kernel keeps under way, and the scheduler in use; None and '' where sysfs
    does not show it."""

    kernel: str
    depth: int | None
    scheduler: str


class Reading(NamedTuple):
    """One device as it was read. `disk` is '' for the mirror; `routes`: how its server is reached; `why`: it was not read."""

    volume: str
    what: str
    server: str
    disk: str
    measured: Measured | None
    routes: tuple[Route, ...] = ()
    queues: tuple[Queue, ...] = ()
    why: str = ""

    @property
    def best(self) -> float:
        """Bytes a second."""
        rates = (self.measured.one, self.measured.several) if self.measured else ()
        return max((r.per_second for r in rates if r), default=0.0)

    @property
    def link(self) -> int | None:
        """Mbit/s of the interfaces to its server in all; None where one does not say."""
        speeds = list({r.interface: r.speed for r in self.routes if r.interface}.values())
        return None if not speeds or None in speeds else sum(s for s in speeds if s)

    @property
    def share(self) -> float | None:
        """Of what the link can carry."""
        if not self.link or not self.best:
            return None
        large = all((r.mtu or 0) >= JUMBO for r in self.routes)
        return self.best / (self.link * 125_000 * (8948 / 9038 if large else 1448 / 1538))


def limits(legs: tuple[Reading, ...]) -> tuple[str, ...]:
    """A sentence for each leg of a volume that was measured."""
    fastest = max((leg.best for leg in legs), default=0.0)
    return tuple(f"{leg.what}: {'; '.join(_causes(leg, fastest))}" for leg in legs if leg.best)


def _causes(leg: Reading, fastest: float) -> list[str]:
    found = [f"slow: {rate(leg.best)}, the fastest leg has {rate(fastest)}"] if leg.best < SLOW * fastest else []
    measured = leg.measured
    assert measured is not None
    names = ", ".join(dict.fromkeys(r.interface for r in leg.routes))
    shallow = [q for q in leg.queues if q.depth is not None and q.depth < SEVERAL]
    one, several = (r.per_second if r else 0.0 for r in (measured.one, measured.several))
    if leg.share is not None and leg.share >= FULL:
        slow = ", which is slow for storage: see the cable, the switch and the card" if (leg.link or 0) <= 100 else ""
        found.append(f"the link is full ({leg.link} Mbit/s on {names}{slow})")
    elif shallow:
        found.append(f"{shallow[0].kernel} takes {shallow[0].depth} commands at once (queue_depth)")
    elif measured.latency is not None and measured.latency > LONG:
        found.append(f"a small read takes {measured.latency * 1000:.1f} ms: the server's disks, or the way to it")
    if one and several >= GAINS * one:
        found.append(
            f"a single reader waits for each answer; {SEVERAL} at once get {several / one:.1f} times as much"
        )
    odd = next((q for q in leg.queues if q.scheduler and q.scheduler not in PLAIN), None)
    if odd and (leg.share is None or leg.share < FULL):
        found.append(f"{odd.kernel} has the scheduler {odd.scheduler}; the server orders its reads itself")
    return found or ["what holds it back is not shown here: it may be the server"]
