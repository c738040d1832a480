"""One LVM read and one device-mapper read, parsed. An answer that is not whole is Unknown, never empty."""

import json
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from lunmirror.engine.model import Present, Seen, Unknown
from lunmirror.engine.plain import count
from lunmirror.host import paths
from lunmirror.host.protocol import Ran, Reader
from lunmirror.lvm.command import report
from lunmirror.lvm.devices import Devices

DEADLINE = 30.0  # seconds; the read takes 1 to 3 s under emulation (docs/facts/lvm.md#report)


class VgRow(NamedTuple):
    """Extent size in bytes; `free` in extents."""

    name: str
    uuid: str
    extent_size: int
    free: int
    missing: int
    seqno: int
    tags: tuple[str, ...]
    system_id: str
    exported: bool
    autoactivation: bool | None = None  # LVM's own events may start it; None where LVM does not show it
    lock_type: str = ""  # who keeps several hosts apart in a shared group: sanlock, dlm; "" for a group of one host


class PvRow(NamedTuple):
    """`device` is '' when LVM does not see the volume at all. Sizes are bytes; `start` is where its first extent
    begins, in bytes, -1 if unknown; `room` is the size of the device itself, 0 if unknown."""

    device: str
    number: str
    uuid: str
    group: str
    missing: bool
    duplicate: bool
    size: int
    free: int
    start: int = -1
    room: int = 0
    tags: tuple[str, ...] = ()


class LvRow(NamedTuple):
    """Visible and hidden volumes alike; hidden names come in brackets. `pvs` maps PV UUID to extents used,
    `at` to the first of them, counted from the volume's start (-1 if unknown). `origin`: the volume that it is a snapshot
    of. `permissions` in LVM's own words: writeable, read-only, read-only-override. `skip`: it is not activated unless
    one insists. `watch`: whether dmeventd watches it, in LVM's own words; "" where it need not. `region`: bytes that one bit
    of its bitmap or log stands for, 0 where it has none."""

    group: str
    name: str
    uuid: str
    parent: str
    layout: tuple[str, ...]
    role: tuple[str, ...]
    size: int
    extents: int
    active: bool
    suspended: bool
    open: bool
    number: str
    health: str
    log: str
    tags: tuple[str, ...]
    mismatches: int
    segtypes: tuple[str, ...]
    pvs: dict[str, int]
    at: Mapping[str, int] = {}
    origin: str = ""
    permissions: str = ""
    skip: bool = False
    watch: str = ""
    region: int = 0


class Lvm(NamedTuple):
    """Everything LVM said. `groups` has a list for each name, since two groups may share one.
    `hidden` are the devices that LVM was not shown, with the reason."""

    groups: dict[str, tuple[VgRow, ...]]
    pvs: tuple[PvRow, ...]
    lvs: tuple[LvRow, ...]
    hidden: dict[str, str]

    def pv_at(self, number: str) -> PvRow | None:
        """The physical volume on the device "major:minor"."""
        return next((p for p in self.pvs if p.number == number), None)


class DmLine(NamedTuple):
    """One line of `dmsetup status`: target type and its words."""

    target: str
    words: tuple[str, ...]


Status: TypeAlias = dict[str, tuple[DmLine, ...]]  # device-mapper name -> its lines
Row: TypeAlias = dict[str, str]
Segment: TypeAlias = tuple[str, int, str, int]  # type, extents, whether dmeventd watches it, bytes of a region
Extents: TypeAlias = dict[str, dict[str, int]]  # LV UUID -> PV UUID -> extents


def read_lvm(reader: Reader, kernels: tuple[str, ...]) -> Seen[Lvm]:
    """Present(Lvm) or Unknown. `kernels` are the devices of the kernel ("sdb1") that LVM may be shown; of these it is
    shown those that answer. None of them: Present, and empty."""
    # Several layers ask in one pass.
    return reader.memoize(f"lvm {','.join(kernels)}", lambda: _ask(reader, kernels))


