"""The reader of `speed`, simulated: rates by server; it knows whether a device would have answered."""

from lunmirror.speed.aims import Aim
from lunmirror.speed.reading import LARGE, Bounds, Measured, Rate
from sim.disks import Harm
from sim.dm import answer_of
from sim.machine import SimHost
from sim.world import World

MIB = 1 << 20


class Reading:
    """`rates`: server -> bytes a second; `reads`: what was read, in its order; `host`: by whom."""

    def __init__(self, world: World, rates: dict[str, float] | None = None) -> None:
        self.world, self.rates = world, rates or {}
        self.reads: list[str] = []
        self.host: SimHost | None = None

    def __call__(self, aim: Aim, bounds: Bounds) -> Measured:
        self.reads.append(aim.what)
        disks = self._under(aim)
        for disk in disks:
            if answer_of(disk) != "ok":
                raise Harm(f"{aim.node} is read, and {disk.kernel} under it does not answer")
        if bounds.most < LARGE or bounds.seconds > 30:
            raise Harm(f"{aim.node} is read without a bound")
        rate = max(self.rates.get(d.session.server.name, 100 * MIB) for d in disks)
        return Measured(Rate(int(rate), 2.0), Rate(int(rate), 1.0), 0.0005)

    def _under(self, aim: Aim) -> list:
        for active in self.world.actives:
            if aim.kernel == f"dm-{active.minor}":
                if active.answering() != "ok":
                    raise Harm(f"{aim.node} is read, and would not answer")
                return [leg.disk for leg in active.legs if leg.letter in "A" and leg.disk]
            for name, minor in active.subs.items():
                if aim.kernel == f"dm-{minor}":
                    if "image" not in name:
                        raise Harm(f"{aim.node} is no leg: {name}")
                    return [leg.disk for leg in active.legs if name.endswith(f"_{leg.number}")]
        raise Harm(f"{aim.node} is read, which is no volume of ours")
