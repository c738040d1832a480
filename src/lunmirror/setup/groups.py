"""The volume groups that this machine uses on its iSCSI disks, and which of them can be expressed."""

from typing import NamedTuple

from lunmirror.config import names
from lunmirror.config.problems import InvalidValue
from lunmirror.engine import desired
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import HostError
from lunmirror.engine.model import Present, Unknown, World, facts_of
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import text
from lunmirror.layers import LAYERS
from lunmirror.layers.disk.facts import Lun, shown
from lunmirror.layers.group.facts import VolumeGroup
from lunmirror.lvm.devices import Devices
from lunmirror.lvm.origin import described, labels, origins
from lunmirror.lvm.read import Lvm, LvRow, PvRow, VgRow, read_lvm


class Groups(NamedTuple):
    """`used` are the groups that can be expressed: name -> names of their disks, in LVM's order. `refused` and `left` as in
    proposal.Proposal."""

    used: dict[str, tuple[str, ...]]
    refused: tuple[str, ...]
    left: tuple[str, ...]


def look(desired: Desired, reader: Reader) -> World:
    """What every layer observes; nothing is planned."""
    seen: dict[str, dict[str, object]] = {}
    for layer in LAYERS:
        seen[layer.name] = dict(layer.observe(desired, reader, seen))  # type: ignore[arg-type]
    return seen  # type: ignore[return-value]


def read(reader: Reader, seen: World) -> Lvm:
    """All that LVM shows on the disks that were seen. Raises HostError."""
    lvm = read_lvm(reader, shown(seen))
    if not isinstance(lvm, Present):
        raise HostError(
            "what LVM has on the iSCSI disks is not known, so nothing is proposed",
            why=getattr(lvm, "reason", ""),
            next="remove the cause, and run it again",
        )
    facts: Lvm = lvm.facts
    return facts


def found(looked: Desired, reader: Reader, seen: World) -> Groups:
    """Raises HostError if LVM cannot be read."""
    lvm = read(reader, seen)
    on = disks_of(seen)
    used: dict[str, tuple[str, ...]] = {}
    refused, left = [], []
    for name, rows in lvm.groups.items():
        members = [pv for pv in lvm.pvs if pv.group == name]
        if not any(row.active for row in lvm.lvs if row.group == name and not row.parent):
            left.append(_unused(name, members, on))
        elif why := _fault(name, rows, members, on, reader):
            refused.append(f"group {name}: {why}")
        else:
            used[name] = tuple(on[pv.uuid] for pv in members)
    theirs = _foreign(looked, used, reader)
    refused += [f"group {name}: {why}" for name, why in theirs.items()]
    used = {name: disks for name, disks in used.items() if name not in theirs}
    grouped = {pv.uuid for pv in lvm.pvs if pv.group}
    return Groups(used, tuple(refused), (*left, *_free(looked, seen, grouped)))


def disks_of(seen: World) -> dict[str, str]:
    """PV UUID -> the disk that it is on; without copies."""
    luns = {name: facts_of(state, Lun) for name, state in seen["disk"].items()}
    return {lun.pv.uuid: name for name, lun in luns.items() if lun and lun.pv and not lun.pv.strange}


def lun_of(seen: World, disk: str) -> Lun | None:
    """What was seen of a disk, if it was."""
    return facts_of(seen["disk"].get(disk), Lun)


def place(disk: desired.Disk, looked: Desired) -> str:
    """Where a disk is, in words."""
    portals = " and ".join(map(str, looked.servers[disk.server].portals))
    return f"LUN {disk.lun} of {disk.target} at {portals}"


def _unused(name: str, members: list[PvRow], on: dict[str, str]) -> str:
    disks = ", ".join(on[pv.uuid] for pv in members if pv.uuid in on)
    return (
        f"volume group {name} ({disks}): no volume of it is active here, so it may be another machine's. If it is this"
        f" one's: `vgchange -ay {name}`, and run adopt again."
    )


