"""A logical volume: its layout from LVM's metadata, its health from device-mapper's own status line."""

import re

from lunmirror.engine import journal
from lunmirror.engine.desired import Desired, Volume
from lunmirror.engine.model import ABSENT, Observed, Present, Seen, Unknown, World, facts_of
from lunmirror.engine.plain import count
from lunmirror.host import paths
from lunmirror.host.mountinfo import read_mounts
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import text
from lunmirror.layers.disk.facts import shown
from lunmirror.layers.group.facts import VolumeGroup
from lunmirror.layers.volume import below, superblock
from lunmirror.layers.volume.below import images, is_tracked
from lunmirror.layers.volume.facts import Leg, LogicalVolume
from lunmirror.layers.volume.index import REAL, Index, part, type_of
from lunmirror.layers.volume.marks import standings
from lunmirror.layers.volume.missing import removed, undeclared
from lunmirror.lvm.places import Places
from lunmirror.lvm.read import DEADLINE, NO_TABLE, DmLine, Lvm, LvRow, read_lvm, read_status


def observe(desired: Desired, reader: Reader, seen: World) -> Observed:
    """Present(LogicalVolume), Absent or Unknown, for each declared volume, and for each in a declared group that is not
    declared and that the journal knows."""
    lvm = read_lvm(reader, shown(seen))
    status = read_status(reader)
    if not isinstance(lvm, Present) or not isinstance(status, Present):
        blind = next(
            (answer for answer in (lvm, status) if isinstance(answer, Unknown)), Unknown("it was not looked at")
        )
        return dict.fromkeys(desired.volumes, blind)
    index, places = Index(lvm.facts, status.facts), Places(desired, reader)
    found: dict[str, Seen[LogicalVolume]] = {}
    for volume in (*desired.volumes.values(), *undeclared(desired, index, reader)):
        group = seen["group"][volume.group]
        facts = facts_of(group, VolumeGroup)
        if isinstance(group, Unknown):
            found[volume.id] = group
            continue
        row, rows, mine = index.about(volume)
        state: Seen[LogicalVolume] = ABSENT
        why = _foreign(facts, desired.groups[volume.group].take_from) if facts else ""
        if row and facts and (row.active or not why):
            state = _volume(volume, row, rows, facts, lvm.facts, mine, desired, reader, seen, places)
        if why:
            found[volume.id] = Unknown(f"its group is not this host's: {why}", about=facts_of(state, LogicalVolume))
        else:
            found[volume.id] = removed(volume, index, desired, reader) if state is ABSENT else state
    return found


def _foreign(group: VolumeGroup, take_from: str) -> str:
    """Why the volume's group is another host's, so that it is left alone with all that is on it; '' if it is not. One that
    is about to be taken over is looked at, so that `plan` can show what follows; the plans of the layers leave it alone
    until it is."""
    return "" if group.can_be_taken(take_from) else group.foreign_reason()


