"""How a server's legs are put aside while their volumes go on: the journal first, then the sessions. In this order, such that
a kill at any instant leaves what the next pass repairs by itself:

1. the journal is reported that the volumes run on the other legs. A crash from here on finds it cautious, never wrong.
2. a segtype mirror gives its leg up by `lvconvert`: a mirror that loses a disk under it would stand still until
   dmeventd has made it linear, and one that nobody writes to would go on calling the lost leg good.
3. log out. A raid1 fails its leg at the next write and goes on with the other (docs/facts/lab.md#session-destroyed): the disk
   is gone at once, so nobody waits.

Whoever asks for it has proven before that every other leg is in sync, in its place and can be reached.
"""

from collections.abc import Iterable, Iterator

from lunmirror.analysis.risk import facts_of
from lunmirror.analysis.uses import foreign_uses
from lunmirror.engine import journal
from lunmirror.engine.desired import Desired, Volume
from lunmirror.engine.model import Drift, Plan, Ref, Report, Risk, Step, World
from lunmirror.host import sysfs
from lunmirror.host.protocol import Reader
from lunmirror.layers.session.facts import Session
from lunmirror.layers.volume.context import VolumeContext


def volumes_on(server: str, desired: Desired) -> list[Volume]:
    """Every volume that is declared with a leg on this server."""
    there = {d.name for d in desired.disks.values() if d.server == server}
    return [v for v in desired.volumes.values() if there & set(v.legs)]


def others_on(session: Session, desired: Desired, reader: Reader) -> list[str]:
    """Whatever else would lose its disk with this session; also a volume that is not declared any more, since nothing would
    repair it."""
    disks = tuple(path.rpartition("/")[2] for path in reader.glob(sysfs.blocks(session.sid)))
    return foreign_uses(disks, {v.dm for v in desired.volumes.values()}, reader)


def stand_aside(server: str, volume: Volume, desired: Desired, seen: World, proof: str) -> Iterator[Step]:
    """Steps after which a volume in service does without its leg on this server."""
    facts = facts_of(volume, seen)
    if facts is None or not facts.active or facts.type not in ("raid1", "mirror"):
        return
    ctx = VolumeContext(volume, desired, seen, frozenset())
    leaving = [leg for leg in facts.legs if any(desired.disks[d].server == server for d in ctx.disks_of(leg) if d)]
    staying = tuple(pv for leg in facts.legs if leg not in leaving for pv in leg.pvs)
    past = ctx.past(facts) or ctx.first_entry(facts, staying)
    yield from ctx.note_legs(facts, journal.advance(past, volume.id, staying, ctx.seqno, facts.today))
    if facts.type == "mirror":
        fewer = len(facts.legs) - len(leaving) - 1
        places = ctx.places(tuple(d for leg in leaving for d in ctx.disks_of(leg)))
        run = ctx.lvm("lvconvert", "-y", "-m", str(fewer), volume.id, *places)
        drift = Drift(f"servers.{server}", "the leg put aside while its server is not there", "in service")
        yield ctx.change(
            f"put the leg of {volume.id} on server {server} aside", run, drift, risk=Risk.ONLINE, proof=proof
        )


def in_order(server: str, steps: Iterable[Step]) -> Plan:
    """The steps, all of one resource, so that nothing is logged out when what must come before has failed; and of one
    server, so that the gate lets no other be disturbed beside it."""
    held = list(steps)
    return Plan(tuple(s._replace(ref=Ref("session", held[-1].ref.name), server=server) for s in held))


def disturbed(report: Report) -> frozenset[str]:
    """The servers whose service this pass has disturbed."""
    return frozenset(o.step.server for o in report.outcomes if o.step.server)
