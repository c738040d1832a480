"""Servers that are restarted one after the other, or once more, before what the first restart asked for is done: each may have
what the other lacks."""

import pytest

from lunmirror.engine import journal
from lunmirror.engine.model import Kind, Present
from lunmirror.host import paths
from scenarios.test_restarts import made
from sim.machine import Call
from sim.stage import DISKS, PAUSE, Stage, converged, text

OTHER = {"left": "right", "right": "left"}
POLICY = 'stall_budget = "90s"\nboot_wait = "5s"'


def held(stage: Stage, disk: str) -> frozenset[int]:
    """What the leg on this disk has."""
    [writes] = [leg.writes for leg in stage.lun(disk).part.legs.values()]
    return frozenset(writes)


def anywhere(stage: Stage) -> frozenset[int]:
    return held(stage, "left") | held(stage, "right")


def running(stage: Stage) -> tuple[str, ...]:
    """The legs that are good, by the journal."""
    [content] = [c for path, c in stage.world.files.items() if path.startswith(paths.JOURNAL_DIR)]
    return journal.parse(Present(content)).facts.running


def both_restarted(first: str) -> tuple[Stage, frozenset[int]]:
    """Each has lost another part of what was acknowledged; and what the first to return still has."""
    stage = converged(text(policy=POLICY))
    stage.world.event_activation = False
    stage.world.mixed |= set(stage.world.acknowledged)
    for disk in (first, OTHER[first]):
        stage.world.refuse(DISKS[disk])
    stage.world.advance(2.0)
    stage.world.forget(DISKS[first], 1)
    stage.world.forget(DISKS[OTHER[first]], 3)
    stage.world.restore(DISKS[first])
    stage.world.advance(5.0)
    return stage, held(stage, first)


@pytest.mark.parametrize("asked", ["away", "not asked"])
@pytest.mark.parametrize("first", OTHER)
def test_both_lose_their_power_and_return_one_by_one(first: str, asked: str) -> None:
    """A pass in between sees one alone restarted. What it is to be copied from has lost more."""
    stage, had = both_restarted(first)
    server = stage.world.servers[DISKS[OTHER[first]]]
    if asked == "not asked":
        stage.world.restore(server.name)
        stage.world.advance(5.0)
    theirs = {d.kernel for d in stage.world.disks() if d.session.server is server}

    stage.apply(
        lambda call: "hangs" if "--in" in call.what and any(f"/dev/{name}" in call.what for name in theirs) else ""
    )
    stage.world.restore(server.name)
    for _ in range(5):
        stage.world.advance(PAUSE)
        last = stage.apply()

    assert had <= anywhere(stage)
    assert last.exit == 4, str(last)
    assert "legs that differ" in last.finding(Kind.REFUSED)


def differing(disk: str) -> tuple[Stage, frozenset[int]]:
    """Every server was restarted, and the legs differ: an administrator is to decide. What the leg on `disk` alone has."""
    stage, _ = both_restarted(disk)
    stage.world.restore(DISKS[OTHER[disk]])
    for _ in range(3):
        stage.world.advance(PAUSE)
        last = stage.apply()
    assert last.exit == 4, str(last)
    return stage, held(stage, disk) - held(stage, OTHER[disk])


@pytest.mark.parametrize("away", [2.0, 120.0])
@pytest.mark.parametrize("decided", ["comparing", "to be decided"])
@pytest.mark.parametrize("disk", OTHER)
def test_restarted_again_before_anybody_decides(disk: str, decided: str, away: float) -> None:
    stage, alone = differing(disk)
    if decided == "comparing":
        stage.world.restart(DISKS[OTHER[disk]], 2.0, lose=0)
        stage.world.copying = False
        stage.apply()

    stage.world.restart(DISKS[disk], away, lose=0)
    stage.world.copying = True
    for _ in range(5):
        last = stage.apply()
        stage.world.advance(PAUSE)

    assert alone <= anywhere(stage)
    assert last.exit == 4, str(last)


@pytest.mark.parametrize("disk", OTHER)
def test_an_outage_before_anybody_decides(disk: str) -> None:
    """What is written meanwhile is copied by regions, and so is what lies beside it."""
    stage, alone = differing(disk)

    stage.world.cut(DISKS[disk])
    stage.world.advance(200.0)
    stage.world.restore(DISKS[disk])
    for _ in range(5):
        stage.world.advance(PAUSE)
        last = stage.apply()
        assert not any("--refresh" in what for what in last.done)

    assert alone <= held(stage, disk)
    assert last.exit == 4, str(last)


@pytest.mark.parametrize("disk", OTHER)
def test_one_alone_starts_nothing_before_anybody_decides(disk: str) -> None:
    stage, alone = differing(disk)

    stage.world.cut(DISKS[disk])
    stage.world.reboot()
    last = stage.apply()

    assert not stage.world.actives
    assert last.exit == 4, str(last)
    assert "may have what another lacks" in last.finding(Kind.REFUSED)
    assert alone <= anywhere(stage)


