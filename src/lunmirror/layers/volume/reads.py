"""Which legs of a raid1 reads come from: those on a server that is declared near. The others are write-mostly: md reads such
a leg only when no other is left (drivers/md/raid1.c, choose_slow_rdev).

A leg that LVM makes again has no flag, so this is looked at in every pass. LVM refuses while legs are not in sync, and shows
the flag of a leg only while that is healthy (docs/facts/lvm.md#write-mostly).
"""

from lunmirror.engine.model import Drift, Plan, Risk
from lunmirror.engine.plain import listed
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import Leg, LogicalVolume


def change(ctx: VolumeContext, facts: LogicalVolume) -> Plan | None:
    """In use, and without a copy."""
    if facts.type != "raid1" or ctx.volume.type != "raid1" or facts.action != "idle" or not ctx.whole():
        return None
    said = {leg: _said(ctx, leg) for leg in facts.legs}
    if not any(said.values()) or not facts.synced:
        return None
    far = {leg for leg, word in said.items() if word != "near"} if "near" in said.values() else set()
    wrong = [leg for leg in facts.legs if leg.mostly != (leg in far)]
    if not wrong:
        return None
    words = [
        w for leg in wrong for w in ("--writemostly", f"{ctx.device_of(leg.pvs[0])}:{'y' if leg in far else 'n'}")
    ]
    read = listed([ctx.server_of(leg.pvs[0]) for leg in facts.legs if leg not in far])
    now = listed([ctx.server_of(leg.pvs[0]) for leg in facts.legs if not leg.mostly]) or "no server by preference"
    key = next(ctx.server_of(leg.pvs[0]) for leg, word in said.items() if word)
    return ctx.steps(
        f"read {ctx.volume.id} from {read}",
        ctx.lvm("lvchange", *words, ctx.volume.id),
        Drift(f"servers.{key}.read_from", f"reads from {read}", f"reads from {now}"),
        risk=Risk.ONLINE,
    )


def _said(ctx: VolumeContext, leg: Leg) -> str:
    """What the leg's server declares; '' for nothing."""
    disks = [disk for disk in ctx.disks_of(leg) if disk]
    return (
        ctx.desired.servers[ctx.desired.disks[disks[0]].server].read_from if len(disks) == len(leg.pvs) == 1 else ""
    )
