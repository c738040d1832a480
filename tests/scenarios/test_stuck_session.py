"""A session that iscsid never brings back: a server that listens before its targets are defined."""

import pytest

from lunmirror.engine.flapping import Flapping
from lunmirror.engine.model import Kind
from sim import byhand
from sim.stage import PAUSE, Stage, converged, foreign, text
from sim.stories import restarted

GIVEN_UP = 60.0  # seconds: longer than the budget


def stuck(server: str = "filer2", type: str = "raid1", writing: bool = True, **how) -> Stage:
    """The server was away, then it listened a moment too early, and is whole again; its session is stuck."""
    stage = converged(text(type=type, **how))
    if not writing:
        stage.world.unmount("/mnt/test")
    restarted(stage, server)
    return stage


def state(stage: Stage, server: str) -> list[str]:
    return [s.state for s in stage.world.sessions if s.server.name == server]


def sids(stage: Stage) -> set[int]:
    return {s.sid for s in stage.world.sessions}


@pytest.mark.parametrize("server", ["filer1", "filer2"])
@pytest.mark.parametrize("type", ["raid1", "mirror"])
def test_it_is_renewed_alone_and_its_leg_comes_back(server: str, type: str) -> None:
    stage = stuck(server, type)
    stage.world.advance(300.0)
    assert state(stage, server) == ["FREE"], "nothing reconnects it"
    before = sids(stage)

    stage.apply()
    assert state(stage, server) == ["LOGGED_IN"]
    assert len(sids(stage) & before) == 1, "the other server's session was not touched"
    stage.world.advance(PAUSE)
    assert stage.settle().exit == 0
    assert stage.world.active("testlv").line().count("AA") == 1


@pytest.mark.parametrize("server", ["filer1", "filer2"])
def test_twenty_times_running(server: str) -> None:
    stage = converged(text())
    for _ in range(20):
        restarted(stage, server)
        stage.world.advance(PAUSE)
        stage.settle()
        assert "AA" in stage.world.active("testlv").line()


def test_its_disk_is_not_called_a_second_session() -> None:
    stage = stuck()

    assert "second session" not in stage.plan().finding(Kind.NOTE)


def test_not_renewed_where_the_other_leg_was_torn_away() -> None:
    """Idle, so the kernel still has both legs as good: the other's session was ended by hand, and its disk is a new one."""
    stage = stuck("filer1", writing=False)
    stage.world.logout("filer2")
    stage.world.advance(PAUSE)
    before = sids(stage)

    last = stage.apply()

    assert state(stage, "filer1") == ["FREE"]
    assert len(before & sids(stage)) == 1
    assert "has no other leg" in last.finding(Kind.DEGRADED)


def test_under_a_snapshot_on_the_other_server_it_is_renewed_too() -> None:
    """The legs run under another device then (VG-LV-real)."""
    stage = converged(text())
    byhand.snapshot(stage.world, "testlv", stage.desired.disks["left"].pv_uuid)
    restarted(stage, "filer2")

    stage.apply()

    assert state(stage, "filer2") == ["LOGGED_IN"]


def test_one_that_comes_back_by_itself_is_left_alone() -> None:
    stage = converged(text())
    stage.world.cut("filer2")
    stage.world.advance(GIVEN_UP)
    stage.apply()
    before = sids(stage)
    stage.world.restore("filer2")

    back = stage.apply()

    assert sids(stage) == before
    assert "--logout" not in " ".join(back.done)
    assert stage.settle().exit == 0


def test_plan_waits_for_nobody_and_reports_what_comes() -> None:
    stage = stuck()
    seen = stage.plan()
    assert "its portal answers" in seen.finding(Kind.DEGRADED)
    assert "renews it" in seen.finding(Kind.DEGRADED)


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("hung", "does not answer as it should"),
        ("listening", "does not answer as it should"),
        ("gone", "announces no target"),
        ("other", "does not announce target"),
        ("refusing", "connection refused"),
        ("dead", "nothing reconnects it"),
    ],
)
def test_other_causes_are_distinguished_without_logout(condition: str, says: str) -> None:
    stage = stuck()
    server = stage.world.servers["filer2"]
    if condition in ("gone", "other"):
        _target, luns = server.targets.popitem()
        if condition == "other":
            server.targets["iqn.2006-01.com.openfiler:renamed"] = luns
    elif condition == "dead":
        del stage.world.files["/run/iscsid.pid"]
    else:
        server.become(condition)
    stage.world.version += 1
    stage.foreign = foreign(stage.world)
    before = sids(stage)

    said = stage.apply()

    assert says in said.finding(Kind.DEGRADED)
    assert sids(stage) == before
    assert "--logout" not in " ".join(said.done)


def test_both_servers_are_never_disturbed_in_the_same_pass() -> None:
    """Nobody wrote meanwhile, so that both legs are good by their letters; no other leg can be reached."""
    stage = stuck("filer1", writing=False)
    restarted(stage, "filer2")
    assert state(stage, "filer1") + state(stage, "filer2") == ["FREE", "FREE"]

    first = stage.apply()

    # Neither can go without the other: iscsid itself is started again, since nothing at all is logged in.
    assert "systemctl restart iscsid.service" in first.done
    assert "--logout" not in " ".join(first.done)
    assert stage.settle().exit == 0


def test_both_without_a_volume_that_needs_them_take_two_passes() -> None:
    stage = stuck("filer1", writing=False)
    restarted(stage, "filer2")
    stage.world.deactivate("testlv")

    first = stage.apply()

    assert sorted(state(stage, "filer1") + state(stage, "filer2")) == ["FREE", "LOGGED_IN"]
    assert "not in this pass" in first.finding(Kind.DEGRADED)
    assert stage.settle().exit == 0
    assert state(stage, "filer1") + state(stage, "filer2") == ["LOGGED_IN", "LOGGED_IN"]


def test_the_only_leg_is_not_torn_off() -> None:
    stage = stuck("filer1", disks=("left",), type="linear")
    before = sids(stage)
    repaired = stage.apply()
    assert sids(stage) == before
    assert "systemctl restart iscsid.service" in repaired.done
    assert state(stage, "filer1") == ["LOGGED_IN"]


def test_iscsid_is_not_restarted_under_a_live_session() -> None:
    """An idle mirror has not given its leg up: nothing but an administrator may tear it off."""
    stage = stuck("filer2", "mirror", writing=False)
    said = stage.apply()
    assert "restart iscsid" in said.finding(Kind.DEGRADED)
    assert "systemctl restart" not in " ".join(said.done)
    assert "--logout" not in " ".join(said.done)
    assert state(stage, "filer2") == ["FREE"]


def test_it_is_not_done_for_ever() -> None:
    stage = converged(text())
    past: dict[str, int] = {}
    renewed = []
    for _ in range(5):
        restarted(stage, "filer2")
        flapping = Flapping(past)
        done = stage.apply(flapping=flapping)
        renewed.append("--logout" in " ".join(done.done))
        past = flapping.current
    assert renewed == [True, True, False, False, False]
    assert "given up" in done.finding(Kind.REFUSED)
