"""LVM: the verbs that lunmirror uses, over the devices that it names, and the one report."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace

from sim import hosts
from sim.disks import Area, Harm, Leg
from sim.dm import Active, ActiveLeg, answer_of
from sim.meta import EXTENT, PE_START, Lv, Meta
from sim.mpath import Map, is_claimed, over
from sim.servers import ScsiDisk
from sim.world import World

Answer = tuple[int, str, str]
WHOLE_ONLY = 5  # exit code of most refusals


class Refused(Exception):
    """LVM would say this and end with `rc`."""

    def __init__(self, said: str, rc: int = 5) -> None:
        super().__init__(said)
        self.rc = rc


class Lvm:
    """One command's view: the physical volumes on the devices it was given (None: on all that answer)."""

    def __init__(self, world: World, devices: tuple[str, ...] | None) -> None:
        self.world = world
        self.devices = devices if devices is not None else _all(world)
        self.seen: dict[str, tuple[Area, str, ScsiDisk]] = {}
        if devices is not None:
            self._no_strangers()
        for device in sorted(self.devices):  # of duplicates it takes the first name, and says nothing of the others
            found = world.node(device)
            if found and found[1].pv and found[0].session.answering == "ok" and not found[0].gone:
                if found[1] is found[0].lun.body and found[0].lun.table and found[0].lun.table.whole:
                    continue  # a partitioned disk is no physical volume
                if over(world, found[0]):
                    continue  # devices/multipath_component_detection
                self.seen.setdefault(found[1].pv, (found[1], device, found[0]))

    def _no_strangers(self) -> None:
        """lunmirror names the devices. One that carries a declared disk's UUID and is another LUN, or the same through a
        second session, is an unrelated device: LVM would choose between the two by name."""
        met: dict[str, str] = {}
        for device in self.devices:
            found = self.world.node(device)
            pv = found[1].pv if found else ""
            if not pv or (found[1] is found[0].lun.body and found[0].lun.table and found[0].lun.table.whole):
                continue
            if self.world.is_strange(found[1], found[0]):
                raise Harm(f"LVM is shown {device}, an unrelated device with {pv}")
            if pv in met:
                raise Harm(f"LVM is shown {pv} twice: on {met[pv]} and on {device}")
            met[pv] = device

    # Metadata

    def groups(self) -> dict[str, Meta]:
        """The newest metadata in view, by name."""
        found: dict[str, Meta] = {}
        for area, _, _ in self.seen.values():
            meta = area.meta
            if meta and (meta.name not in found or meta.seqno > found[meta.name].seqno):
                found[meta.name] = meta
        return found

    def group(self, name: str) -> Meta:
        groups = self.groups()
        if name not in groups:
            raise Refused(f'  Volume group "{name}" not found')
        return groups[name]

    def absent(self, meta: Meta) -> set[str]:
        """Members flagged as missing, or not in view."""
        return {pv for pv, _ in meta.pvs if pv not in self.seen or pv in meta.missing}

    def whole(self, meta: Meta) -> None:
        if self.absent(meta):
            raise Refused(f"  Cannot change VG {meta.name} while PVs are missing.\n  See vgreduce --removemissing")

    def commit(self, meta: Meta, flag_only_used: bool = False, by_hand: bool = True, takes: bool = False) -> None:
        """Write the next version to every member in view, which flags those that are not."""
        unseen = {pv for pv, _ in meta.pvs if pv not in self.seen}
        if flag_only_used:
            unseen = {pv for pv in unseen if any(pv in lv.pvs for _, lv in meta.lvs)}
        if by_hand and unseen - meta.missing - self.world.given_up:
            raise Harm(
                f"metadata of {meta.name} written while {unseen - meta.missing - self.world.given_up} is out of view: flagged as lost"
            )
        if by_hand and not takes and (whose := hosts.stranger(self.world, meta.tags)):
            raise Harm(f"metadata of {meta.name}, which belongs to {whose}, is written by this host")
        meta = replace(meta, seqno=meta.seqno + 1, missing=meta.missing | unseen)
        for pv, _ in meta.pvs:
            if pv in self.seen and pv not in meta.missing:
                self.seen[pv][0].meta = meta
        self.world.version += 1

    # Verbs

    def pvcreate(self, uuid: str, device: str, wipe: bool = False) -> Answer:
        found = self.world.node(device)
        if not found:
            raise Refused(f"  Device {device} not found.")
        disk, area = found
        lun = disk.lun
        if wipe and area.signature:
            lun.wipe()
        if area.pv or (area.meta and area.meta.name):
            raise Harm(f"pvcreate on {device}, which is a physical volume already")
        if not area.blank or (area is lun.body and not lun.blank):
            raise Harm(f"pvcreate on {device}, which holds {area.signature or 'data'}")
        area.pv, area.meta, area.legs = uuid, None, {}
        self.world.version += 1
        return 0, f'  Physical volume "{device}" successfully created.\n', ""

    def vgcreate(self, name: str, tag: str, places: tuple[str, ...], partly: bool = False) -> Answer:
        if name in self.groups():
            raise Refused(f"  A volume group called {name} already exists.")
        if name in self.world.metas():
            raise Harm(f"vgcreate {name} while its disks are out of sight: it exists")
        pvs = tuple((self._orphan(place), self._area(place).size) for place in places)
        number = f"{self.world.number():06d}"
        uuid = f"vg{number[2:]}-vvvv-vvvv-vvvv-vvvv-vvvv-{number}"
        meta = Meta(name, uuid, 0, (tag,), pvs, autoactivation=False)
        seen = dict(self.seen)
        if partly:
            self.seen = {pv: self.seen[pv] for pv, _ in pvs[:1]}
            self.seen[pvs[0][0]][0].meta = replace(meta, seqno=1)
            self.world.version += 1
        else:
            self.commit(meta, takes=True)  # a new group is nobody's yet, whatever mark it is given
        self.seen = seen
        return 0, f'  Volume group "{name}" successfully created\n', ""

    def vgchange(self, name: str, words: str) -> Answer:
        """--deltag and --addtag, all in one commit; by --select only if the group has the tag now. Measured: not
        refused while a member is away, which is flagged as missing then."""
        meta = self.group(name)
        said = words.replace("'", "").split()
        pairs = list(zip(said[::2], said[1::2], strict=True))
        if any(flag == "--select" and value.split('"')[1] not in meta.tags for flag, value in pairs):
            return 0, "", ""  # nothing is selected: nothing is done, and that is no failure
        out = {value for flag, value in pairs if flag == "--deltag"}
        tags = (*(t for t in meta.tags if t not in out), *(value for flag, value in pairs if flag == "--addtag"))
        self.commit(replace(meta, tags=tuple(dict.fromkeys(tags))), takes=True)
        return 0, f'  Volume group "{name}" successfully changed\n', ""

    def no_events(self, name: str) -> Answer:
        self.commit(replace(self.group(name), autoactivation=False))
        return 0, f'  Volume group "{name}" successfully changed\n', ""

    def vgextend(self, name: str, places: tuple[str, ...]) -> Answer:
        meta = self.group(name)  # measured: it is extended while a member is missing
        new = tuple((self._orphan(place), self._area(place).size) for place in places)
        self.commit(replace(meta, pvs=(*meta.pvs, *new)))
        return 0, "", ""

    def pvresize(self, place: str) -> Answer:
        area = self._area(place)
        meta = next((m for m in self.groups().values() if area.pv in dict(m.pvs)), None)
        if meta is None:
            raise Refused(f"  {place} is in no group that this machine knows to resize it in")
        if area.size < dict(meta.pvs)[area.pv]:
            raise Harm(f"{place} is shrunk")
        self.commit(replace(meta, pvs=tuple((pv, area.size if pv == area.pv else size) for pv, size in meta.pvs)))
        return 0, "", ""

    def pvchange(self, place: str, add: str, out: tuple[str, ...]) -> Answer:
        area = self._area(place)
        meta = next((m for m in self.groups().values() if area.pv in dict(m.pvs)), None)
        if meta is None:
            raise Refused(f"  {place} is in no group")
        self.whole(meta)
        kept = tuple(one for one in meta.pv_tags if one[0] != area.pv or one[1] not in (add, *out))
        self.commit(replace(meta, pv_tags=(*kept, (area.pv, add))))
        return 0, "", ""

    def vgreduce(self, name: str, place: str) -> Answer:
        """Take an empty member out; without a place those that are missing."""
        meta = self.group(name)
        out = set(self._pvs(meta, (place,))) if place else self.absent(meta)
        if place:
            self.whole(meta)
        if used := {pv for pv in out for _, lv in meta.lvs if lv.used_on(pv)}:
            raise Refused(f"  WARNING: Partial LVs need to be repaired or removed: {sorted(used)} still in use")
        if strange := out - self.world.given_up:
            raise Harm(f"{strange} taken out of {name}, which nobody said may go")
        self.commit(replace(meta, pvs=tuple(p for p in meta.pvs if p[0] not in out), missing=meta.missing - out))
        for pv in out & set(self.seen):
            self.seen[pv][0].meta = None
        return 0, "", ""

    def restoremissing(self, name: str, place: str) -> Answer:
        meta = self.group(name)
        pv = self._area(place).pv
        if pv not in dict(meta.pvs):
            raise Refused(f"  WARNING: {place} not found in VG {name}")
        if pv not in meta.missing:
            raise Refused(f"  WARNING: PV {place} was not missing in VG {name}")
        self.commit(replace(meta, missing=meta.missing - {pv}))
        return 0, "", ""

    def _area(self, place: str) -> Area:
        found = next((area for area, device, _ in self.seen.values() if device == place), None)
        if found is None:
            raise Refused(f"  Cannot use {place}: device is not a physical volume in view")
        return found

    def _orphan(self, place: str) -> str:
        area = self._area(place)
        if area.meta is not None or any(area.pv in dict(m.pvs) for m in self.groups().values()):
            raise Refused(f"  Physical volume '{place}' is already in volume group")
        return area.pv

    def _pvs(self, meta: Meta, places: tuple[str, ...]) -> tuple[str, ...]:
        found = tuple(self._area(place).pv for place in places)
        if len(set(found)) != len(found) or not set(found) <= {pv for pv, _ in meta.pvs}:
            raise Refused(f"  {places} are not distinct members of {meta.name}")
        return found

    def _room(self, meta: Meta) -> None:
        for pv, _ in meta.pvs:
            if meta.free(pv) < 0:
                raise Refused("  Insufficient suitable allocatable extents")

    def lvcreate(self, name: str, group: str, kind: str, count: int, log: str, extents: int, tags: tuple[str, ...], places: tuple[str, ...], partly: bool = False, region: int = 2 << 20) -> Answer:  # fmt: skip
        meta = self.group(group)
        self.whole(meta)
        if meta.lv(name):
            raise Refused(f'  Logical Volume "{name}" already exists in volume group "{group}"')
        pvs = self._pvs(meta, places)
        if kind == "linear":
            pvs = pvs[:1]
        if len(pvs) != count:
            raise Refused(f"  {count} legs on {len(pvs)} devices")
        number = f"{self.world.number():06d}"
        uuid = f"lv{number[2:]}-llll-llll-llll-llll-llll-{number}"
        if older := [there for there, one in meta.lvs if one.born == name and one.uuid not in self.world.given_up]:
            raise Harm(f"a second {name} is made beside the first, which somebody renamed {older[0]}")
        lv = Lv(uuid, kind, extents, tuple(enumerate(pvs)), tags, log, pvs[-1] if log == "disk" else "", name)
        if kind == "raid1":
            lv = replace(lv, region=_region(lv, region), half=partly)
        changed = meta.with_lv(name, lv)
        self._room(changed)
        for pv in pvs:
            self.seen[pv][0].legs[uuid] = Leg()
        self.commit(changed)
        if not partly:
            self.start(self.group(group), name, new=True)
        return 0, f'  Logical volume "{name}" created.\n', ""

    def _lv(self, meta: Meta, name: str) -> Lv:
        lv = meta.lv(name)
        if lv is None:
            raise Refused(f'  Failed to find logical volume "{meta.name}/{name}"')
        return lv

    def activate(self, group: str, name: str, degraded: bool) -> Answer:
        meta = self.group(group)
        lv = self._lv(meta, name)
        if any(self.copies(pv) > 1 for pv, _ in meta.pvs):
            raise Refused(f"  Cannot activate LVs in VG {group} while PVs appear on duplicate devices.")
        hidden = [pv for pv in lv.pvs if pv not in self.seen]
        if hidden and (lv.type != "raid1" or not degraded or len(hidden) == len(lv.pvs)):
            raise Refused(f"  Refusing activation of partial LV {group}/{name}.  Use '--activationmode partial'")
        if lv.half or lv.skip or not self.world.may_activate(group):
            return 0, "", ""  # flagged to be skipped: measured, nothing is activated, and nothing said
        if not any(a.uuid == lv.uuid for a in self.world.actives):
            self.start(meta, name)
        return 0, "", ""

    def start(self, meta: Meta, name: str, new: bool = False, by_hand: bool = True) -> None:
        """Load the tables. md takes the leg with the highest event count for the truth; a core-log mirror leg 0."""
        lv = meta.lv(name)
        assert lv
        if by_hand and (whose := hosts.stranger(self.world, meta.tags)):
            raise Harm(f"{name} is started, and its group belongs to {whose}")
        hosts.alone(self.world, lv.uuid, name)
        legs = []
        for number, pv in lv.legs:
            seen = self.seen.get(pv)
            area = seen[0] if seen else None
            data = area.legs[lv.uuid] if area else Leg()
            usable = area is not None and pv not in meta.missing
            legs.append(
                ActiveLeg(number, pv, seen[2] if seen else None, data, "A" if usable or lv.type != "raid1" else "D")
            )
        self._none_injected(leg.data for leg in legs if leg.letter == "A" and lv.type == "raid1" and not new)
        for leg in legs:
            leg.letter = "-" if leg.pv == lv.tracked else leg.letter
        away = frozenset(leg.pv for leg in legs if leg.letter == "D")
        for leg in legs:
            leg.data.dirty = False  # as soon as it is active the kernel tidies the trace away
            leg.data.failed |= away
            for pv in away - {leg.pv}:
                leg.data.behind.setdefault(pv, leg.data.writes)
        active = Active(meta.name, name, lv.uuid, lv.type, lv.extents, legs, 0, {}, lv.log or "core")
        active.diskseq = self.world.number()
        active.watched = self.world.monitoring
        parts = [f"{kind}_{leg.number}" for leg in legs if leg.disk is None for kind in ("rimage", "rmeta")]
        active.stand_ins = tuple(f"{name}_{part}-missing_0_0" for part in parts)
        self._numbers(active)
        self._begin(active, lv, new, by_hand)
        self.world.actives.append(active)
        self.world.version += 1

    @staticmethod
    def _none_injected(legs: Iterable[Leg]) -> None:
        """drivers/md/dm-raid.c, super_init_validation: "New device injected into existing raid set without 'delta_disks' or
        'rebuild' parameter specified": a leg without a superblock beside one that has one."""
        if len({leg.blank for leg in legs}) == 2:
            raise Refused("  device-mapper: reload ioctl on  failed: Invalid argument")

    def _begin(self, active: Active, lv: Lv, new: bool, by_hand: bool) -> None:
        alive = [leg for leg in active.legs if leg.letter == "A"]
        for leg in active.legs:
            leg.copied = active.bytes
        if lv.type != "linear" and new:
            for leg in alive if lv.type == "raid1" else alive[1:]:
                leg.letter, leg.copied = "a" if lv.type == "raid1" else "A", 0
                leg.data.recovering = "full"
            return
        if lv.type == "raid1":
            self._assemble(active, alive, by_hand)
            return
        self._keeps_all(active, alive[0], by_hand)
        for leg in alive[1:]:
            leg.copied = 0 if lv.type == "mirror" else leg.copied
        log = self.seen.get(lv.log_pv) if lv.log == "disk" else None
        if (
            log and log[0].legs[lv.uuid].logged
        ):  # drivers/md/dm-log.c, disk_resume: what it has as clean is not copied
            for leg in alive[1:]:
                leg.copied = active.bytes
                self._keeps_all(active, leg, by_hand)
            self.world.unequal.discard(active.uuid)  # what was under way is, at once

    def _assemble(self, active: Active, alive: list[ActiveLeg], by_hand: bool) -> None:
        """drivers/md/dm-raid.c: super_load takes the leg with the most events for the freshest, and of several the first.
        super_validate makes a leg out of sync only if the freshest one names it as failed, or by its own recovery offset.
        How many events a leg has does not matter for that."""
        source = max(alive, key=lambda leg: leg.data.events)
        for leg in alive:
            if leg.pv in source.data.failed and not leg.data.recovering:
                leg.data.recovering = "bitmap"
            if leg.data.recovering:
                leg.letter, leg.copied = "a", active.bytes * (0.0 if leg.data.recovering == "full" else 0.9)
        for leg in alive:
            if leg.letter == "A":
                self._keeps_all(active, leg, by_hand)

    def _keeps_all(self, active: Active, source: ActiveLeg, by_hand: bool) -> None:
        """Whoever starts a volume from a leg that lacks acknowledged writes loses them without a word."""
        lacking = self.world.acknowledged.get(active.uuid, set()) - source.data.writes
        if not lacking or self.world.excused(active.uuid):
            return
        if by_hand:
            raise Harm(f"{active.name} is started from a leg that lacks {len(lacking)} acknowledged writes")
        self.world.mixed.add(active.uuid)

    def repair(self, group: str, name: str) -> Answer:
        """lvconvert --repair --use-policies of a stopped mirror: the legs out of view are left out of it."""
        meta = self.group(group)
        lv = self._lv(meta, name)
        kept = tuple((number, pv) for number, pv in lv.legs if pv in self.seen)
        if lv.type != "mirror" or self._active(lv) or not kept:
            raise Refused("  Cannot repair: not a stopped mirror with a leg in view")
        held = frozenset().union(*(self.seen[pv][0].legs[lv.uuid].writes for _, pv in kept))
        if lacking := self.world.acknowledged.get(lv.uuid, set()) - held:
            raise Harm(f"{name} is repaired without the only leg that has {len(lacking)} acknowledged writes")
        if len(kept) == len(lv.legs):
            return 0, "", ""
        linear = len(kept) == 1
        lv = replace(
            lv,
            type="linear" if linear else "mirror",
            legs=kept,
            log="" if linear else lv.log,
            log_pv="" if linear else lv.log_pv,
        )
        self.commit(meta.with_lv(name, lv), flag_only_used=True, by_hand=False)
        return 0, "", ""

    def syncaction(self, group: str, name: str, action: str) -> Answer:
        active = self._active(self._lv(self.group(group), name))
        if active is None or active.type != "raid1" or active.scrub or active.ratio()[0] != active.ratio()[1]:
            raise Refused(f"  Failed to {action}: not an idle, active raid1")
        active.scrub, active.scrubbed = action, 0.0
        self.world.version += 1
        return 0, "", ""

    def metadata_at(self, pv: str, extent: int) -> tuple[Lv, int] | None:
        """The volume, and the position of the leg, whose own metadata begins at this extent."""
        for meta in self.groups().values():
            for row in self._section(meta)["pvseg"]:
                if row["pv_uuid"] == pv and row["pvseg_start"] == str(extent) and "_rmeta" in row["lv_uuid"]:
                    lv = next(lv for _, lv in meta.lvs if row["lv_uuid"].endswith(lv.uuid))
                    return lv, lv.pvs.index(pv)
        return None

    def _numbers(self, active: Active) -> None:
        taken = {n for a in self.world.actives for n in (a.minor, a.real)} | {
            m for a in self.world.actives for m in a.subs.values()
        }
        taken |= {active.minor, *active.subs.values()} if active.minor else set()
        free = (n for n in range(1, 1000) if n not in taken)
        stem = {"raid1": "_rimage_", "mirror": "_mimage_"}.get(active.type, "")
        names = [f"{active.name}{stem}{leg.number}" for leg in active.legs] if stem else []
        if active.type == "raid1":
            names += [f"{active.name}_rmeta_{leg.number}" for leg in active.legs]
        if active.type == "mirror" and active.log == "disk":
            names.append(f"{active.name}_mlog")
        meta = self.world.metas().get(active.group)
        snapshots = lv.snapshots if meta and (lv := meta.lv(active.name)) else ()
        names += [name for name, *_ in snapshots]
        active.subs = {name: active.subs.get(name) or next(free) for name in names}
        active.real = (active.real or next(free)) if snapshots else 0
        active.minor = active.minor or next(free)

    def tag(self, group: str, name: str, words: str) -> Answer:
        """--deltag and --addtag, all in one commit."""
        meta = self.group(group)
        lv = self._lv(meta, name)
        flags = words.split()
        pairs = list(zip(flags[::2], flags[1::2], strict=True))
        named = {value for _, value in pairs}
        tags = (*(t for t in lv.tags if t not in named), *(value for flag, value in pairs if flag == "--addtag"))
        self.commit(meta.with_lv(name, replace(lv, tags=tags)))
        return 0, "", ""

    def _active(self, lv: Lv) -> Active | None:
        return next((a for a in self.world.actives if a.uuid == lv.uuid), None)

    def refresh(self, group: str, name: str) -> Answer:
        meta = self.group(group)
        lv = self._lv(meta, name)
        active = self._active(lv)
        if lv.type == "mirror":
            raise Harm("a segtype mirror is never refreshed: it copies from leg 0, whichever that is")
        if set(lv.pvs) & self.absent(meta):
            raise Refused(f"  Unable to refresh {group}/{name}: PVs are missing")
        if active and lv.type == "raid1":
            self._none_injected(self.seen[leg.pv][0].legs[active.uuid] for leg in active.legs)
        if active:
            active.end_scrub()
            active.mismatches = 0  # of a new array
        for leg in active.legs if active else ():
            area, _, disk = self.seen[leg.pv]
            if leg.letter == "D":
                self._readmit(active, leg, area, disk)
            leg.disk, leg.data = disk, area.legs[active.uuid]
        self.world.version += 1
        return 0, "", ""

    def _readmit(self, active: Active, leg: ActiveLeg, area: Area, disk: ScsiDisk) -> None:
        source = active.source()
        data = area.legs[active.uuid]
        own = data.writes & frozenset(self.world.acknowledged.get(active.uuid, set()))
        if source and own - source.data.writes:
            raise Harm(f"refresh of {active.name} mixes a split brain")
        data.recovering = data.recovering or "bitmap"
        if source:
            data.events = source.data.events = source.data.events + 1
        leg.data, leg.disk, leg.letter, leg.copied = data, disk, "a", active.bytes * 0.9  # only what changed
        for one in active.legs:
            one.data.failed -= {leg.pv}

    def regionsize(self, group: str, name: str, region: int) -> Answer:
        """lvm2's raid_manip.c, _region_size_change_requested."""
        meta = self.group(group)
        self.whole(meta)
        lv = self._lv(meta, name)
        active = self._active(lv)
        if lv.type != "raid1" or region == lv.region:
            raise Refused(f"  Region size is already {region} on {group}/{name}, or it is no raid")
        if active is None or active.ratio()[0] != active.ratio()[1]:
            raise Refused(f"  Unable to change region size on raid1 LV {group}/{name} while it is not in-sync.")
        self.commit(meta.with_lv(name, replace(lv, region=_region(lv, region))))
        return 0, "", ""

    def writemostly(self, group: str, name: str, flags: dict[str, bool]) -> Answer:
        """lvm2's tools/lvchange.c, _lvchange_writemostly. A leg that is made anew has no flag."""
        meta = self.group(group)
        self.whole(meta)
        lv = self._lv(meta, name)
        active = self._active(lv)
        if lv.type != "raid1":
            raise Refused("  --writemostly can only be used with 'raid1' segment type.")
        if active is None or active.ratio()[0] != active.ratio()[1] or any(leg.letter != "A" for leg in active.legs):
            raise Refused(f"  Unable to change writemostly on {group}/{name} while it is not in-sync.")
        wanted = dict(zip(self._pvs(meta, tuple(flags)), flags.values(), strict=True))
        legs = [lv.identity(number, pv) for number, pv in lv.legs]
        mostly = tuple(one for one in legs if wanted.get(one[1], one in lv.mostly))
        if len(mostly) == len(legs):
            raise Refused(f"  Can't set all images of raid1 LV {group}/{name} to writemostly.")
        self.commit(meta.with_lv(name, replace(lv, mostly=mostly)))
        return 0, "", ""

    def lvremove(self, selection: str, group: str, name: str) -> Answer:
        """Only what is asked for under the lock as well: `selection` are LVM's own conditions."""
        meta = self.group(group)
        self.whole(meta)
        stray = next((one for one in meta.strays if one[0] == name), None)
        if stray and selection == f"vg_name={group} && lv_name={name} && lv_role=public":
            self.commit(replace(meta, strays=tuple(one for one in meta.strays if one != stray)))
            return 0, f'  Logical volume "{name}" successfully removed.\n', ""
        lv = self._lv(meta, name)
        if selection == f"lv_uuid={lv.uuid}":
            if self._active(lv):
                raise Harm(f"lvremove of {name}, which is active")
            if lv.uuid not in self.world.given_up:
                raise Harm(f"lvremove of {name}, whose data nobody gave up")
            self.commit(replace(meta, lvs=tuple(one for one in meta.lvs if one[0] != name)))
            return 0, f'  Logical volume "{name}" successfully removed.\n', ""
        if selection.startswith("lv_uuid="):
            return 0, "", ""  # another volume has the name: nothing is selected, and that is a success
        tag = f"vg_name={group} && lv_name={name} && lv_tags=lunmirror.unformatted && lv_skip_activation=1"
        if selection != tag:
            raise Harm(f"lvremove of {name} by {selection!r}")
        if lv.half and "lunmirror.unformatted" in lv.tags:
            self.commit(replace(meta, lvs=tuple(one for one in meta.lvs if one[0] != name)))
        return 0, "", ""

    def convert(
        self, group: str, name: str, kind: str, more: int, log: str, place: str, partly: bool = False
    ) -> Answer:
        """Add one leg on `place`, making it `kind` first if it is linear."""
        meta = self.group(group)
        lv = self._lv(meta, name)
        self.whole(meta)
        active = self._active(lv)
        if active is None:
            raise Refused("  Conversion of an inactive volume is not what this machine knows")
        if active.ratio()[0] != active.ratio()[1]:
            raise Refused(f"  Unable to convert {group}/{name}: not in sync")
        if lv.tracked or lv.snapshots:
            raise Refused(f"  Cannot convert {group}/{name}: a leg is tracked, or it has snapshots")
        (pv,) = self._pvs(meta, (place,))
        if pv in lv.pvs:
            raise Refused(f"  {place} holds a leg of {name} already")
        if (more == 1) != (lv.type == "linear"):
            raise Refused("  -m +1 is for mirrors, -m 1 for linear volumes")
        type_ = kind or lv.type
        number = max(n for n, _ in lv.legs) + 1
        logged = {"log": log, "log_pv": pv if log == "disk" else ""} if kind == "mirror" else {}
        changed = replace(lv, type=type_, legs=(*lv.legs, (number, pv)), **logged)
        if any(one[0] == f"{name}_rimage_{number}" for one in meta.strays):
            raise Refused(f"  Logical Volume {name}_rimage_{number} already exists in volume group {group}.")
        self._room(meta.with_lv(name, changed))
        if partly and type_ == "raid1":
            own = ((f"{name}_rmeta_0", lv.pvs[0], 1),) if lv.type == "linear" else ()
            parts = (*own, (f"{name}_rimage_{number}", pv, lv.extents), (f"{name}_rmeta_{number}", pv, 1))
            self.commit(replace(meta, strays=(*meta.strays, *parts)))
            return 0, "", ""
        data = Leg()
        self.seen[pv][0].legs[lv.uuid] = data
        self.commit(meta.with_lv(name, changed))
        if any(leg.disk is None or leg.disk.gone for leg in active.legs if leg.letter == "A"):
            raise Harm(f"a leg of {name} is copied from a disk that is gone")
        active.type, active.log = type_, changed.log or "core"
        active.legs.append(ActiveLeg(number, pv, self.seen[pv][2], data, "a" if type_ == "raid1" else "A", 0))
        if lv.type == "linear" and type_ == "raid1":
            active.legs[0].data.events, active.legs[0].data.failed, active.legs[0].data.behind = 0, frozenset(), {}
            active.legs[0].data.cleared = 0
        data.events = active.legs[0].data.events
        if type_ == "mirror":
            active.legs[-1].data.writes = frozenset()
        data.recovering = "full"
        self._numbers(active)
        return 0, "", ""

    def remake(self, group: str, name: str, places: tuple[str, ...]) -> Answer:
        """lvchange --rebuild of an active raid1 in sync: these legs are copied again in full from the others."""
        meta = self.group(group)
        lv = self._lv(meta, name)
        self.whole(meta)
        active = self._active(lv)
        pvs = self._pvs(meta, places)
        if lv.type != "raid1" or active is None or active.ratio()[0] != active.ratio()[1] or active.scrub:
            raise Refused(f"  Unable to replace devices in {group}/{name} while it is not in-sync.")
        if not set(pvs) < set(lv.pvs) or any(leg.letter != "A" for leg in active.legs):
            raise Refused(f"  {group}/{name} does not contain devices that can be rebuilt")
        self.commit(meta)
        for leg in active.legs:
            if leg.pv in pvs:
                leg.letter, leg.copied, leg.data.recovering, leg.data.torn = "a", 0, "full", False
        self._keeps_all(active, active.source(), by_hand=True)
        return 0, "", ""

    def drop(self, group: str, name: str, left: int, place: str) -> Answer:
        """Take the leg on `place` out; with one left the volume is linear. `left`: how many more there are then."""
        meta = self.group(group)
        lv = self._lv(meta, name)
        self.whole(meta)
        (pv,) = self._pvs(meta, (place,))
        active = self._active(lv)
        if active is None or pv not in lv.pvs or len(lv.legs) == 1:
            raise Refused(f"  No leg of an active mirror on {place}")
        if left >= 0 and left != len(lv.legs) - 2:
            raise Refused("  It has another number of legs")
        kept = [leg for leg in active.legs if leg.pv != pv]
        sound = [leg.letter == "A" and leg.copied >= active.bytes and answer_of(leg.disk) != "error" for leg in kept]
        lost = next(leg for leg in active.legs if leg.pv == pv)
        if not any(sound) or (lost.letter != "D" and not all(sound)) or any(leg.letter == "a" for leg in kept):
            raise Harm(f"a leg of {name} is dropped while another is not in sync")
        linear = len(kept) == 1
        legs = tuple(
            (number if lv.type == "mirror" else at, leg.pv)
            for at, (number, leg) in enumerate((one.number, one) for one in kept)
        )
        changed = replace(lv, legs=legs, type="linear" if linear else lv.type, log="" if linear else lv.log)
        self.commit(meta.with_lv(name, changed))
        for (number, _), leg in zip(legs, kept, strict=True):
            leg.number = number
            leg.data.failed -= {pv}
        self.seen[pv][0].legs.pop(lv.uuid)
        active.legs, active.type = kept, changed.type
        active.subs = {}
        self._numbers(active)
        return 0, "", ""

    def rebuild(self, group: str, name: str, place: str) -> Answer:
        """lvconvert --repair of an active raid1: its dead leg is re-created on `place`."""
        meta = self.group(group)
        lv = self._lv(meta, name)
        active = self._active(lv)
        dead = [leg for leg in active.legs if leg.letter == "D"] if active else []
        if lv.type != "raid1" or not dead or dead[0].pv not in self.absent(meta):
            raise Refused(f"  {group}/{name} does not contain devices that need to be replaced")
        if dead[0].pv not in self.world.given_up:
            raise Harm(f"a leg of {name} is given up that nobody said may go")
        (pv,) = self._pvs(meta, (place,))
        legs = tuple((number, pv if one == dead[0].pv else one) for number, one in lv.legs)
        self._room(meta.with_lv(name, replace(lv, legs=legs)))
        data = self.seen[pv][0].legs[lv.uuid] = Leg()
        self.commit(meta.with_lv(name, replace(lv, legs=legs)))
        fresh = ActiveLeg(dead[0].number, pv, self.seen[pv][2], data, "a", 0)
        data.recovering = "full"
        data.events = active.source().data.events
        active.legs = [fresh if leg is dead[0] else leg for leg in active.legs]
        for leg in active.legs:
            leg.data.failed -= {dead[0].pv}
        return 0, "", ""

    def deactivate(self, group: str, name: str) -> Answer:
        lv = self._lv(self.group(group), name)
        active = self._active(lv)
        if active and any(m.active is active for m in self.world.mounts):
            raise Refused(f"  Logical volume {group}/{name} in use.")
        if active:
            active.stamp()
            for leg in active.legs:
                leg.data.unflushed = False
            self.world.actives.remove(active)
            self.world.version += 1
        return 0, "", ""

    def takeover(self, group: str, name: str) -> Answer:
        meta = self.group(group)
        lv = self._lv(meta, name)
        self.whole(meta)
        active = self._active(lv)
        if lv.type != "mirror" or active is None or active.ratio()[0] != active.ratio()[1]:
            raise Refused("  Cannot convert: not an active mirror in sync")
        changed = meta.with_lv(name, replace(lv, type="raid1", log="", log_pv=""))
        self._room(changed)
        self.commit(changed)
        active.type = "raid1"
        self._numbers(active)
        return 0, "", ""

    def mirrorlog(self, group: str, name: str, log: str) -> Answer:
        meta = self.group(group)
        lv = self._lv(meta, name)
        self.whole(meta)
        changed = meta.with_lv(name, replace(lv, log=log, log_pv=lv.pvs[-1] if log == "disk" else ""))
        self._room(changed)
        self.commit(changed)
        if active := self._active(lv):
            active.log = log
            self._numbers(active)
        return 0, "", ""

    def extend(self, group: str, name: str, extents: int, places: tuple[str, ...]) -> Answer:
        meta = self.group(group)
        lv = self._lv(meta, name)
        self.whole(meta)
        if set(self._pvs(meta, places)) != set(lv.pvs):
            raise Refused("  Insufficient suitable allocatable extents for the legs")
        if extents <= lv.extents:
            raise Refused("  New size given is not larger than existing size", 5)
        changed = meta.with_lv(name, replace(lv, extents=extents))
        self._room(changed)
        if lv.snapshots and self._active(lv):
            raise Refused("  Snapshot origin volumes can be resized only while inactive: try lvchange -an.")
        self.commit(changed)
        if active := self._active(lv):
            old = active.bytes
            active.extents = extents
            for leg in active.legs:
                if lv.type == "linear" or leg.letter == "D":
                    leg.copied = active.bytes if leg.letter != "D" else 0
                elif lv.type == "raid1":
                    leg.letter, leg.copied = "a", old  # the new part is brought in sync
                else:
                    leg.copied = old
        return 0, "", ""

    # The report

    def report(self) -> Answer:
        sections = []
        for meta in self.groups().values():
            sections.append(self._section(meta))
        members = {pv for meta in self.groups().values() for pv, _ in meta.pvs}
        orphans = [(pv, *seen) for pv, seen in self.seen.items() if pv not in members]
        if orphans:
            rows = [self._pv_row(pv, "", area.size, area.size, False) for pv, area, _, _ in orphans]
            segs = [{"pv_uuid": pv, "lv_uuid": "", "pvseg_size": "0", "pvseg_start": "0"} for pv, *_ in orphans]
            sections.append({"pv": rows, "pvseg": segs})
        return 0, json.dumps({"report": sections}, indent=1), ""

    def _pv_row(self, pv: str, group: str, size: int, free: int, missing: bool) -> dict[str, str]:
        seen = self.seen.get(pv)
        name, minor = (
            ("[unknown]", "0")
            if not seen
            else (seen[1], str(seen[2].minor + (not isinstance(seen[2], Map) and seen[1][-1] == "1")))
        )
        return {
            "pv_name": name,
            "pv_uuid": pv,
            "vg_name": group,
            "pv_missing": str(int(missing or not seen)),
            "pv_duplicate": "0",  # of the one that it chose; the others are not shown at all (2.03.16)
            "pv_size": str(size),
            "pv_free": str(free),
            "pv_major": "0" if not seen else "253" if isinstance(seen[2], Map) else "8",
            "pv_minor": minor,
            "pe_start": str(PE_START),
            "pv_tags": "",
            "dev_size": str(seen[0].size if seen else 0),
        }

    def copies(self, pv: str) -> int:
        nodes = (self.world.node(device) for device in self.devices)
        return len([n for n in nodes if n and n[1].pv == pv and n[0].session.answering == "ok"])

    def _section(self, meta: Meta) -> dict[str, list[dict[str, str]]]:
        tags = {pv: ",".join(tag for one, tag in meta.pv_tags if one == pv) for pv, _ in meta.pvs}
        pvs = [
            self._pv_row(pv, meta.name, meta.total(pv) * EXTENT, meta.free(pv) * EXTENT, pv in meta.missing)
            | {"pv_tags": tags[pv]}
            for pv, _ in meta.pvs
        ]
        vg = {
            "vg_name": meta.name,
            "vg_uuid": meta.uuid,
            "vg_extent_size": str(EXTENT),
            "vg_free_count": str(sum(meta.free(pv) for pv, _ in meta.pvs)),
            "vg_missing_pv_count": str(len(self.absent(meta))),
            "vg_seqno": str(meta.seqno),
            "vg_tags": ",".join(meta.tags),
            "vg_systemid": meta.system_id,
            "vg_exported": str(int(meta.exported)),
            "vg_lock_type": meta.lock_type,
            "vg_autoactivation": str(int(meta.autoactivation)),
        }
        lvs: list[dict[str, str]] = []
        segs: list[dict[str, str]] = []
        placed: list[dict[str, str]] = []
        for name, lv in meta.lvs:
            self._volume(meta, name, lv, lvs, segs, placed)
        for name, pv, extents in meta.strays:
            uuid = f"{name[-8:]:_>8}-stray"
            lvs.append(self._row(uuid, name, "", "linear", "public", extents, None, "", (), ""))
            segs.append({"lv_uuid": uuid, "segtype": "linear", "seg_size_pe": str(extents)})
            placed.append({"pv_uuid": pv, "lv_uuid": uuid, "pvseg_size": str(extents)})
        for pv, _ in meta.pvs:
            placed.append({"pv_uuid": pv, "lv_uuid": "", "pvseg_size": str(meta.free(pv))})
        at = dict.fromkeys(dict(meta.pvs), 0)
        for row in placed:
            row["pvseg_start"] = str(at[row["pv_uuid"]])
            at[row["pv_uuid"]] += int(row["pvseg_size"])
        return {"vg": [vg], "pv": pvs, "lv": lvs, "pvseg": placed, "seg": segs}

    def _volume(self, meta: Meta, name: str, lv: Lv, lvs: list, segs: list, placed: list) -> None:
        active = self._active(lv)
        partial = "partial" if any(pv in self.absent(meta) for pv in lv.pvs) else ""
        layout = {"raid1": "raid,raid1", "mirror": "mirror", "linear": "linear"}[lv.type]
        log = f"[{name}_mlog]" if lv.log == "disk" else ""
        row = self._row(
            lv.uuid, name, "", layout, "public", lv.extents, active and active.minor, partial, lv.tags, log
        )
        if active and any(m.active is active for m in self.world.mounts):
            row["lv_device_open"] = "1"
        row["raid_mismatch_count"] = str(active.mismatches if active else 0) if lv.type == "raid1" else ""
        lvs.append(row)
        row["lv_permissions"] = (
            lv.permissions if lv.permissions != "writeable" or not self.world.read_only else ("read-only-override")
        )
        row["lv_skip_activation"] = str(int(lv.skip))
        seg = {"lv_uuid": lv.uuid, "segtype": lv.type, "seg_size_pe": str(lv.extents)}
        watched = "monitored" if active and active.watched else "not monitored" if active else ""
        region = str(lv.region if lv.type == "raid1" else 0)
        segs.append(seg | ({"seg_monitor": watched, "region_size": region} if lv.type in ("raid1", "mirror") else {}))
        for snapshot, pv, extents in lv.snapshots:
            uuid = f"{snapshot[-8:]:_>8}-cow-{lv.uuid}"
            roles = "public,snapshot,thicksnapshot"
            minor = active.subs.get(snapshot) if active else None
            lvs.append(self._row(uuid, snapshot, "", "linear", roles, extents, minor, "", (), "") | {"origin": name})
            segs.append({"lv_uuid": uuid, "segtype": "linear", "seg_size_pe": str(extents)})
            placed.append({"pv_uuid": pv, "lv_uuid": uuid, "pvseg_size": str(extents)})
        if lv.type == "linear":
            placed.append({"pv_uuid": lv.pvs[0], "lv_uuid": lv.uuid, "pvseg_size": str(lv.extents)})
            return
        for number, pv in lv.legs:
            kinds = (
                [("mimage", lv.extents, "image")]
                if lv.type == "mirror"
                else [("rimage", lv.extents, "image"), ("rmeta", 1, "metadata")]
            )
            for kind, extents, role in kinds:
                self._sub(lv, active, f"{name}_{kind}_{number}", name, role, extents, pv, meta, lvs, segs, placed)
        if lv.log == "disk":
            self._sub(lv, active, f"{name}_mlog", name, "log", 1, lv.log_pv, meta, lvs, segs, placed)

    def _sub(self, lv: Lv, active: Active | None, sub: str, parent: str, role: str, extents: int, pv: str, meta: Meta, lvs: list, segs: list, placed: list) -> None:  # fmt: skip
        serial = dict(lv.legs_born).get(pv, 0) if "_rmeta_" in sub else 0
        uuid = f"{sub[-8:]:_>8}-{serial}-{lv.uuid}"  # ends with the number of the leg: "_rmeta_0-…"
        partial = "partial" if pv in self.absent(meta) else ""
        if not partial and "_rimage_" in sub and lv.identity(int(sub.rpartition("_")[2]), pv) in lv.mostly:
            partial = "writemostly"
        tags = lv.tags if "_rmeta_" in sub else ()  # recorded so: a tag given to lvcreate is on these too
        minor = active.subs.get(sub) if active else None
        shown, above = (sub, "") if lv.half and "_rmeta_" in sub else (f"[{sub}]", parent)
        kind = "raid" if lv.type == "raid1" else lv.type
        row = self._row(uuid, shown, above, "linear", f"private,{kind},{role}", extents, minor, partial, tags, "")
        if lv.tracked == pv and role == "image":  # visible by itself, and yet no volume
            row |= {"lv_name": sub, "lv_parent": "", "lv_permissions": "read-only"}
        lvs.append(row)
        segs.append({"lv_uuid": uuid, "segtype": "linear", "seg_size_pe": str(extents)})
        placed.append({"pv_uuid": pv, "lv_uuid": uuid, "pvseg_size": str(extents)})

    @staticmethod
    def _row(uuid: str, name: str, parent: str, layout: str, role: str, extents: int, minor: int | None, health: str, tags: tuple[str, ...], log: str) -> dict[str, str]:  # fmt: skip
        return {
            "lv_uuid": uuid,
            "lv_name": name,
            "lv_parent": parent,
            "lv_layout": layout,
            "lv_role": role,
            "lv_size": str(extents * EXTENT),
            "lv_active": "active" if minor else "",
            "lv_suspended": "0" if minor else "-1",
            "lv_device_open": "1" if parent and minor else "0",
            "lv_kernel_major": "253" if minor else "-1",
            "lv_kernel_minor": str(minor or -1),
            "lv_health_status": health,
            "mirror_log": log,
            "lv_tags": ",".join(tags),
            "origin": "",
            "lv_permissions": "writeable",
            "lv_skip_activation": "0",
        }


def _region(lv: Lv, region: int) -> int:
    size = lv.extents * EXTENT
    if region & (region - 1) or region > size or size > region << 21:
        raise Refused(f"  Region size {region} does not fit raid1 LV of {size} bytes.")
    return region


def _all(world: World) -> tuple[str, ...]:
    """What LVM sees when it looks for itself: the paths of a map are left out (multipath_component_detection), and so is what
    will be one (multipath_wwids_file)."""
    free = [d for d in world.disks() if not over(world, d) and not is_claimed(world, d)]
    maps = tuple(f"/dev/{m.kernel}" for m in world.multipathd.maps)
    return (*maps, *(n for d in free for n in (f"/dev/{d.kernel}", f"/dev/{d.kernel}1")))


def answered(act: Callable[[], Answer]) -> Answer:
    try:
        return act()
    except Refused as refusal:
        return refusal.rc, "", f"{refusal}\n"


__all__ = ["Lvm", "Refused", "answered"]