@pytest.mark.parametrize("disk", OTHER)
def test_a_crash_during_an_outage_before_anybody_decides(disk: str) -> None:
    """No pass saw that outage."""
    stage, alone = differing(disk)

    stage.world.cut(DISKS[disk])
    stage.world.advance(200.0)
    stage.world.restore(DISKS[disk])
    stage.world.reboot()
    for _ in range(5):
        last = stage.apply()
        stage.world.advance(PAUSE)

    assert alone <= held(stage, disk)
    assert last.exit == 4, str(last)


def test_a_mark_that_cannot_be_left_keeps_no_note_back() -> None:
    """A new connection of the one leg, whose server takes no mark; the other leg has failed, and then is alone in view."""
    stage = converged(text())
    stage.world.event_activation = False
    stage.world.cut("filer2")
    stage.world.advance(PAUSE)
    stage.lun("left").keys = ()
    stage.world.refuse("filer1")
    stage.world.advance(1.0)
    stage.world.restore("filer1")
    stage.world.advance(5.0)

    stage.apply(lambda call: "hangs" if "sg_persist --out" in call.what else "")

    assert stage.desired.disks["right"].pv_uuid not in running(stage)


def test_a_leg_fails_while_the_other_cannot_be_asked() -> None:
    """Whether the one server was restarted is not known, for ever so long; the other leg lacks what is written since."""
    stage = converged(text())
    stage.world.event_activation = False
    stage.world.refuse("filer1")
    stage.world.advance(1.0)
    stage.world.restore("filer1")
    stage.world.cut("filer2")
    stage.world.advance(PAUSE)

    stage.apply(lambda call: "hangs" if "sg_persist --in" in call.what else "")

    assert stage.desired.disks["right"].pv_uuid not in running(stage)
    stage.world.restore("filer2")
    stage.world.cut("filer1")
    stage.world.reboot()
    assert stage.apply().exit == 4
    assert not stage.world.actives


@pytest.mark.parametrize("which", OTHER)
def test_a_mark_that_comes_too_late_proves_nothing(which: str) -> None:
    """The server is restarted after its connection was looked at, and before the mark is left: that is one of its new run."""
    stage = converged(text())
    before = dict(stage.world.copied)
    stage.world.files = {p: c for p, c in stage.world.files.items() if not p.startswith(paths.JOURNAL_DIR)}
    for disk in OTHER:
        stage.lun(disk).keys = ()
    stage.world.version += 1
    hits: list[str] = []

    def fault(call: Call) -> str:
        if "sg_persist --out" in call.what and not hits:
            hits.append(call.what)
            stage.world.restart(DISKS[which])
        return ""

    stage.apply(fault)
    assert hits
    last = stage.settle()

    assert last.exit == 0, str(last)
    stage.check()
    assert stage.world.copied[stage.desired.disks[which].pv_uuid] > before[stage.desired.disks[which].pv_uuid]


def test_a_mark_that_was_refused_is_left_once() -> None:
    """A server that lists keys and takes none."""
    stage = Stage(text())
    left: list[str] = []

    def fault(call: Call) -> str:
        if call.kind == "run":
            left.extend([call.what] if "sg_persist --out" in call.what else ())
            for disk in OTHER:
                stage.lun(disk).keys = ()
        return ""

    for _ in range(4):
        last = stage.apply(fault)
        stage.world.advance(PAUSE)
        for disk in OTHER:
            stage.lun(disk).keys = ()

    assert len(left) == 2, left
    assert not last.host.changed
    assert "in full after every outage" in last.finding(Kind.NOTE)


@pytest.mark.parametrize("heard", [False, True])
def test_the_whole_site_loses_its_power_while_idle(heard: bool) -> None:
    """No bit of the bitmaps is set, and each was cleared by a write that had the leg flush first. Where udev notes every new
    connection, that is a clean end; else one of the servers may have been restarted before, too: compared."""
    stage = made(heard)
    stage.world.crash(idle=True)
    for disk in OTHER:
        stage.world.restart(DISKS[disk], lose=0)
    stage.world.boot()

    first = stage.apply()

    assert first.exit == (0 if heard else 3), str(first)
    assert any("--syncaction check" in what for what in first.done) is not heard
    assert stage.settle().exit == 0
    assert not stage.world.unequal


