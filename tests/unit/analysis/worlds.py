"""Hand-made worlds: one raid1 over two servers (or what a test makes of it), as the layers would have seen it."""

from typing import Any

from lunmirror.engine.desired import Desired, Disk, Group, Mount, Portal, Server, Size, Timeouts, Volume
from lunmirror.engine.journal import Entry
from lunmirror.engine.model import ABSENT, Finding, Present, Report, Seen, Step, Unknown
from lunmirror.layers.disk.facts import Device, Lun, PhysicalVolume
from lunmirror.layers.group.facts import Member, VolumeGroup
from lunmirror.layers.mount.facts import Mounted, MountState
from lunmirror.layers.session.facts import NoSession, Session
from lunmirror.layers.volume.facts import Leg, LogicalVolume

MIB = 1 << 20
DISKS = {"left": "filer1", "right": "filer2", "third": "filer3"}
PV = {disk: f"pv-{disk}" for disk in DISKS}
BOTH = Entry("vg0/lv", (PV["left"], PV["right"]), "2026-01-01T00:00:00Z", 5, {})
ONLY_LEFT = Entry("vg0/lv", (PV["left"],), "2026-01-02T00:00:00Z", 5, {PV["right"]: "2026-01-02T00:00:00Z"})


def desired(legs: tuple[str, ...] = ("left", "right"), type: str = "raid1", mount: str = "") -> Desired:
    times = Timeouts(3, 3, 7, 10, 3)
    servers = {s: Server(s, (Portal(f"192.0.2.{n}"),), "automatic", times) for n, s in enumerate(DISKS.values(), 1)}
    disks = {d: Disk(d, s, f"iqn.2001-01.x:{d}", 1, pv_uuid=PV[d]) for d, s in DISKS.items()}
    volume = Volume("vg0", "lv", Size(bytes=64 * MIB), type, "core" if type == "mirror" else "", legs)
    volume = volume._replace(mount=Mount(mount) if mount else None)
    return Desired(servers, disks, {"vg0": Group("vg0", tuple(DISKS))}, {volume.id: volume}, 15, 5)


def lv(
    letters: str = "AA",
    type: str = "raid1",
    legs: tuple[str, ...] = ("left", "right"),
    ratio: tuple[int, int] = (10, 10),
    past: Entry | Seen = BOTH,
    active: bool = True,
    **more: Any,
) -> LogicalVolume:
    """`letters` as device-mapper has them, one for each leg; '' for linear."""
    copies = tuple(
        Leg(f"lv_rimage_{n}", (PV.get(d, d),), letters[n : n + 1] if active and type != "linear" else "")
        for n, d in enumerate(legs)
    )
    known: dict[str, Any] = dict(  # noqa: C408
        uuid="u", type=type, log="core" if type == "mirror" else "", size=64 * MIB, extents=16, legs=copies,
        active=active, suspended=False, open=True, number="253:4", dm="vg0-lv", health="", tags=(),
        done=ratio[0] if active else 0, total=ratio[1] if active else 0, action="idle" if type == "raid1" else "",
        past=Present(past) if isinstance(past, Entry) else past, past_raw=b"", today="2026-01-03T00:00:00Z",
    )  # fmt: skip
    return LogicalVolume(**(known | more))


def session(state: str = "LOGGED_IN") -> Seen:
    return Present(Session("session1", state, 7, 3, 3))


def lun(disk: str, pv: str | None = None) -> Seen:
    device = Device(f"sd{disk}", f"/dev/{disk}", 512 * MIB, "8:0", "1", ())
    there = PhysicalVolume(pv or PV[disk], "vg0", 508 * MIB, 100 * MIB)
    return Present(Lun(device, (device,), device, False, there, None, "w"))


def world(
    volume: LogicalVolume | Seen,
    failed: tuple[str, ...] = (),
    gone: tuple[str, ...] = (),
    flagged: tuple[str, ...] = (),
    mounted: str = "",
    **layers: dict[str, Seen],
) -> dict[str, dict[str, Seen]]:
    """failed: disks whose session is FAILED; gone: disks whose server has no session; flagged: missing for LVM.
    mounted: "rw", "ro" or "" for not."""
    hidden = (*failed, *gone)
    members = tuple(
        Member(pv, "" if d in hidden else f"/dev/{d}", d, 508 * MIB, 100 * MIB, d in hidden or d in flagged)
        for d, pv in PV.items()
    )
    mount = Mounted("/mnt", "253:4", "ext4", "/dev/vg0/lv", (), mounted == "ro") if mounted else None
    base: dict[str, dict[str, Seen]] = {
        "session": {
            s: session("FAILED") if d in failed else Present(NoSession("no answer")) if d in gone else session()
            for d, s in DISKS.items()
        },
        "disk": {
            d: Unknown("its session session1 is FAILED") if d in failed else ABSENT if d in gone else lun(d)
            for d in DISKS
        },
        "group": {"vg0": Present(VolumeGroup("g", 4 * MIB, 0, 5, members, (), "me", "me", "", False))},
        "volume": {"vg0/lv": Present(volume) if isinstance(volume, LogicalVolume) else volume},
        "mount": {"vg0/lv": Present(MountState(b"", "", mount, (), ""))},
    }
    return {name: {**seen, **layers.get(name, {})} for name, seen in base.items()}


def report(
    seen: dict[str, dict[str, Seen]], findings: tuple[Finding, ...] = (), steps: tuple[Step, ...] = ()
) -> Report:
    return Report("status", "run", steps, (), findings, seen, 0.1)
