"""`lunmirror maintenance`: a server taken out of service under a volume in use, and brought back; killed anywhere.

The simulator's law holds throughout: no acknowledged write is lost, nothing foreign changes.
"""

import pytest

from lunmirror.analysis.risk import losses
from lunmirror.analysis.verdict import RESTING, judge
from lunmirror.engine import maintenance
from lunmirror.engine.model import Kind, Present
from lunmirror.host import paths
from sim.machine import Call, Died
from sim.resting import Resting
from sim.stage import PAUSE, Stage, converged, end_state, text
from sim.stories import back, outage
from sim.watchers import Watched

TWO_HOURS = 7200


def resting(stage: Stage | None = None) -> Resting:
    """A machine whose filer2 is in maintenance, and switched off."""
    one = Resting(stage or converged(text()))
    begun = one.begin("filer2", TWO_HOURS)
    assert not isinstance(begun, list), begun
    assert begun.exit == 0, begun
    one.stage.world.cut("filer2")
    one.stage.world.advance(PAUSE)
    return one


def sessions(one: Resting) -> list[str]:
    return sorted(s.server.name for s in one.stage.world.sessions)


def running(one: Resting) -> list[int]:
    """On how many legs the journal knows each volume to run."""
    return [len(entry[1]) for entry in end_state(one.stage)["journal"]]


@pytest.mark.parametrize("type", ["raid1", "mirror"])
def test_a_server_goes_and_comes_back_and_all_is_as_before(type: str) -> None:
    one = Resting(converged(text(type=type)))
    before = end_state(one.stage)
    begun = one.begin("filer2")
    assert not isinstance(begun, list), begun
    assert begun.exit == 0, begun
    assert sessions(one) == ["filer1"]
    assert running(one) == [1]
    one.stage.world.cut("filer2")
    for _ in range(3):
        one.stage.world.advance(PAUSE)
        done = one.apply()
        assert (done.exit, done.kinds()) == (0, {Kind.NOTE}), done
        assert sessions(one) == ["filer1"]
    one.stage.world.restore("filer2")
    ended = one.end()
    assert not one.noted
    assert "maintenance" not in ended.finding(Kind.NOTE)
    one.settle()
    assert end_state(one.stage) == before
    assert one.stage.world.lost() == {}


def test_the_journal_knows_before_the_leg_is_gone() -> None:
    """Whoever loses power between logout and the end must not start from the leg that fell behind."""
    one = Resting(converged(text()))
    with pytest.raises(Died):
        one.begin("filer2", fault=lambda call: "before" if "--logout" in call.what else "")
    assert one.noted
    assert running(one) == [1]
    assert sessions(one) == ["filer1", "filer2"]


@pytest.mark.parametrize("type", ["raid1", "mirror"])
def test_back_early_it_is_left_alone_until_the_end(type: str) -> None:
    one = resting(converged(text(type=type)))
    back(one.stage, "filer2")
    for _ in range(3):
        done = one.apply()
        assert not done.host.changed, done
        assert (done.exit, sessions(one)) == (0, ["filer1"])
        one.stage.world.advance(PAUSE)


def test_forgotten_it_ends_by_itself_and_that_is_reported() -> None:
    one = resting()
    one.stage.world.restore("filer2")
    one.stage.world.advance(TWO_HOURS)
    done = one.apply()
    assert "the maintenance of server filer2 is over" in done.finding(Kind.NOTE)
    assert "nobody ended it" in done.finding(Kind.NOTE)
    assert sessions(one) == ["filer1", "filer2"]
    assert not one.noted
    assert "maintenance" not in str(one.settle())
    assert one.stage.world.lost() == {}


def test_over_and_the_server_still_away_is_an_outage_as_any() -> None:
    one = resting()
    one.stage.world.advance(TWO_HOURS)
    done = one.apply()
    assert done.exit == 3
    assert "filer2 does not answer" in done.finding(Kind.BLOCKED)
    assert not one.noted
    assert one.apply().exit == 3


def test_while_it_lasts_only_what_is_expected_is_silent() -> None:
    one = resting()
    seen = one.look()
    assert seen.kinds() == {Kind.NOTE}
    machine = judge(seen.report, one.stage.desired)
    assert (machine.state, int(machine.exit), machine.decision) == (RESTING, 0, False)
    assert "in maintenance until" in machine.headline.text
    assert losses("filer1", seen.report.seen, one.stage.desired), "the other server must stay up"
    assert {s.name: s.state for s in machine.servers} == {"filer1": "needed", "filer2": "in maintenance"}