@pytest.mark.parametrize("which", OTHER)
def test_one_server_and_the_client_lose_their_power_while_idle(which: str) -> None:
    stage = converged(text())
    stage.world.event_activation = False
    before = dict(stage.world.copied)
    stage.world.crash(idle=True)
    stage.world.restart(DISKS[which], lose=0)
    stage.world.boot()

    assert stage.settle().exit == 0

    assert not stage.world.unequal
    assert stage.world.copied == before


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("gone", OTHER)
def test_the_other_leg_was_given_up_on_the_way_down(gone: str, clean: bool) -> None:
    """No pass saw it, and it stays away: the superblock of the leg that went on says so, whose server was restarted with
    the client. That leg is the newest, not the one that is away."""
    stage = converged(text(policy=POLICY))
    stage.world.event_activation = False
    good = OTHER[gone]
    stage.world.refuse(DISKS[gone])
    stage.world.advance(200.0)
    had = held(stage, good)
    assert had - held(stage, gone)
    if clean:
        stage.world.unmount("/mnt/test")
        stage.world.deactivate("testlv")
    stage.world.reboot()
    stage.world.restart(DISKS[good], lose=0)

    ran = stage.apply()

    assert ran.exit == 3, str(ran)
    assert stage.world.mounts
    assert running(stage) == (stage.desired.disks[good].pv_uuid,)
    stage.world.restore(DISKS[gone])
    for _ in range(5):
        stage.world.advance(PAUSE)
        last = stage.apply()
    assert last.exit == 0, str(last)
    assert had <= held(stage, gone)


@pytest.mark.parametrize("first", OTHER)
def test_everything_loses_its_power_and_one_server_stays_away(first: str) -> None:
    """What returned may lack what the other has: nothing is started before that is back, too."""
    stage = converged(text(policy=POLICY))
    stage.world.event_activation = False
    other = DISKS[OTHER[first]]
    stage.world.reboot()
    for disk in OTHER:
        stage.world.restart(DISKS[disk], lose=0)
    stage.world.refuse(other)

    for _ in range(3):
        alone = stage.apply()
        stage.world.advance(PAUSE)
    assert alone.exit == 4, str(alone)
    assert not stage.world.actives

    stage.world.restore(other)
    for _ in range(5):
        last = stage.apply()
        stage.world.advance(PAUSE)
    assert stage.world.mounts
    assert last.exit == 0, str(last)


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("which", OTHER)
def test_one_lost_its_power_before_the_whole_site_did(which: str, seen: bool) -> None:
    """Long enough for its leg to fail, so udev heard nothing of its return, if no pass did either. What it lost is in no bitmap."""
    stage = converged(text())
    stage.world.event_activation = False
    other, before = OTHER[which], dict(stage.world.copied)
    stage.world.refuse(DISKS[which])
    stage.world.advance(60.0)
    if seen:
        stage.apply()
    stage.world.forget(DISKS[which], 2)
    if not seen:
        stage.world.restore(DISKS[which])
        stage.world.advance(PAUSE)
    stage.world.crash()
    for disk in OTHER:
        stage.world.restart(DISKS[disk], lose=0)
    stage.world.boot()

    assert stage.settle().exit == 0

    assert {one for one, times in stage.world.copied.items() if times > before.get(one, 0)} == {
        stage.desired.disks[which].pv_uuid
    }
    assert held(stage, which) == held(stage, other) >= stage.world.acknowledged[stage.world.active("testlv").uuid]


@pytest.mark.parametrize("first", OTHER)
@pytest.mark.parametrize("idle", [False, True])
def test_all_was_flushed_and_one_server_stays_away(first: str, idle: bool) -> None:
    """An orderly end of all of it, or a power cut while idle: each leg alone shows by its clear bits that it lacks nothing."""
    stage = converged(text(policy=POLICY))
    stage.world.event_activation = False
    had = held(stage, first)
    if not idle:
        stage.world.unmount("/mnt/test")
        stage.world.deactivate("testlv")
    stage.world.crash(idle)
    for disk in OTHER:
        stage.world.restart(DISKS[disk], lose=0)
    stage.world.refuse(DISKS[OTHER[first]])
    stage.world.boot()

    alone = stage.apply()

    assert alone.exit == 3, str(alone)
    assert stage.world.mounts
    assert running(stage) == (stage.desired.disks[first].pv_uuid,)
    stage.world.restore(DISKS[OTHER[first]])
    stage.world.advance(PAUSE)
    assert stage.settle().exit == 0
    assert had <= held(stage, first) & held(stage, OTHER[first])


@pytest.mark.parametrize("used", [False, True])
def test_an_earlier_note_says_nothing_of_a_server(used: bool) -> None:
    """Other software serves the LUN by now, and raises no unit attention; the note is of a login, or of a reconnection in use."""
    stage = made(attentive=True)
    for disk in OTHER:
        if used:
            stage.world.refuse(DISKS[disk])
            stage.world.advance(3.0)
            stage.world.restore(DISKS[disk])
            stage.world.advance(PAUSE)
            assert stage.settle().exit == 0
            assert any("/attention/" in f and not f.endswith(".unused") for f in stage.world.files)
        stage.lun(disk).attentive = False
    stage.world.crash(idle=True)
    for disk in OTHER:
        stage.world.restart(DISKS[disk], lose=0)
    stage.world.boot()

    first = stage.apply()

    assert any("--syncaction check" in what for what in first.done), first.done
    assert first.exit == 3, str(first)
