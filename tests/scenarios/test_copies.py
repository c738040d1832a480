"""A device with a UUID of ours that is not the declared disk: a copy as another LUN, the same LUN through another session.
It is named, and shown to no LVM command (sim/lvm.py raises Harm for each), whether or not the original is in sight."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lunmirror.engine.model import Kind
from sim import iscsi
from sim.iscsi import login, login_through
from sim.lvm import Lvm
from sim.stage import DISKS, SERVERS, Stage, converged, foreign, text
from sim.world import blank

OTHER = {"left": "right", "right": "left"}


def target(stage: Stage, server: str) -> dict:
    return stage.world.servers[server].targets[SERVERS[server][1]]


def show_copy(stage: Stage, disk: str, server: str, number: int, old: bool = True) -> None:
    """The server shows what the disk's LUN held until now as a LUN more: a backup, a snapshot, a replica."""
    made = copy.deepcopy(stage.lun(disk))
    if old:
        stage.world.advance(120)  # the users go on writing
    luns = target(stage, server)
    shown = dict(sorted({**luns, number: made}.items()))
    luns.clear()
    luns.update(shown)
    stage.foreign = foreign(stage.world)
    stage.world.version += 1


BACKUP = "/srv/backup.img"


def attach_copy(stage: Stage, disk: str, old: bool = True) -> tuple:
    """A file of this machine with what the disk's LUN held until now, as a loop device. Its fingerprint."""
    made = copy.deepcopy(stage.lun(disk))
    if old:
        stage.world.advance(120)  # the users go on writing
    return stage.world.losetup(BACKUP, made).lun.fingerprint()


def relogin(stage: Stage, server: str) -> None:
    """Its session is begun again, so that the new LUN is seen."""
    stage.world.logout(server)
    stage.world.advance(5)
    address, iqn = SERVERS[server]
    login(stage.world, iqn, f"{address}:3260")
    stage.world.advance(5)


def on_unrelated(stage: Stage) -> list[str]:
    """The kernel's names of what the volumes run on and is no declared disk."""
    declared = {d.pv_uuid: (d.server, d.target, d.lun) for d in stage.desired.disks.values()}
    return [
        leg.disk.kernel
        for active in stage.world.actives
        for leg in active.legs
        if leg.disk and not leg.disk.gone
        if (leg.disk.session.server.name, leg.disk.session.target, leg.disk.number) != declared[leg.pv]
    ]


def newest(stage: Stage) -> bool:
    """What the volume reads has every acknowledged write."""
    (active,) = stage.world.actives
    source = active.source()
    return source is not None and stage.world.acknowledged[active.uuid] <= source.data.writes


@pytest.mark.parametrize("type", ["raid1", "mirror"])
@pytest.mark.parametrize("away", ["left", "right"])
def test_a_copy_never_stands_in_for_a_leg_that_is_away(type: str, away: str) -> None:
    stage = converged(text(type=type))
    stage.world.event_activation = False
    show_copy(stage, away, DISKS[OTHER[away]], 9)
    stage.world.cut(DISKS[away])
    stage.world.reboot()

    started = stage.apply()

    assert started.exit == 3, str(started)
    assert newest(stage)
    assert on_unrelated(stage) == []
    assert stage.world.mounts
    assert f"LUN 9 of {SERVERS[DISKS[OTHER[away]]][1]}" in started.finding(Kind.NOTE)
    stage.world.restore(DISKS[away])
    stage.world.advance(10)
    assert stage.settle().exit == 0
    assert on_unrelated(stage) == []


@pytest.mark.parametrize("away", ["left", "right"])
def test_a_leg_that_dies_in_service_is_not_led_to_a_copy(away: str) -> None:
    stage = converged(text())
    stage.world.event_activation = False
    server = DISKS[OTHER[away]]
    show_copy(stage, away, server, 9)
    relogin(stage, server)
    assert stage.settle().exit == 0
    stage.world.cut(DISKS[away])
    stage.world.advance(60)

    for _ in range(3):
        assert stage.apply().exit == 3
        assert on_unrelated(stage) == []
        stage.world.advance(60)

    stage.world.restore(DISKS[away])
    stage.world.advance(10)
    assert stage.settle().exit == 0
    assert newest(stage)


