"""The volumes of a group, and which of them can be expressed: by the volume layer's own facts."""

from typing import NamedTuple

from lunmirror.config import names
from lunmirror.config.problems import InvalidValue
from lunmirror.config.units import LARGEST_REGION, SMALLEST_REGION
from lunmirror.config.walk import FEWEST_LEGS
from lunmirror.engine import desired
from lunmirror.engine.desired import Desired, Size
from lunmirror.engine.model import World, facts_of
from lunmirror.host.protocol import Reader
from lunmirror.layers.volume.facts import LogicalVolume
from lunmirror.layers.volume.index import type_of
from lunmirror.lvm.read import LvRow
from lunmirror.setup import groups, proposal


class Volumes(NamedTuple):
    """`used` are those that can be expressed, with what was seen of each. `world`: all that was seen of them."""

    used: tuple[tuple[proposal.Volume, LogicalVolume], ...]
    refused: tuple[str, ...]
    left: tuple[str, ...]


def found(looked: Desired, used: dict[str, tuple[str, ...]], reader: Reader, seen: World) -> Volumes:
    """`used`: the groups, as groups.Groups has them. Raises HostError."""
    lvm, on = groups.read(reader, seen), groups.disks_of(seen)
    rows = [row for name in used for row in groups.volumes_of(lvm, name)]
    volumes = [desired.Volume(r.group, r.name, Size(extents=r.extents), type_of(r), "", ()) for r in rows]
    made = {name: desired.Group(name, disks) for name, disks in used.items()}
    world = groups.look(looked._replace(groups=made, volumes={v.id: v for v in volumes}), reader)
    kept, refused, left = [], [], []
    for row, volume in zip(rows, volumes, strict=True):
        state = world["volume"].get(volume.id)
        facts = facts_of(state, LogicalVolume)
        if row.origin:
            left.append(f"volume {volume.id} is a snapshot of {row.origin}, which is kept whole under it")
        elif (
            why := _fault(row, facts, on, looked) if facts else getattr(state, "reason", "it cannot be seen any more")
        ):
            refused.append(f"volume {volume.id}: {why}")
        elif facts:
            kept.append((_proposed(volume, facts, on), facts))
    return Volumes(tuple(kept), tuple(refused), tuple(left))


def _fault(row: LvRow, facts: LogicalVolume, on: dict[str, str], looked: Desired) -> str:
    """Why it cannot be expressed; '' if it can."""
    try:
        names.volume(row.name)
    except InvalidValue as wrong:
        return wrong.what
    if facts.altered or facts.type not in FEWEST_LEGS:
        kind = facts.altered or facts.type or "volume without segments"
        return f"it is of type {kind}; lunmirror keeps raid1, mirror and linear"
    if not facts.active:
        return f"it is not active, so what is on it is not known; start it (`lvchange -ay {row.group}/{row.name}`), and run adopt again"
    servers: dict[str, str] = {}
    for leg in facts.legs:
        disks = [on.get(pv, pv) for pv in leg.pvs]
        if len(disks) != 1:
            return f"{leg.name} lies on {len(disks)} physical volumes ({', '.join(disks)}), and a leg has one disk"
        if disks[0] not in looked.disks:
            return f"{leg.name} lies on physical volume {disks[0]}, which no disk explains"
        server = looked.disks[disks[0]].server
        if server in servers:
            return (
                f"{servers[server]} and {leg.name} both lie on server {server}, and would be lost together; move one to"
                " another server, and run adopt again"
            )
        servers[server] = leg.name
    if len(facts.legs) < FEWEST_LEGS[facts.type]:
        return f"it is a {facts.type} of {len(facts.legs)} legs"
    return ""


def _proposed(volume: desired.Volume, facts: LogicalVolume, on: dict[str, str]) -> proposal.Volume:
    region = facts.region if SMALLEST_REGION <= facts.region <= LARGEST_REGION else 0
    return proposal.Volume(
        group=volume.group,
        name=volume.name,
        size=facts.size,
        type=facts.type,
        log=facts.log,
        region=region,
        legs=tuple(on[leg.pvs[0]] for leg in facts.legs),
    )
