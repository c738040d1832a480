"""A volume group as LVM sees it, its members matched to the declared disks."""

from string import ascii_lowercase
from typing import TypeAlias

from lunmirror.engine.desired import Desired, Group
from lunmirror.engine.model import Observed, Present, Seen, Unknown, World, facts_of
from lunmirror.engine.plain import named
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import UNSET, session, text
from lunmirror.layers.disk.facts import Lun, own, shown
from lunmirror.layers.group.facts import PLACE_TAG, DuplicateNames, Member, NoGroup, VolumeGroup, place_tag
from lunmirror.layers.group.owner import TAG, Bond, Mark, bond, initiator_of, read
from lunmirror.lvm.maps import map_over
from lunmirror.lvm.origin import candidates, disk_around, labels, origins
from lunmirror.lvm.read import DEADLINE, Lvm, PvRow, VgRow, read_lvm

Known: TypeAlias = dict[str, tuple[str, Lun | None]]  # PV UUID -> the declared disk that it lies on, or was made for


def observe(desired: Desired, reader: Reader, seen: World) -> Observed:
    """Present(VolumeGroup | DuplicateNames | NoGroup) or Unknown, for each declared group."""
    lvm = read_lvm(reader, shown(seen))
    if not isinstance(lvm, Present):
        return dict.fromkeys(desired.groups, lvm)
    machine = text(reader, paths.MACHINE_ID)
    if len(machine) != 32 or machine.strip("0123456789abcdef"):  # machine-id(5); "uninitialized" during a first boot
        return dict.fromkeys(desired.groups, Unknown(f"{paths.MACHINE_ID} cannot be read: whose group is it?"))
    here = Mark(machine, initiator_of(text(reader, paths.INITIATOR))).text
    known = _known(desired, seen, lvm.facts)
    made_for = {d.pv_uuid: d.name for d in desired.disks.values() if d.pv_uuid}
    return {
        g.name: _group(g, desired, lvm.facts, seen, known, made_for, here, reader) for g in desired.groups.values()
    }


def _known(desired: Desired, seen: World, lvm: Lvm) -> dict[str, tuple[str, Lun | None]]:
    """PV UUID -> the declared disk it is on (and its Lun) or, out of sight, the disk it was made for."""
    known: Known = {d.pv_uuid: (d.name, None) for d in desired.disks.values() if d.pv_uuid}
    replaced = {disk.replaces for disk in desired.disks.values()}
    # Of two tables for one LUN it is the one that is replaced: what replaces it was made by its own name.
    noted = {place_tag(d): d.name for d in sorted(desired.disks.values(), key=lambda d: d.name in replaced)}
    for pv in lvm.pvs:
        for name in (noted[tag] for tag in pv.tags if tag in noted):
            known.setdefault(pv.uuid, (name, None))
    for name, state in seen["disk"].items():
        if (
            isinstance(state, Present)
            and isinstance(state.facts, Lun)
            and state.facts.pv
            and not state.facts.pv.strange
        ):
            known[state.facts.pv.uuid] = (name, state.facts)
    return known


def _system(reader: Reader) -> str:
    """This machine's own system ID; "" for none, or if it is not known. A program more, where a group has one."""
    answer = reader.memoize("system ID", lambda: reader.query((paths.LVM, "systemid"), DEADLINE))
    return answer.out.partition("system ID:")[2].strip() if answer.rc == 0 else ""


def _others(group: Group, lvm: Lvm, desired: Desired) -> tuple[str, ...]:
    """Volumes of the group that an administrator sees, and that nobody declared. What an interrupted command of LVM's left has
    a name that LVM keeps for itself."""
    rows = (r for r in lvm.lvs if r.group == group.name and not r.parent and "public" in r.role)
    names = (r.name for r in rows if "_rimage_" not in r.name and "_rmeta_" not in r.name)
    return tuple(name for name in names if f"{group.name}/{name}" not in desired.volumes)