@pytest.mark.parametrize("partition", [False, True])
@pytest.mark.parametrize("type", ["raid1", "mirror"])
@pytest.mark.parametrize("away", ["left", "right"])
def test_a_copy_in_a_file_never_stands_in_for_a_leg(away: str, type: str, partition: bool) -> None:
    """A backup that somebody attached to look at it, while the original is away at the start."""
    stage = converged(text(type=type, partition=partition))
    world = stage.world
    world.event_activation = False
    made = copy.deepcopy(stage.lun(away))
    world.advance(120)
    world.cut(DISKS[away])
    world.reboot()
    copied = world.losetup(BACKUP, made).lun.fingerprint()

    started = stage.apply()

    assert started.exit == 3, str(started)
    assert BACKUP in started.finding(Kind.NOTE)
    assert "is not that disk" in started.finding(Kind.NOTE)
    assert newest(stage)
    assert on_unrelated(stage) == []
    assert world.mounts
    world.restore(DISKS[away])
    world.advance(10)
    assert stage.settle().exit == 0
    assert newest(stage)
    assert made.fingerprint() == copied


@pytest.mark.parametrize("away", ["left", "right"])
def test_a_dead_leg_is_not_led_to_a_copy_in_a_file(away: str) -> None:
    stage = converged(text())
    world = stage.world
    world.event_activation = False
    copied = attach_copy(stage, away)
    assert stage.settle().exit == 0
    world.cut(DISKS[away])
    world.advance(60)

    for _ in range(3):
        assert stage.apply().exit == 3
        assert on_unrelated(stage) == []
        world.advance(60)

    world.restore(DISKS[away])
    world.advance(10)
    assert stage.settle().exit == 0
    assert newest(stage)
    assert world.loops[0].lun.fingerprint() == copied


def test_a_copy_in_a_file_costs_no_further_program() -> None:
    stage = converged(text())
    attach_copy(stage, "left")
    assert stage.settle().exit == 0

    told = stage.apply()

    assert sorted(line[0] for line in told.host.lines) == ["dmsetup", "lvm"]
    assert BACKUP in told.finding(Kind.NOTE)


def test_a_group_whose_members_are_in_files_is_not_remade() -> None:
    """Both servers show blank LUNs; what the group was lies in two backups of this machine."""
    stage = converged(text())
    world = stage.world
    world.event_activation = False
    backups = [copy.deepcopy(stage.lun(disk)) for disk in ("left", "right")]
    world.unmount("/mnt/test")
    world.deactivate("testlv")
    world.reboot(login=False)
    for disk in ("left", "right"):
        target(stage, DISKS[disk])[1] = blank()
    world.files = {p: c for p, c in world.files.items() if not p.startswith("/var/lib/lunmirror/")}
    copies = [world.losetup(f"/srv/{n}.img", made) for n, made in enumerate(backups)]
    kept = [loop.lun.fingerprint() for loop in copies]
    world.acknowledged.clear()  # the servers lost it all
    world.version += 1

    told = stage.apply()

    assert told.exit == 4, str(told)
    assert not world.actives
    assert stage.lun("left").blank
    assert stage.lun("right").blank
    assert [loop.lun.fingerprint() for loop in copies] == kept


@pytest.mark.parametrize("number", [0, 9])
def test_a_copy_that_is_found_first_is_not_the_leg(number: int) -> None:
    """LVM takes the first name, and hides the other without a word."""
    stage = converged(text())
    stage.world.event_activation = False
    show_copy(stage, "left", "filer1", number)
    stage.world.unmount("/mnt/test")
    stage.world.deactivate("testlv")
    stage.world.reboot(login=False)

    started = stage.apply()

    assert (started.exit, on_unrelated(stage)) in [(0, []), (3, [])], str(started)
    assert newest(stage)
    assert "is not that disk" in started.finding(Kind.NOTE)
    settled = stage.settle()
    assert settled.exit == 0
    assert settled.report.outcomes == ()


def test_a_copy_in_sight_costs_no_further_program() -> None:
    stage = converged(text())
    show_copy(stage, "left", "filer2", 9)
    relogin(stage, "filer2")
    stage.settle()

    assert sorted(line[0] for line in stage.apply().host.lines) == ["dmsetup", "lvm"]