def _ask(reader: Reader, kernels: tuple[str, ...]) -> Seen[Lvm]:
    healthy, unhealthy = Devices(reader).apart(kernels)
    if not healthy:
        return Present(Lvm({}, (), (), unhealthy))
    ran = reader.query(report(healthy), DEADLINE)
    if ran.rc != 0:
        return Unknown(f"LVM could not be read: {ran.why}")
    if "not found" in ran.err:
        # A device that vanished meanwhile: rc 0 and a report without it (docs/facts/lvm.md#report).
        return Unknown(f"LVM did not see every device that it was shown: {ran.why}")
    return _parse(ran, unhealthy)


# A device without a table: what made it died before it loaded one (measured: docs/facts/lab.md#killed-command).
NO_TABLE = DmLine("", ())


def read_status(reader: Reader) -> Seen[Status]:
    """Present(dict of device-mapper name -> tuple of DmLine) or Unknown. Reads no disk."""
    ran = reader.query((paths.DMSETUP, "status"), DEADLINE)
    if ran.rc != 0:
        return Unknown(f"device-mapper could not be read: {ran.why}")
    found: dict[str, tuple[DmLine, ...]] = {}
    for line in ran.out.splitlines():
        name, colon, rest = line.partition(": ")
        words = rest.split()
        if line.strip() == "No devices found":
            continue
        if colon and not words:
            found[name] = (*found.get(name, ()), NO_TABLE)
            continue
        if not colon or len(words) < 3 or None in (count(words[0]), count(words[1])):
            return Unknown(f"device-mapper gave a line that cannot be read: {line[:200]!r}")
        found[name] = (*found.get(name, ()), DmLine(words[2], tuple(words[3:])))
    return Present(found)


def _parse(ran: Ran, hidden: dict[str, str]) -> Seen[Lvm]:
    try:
        document = json.loads(ran.out)
        return Present(_assemble(document["report"], hidden))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        return Unknown(f"LVM's answer cannot be read ({type(fault).__name__}: {str(fault)[:100]})")


_TEXT = {str}  # all that this report format has


def _assemble(sections: list[dict[str, list[Row]]], hidden: dict[str, str]) -> Lvm:
    groups: dict[str, tuple[VgRow, ...]] = {}
    pvs: list[PvRow] = []
    lvs: list[LvRow] = []
    for section in sections:
        rows = {kind: section.get(kind, []) for kind in ("vg", "pv", "lv", "seg", "pvseg")}
        if any({*map(type, row.values())} != _TEXT for kind in rows.values() for row in kind):
            raise ValueError("a value that is no text")
        for row in rows["vg"]:
            group = _vg(row)
            groups[group.name] = (*groups.get(group.name, ()), group)
        pvs += [_pv(row) for row in rows["pv"]]
        name = rows["vg"][0]["vg_name"] if rows["vg"] else ""
        if any(row["vg_name"] != name for row in rows["pv"]):
            raise ValueError(f"a physical volume among those of group {name!r} that is not in it")
        segments = _segments(rows["seg"])
        placed, first = _placement(rows["pvseg"])
        lvs += [_lv(row, name, segments, placed, first) for row in rows["lv"]]
    return Lvm(groups, tuple(pvs), tuple(lvs), hidden)


def _flag(value: str) -> bool:
    """--binary prints 0 and 1; -1 is LVM's 'unknown', and some versions leave undefined flags empty."""
    return value == "1"


def _list(value: str) -> tuple[str, ...]:
    return tuple(v for v in value.split(",") if v)


def _number(major: str, minor: str) -> str:
    """ "major:minor", or '' where the kernel has no such device (LVM prints -1 or nothing)."""
    return "" if None in (count(major), count(minor)) else f"{major}:{minor}"


def _positive(value: str) -> int:
    number = int(value)
    if number <= 0:
        raise ValueError(f"{number} where more than nothing is meant")
    return number