def _volume(
    volume: Volume,
    row: LvRow,
    rows: list[LvRow],
    group: VolumeGroup,
    lvm: Lvm,
    status: dict[str, tuple[DmLine, ...]],
    desired: Desired,
    reader: Reader,
    seen: World,
    places: Places,
) -> Seen[LogicalVolume]:
    dm = volume.dm
    lines = status.get(dm, ())
    number = row.number
    empty = NO_TABLE in lines
    active = bool(lines) and not empty
    if active and not row.active and (other := _another(dm, row, reader)):
        return Unknown(other)
    if active != row.active and not empty:
        return Unknown("LVM and device-mapper disagree on whether it is active: it is being changed right now")
    if active and lines[0].target == "snapshot-origin":
        lines, number = status.get(f"{dm}{REAL}", ()), _beneath(row.number, f"{dm}{REAL}", reader)
        if not lines or not number:
            return Unknown(f"it has snapshots, and {dm}{REAL}, on which its legs run then, cannot be seen")
    kind = type_of(row)
    line = lines[0] if len(lines) == 1 else None
    letters, done, total, action = health(kind, line) if active else ("", 0, 0, "")
    legs = _legs(row, rows, kind, letters)
    if len(letters) > len(legs):
        return Unknown("device-mapper runs it on more legs than LVM shows: it is being changed right now")
    misled = below.misled(row, rows, kind, group, reader, places) if active else ()
    astray = below.legs(row._replace(number=number), rows, kind, lvm, reader) if active else below.NONE
    adrift = tuple(pv for pv in astray.adrift if pv not in misled)
    half_made, strays = _unhidden(row, rows)
    asked = [leg for leg in legs if not active or leg.letter not in ("A", "a", "-") or set(leg.pvs) & set(adrift)]
    speak = kind == "raid1" and asked and not half_made
    journal_file = reader.read(journal.path_of(row.uuid))
    past = journal.parse(journal_file)
    boot = _boot(reader)
    pvs = tuple(pv for leg in legs for pv in leg.pvs)
    entry = past.facts if isinstance(past, Present) else None
    instance = _instance(number, reader) if kind == "raid1" and active else ""
    activation = f"{boot}/{instance}" if boot and instance else ""
    words = _words(row, rows, legs, past, activation, group, lvm, reader) if activation else {}
    mirrored = len(legs) > 1 or len(volume.legs) > 1  # of a mirror that lost a leg LVM leaves a linear volume
    return Present(
        LogicalVolume(
            uuid=row.uuid,
            type=kind,
            log=("disk" if row.log else "core") if kind == "mirror" else "",
            size=row.size,
            extents=row.extents,
            legs=legs,
            active=active,
            suspended=row.suspended,
            open=row.open,
            number=row.number if active else "",
            dm=dm,
            health=row.health,
            tags=row.tags,
            done=done,
            total=total,
            action=action,
            target=line.target if line else "",
            adrift=adrift,
            torn=astray.torn,
            misled=misled,
            region=row.region if kind == "raid1" else 0,
            mismatches=row.mismatches,
            past=past,
            past_raw=journal_file.facts if isinstance(journal_file, Present) else None,
            today=reader.date(),
            boot=boot,
            instance=instance,
            words=words,
            half_made=half_made,
            strays=strays,
            orphans=_orphans(dm, row, rows, status),
            servers=standings(pvs, group, entry, boot, active, desired, reader, seen) if mirrored else {},
            loose=() if active else _loose(row, rows, empty),
            snapshots=tuple(r.name for r in rows if r.origin == row.name),
            permissions=row.permissions or "writeable",
            skip=row.skip,
            watch=row.watch or ("not monitored" if active and kind == "mirror" else ""),
            holds=_holds(volume, row, group, reader) if active and not row.suspended else "",
            altered=_altered(row, rows, kind),
            barred="" if active else _barred(row, volume, group, reader),
            tracked=tuple(r.name for r in rows if is_tracked(r, row)),
            superblocks=_superblocks(row, rows, asked, group, lvm, reader) if speak else ABSENT,
        )
    )


def _another(dm: str, row: LvRow, reader: Reader) -> str:
    """Why what device-mapper runs under this name is not this volume, '' if it may be: a group of the same name on disks
    that nobody declared."""
    link = reader.link(f"{paths.MAPPER}/{dm}")
    kernel = link.facts.rsplit("/", 1)[-1] if isinstance(link, Present) else ""
    uuid = text(reader, f"{paths.SYS_BLOCK}/{kernel}/dm/uuid") if kernel.startswith("dm-") else ""
    if not uuid.startswith("LVM-") or row.uuid.replace("-", "") in uuid:
        return ""
    return f"{paths.MAPPER}/{dm} is another volume: this machine has a second group named {row.group}, on other disks"


def _beneath(number: str, name: str, reader: Reader) -> str:
    """ "major:minor" of the device of this name that the device `number` stands on; '' if it is not known."""
    slaves = reader.directory(f"{paths.SYS}/dev/block/{number}/slaves")
    for kernel in slaves.facts if isinstance(slaves, Present) else ():
        if text(reader, f"{paths.SYS_BLOCK}/{kernel}/dm/name") == name:
            return text(reader, f"{paths.SYS_BLOCK}/{kernel}/dev")
    return ""


def _altered(row: LvRow, rows: list[LvRow], kind: str) -> str:
    """LVM's word for what is not as lunmirror makes it: of the volume, or of its images; "" for nothing."""
    if kind not in ("linear", "raid1", "mirror"):
        return kind or "volume without segments"
    inner = [word for image in images(row, rows) for word in image.segtypes if word != "linear"]
    parts = [row] if kind == "linear" else images(row, rows)
    moving = any(sum(one.pvs.values()) < one.extents for one in parts)  # the rest of it lies on pvmove0
    if inner or moving:
        return inner[0] if inner else "pvmove"
    metadata = {r.name.replace("_rmeta_", "_rimage_"): r.pvs.keys() for r in rows if r.parent == row.name}
    apart = any(leg.pvs and metadata.get(leg.name, leg.pvs.keys()) - leg.pvs.keys() for leg in parts)
    return "metadata apart" if apart else ""