def test_a_leg_that_lvm_led_to_a_copy_is_seen_and_copied_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's `lvchange --refresh`, while the original was away: LVM found its UUID on the copy."""
    stage = converged(text())
    world = stage.world
    world.event_activation = False
    show_copy(stage, "left", "filer2", 9)
    relogin(stage, "filer2")
    stage.settle()
    world.cut("filer1")
    world.advance(60)
    stage.apply()
    for leg in world.active("testlv").legs:
        if leg.letter == "D":  # what LVM did in the lab (docs/facts/copies.md)
            lvm = Lvm(world, None)
            area, _, leg.disk = lvm.seen[leg.pv]
            leg.data, leg.letter, leg.copied = area.legs[world.active("testlv").uuid], "a", 60 << 20
            leg.data.recovering = "full"
    world.version += 1
    world.advance(30)
    assert [leg.letter for leg in world.active("testlv").legs] == ["A", "A"]
    assert on_unrelated(stage)
    monkeypatch.setattr(stage, "check", world.assert_safe)  # its users write to the copy

    told = stage.apply()

    assert told.exit == 4, str(told)
    assert "not the declared disk" in told.finding(Kind.REFUSED)
    world.restore("filer1")
    world.advance(10)
    for _ in range(6):
        stage.apply()
        world.advance(60)
    assert on_unrelated(stage) == []
    assert stage.settle().exit == 0
    assert newest(stage)


def test_a_clone_in_a_declared_place_is_not_the_original() -> None:
    """The storage behind filer2's LUN was replaced by a clone of filer1's."""
    stage = converged(text())
    stage.world.event_activation = False
    stage.world.reboot(login=False)
    target(stage, "filer2")[1] = copy.deepcopy(target(stage, "filer1")[1])
    before = target(stage, "filer2")[1].fingerprint()

    refused = stage.apply()

    assert refused.exit == 4, str(refused)
    assert "made for disk left" in refused.finding(Kind.REFUSED)
    assert target(stage, "filer2")[1].fingerprint() == before
    assert on_unrelated(stage) == []


def test_a_blank_lun_whose_pv_is_elsewhere_is_not_taken() -> None:
    """The LUN was emptied or moved on the server: what it held is another LUN now."""
    stage = converged(text(disks=("left",), type="linear"))
    stage.world.event_activation = False
    stage.world.unmount("/mnt/test")
    stage.world.reboot(login=False)
    luns = target(stage, "filer1")
    luns[5], luns[1] = luns[1], Stage(text(disks=("left",), type="linear")).lun("left")
    stage.foreign = foreign(stage.world)

    refused = stage.apply()

    assert refused.exit == 4, str(refused)
    assert luns[1].blank
    assert "LUN 5" in refused.finding(Kind.NOTE)


# A second session to the same LUN


def test_a_session_of_another_interface_is_not_used() -> None:
    stage = converged(text())
    address, iqn = SERVERS["filer1"]
    login_through(stage.world, "nic1", iqn, f"{address}:3260")
    stage.world.advance(5)

    told = stage.apply()

    assert told.exit == 4
    assert "interface nic1" in told.finding(Kind.REFUSED)
    assert "overwrite" not in str([f.next for f in told.report.findings])
    assert not told.host.changed
    stage.world.cut("filer1")
    stage.world.advance(60)
    stage.apply()
    stage.world.restore("filer1")
    stage.world.advance(10)
    for _ in range(3):
        last = stage.apply()
        stage.world.advance(60)
    assert last.exit == 4, str(last)
    assert {f.kind for f in last.report.findings} <= {Kind.NOTE, Kind.REFUSED}
    assert [leg.letter for leg in stage.world.active("testlv").legs] == ["A", "A"]