def test_the_other_server_dies_and_that_is_an_alarm() -> None:
    one = resting()
    outage(one.stage, "filer1")
    done = one.apply()
    assert done.exit in (1, 3), done
    assert "filer1" in done.finding(Kind.DEGRADED) + done.finding(Kind.BLOCKED)
    assert judge(done.report, one.stage.desired).state == "down"
    back(one.stage, "filer1")
    one.settle()
    assert one.stage.world.lost() == {}


def test_a_leg_elsewhere_that_dies_is_an_alarm() -> None:
    one = resting(converged(text(disks=("left", "right", "third"))))
    outage(one.stage, "filer3")
    done = one.apply()
    assert done.exit == 3
    assert "filer3" in done.finding(Kind.DEGRADED) + done.finding(Kind.BLOCKED)
    assert "runs without full redundancy" in done.finding(Kind.DEGRADED)
    assert "filer2 does not answer" not in str(done)
    assert judge(done.report, one.stage.desired).state == "degraded"


def test_a_machine_that_starts_then_starts_on_the_other_leg() -> None:
    one = resting()
    one.stage.world.event_activation = False
    one.stage.world.reboot()
    begun = one.stage.world.now
    done = one.apply()
    assert done.exit == 0, done
    assert one.stage.world.now - begun < 20, "nobody waits for a server in maintenance"
    assert [m.path for m in one.stage.world.mounts if m.path == "/mnt/test"]
    one.stage.world.restore("filer2")
    one.end()
    one.settle()
    assert one.stage.world.lost() == {}


@pytest.mark.parametrize("type", ["raid1", "mirror"])
def test_what_the_distribution_logs_in_to_at_boot_is_left_again(type: str) -> None:
    """Its own service logs in to whatever is recorded so, and knows of no maintenance."""
    one = resting(converged(text(type=type)))
    one.stage.world.restore("filer2")
    one.stage.world.reboot()
    for _ in range(3):
        done = one.apply()
        one.stage.world.advance(PAUSE)
    assert done.exit == 0, done
    assert sessions(one) == ["filer1"]
    assert running(one) == [1]
    one.end()
    one.settle()
    assert one.stage.world.lost() == {}


@pytest.mark.parametrize("type", ["raid1", "mirror"])
def test_watchers_hear_of_its_beginning_and_end_only(type: str) -> None:
    one = Resting(converged(text(type=type)))
    seen = Watched(one.stage)
    seen.see(one.apply())
    begun = one.begin("filer2")
    assert not isinstance(begun, list)
    seen.see(begun)
    assert seen.status["maintenance"]["server"] == "filer2"
    one.stage.world.cut("filer2")
    for _ in range(3):
        one.stage.world.advance(PAUSE)
        seen.see(one.apply())
        assert (seen.volume["state"], seen.volume["maintenance"]) == ("degraded", True)
        assert (seen.server("filer1")["can_lose"], seen.status["pass"]["exit"]) == (False, 0)
    assert seen.told == ["maintenance"]
    one.stage.world.restore("filer2")
    one.stage.world.advance(TWO_HOURS)
    for _ in range(8):
        seen.see(one.apply())
        one.stage.world.advance(PAUSE)
    assert seen.volume["state"] == "full"
    assert seen.told[:2] == ["maintenance", "maintenance over"]
    assert set(seen.told[2:]) <= {"copying", "degraded", "whole"}
    assert seen.status["maintenance"] is None


def test_an_outage_elsewhere_is_heard_of_meanwhile() -> None:
    one = resting()
    seen = Watched(one.stage)
    seen.see(one.apply())
    outage(one.stage, "filer1")
    seen.see(one.apply())
    assert seen.volume["maintenance"] is False
    assert "out of service" in seen.told or "at boot" in seen.told


@pytest.mark.parametrize("type", ["raid1", "mirror"])
def test_what_would_lose_something_is_refused(type: str) -> None:
    one = Resting(outage(converged(text(type=type)), "filer2"))
    against = one.begin("filer1")
    assert isinstance(against, list)
    assert any("would lose" in why for why in against), against
    assert not one.noted


def test_a_single_leg_is_never_taken_away() -> None:
    one = Resting(converged(text(disks=("left",), type="linear")))
    against = one.begin("filer1")
    assert isinstance(against, list)
    assert against