def _holds(volume: Volume, row: LvRow, group: VolumeGroup, reader: Reader) -> str:
    """The type of the file system on a volume that is to be extended: a file system that is not the declared one does not
    follow it, and nothing is ever shrunk again."""
    if not volume.filesystem or volume.size.in_extents(group.extent_size) <= row.extents:
        return ""
    mounts = read_mounts(reader)
    for entry in mounts.facts if isinstance(mounts, Present) else ():
        if entry.number == row.number:
            return str(entry.type)
    ran = reader.query((paths.BLKID, "-p", "-o", "export", f"{paths.MAPPER}/{volume.dm}"), DEADLINE)
    found = re.search(r"^TYPE=(\S+)$", ran.out, re.MULTILINE)
    return str(found[1]) if ran.rc == 0 and found else ""


def _barred(row: LvRow, volume: Volume, group: VolumeGroup, reader: Reader) -> str:
    """Why LVM's configuration keeps the volume from being active on this machine. Asked only about one that is not."""
    answer = reader.memoize("activation", lambda: reader.query((paths.LVM, "lvmconfig", "activation"), DEADLINE))
    found = re.search(r"^\s*volume_list\s*=\s*(\[[^\]]*\]|\"[^\"]*\")", answer.out, re.MULTILINE)
    if answer.rc != 0 or not found:
        return ""
    names = set(re.findall(r'"([^"]*)"', found[1]))
    tags = {f"@{tag}" for tag in (*row.tags, *group.tags)}
    # "@*" asks for a tag that the machine itself has, as tags/ in the configuration gives them: LVM knows.
    if names & {volume.group, volume.id, "@*", *tags}:
        return ""
    return f"activation/volume_list in LVM's configuration names neither it nor its group: {found[1]}"