def _fault(name: str, rows: tuple[VgRow, ...], members: list[PvRow], on: dict[str, str], reader: Reader) -> str:
    """Why a group in use cannot be expressed; '' if it can, as far as LVM's own rows show it."""
    if len(rows) > 1:
        return "two volume groups have this name; rename one (`vgrename UUID NEWNAME`), and run adopt again"
    try:
        names.group(name)
    except InvalidValue as wrong:
        return wrong.what
    for pv in members:
        if pv.uuid not in on:
            return f"its physical volume {pv.uuid} {_elsewhere(pv.uuid, reader)}"
        if pv.missing:
            return f"LVM has flagged its physical volume {pv.uuid} as missing: bring it back in order first (vgextend(8))"
    return ""


def _elsewhere(uuid: str, reader: Reader) -> str:
    """Where a physical volume is that no disk explains, in words."""
    there = [kernel for kernel, one in labels(reader).items() if one == uuid]
    if not there:
        return "is out of sight: bring its server back, log in to it, and run adopt again"
    silent = Devices(reader).apart(tuple(there))[1]
    if silent:
        return f"is out of sight: {'; '.join(silent.values())}. Bring its server back, and run adopt again"
    reached = [(kernel, origin) for kernel in there for origin in origins(reader, kernel)]
    listed = ", ".join(f"/dev/{kernel} ({described(reader, origin)})" for kernel, origin in reached) or ", ".join(
        there
    )
    if len(there) > 1:
        units = {(text(reader, f"{paths.SYS_SESSIONS}/{o.sid}/targetname").lower(), o.lun) for _, o in reached}
        if len(units) == 1 and reached[0][1].sid:
            return f"is reached by {len(there)} paths, and no multipath map joins them: {listed}"
        return f"is there {len(there)} times, and nothing shows which is the original: {listed}"
    if any(origin.sid for _, origin in reached):
        return (
            f"is on {listed}; a disk is expressed as a whole or by its first partition, through open-iscsi's default"
        )
    return f"is on {listed}, which is no iSCSI disk: lunmirror keeps groups that lie on iSCSI servers alone"


def _foreign(looked: Desired, used: dict[str, tuple[str, ...]], reader: Reader) -> dict[str, str]:
    """Groups that are not this machine's to use, and why: by the group layer's own word."""
    groups = {name: desired.Group(name, disks) for name, disks in used.items()}
    seen = look(looked._replace(groups=groups), reader)
    found = {}
    for name in groups:
        state = seen["group"][name]
        facts = facts_of(state, VolumeGroup)
        why = facts.foreign_reason() if facts else getattr(state, "reason", "it cannot be seen any more")
        if facts and facts.elsewhere:
            why += f'; if it was made certain that the other machine is off it, take_from = "{facts.host}" is the consent'
        if why:
            found[name] = why
    return found


def _free(looked: Desired, seen: World, grouped: set[str]) -> list[str]:
    """LUNs that no group is on, in sentences."""
    found = []
    for name, disk in looked.disks.items():
        state, where = seen["disk"][name], place(disk, looked)
        lun = facts_of(state, Lun)
        if lun is None:
            why = state.reason if isinstance(state, Unknown) else "its disk is not to be used as it is"
            found.append(f"{where}: {why}")
        elif lun.pv is None:
            what = getattr(lun.content, "what", "") or getattr(lun.content, "reason", "") or "nothing: it is blank"
            found.append(f"{where} ({lun.whole.node}) holds {what}")
        elif lun.pv.strange:
            found.append(f"{where} ({lun.whole.node}) carries physical volume {lun.pv.uuid}, as another disk does")
        elif lun.pv.uuid not in grouped:
            found.append(f"{where} ({lun.whole.node}) carries physical volume {lun.pv.uuid}, which is in no group")
    return found


def volumes_of(lvm: Lvm, group: str) -> list[LvRow]:
    """What an administrator sees in the group as volumes."""
    rows = (row for row in lvm.lvs if row.group == group and not row.parent and "public" in row.role)
    return [row for row in rows if not any(part in row.name for part in ("_rimage_", "_rmeta_", "_mimage_", "_mlog"))]
