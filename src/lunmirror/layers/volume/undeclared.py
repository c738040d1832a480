"""Volumes that lunmirror managed and that are not declared any more: renamed by hand, or taken out of the
configuration. Nothing is done to them, and they are spoken of; what is newest on them is noted all the same, since they
may be declared again."""

from lunmirror.engine import journal
from lunmirror.engine.desired import Desired, Volume
from lunmirror.engine.model import Finding, Kind, Plan, Present, World
from lunmirror.layers.volume import repair
from lunmirror.layers.volume.context import VolumeContext
from lunmirror.layers.volume.facts import LogicalVolume, as_declared


def volumes(desired: Desired, seen: World) -> tuple[Volume, ...]:
    """What was seen of them, put as if it were declared: with a leg on each disk that has one."""
    states = ((id, state.facts) for id, state in seen.get("volume", {}).items() if isinstance(state, Present))
    return tuple(as_declared(id, facts) for id, facts in states if id not in desired.volumes)


def plan(ctx: VolumeContext) -> Plan:
    state = ctx.seen["volume"][ctx.volume.id]
    assert isinstance(state, Present)
    facts: LogicalVolume = state.facts
    entry = ctx.past(facts)
    # Under the name that it was declared by: that is how the next pass knows it for the one that is missed.
    seen = entry and facts.active and not ctx.foreign_reason()
    steps = repair.note(ctx, facts, entry.volume) if entry and seen else ()
    return Plan(steps, (_finding(ctx, facts, entry),))


def _finding(ctx: VolumeContext, facts: LogicalVolume, entry: journal.Entry | None) -> Finding:
    before = entry.volume if entry and entry.volume != ctx.volume.id else ""
    was = f" as {before}" if before else ""
    use = "in use" if facts.open else "active" if facts.active else "not active"
    whole = "" if facts.synced or not facts.active else "; its legs are not in sync, and nothing repairs it"
    back = f"declare it as [groups.{ctx.volume.group}.volumes.{ctx.volume.name}]"
    if was:
        back += (
            f", or give it its name back: `lvrename {ctx.volume.group} {ctx.volume.name} {before.partition('/')[2]}`"
        )
    out = (
        f"; or take it out of service, with its data kept: `lunmirror remove {ctx.volume.id}`" if facts.active else ""
    )
    return Finding(
        ctx.ref,
        Kind.NOTE,
        f"volume {ctx.volume.id} is not declared, and not managed; it is {use}{whole}",
        f"lunmirror managed it{was}, and the configuration does not name it any more",
        f"{back}{out}; or have lunmirror forget it: `mv {journal.path_of(facts.uuid)} /root/`",
        f"groups.{ctx.volume.group}.volumes",
    )
