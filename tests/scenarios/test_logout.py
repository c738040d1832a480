"""`lunmirror remove TARGET`: a server that is not declared any more is logged out of; nothing that is needed goes with it."""

import pytest

from lunmirror.engine.model import Step
from scenarios.test_remove import refusal, removed, wanted
from sim import iscsi
from sim.disks import Harm
from sim.machine import SimHost
from sim.stage import SERVERS, Stage, converged, text
from sim.stories import outage

ADDRESS, TARGET = SERVERS["filer3"]
PORTAL = f"{ADDRESS}:3260"


def left_over() -> Stage:
    """Three servers, none of the third's disks in the group; then only two are declared, and the third's session stays."""
    three = text(disks=("left", "right", "third")).replace(
        'disks = ["left", "right", "third"]', 'disks = ["left", "right"]'
    )
    stage = converged(three)
    assert server_sessions(stage) == 1
    return stage.configure(text())


def server_sessions(stage: Stage) -> int:
    return sum(s.target == TARGET for s in stage.world.sessions)


def records(stage: Stage) -> list[str]:
    return [path for path in stage.world.files if f"/nodes/{TARGET}/" in path]


def test_a_target_is_logged_out_of_and_forgotten() -> None:
    stage = left_over()
    kept = {path: raw for path, raw in stage.world.files.items() if "/nodes/" in path and TARGET not in path}
    outcomes = removed(stage, TARGET)
    assert [o.status for o in outcomes] == ["done", "done"], outcomes
    assert (server_sessions(stage), records(stage)) == (0, [])
    assert len(stage.world.sessions) == 2
    assert {path: raw for path, raw in stage.world.files.items() if "/nodes/" in path} == kept
    assert stage.apply().exit == 0
    assert "has no session and no node record" in refusal(stage, TARGET)


def test_a_name_that_is_not_known_leads_to_it() -> None:
    assert TARGET in refusal(left_over(), "filer3")


def test_what_is_declared_is_refused() -> None:
    stage = converged(text())
    target = SERVERS["filer1"][1]
    assert "is declared, on server filer1" in refusal(stage, target)
    assert "is declared, on server filer1" in refusal(stage, target.upper().replace("IQN.", "iqn."))


def test_a_disk_with_a_leg_stays() -> None:
    """Its server, disk and group are taken out of the configuration, its volume is in service."""
    stage = converged(text(disks=("left", "third"))).configure(text().partition("[groups")[0])
    assert "is built on" in refusal(stage, TARGET)


def test_a_disk_that_may_be_a_member_stays() -> None:
    """The volume is not active, so nothing is built on the disk; but its group misses a member."""
    stage = converged(text(disks=("left", "right", "third")))
    stage.world.unmount("/mnt/test")
    stage.world.deactivate("testlv")
    stage.configure(text())
    assert "out of sight" in refusal(stage, TARGET)
    assert server_sessions(stage) == 1


def test_while_a_group_cannot_be_seen_it_stays() -> None:
    assert "of group vg0" in refusal(outage(left_over(), "filer2"), TARGET)


def test_a_login_during_the_question_stops_it() -> None:
    """The session that was to end is another one by then."""
    stage = left_over()

    def again(step: Step) -> None:
        if step.title.startswith("log out"):
            stage.world.logout("filer3")
            iscsi.login(stage.world, TARGET, PORTAL)

    outcomes = removed(stage, TARGET, meanwhile=again)
    assert {o.status for o in outcomes} == {"skipped"}
    assert server_sessions(stage) == 1
    assert records(stage)


def test_every_record_of_it_goes() -> None:
    """A record whose server was never logged in to, too."""
    stage = left_over()
    stage.world.logout("filer3")
    (step,) = wanted(stage, TARGET).steps
    assert step.title == f"delete the node record of {TARGET} at {PORTAL}"
    removed(stage, TARGET)
    assert records(stage) == []


def test_the_simulator_keeps_what_is_needed() -> None:
    stage = converged(text())
    with pytest.raises(Harm, match="needed"):
        iscsi.end_session(stage.world, stage.world.sessions[0].sid)


def test_while_it_cannot_be_read_what_is_built_there_it_stays() -> None:
    stage = left_over()
    host = SimHost(stage.world, lambda call: "fails" if call.what.endswith("/holders") else "")
    assert "cannot be read" in wanted(stage, TARGET, host=host).findings[0].why
    assert wanted(stage, TARGET).steps