def _unhidden(row: LvRow, rows: list[LvRow]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Parts of a raid1 that LVM shows by themselves: (metadata of legs that the volume has, what belongs to no leg of it).
    LVM reserves such names. It makes metadata volumes by themselves, clears them, and only then hides them."""
    legs = {r.name for r in rows if r.parent == row.name}
    tracked = {r.name for r in rows if is_tracked(r, row)}
    own: list[str] = []
    stray: list[str] = []
    for name in sorted(r.name for r in rows if not r.parent):
        kind, number = part(name, row.name)
        if kind in ("rmeta", "rimage") and name not in tracked:
            (own if f"{row.name}_rimage_{number}" in legs else stray).append(name)
    return tuple(own), tuple(stray)


def _loose(row: LvRow, rows: list[LvRow], empty: bool) -> tuple[str, ...]:
    """What is active of a volume that is not. `empty`: it has a device itself, without a table."""
    parts = sorted(r.name for r in rows if r.parent == row.name and r.active)
    return (*((row.name,) if empty else ()), *parts)


def _orphans(dm: str, row: LvRow, rows: list[LvRow], status: dict[str, tuple[DmLine, ...]]) -> tuple[str, ...]:
    """Device-mapper's devices that are named like sub-volumes of this one, and are none in LVM's metadata. LVM's own
    stand-ins for physical volumes that are out of view (lv_rimage_1-missing_0_0) have other names."""
    known = {part(r.name, row.name) for r in rows}
    return tuple(sorted(name for name in status if (one := part(name, dm)) != ("", "") and one not in known))


def _boot(reader: Reader) -> str:
    """The kernel's id of this boot; '' if it cannot be read."""
    boot = text(reader, paths.BOOT_ID)
    return boot if len(boot) == 36 and not boot.strip("0123456789abcdef-") else ""


def _instance(number: str, reader: Reader) -> str:
    """The kernel's sequence number of the active device (Linux 5.15): no other activation in this boot has the same."""
    found = text(reader, f"{paths.SYS}/dev/block/{number}/diskseq") if number else ""
    return found if count(found) else ""


def _superblocks(
    row: LvRow, rows: list[LvRow], legs: list[Leg], group: VolumeGroup, lvm: Lvm, reader: Reader
) -> Seen[superblock.LegSuperblocks]:
    """What those of `legs` that are in view say of the others: Present(LegSuperblocks), or Unknown if one of them cannot be understood.
    Only legs on declared disks are read, each proven through its session."""
    devices = {m.uuid: m.device for m in group.members if m.device and m.disk and not m.misplaced_from}
    starts = {pv.uuid: pv.start for pv in lvm.pvs}
    found: dict[str, superblock.Superblock] = {}
    rubbish, blank = {}, []
    for leg in legs:
        meta = next(
            (r for r in rows if r.parent == row.name and r.name == leg.name.replace("_rimage_", "_rmeta_")), None
        )
        if meta is None or len(meta.pvs) != 1:
            return Unknown(f"where the metadata of {leg.name} lies is not known")
        place = next(iter(meta.pvs))
        if place not in devices:
            continue
        pv = next(iter(leg.pvs), place)  # it speaks for its leg, wherever a hand moved it to (pvmove -n)
        start, first = starts.get(place, -1), meta.at.get(place, -1)
        offset = start + first * group.extent_size if start >= 0 and first >= 0 else -1
        answer = superblock.read(reader, devices[place], offset, meta.size)
        if isinstance(answer, Unknown):
            return answer
        if isinstance(answer, Present) and isinstance(answer.facts, superblock.Rubbish):
            rubbish[pv] = answer.facts.why
        elif isinstance(answer, Present):
            found[pv] = answer.facts._replace(part=meta.uuid)
        else:
            blank += [pv] if leg.letter in ("", "D") else []
    if found or any(leg.letter for leg in legs):  # else nothing was ever started on them
        rubbish |= dict.fromkeys(blank, "its metadata is blank, though the volume was in use")
    return Present(superblock.LegSuperblocks(found, rubbish))


def _words(row: LvRow, rows: list[LvRow], legs: tuple[Leg, ...], past: Seen[journal.Entry], activation: str, group: VolumeGroup, lvm: Lvm, reader: Reader) -> dict[str, superblock.Superblock]:  # fmt: skip
    """PV UUID -> the superblock of each leg of a raid1 in service; none if they cannot be read, or were since it is active
    on these legs."""
    good = [leg for leg in legs if leg.letter == "A"]
    entry = past.facts if isinstance(past, Present) else None
    if isinstance(past, Unknown) or not good:
        return {}
    if entry and entry.counted == activation and set(entry.running) == {pv for leg in good for pv in leg.pvs}:
        return {}
    superblocks = _superblocks(row, rows, good, group, lvm, reader)
    found = superblocks.facts.legs if isinstance(superblocks, Present) else {}
    return found if len(found) == len(good) else {}


def _legs(row: LvRow, rows: list[LvRow], kind: str, letters: str) -> tuple[Leg, ...]:
    if kind == "linear":
        return (Leg(row.name, tuple(row.pvs), ""),)
    parts = images(row, rows)
    padded = letters.ljust(len(parts))
    inner = {
        r.name: r.pvs for r in rows
    }  # of an image that carries integrity data it is another that lies on the disk
    return tuple(
        Leg(i.name, tuple(i.pvs or inner.get(i.origin, ())), padded[n].strip(), i.health == "writemostly")
        for n, i in enumerate(parts)
    )


def health(kind: str, line: DmLine | None) -> tuple[str, int, int, str]:
    """(letters, done, total, action) of a status line.

    raid:   raid1 2 AA 131072/131072 idle 0 0 -        (Documentation/admin-guide/device-mapper/dm-raid.rst)
    mirror: 2 253:0 253:1 128/128 1 AA 3 disk 253:2 A   (drivers/md/dm-raid1.c, mirror_status)
    """
    try:
        if line and line.target == "raid" and kind == "raid1":
            _, count, letters, ratio, action, *_ = line.words
        elif line and line.target == "mirror" and kind == "mirror":
            count = line.words[0]
            ratio, _, letters, *_ = line.words[1 + int(count) :]
            action = ""
        else:
            return "", 0, 0, ""
        done, total = (int(n) for n in ratio.split("/"))
    except (ValueError, IndexError):
        return "", 0, 0, ""
    if len(letters) != int(count):
        return "", 0, 0, ""
    return letters, done, total, action
