"""A server that is restarted: with a volatile write cache it has lost what it acknowledged; a plain outage loses nothing."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lunmirror.analysis.risk import losses
from lunmirror.engine import journal
from lunmirror.engine.model import Kind, Present
from lunmirror.host import paths
from sim.dm import ActiveLeg
from sim.lvm import Lvm
from sim.stage import DISKS, PAUSE, Stage, converged, text
from sim.stories import back, outage, repair_to_be_ended
from sim.world import make_world

OTHER = {"left": "right", "right": "left"}
TYPES = ["raid1", "mirror"]


def entry(stage: Stage) -> journal.Entry:
    (content,) = (c for p, c in stage.world.files.items() if p.startswith(paths.JOURNAL_DIR))
    return journal.parse(Present(content)).facts


def pv(stage: Stage, disk: str) -> str:
    return stage.desired.disks[disk].pv_uuid


def settled(stage: Stage) -> Stage:
    """And proven: nothing that was acknowledged is missing on a leg."""
    last = stage.settle()
    assert last.exit == 0, str(last)
    stage.world.assert_safe()
    return stage


def through() -> Stage:
    world = make_world()
    for _, _, number, lun in world.luns():
        lun.cache = "write through" if number == 1 else lun.cache
    return settled(Stage(text(), world))


def made(attentive: bool) -> Stage:
    """Whether its servers raise a unit attention at each connection: LIO does not."""
    world = make_world()
    for _, _, _, lun in world.luns():
        lun.attentive = attentive
    stage = settled(Stage(text(), world))
    stage.world.event_activation = False
    return stage


@pytest.mark.parametrize("away", [5.0, 60.0])
@pytest.mark.parametrize("which", OTHER)
@pytest.mark.parametrize("kind", TYPES)
def test_its_leg_is_copied_again_in_full_from_the_other(kind: str, which: str, away: float) -> None:
    """Within the replacement timeout, when md notices nothing, and beyond it, when the bitmap does not know of it."""
    stage = converged(text(type=kind))
    before = dict(stage.world.copied)

    stage.world.restart(DISKS[which], away)
    settled(stage)

    again = {p: n - before.get(p, 0) for p, n in stage.world.copied.items() if n != before.get(p, 0)}
    if kind == "raid1":
        assert again == {pv(stage, which): 1}
    assert entry(stage).rebuild == ()
    assert not stage.apply().host.changed


@pytest.mark.parametrize("which", OTHER)
def test_until_then_it_counts_as_no_copy(which: str) -> None:
    stage = converged(text())
    stage.world.restart(DISKS[which])

    report = stage.plan().report

    [loss] = losses(DISKS[OTHER[which]], report.seen, stage.desired)
    assert loss.loses
    assert losses(DISKS[which], report.seen, stage.desired) == ()


@pytest.mark.parametrize("away", [5.0, 60.0])
def test_ten_clean_outages_cost_no_full_copy(away: float) -> None:
    stage = converged(text())
    before = dict(stage.world.copied)

    for n in range(10):
        server = ("filer1", "filer2")[n % 2]
        stage.world.refuse(server)
        stage.world.advance(away)
        stage.world.restore(server)
        stage.world.advance(5.0)
        settled(stage)

    assert stage.world.copied == before


@pytest.mark.parametrize("away", [5.0, 60.0])
def test_restarts_of_a_write_through_server_cost_no_copy(away: float) -> None:
    stage = through()
    before = dict(stage.world.copied)

    for n in range(10):
        stage.world.restart(("filer1", "filer2")[n % 2], away)
        settled(stage)

    assert stage.world.copied == before
    assert not any("sg_persist" in line[0] for line in stage.apply().host.lines)


def test_without_marks_each_connection_is_a_restart() -> None:
    world = make_world()
    for _, _, number, lun in world.luns():
        lun.keys = None if number == 1 else lun.keys
    stage = settled(Stage(text(), world))
    again = stage.apply()
    assert (again.exit, again.host.changed) == (0, [])
    assert "after every outage" in again.finding(Kind.NOTE)
    before = dict(stage.world.copied)

    stage.world.cut("filer2")
    stage.world.advance(60.0)
    stage.world.restore("filer2")
    stage.world.advance(5.0)
    settled(stage)

    assert stage.world.copied[pv(stage, "right")] == before.get(pv(stage, "right"), 0) + 1


def test_nothing_is_added_where_somebody_else_has_keys() -> None:
    world = make_world()
    for _, _, number, lun in world.luns():
        lun.keys = ("00000000deadbeef",) if number == 1 else lun.keys
    stage = settled(Stage(text(), world))

    assert {stage.lun(disk).keys for disk in OTHER} == {("00000000deadbeef",)}


def test_every_server_restarted() -> None:
    """Nothing can be the source: it is reported, all is compared, and an administrator decides where they differ."""
    stage = converged(text())
    stage.world.mixed |= set(stage.world.acknowledged)
    stage.world.restart("filer1", lose=1)
    stage.world.restart("filer2", lose=3)

    first = stage.apply()

    assert first.exit == 3, str(first)
    assert "restarted" in first.finding(Kind.DEGRADED)
    for _ in range(3):
        stage.world.advance(60.0)
        last = stage.apply()
    assert last.exit == 4, str(last)
    assert "choose vg0/testlv" in last.finding(Kind.REFUSED)
    assert not any("--syncaction repair" in what for what in last.done)


def test_every_server_restarted_and_nothing_was_lost() -> None:
    stage = converged(text())
    before = dict(stage.world.copied)
    for server in ("filer1", "filer2"):
        stage.world.restart(server, lose=0)

    settled(stage)

    assert stage.world.copied == before
    assert entry(stage).scrub == ""


@pytest.mark.parametrize("which", OTHER)
def test_nothing_is_changed_while_a_comparison_is_due(which: str) -> None:
    """One is copied anew in full; before a pass sees it whole, the other loses something. To extend it would copy."""
    stage = converged(text())
    stage.world.restart(DISKS[which], away=2.0)
    stage.apply()
    stage.world.advance(PAUSE)
    stage.configure(text(size="128MiB"))
    stage.world.restart(DISKS[OTHER[which]], away=2.0)
    before = stage.world.active("testlv").bytes

    for _ in range(3):
        last = stage.apply()
        stage.world.advance(PAUSE)

    assert last.exit == 4, str(last)
    assert "legs that differ" in last.finding(Kind.REFUSED)
    assert stage.world.active("testlv").bytes == before


def test_restarted_again_while_it_is_copied() -> None:
    """What was copied is in the same cache."""
    stage = converged(text())
    stage.world.restart("filer2")
    stage.apply()
    assert stage.world.active("testlv").line().split()[5] == "Aa"

    stage.world.restart("filer2", lose=5)
    stage.world.copying = True
    settled(stage)

    assert stage.world.copied[pv(stage, "right")] >= 1


def test_a_restart_at_rest_costs_nothing() -> None:
    stage = converged(text())
    stage.world.event_activation = False
    before = dict(stage.world.copied)
    stage.world.unmount("/mnt/test")
    stage.world.deactivate("testlv")

    for server in ("filer1", "filer2"):
        stage.world.restart(server, lose=0)
    settled(stage)

    assert stage.world.copied == before


@pytest.mark.parametrize("which", OTHER)
def test_one_server_loses_its_power_with_the_client(which: str) -> None:
    stage = converged(text())
    stage.world.event_activation = False
    stage.world.restart(DISKS[which], away=1.0)
    stage.world.reboot()

    settled(stage)

    assert stage.world.copied[pv(stage, which)] >= 1


@pytest.mark.parametrize("which", OTHER)
def test_the_other_leg_failed_before_a_pass_saw_the_restart(which: str) -> None:
    """Each may have what the other lacks: nothing is copied, and an administrator decides."""
    stage = converged(text())
    before = dict(stage.world.copied)
    stage.world.restart(DISKS[which])
    stage.world.mixed |= set(stage.world.acknowledged)
    stage.world.cut(DISKS[OTHER[which]])
    stage.world.advance(60.0)
    first = stage.apply()
    assert DISKS[which] in first.finding(Kind.DEGRADED) + first.finding(Kind.REFUSED)
    stage.world.restore(DISKS[OTHER[which]])
    stage.world.advance(10.0)

    last = stage.apply()

    assert last.exit == 4, str(last)
    assert "choose vg0/testlv" in last.finding(Kind.REFUSED)
    assert stage.world.copied == before


@pytest.mark.parametrize("attentive", [False, True])
def test_a_silent_restart_at_rest_is_compared(attentive: bool) -> None:
    stage = made(attentive)
    before = dict(stage.world.copied)
    stage.world.unmount("/mnt/test")
    stage.world.deactivate("testlv")
    stage.world.restart("filer2", lose=0)

    first = stage.apply()

    assert any("--syncaction check" in what for what in first.done) is not attentive, first.done
    settled(stage)
    assert stage.world.copied == before


@pytest.mark.parametrize("which", OTHER)
@pytest.mark.parametrize("reboot", [False, True])
def test_a_restart_that_no_pass_saw_before_a_clean_end(which: str, reboot: bool) -> None:
    """udev noted that the disk was reconnected; without that it would look as if it had been restarted at rest."""
    stage = converged(text())
    stage.world.event_activation = False
    stage.world.restart(DISKS[which])
    stage.world.unmount("/mnt/test")
    stage.world.deactivate("testlv")
    if reboot:
        stage.world.reboot()

    settled(stage)

    assert stage.world.copied[pv(stage, which)] >= 1


def test_all_servers_restarted_before_a_power_cut() -> None:
    stage = converged(text())
    stage.world.event_activation = False
    stage.world.mixed |= set(stage.world.acknowledged)
    stage.world.restart("filer1", lose=1)
    stage.world.restart("filer2", lose=3)
    [active] = stage.world.actives
    kept = active.legs[0].data.writes & active.legs[1].data.writes
    stage.world.reboot()
    stage.world.acknowledged[active.uuid] &= kept  # the rest is lost for good

    done = []
    for _ in range(4):
        last = stage.apply()
        done += last.done
        stage.world.advance(60.0)

    assert last.exit == 4, str(last)
    assert not any("--syncaction repair" in what for what in done)


def test_an_administrator_decides_and_that_side_is_copied() -> None:
    stage = converged(text())
    stage.world.mixed |= set(stage.world.acknowledged)
    stage.world.restart("filer1", lose=1)
    stage.world.restart("filer2", lose=3)
    for _ in range(4):
        last = stage.apply()
        stage.world.advance(60.0)
    assert last.exit == 4, str(last)

    stage.desired = stage.desired._replace(choice=("vg0/testlv", "filer1"))
    [active] = stage.world.actives
    stage.world.acknowledged[active.uuid] &= active.legs[0].data.writes  # the rest is lost, and that was said
    stage.apply()
    stage.desired = stage.desired._replace(choice=None)
    settled(stage)

    assert stage.world.copied[pv(stage, "right")] == 2
    legs = [leg.data.writes for leg in stage.world.active("testlv").legs]
    assert legs[0] == legs[1]


@pytest.mark.parametrize("which", OTHER)
def test_a_repair_ends_before_it_copies_what_a_server_lost(which: str) -> None:
    """The server is restarted while its leg is (or, of the second one, is not) what the repair copies from."""
    stage = repair_to_be_ended(which)
    assert stage.world.active("testlv").scrub == "repair"

    stage.apply()

    assert stage.world.active("testlv").scrub == ""
    stage.world.copying = True
    settled(stage)
    assert stage.world.copied[pv(stage, which)] == 2
    assert entry(stage).scrub == ""


@pytest.mark.parametrize("which", OTHER)
def test_a_repair_ends_while_a_restart_cannot_be_told(which: str) -> None:
    stage = repair_to_be_ended(which)
    assert stage.world.active("testlv").scrub == "repair"

    stage.apply(lambda call: "hangs" if "sg_persist --in" in call.what else "")

    assert stage.world.active("testlv").scrub == ""
    stage.world.copying = True
    settled(stage)
    assert entry(stage).scrub == ""


def test_a_repair_ends_when_every_server_was_restarted() -> None:
    stage = repair_to_be_ended("left")
    stage.world.mixed |= set(stage.world.acknowledged)
    stage.world.restart("filer2", lose=1)
    [active] = stage.world.actives
    had = active.legs[1].data.writes

    stage.apply()
    stage.world.copying = True
    stage.world.advance(60.0)

    assert had <= active.legs[1].data.writes


def test_comparing_a_distrusted_leg_is_not_waited_for() -> None:
    stage = converged(text())
    stage.world.copying = False
    lvm = Lvm(stage.world, None)
    lvm.syncaction("vg0", "testlv", "check")
    stage.world.restart("filer2")

    stage.apply()

    assert stage.world.active("testlv").line().split()[5] == "Aa"


@pytest.mark.parametrize("reboot", [False, True])
@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("which", OTHER)
def test_a_leg_returns_and_the_journal_was_lost(which: str, restarted: bool, reboot: bool) -> None:
    """Nothing is noted of its server. Our mark on its LUN proves that it ran on; without it nothing does."""
    stage = converged(text())
    stage.world.event_activation = False
    before = dict(stage.world.copied)
    if restarted:
        stage.world.restart(DISKS[which], away=60.0)
    else:
        stage.world.refuse(DISKS[which])
        stage.world.advance(60.0)
        stage.world.restore(DISKS[which])
        stage.world.advance(5.0)
    stage.world.files = {p: c for p, c in stage.world.files.items() if not p.startswith(paths.JOURNAL_DIR)}
    if reboot:
        stage.world.reboot()

    settled(stage)

    assert stage.world.copied[pv(stage, which)] == before[pv(stage, which)] + restarted


@pytest.mark.parametrize("reboot", [False, True])
@pytest.mark.parametrize("which", OTHER)
def test_a_restart_where_the_journal_was_lost(which: str, reboot: bool) -> None:
    """No leg failed. The other's mark proves that this one had one too."""
    stage = converged(text())
    before = dict(stage.world.copied)
    stage.world.files = {p: c for p, c in stage.world.files.items() if not p.startswith(paths.JOURNAL_DIR)}
    stage.world.restart(DISKS[which], away=2.0)
    if reboot:
        stage.world.reboot()

    settled(stage)

    assert stage.world.copied[pv(stage, which)] == before[pv(stage, which)] + 1
    assert stage.world.copied[pv(stage, OTHER[which])] == before[pv(stage, OTHER[which])]