def _group(
    group: Group,
    desired: Desired,
    lvm: Lvm,
    seen: World,
    known: Known,
    made_for: dict[str, str],
    here: str,
    reader: Reader,
) -> Seen[VolumeGroup | DuplicateNames | NoGroup]:
    rows = lvm.groups.get(group.name, ())
    if len(rows) > 1:
        return Present(DuplicateNames(tuple(row.uuid for row in rows)))
    if rows:
        facts = _facts(rows[0], lvm, known, made_for, here)
        if facts.bond is Bond.NAMESAKE and not read(here).initiator:
            return Unknown(f"{paths.INITIATOR} holds no initiator name: whose group is it?")
        system = _system(reader) if facts.system_id else ""
        return Present(facts._replace(others=_others(group, lvm, desired), system=system))
    luns = {d: facts_of(seen["disk"][d], Lun) for d in group.disks}
    hidden = [name for name, lun in luns.items() if lun is None]
    if hidden:
        # Its members may all lie on what cannot be seen: out of sight is not absent.
        return Unknown(f"{named('disk', hidden)} cannot be seen, and the group may exist there")
    swapped = [name for name, lun in luns.items() if lun and lun.pv and lun.pv.strange]
    if swapped:
        return Unknown(
            f"what belongs to another is on {named('disk', swapped)}, so the group's own disks are not in sight"
        )
    return _namesake(group, desired, seen, known, made_for, here, reader)


def _namesake(
    group: Group,
    desired: Desired,
    seen: World,
    known: Known,
    made_for: dict[str, str],
    here: str,
    reader: Reader,
) -> Seen[VolumeGroup | DuplicateNames | NoGroup]:
    """The declared disks carry no such group. Before one is made, the machine's other disks are asked for one of that
    name; but for those that carry a UUID of ours, whatever they are, whole or on a partition. Never in a pass that has
    nothing to do."""
    there, mine = labels(reader), own(seen)
    strange = {k for k, uuid in there.items() if uuid in {*made_for, *known}}
    strange |= {whole for k in strange if (whole := disk_around(reader, k))}
    kernels = tuple(k for k in candidates(reader) if k not in mine and k not in strange)
    if any(server.multipath for server in desired.servers.values()):
        once = _once(kernels, reader)
        if isinstance(once, Unknown):
            return once
        kernels = once
    lvm = read_lvm(reader, kernels)
    if not isinstance(lvm, Present):
        return lvm
    rows = lvm.facts.groups.get(group.name, ())
    if len(rows) > 1:
        return Present(DuplicateNames(tuple(row.uuid for row in rows)))
    return Present(_facts(rows[0], lvm.facts, known, made_for, here) if rows else NoGroup(here))


def _once(kernels: tuple[str, ...], reader: Reader) -> tuple[str, ...] | Unknown:
    """Of a LUN with several paths one, or the map over them: LVM is shown nothing twice."""
    found: dict[object, str] = {}
    for kernel in kernels:
        on = origins(reader, kernel)
        targets = [text(reader, f"{session(o.sid)}/targetname") for o in on if o.sid]
        if (kernel.startswith("sd") and not on) or set(targets) & set(UNSET):
            return Unknown(f"where {kernel} comes from cannot be seen")
        if not map_over(reader, kernel):
            whose = (
                (targets[0], on[0].lun, kernel.lstrip(ascii_lowercase))
                if targets and kernel.startswith("sd")
                else kernel
            )
            found.setdefault(whose, kernel)
    return tuple(found.values())


def _facts(row: VgRow, lvm: Lvm, known: Known, made_for: dict[str, str], here: str) -> VolumeGroup:
    members = tuple(_member(pv, known, made_for) for pv in lvm.pvs if pv.group == row.name)
    marks = sorted(tag.removeprefix(TAG) for tag in row.tags if tag.startswith(TAG))
    # More than one mark is nobody's work but a hand's: the group is this host's only if every one of them is.
    host = next((m for m in marks if bond(m, here) not in (Bond.OURS, Bond.OLDER)), marks[0] if marks else "")
    return VolumeGroup(
        uuid=row.uuid,
        extent_size=row.extent_size,
        free=row.free * row.extent_size,
        seqno=row.seqno,
        members=members,
        tags=row.tags,
        host=host,
        here=here,
        system_id=row.system_id,
        exported=row.exported,
        autoactivation=row.autoactivation,
        lock_type=row.lock_type,
        active=tuple(r.name for r in lvm.lvs if r.group == row.name and r.active and not r.parent),
    )


def _room(pv: PvRow) -> int:
    """Bytes; LVM keeps nothing behind the extents unless it was asked to."""
    return max(0, pv.room - pv.start) if pv.room and pv.start >= 0 else 0


def _member(pv: PvRow, known: Known, made_for: dict[str, str]) -> Member:
    disk, lun = known.get(pv.uuid, ("", None))
    device = lun.place.node if lun and lun.place else pv.device
    owner = made_for.get(pv.uuid, disk)
    places = tuple(tag for tag in pv.tags if tag.startswith(PLACE_TAG))
    return Member(
        pv.uuid, device, disk, pv.size, pv.free, pv.missing, owner if owner != disk else "", _room(pv), places
    )