def _vg(row: Row) -> VgRow:
    return VgRow(
        name=row["vg_name"],
        uuid=row["vg_uuid"],
        extent_size=_positive(row["vg_extent_size"]),
        free=int(row["vg_free_count"]),
        missing=int(row["vg_missing_pv_count"]),
        seqno=int(row["vg_seqno"]),
        tags=_list(row["vg_tags"]),
        system_id=row["vg_systemid"],
        exported=_flag(row["vg_exported"]),
        autoactivation={"1": True, "0": False}.get(row.get("vg_autoactivation", "")),
        lock_type=row.get("vg_lock_type", "").replace("none", ""),
    )


def _pv(row: Row) -> PvRow:
    seen = row["pv_name"].startswith("/")  # else "[unknown]" or "unknown device"
    return PvRow(
        device=row["pv_name"] if seen else "",
        number=_number(row["pv_major"], row["pv_minor"]) if seen else "",
        uuid=row["pv_uuid"],
        group=row["vg_name"],
        missing=_flag(row["pv_missing"]) or not seen,
        duplicate=_flag(row["pv_duplicate"]),
        size=int(row["pv_size"]),
        free=int(row["pv_free"]),
        start=int(row.get("pe_start") or -1),
        room=int(row.get("dev_size") or 0) if seen else 0,
        tags=_list(row.get("pv_tags", "")),
    )


def _segments(rows: list[Row]) -> dict[str, list[Segment]]:
    """LV UUID -> its segments."""
    found: dict[str, list[Segment]] = {}
    for row in rows:
        found.setdefault(row["lv_uuid"], []).append(
            (row["segtype"], int(row["seg_size_pe"]), row.get("seg_monitor", ""), int(row.get("region_size") or 0))
        )
    return found


def _placement(rows: list[Row]) -> tuple[Extents, Extents]:
    """LV UUID -> PV UUID -> extents there, and the number of the first of them."""
    found: Extents = {}
    first: Extents = {}
    for row in rows:
        if row["lv_uuid"]:
            on, at = found.setdefault(row["lv_uuid"], {}), first.setdefault(row["lv_uuid"], {})
            on[row["pv_uuid"]] = on.get(row["pv_uuid"], 0) + int(row["pvseg_size"])
            start = int(row.get("pvseg_start") or -1)
            at[row["pv_uuid"]] = min(at.get(row["pv_uuid"], start), start)
    return found, first


def _lv(row: Row, group: str, segments: dict[str, list[Segment]], placed: Extents, first: Extents) -> LvRow:
    mine = segments.get(row["lv_uuid"], ())
    return LvRow(
        group=group,
        name=row["lv_name"].strip("[]"),
        uuid=row["lv_uuid"],
        parent=row["lv_parent"].strip("[]"),
        layout=_list(row["lv_layout"]),
        role=_list(row["lv_role"]),
        size=int(row["lv_size"]),
        extents=sum(extents for _, extents, *_ in mine),
        active=row["lv_active"] in ("active", "1"),
        suspended=_flag(row["lv_suspended"]),
        open=_flag(row["lv_device_open"]),
        number=_number(row["lv_kernel_major"], row["lv_kernel_minor"]),
        health=row["lv_health_status"],
        log=row["mirror_log"],
        tags=_list(row["lv_tags"]),
        mismatches=int(row.get("raid_mismatch_count") or 0),  # empty for what is no raid
        segtypes=tuple(dict.fromkeys(segtype for segtype, *_ in mine)),
        pvs=placed.get(row["lv_uuid"], {}),
        at=first.get(row["lv_uuid"], {}),
        origin=row.get("origin", "").strip("[]"),
        permissions=row.get("lv_permissions", ""),
        skip=_flag(row.get("lv_skip_activation", "")),
        watch=next((watch for _, _, watch, _ in mine if watch), ""),
        region=next((region for *_, region in mine if region), 0),
    )