def test_while_it_cannot_be_asked_nothing_is_done() -> None:
    stage = converged(text())
    stage.world.restart("filer2", lose=0)

    last = stage.apply(lambda call: "hangs" if "sg_persist --in" in call.what else "")

    assert last.exit == 3, str(last)
    assert not any("rebuild" in what for what in last.done)
    assert "could not be asked" in last.finding(Kind.DEGRADED)
    settled(stage)
    assert stage.world.copied[pv(stage, "right")] == 2


EVENTS = st.sampled_from(("restart", "restart long", "cut", "cut other", "up", "pass", "wait", "reboot", "rest"))


def happen(stage: Stage, event: str, victim: str, other: str) -> None:
    world = stage.world
    match event.split():
        case ["restart", *long]:
            legs = [leg for a in world.actives for leg in a.legs if world.server_of(leg.pv) == other]
            if world.servers[victim].state == "up" and all(leg.letter == "A" and answers(leg) for leg in legs):
                # Else nobody else has what is lost. At rest nothing is left to lose: what is acknowledged here was flushed.
                world.restart(victim, 60.0 if long else 5.0, lose=2 if world.actives else 0)
        case ["cut", *which]:
            if not which or not world.believed():  # else the volume goes on from what the victim kept
                world.cut(other if which else victim)
        case ["up"]:
            world.restore(victim)
            world.restore(other)
        case ["pass"]:
            stage.apply()
        case ["wait"]:
            world.advance(40.0)
        case ["reboot"]:
            world.reboot()
        case ["rest"]:
            if world.actives and all(answers(leg) for a in world.actives for leg in a.legs if leg.letter != "D"):
                world.unmount("/mnt/test")
                world.deactivate("testlv")
    world.advance(5.0)