def test_a_leg_elsewhere_that_is_behind_forbids_it() -> None:
    """Three legs: without filer3, which is away, filer2 would leave one, though nothing would be lost."""
    one = Resting(outage(converged(text(disks=("left", "right", "third"))), "filer3"))
    one.apply()
    against = one.begin("filer2")
    assert isinstance(against, list)
    assert any("filer3" in why for why in against), against


def test_a_server_that_is_away_already_may_be_taken() -> None:
    one = Resting(outage(converged(text()), "filer2"))
    assert one.apply().exit == 3
    begun = one.begin("filer2")
    assert not isinstance(begun, list), begun
    assert begun.exit == 0, begun
    one.stage.world.restore("filer2")
    one.stage.world.advance(PAUSE)
    assert one.apply().exit == 0
    one.end()
    one.settle()


def test_a_second_server_is_refused() -> None:
    one = resting()
    assert one.begin("filer1") == ["filer2 is in maintenance"]


def test_once_more_lengthens_it() -> None:
    one = resting()
    one.stage.world.advance(7000)
    begun = one.begin("filer2", TWO_HOURS)
    assert not isinstance(begun, list)
    one.stage.world.advance(7000)
    assert one.apply().exit == 0
    assert one.noted


def test_a_note_that_cannot_be_read_silences_nothing() -> None:
    one = resting()
    one.stage.world.files[paths.MAINTENANCE] = b"{"
    one.stage.world.version += 1
    done = one.apply()
    assert done.exit == 3
    assert "whether a server is in maintenance is not known" in done.finding(Kind.DEGRADED)
    assert "filer2 does not answer" in done.finding(Kind.BLOCKED)


def test_a_clock_before_its_beginning_ends_it() -> None:
    one = resting()
    raw = one.stage.world.files[paths.MAINTENANCE]
    late = maintenance.under(one.stage.desired, Present(raw), 1000)
    assert late.maintenance is not None
    assert "before its beginning" in late.maintenance.over
    assert late.resting == ""


@pytest.mark.parametrize("instant", ["before", "during", "after"])
@pytest.mark.parametrize("type", ["raid1", "mirror"])
def test_killed_at_the_beginning_the_next_pass_finishes(type: str, instant: str) -> None:
    whole = Resting(converged(text(type=type)))
    begun = whole.begin("filer2")
    assert not isinstance(begun, list)
    for at in range(1, len(begun.host.changed) + 1):
        one = Resting(converged(text(type=type)))

        def fault(call: Call, at: int = at) -> str:
            return instant if call.changes and call.number == at else ""

        with pytest.raises(Died):
            one.begin("filer2", fault=fault)
        one.stage.world.advance(PAUSE)
        for _ in range(4):
            done = one.apply()
            one.stage.world.advance(PAUSE)
        assert done.exit == 0, (at, done)
        assert sessions(one) == (["filer1"] if one.noted else ["filer1", "filer2"]), (at, done)
        one.stage.world.advance(TWO_HOURS)
        one.settle()
        assert end_state(one.stage)["active"] == end_state(converged(text(type=type)))["active"], at
        assert one.stage.world.lost() == {}


@pytest.mark.parametrize("instant", ["before", "during", "after"])
@pytest.mark.parametrize("type", ["raid1", "mirror"])
def test_killed_anywhere_at_the_end_the_next_pass_finishes(type: str, instant: str) -> None:
    def ready() -> Resting:
        one = resting(converged(text(type=type)))
        one.stage.world.restore("filer2")
        one.stage.world.advance(TWO_HOURS)
        return one

    for at in range(1, len(ready().apply().host.changed) + 1):
        one = ready()

        def fault(call: Call, at: int = at) -> str:
            return instant if call.changes and call.number == at else ""

        with pytest.raises(Died):
            one.apply(fault)
        one.stage.world.advance(PAUSE)
        one.settle()
        assert not one.noted
        assert sessions(one) == ["filer1", "filer2"]
        assert one.stage.world.lost() == {}


def test_power_is_lost_anywhere_at_the_beginning() -> None:
    whole = Resting(converged(text()))
    begun = whole.begin("filer2")
    assert not isinstance(begun, list)
    for at in range(1, len(begun.host.changed) + 1):
        one = Resting(converged(text()))
        one.stage.world.event_activation = False
        with pytest.raises(Died):
            one.begin("filer2", fault=lambda call, at=at: "after" if call.changes and call.number == at else "")
        one.stage.world.reboot()
        for _ in range(6):
            one.apply()
            one.stage.world.advance(PAUSE)
        one.stage.world.advance(TWO_HOURS)
        one.settle()
        assert one.stage.world.lost() == {}