def test_two_sessions_asked_for_by_iscsid_conf_become_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that iscsiadm makes inherits node.session.nr_sessions from iscsid.conf."""
    stage = Stage(text())
    world = stage.world
    monkeypatch.setattr(iscsi, "FRESH", iscsi.FRESH.replace("nr_sessions = 1", "nr_sessions = 2"))
    settled = stage.settle()

    assert settled.exit == 0
    assert len(world.sessions) == 2
    assert all(b"nr_sessions = 1" in world.files[stage.record(d)] for d in ("left", "right"))


@pytest.mark.parametrize("which", [0, 1])
def test_twins_that_are_there_already_are_refused(which: int) -> None:
    """Made before lunmirror saw to the record; the volume runs on the disks of one of them, and goes on."""
    stage = converged(text())
    address, iqn = SERVERS["filer1"]
    login_through(stage.world, "default", iqn, f"{address}:3260")
    if which:  # the one in use comes second, as the kernel counts
        old, new = (s for s in stage.world.sessions if s.server.name == "filer1")
        old.sid, new.sid = new.sid, old.sid
    stage.world.advance(5)

    told = stage.apply()

    assert told.exit == 4, str(told)
    assert "more than one session" in told.finding(Kind.REFUSED)
    # By which session a leg was last seen is noted, whatever is refused.
    assert all(call.what.startswith("/var/lib/lunmirror/volumes/") for call in told.host.changed)
    assert {f.ref.layer for f in told.report.findings if f.kind is Kind.REFUSED} == {"session"}


# Whatever the copy, wherever, whenever


WORLDS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["raid1", "mirror"]),
        "partition": st.booleans(),
        "disk": st.sampled_from(["left", "right"]),
        "server": st.sampled_from(["filer1", "filer2"]),
        "file": st.booleans(),  # in a file of this machine instead, attached again after each boot
        "number": st.sampled_from([0, 2, 9]),
        "old": st.booleans(),
        "cold": st.booleans(),
        "story": st.lists(st.sampled_from(["cut left", "cut right", "back", "wait", "boot", "again"]), max_size=4),
    }
)


@given(WORLDS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_no_copy_is_ever_used(about: dict) -> None:
    """Harm, in every pass: an unrelated device shown to LVM, an acknowledged write that is gone, a byte of the copy changed."""
    stage = converged(text(type=about["type"], partition=about["partition"]))
    world = stage.world
    world.event_activation = False
    made = copy.deepcopy(stage.lun(about["disk"]))
    if about["file"]:
        world.advance(120 if about["old"] else 0)
    else:
        show_copy(stage, about["disk"], about["server"], about["number"], about["old"])
    copied = made.fingerprint()
    if about["cold"]:
        world.reboot()
    else:
        relogin(stage, about["server"])
    for event in about["story"]:
        match event.split():
            case ["cut", disk]:
                world.cut(DISKS[disk])
                world.advance(60)
            case ["back"]:
                for server in ("filer1", "filer2"):
                    world.restore(server)
                world.advance(10)
            case ["wait"]:
                world.advance(120)
            case ["boot"]:
                world.reboot()
            case ["again"]:
                relogin(stage, about["server"]) if world.servers[about["server"]].state == "up" else None
        if about["file"] and not world.loops:
            world.losetup(BACKUP, made)
        stage.apply()
        assert on_unrelated(stage) == []
    for server in ("filer1", "filer2"):
        world.restore(server)
    world.advance(10)
    for _ in range(8):
        stage.apply()
        world.advance(60)
        assert on_unrelated(stage) == []
    assert not world.lost() or world.lost().keys() <= world.mixed
    assert made.fingerprint() == copied


def test_a_member_on_an_undeclared_disk_is_named() -> None:
    """Somebody extended the group onto a LUN more. Nothing but its UUID shows that it belongs there."""
    stage = converged(text())
    world = stage.world
    world.event_activation = False
    luns = target(stage, "filer2")
    luns[5] = Stage(text()).lun("right")
    luns[5].body.pv = "extra0-0000-0000-0000-0000-0000-000001"
    stage.foreign = foreign(world)
    relogin(stage, "filer2")
    disk = next(d for d in world.disks() if d.number == 5)
    stage.settle()
    lvm = Lvm(world, None)
    lvm.vgextend("vg0", (f"/dev/{disk.kernel}",))
    stage.foreign = foreign(world)

    told = stage.apply()

    assert told.exit == 3, str(told)
    assert "LUN 5" in told.finding(Kind.DEGRADED)
    assert "declare it" in told.finding(Kind.DEGRADED)
    assert not told.host.changed
    assert world.mounts