def answers(leg: ActiveLeg) -> bool:
    return leg.disk is not None and leg.disk.session.answering == "ok"


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(EVENTS, max_size=10), st.sampled_from(("filer1", "filer2")))
def test_whatever_one_server_forgets_the_other_has(events: list[str], victim: str) -> None:
    other = "filer2" if victim == "filer1" else "filer1"
    stage = converged(text())
    stage.world.event_activation = False
    for event in events:
        happen(stage, event, victim, other)

    for server in (victim, other):
        stage.world.restore(server)
    stage.world.advance(60.0)
    for _ in range(9):
        last = stage.apply()
        stage.world.advance(60.0)
        if last.exit in (0, 4) and not last.host.changed:
            break

    assert last.exit in (0, 4), f"{events}\n{last}"
    assert last.exit == 4 or not stage.world.believed(), f"{events}\n{last}"


@pytest.mark.parametrize("away", [5.0, 60.0])
def test_what_is_left_of_a_mirror_is_watched_too(away: float) -> None:
    """LVM leaves a linear volume. No other leg has what its server forgot: that is reported, once, and nothing can be done."""
    stage = outage(converged(text(type="mirror")), "filer2")
    for _ in range(3):
        stage.apply()
    assert stage.world.active("testlv").type == "linear"
    assert "may lack writes" not in stage.apply().finding(Kind.DEGRADED)
    stage.world.restart("filer1", away, lose=0)
    last = stage.apply()
    said = " ".join(f"{f.what}: {f.why}" for f in last.report.findings)
    assert last.exit == 3
    assert "may lack writes from before" in said
    assert "server filer1 carried all of it" in said
    back(stage, "filer2")
    settled(stage)
    stage.world.advance(8 * 86400.0)
    assert "may lack writes" not in stage.apply().finding(Kind.NOTE)
