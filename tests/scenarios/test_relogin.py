"""`apply --relogin`: sessions renewed one server at a time, with a volume in use, and the process killed anywhere.

The simulator's law holds throughout: no acknowledged write is lost, nothing foreign changes.
"""

import pytest

from lunmirror.analysis.result import exit_of
from lunmirror.engine import gate
from lunmirror.engine.execute import Executor
from lunmirror.engine.model import Kind, Report, WriteFile
from lunmirror.engine.reconcile import run_pass
from lunmirror.engine.relogin import Stage as Renewal
from lunmirror.engine.relogin import objections, old_servers, plan, renew
from sim.machine import Call, Died, Fault, SimHost, no_fault
from sim.stage import Stage, converged, end_state, text
from sim.stories import logged_in_again, outage

LONGER = text(policy='stall_budget = "30s"\nboot_wait = "5s"')
LONGER_MIRROR = LONGER.replace('"raid1"', '"mirror"').replace('mount = "/mnt/test"\n', "")
PINGS = (5, 5)


def changed_budget() -> Stage:
    return converged(text()).configure(LONGER)


def changed_mirror() -> Stage:
    return converged(text(type="mirror")).configure(
        text(type="mirror", policy='stall_budget = "30s"\nboot_wait = "5s"')
    )


def relogin(stage: Stage, fault: Fault = no_fault) -> tuple[Report, SimHost]:
    host = SimHost(stage.world, fault)

    def walk() -> Report:
        host.forget()
        return run_pass("apply", "run", stage.desired, host, Executor(host))

    try:
        return renew(Renewal(stage.desired, host, Executor(host), walk, stage.world.advance)), host
    finally:
        stage.check()


def live(stage: Stage) -> dict[str, tuple[int, int]]:
    return {s.server.name: (s.recv_tmo, s.ping_tmo) for s in stage.world.sessions}


def words(host: SimHost, word: str) -> list[str]:
    return [" ".join(line) for line in host.lines if word in line]


def test_every_session_is_renewed_and_all_is_whole() -> None:
    stage = changed_budget()
    report, host = relogin(stage)
    assert exit_of(report) == 0, report.findings
    assert live(stage) == {"filer1": PINGS, "filer2": PINGS}
    assert len(words(host, "--logout")) == 2
    assert stage.world.lost() == {}
    assert not stage.apply().host.changed
    assert not words(relogin(stage)[1], "--logout"), "once is enough"


def test_an_ordinary_pass_logs_nobody_out() -> None:
    stage = changed_budget()
    before = live(stage)
    said = stage.apply()
    assert live(stage) == before
    assert said.exit == 0
    assert said.finding(Kind.NOTE).count("declared, not live") == 2


def test_the_journal_knows_before_the_leg_is_gone() -> None:
    """Whoever loses power between logout and login must not start from the leg that fell behind."""
    stage = changed_budget()
    out = []

    def fault(call: Call) -> str:
        out.extend([call.what] if "--logout" in call.what else [])
        return "after" if "--logout" in call.what else ""

    with pytest.raises(Died):
        relogin(stage, fault)
    ((entry, *_),) = [end_state(stage)["journal"]]
    assert len(entry[1]) == 1
    assert out


def test_with_a_server_away_nothing_is_logged_out() -> None:
    stage = changed_budget()
    outage(stage, "filer2")
    report, host = relogin(stage)
    assert not words(host, "--logout")
    assert exit_of(report) in (3, 4)
    assert "not renewed" in "".join(f.what for f in report.findings)


def test_what_only_that_server_has_stays_logged_in() -> None:
    words_ = text(disks=("left",), type="linear")
    stage = converged(words_).configure(words_.replace('"15s"', '"30s"'))
    report, host = relogin(stage)
    assert not words(host, "--logout")
    assert [f.kind for f in report.findings if "not renewed" in f.what] == [Kind.REFUSED]


def changes() -> int:
    return len(relogin(changed_budget())[1].changed)


@pytest.mark.parametrize("instant", ["before", "during", "after"])
def test_killed_anywhere_the_next_one_finishes(instant: str) -> None:
    for at in range(1, changes() + 1):
        stage = changed_budget()
        with pytest.raises(Died):
            relogin(stage, lambda call, at=at: instant if call.changes and call.number == at else "")
        stage.world.advance(60.0)
        stage.settle(5)
        report, _ = relogin(stage)
        assert exit_of(report) == 0, (at, report.findings)
        assert live(stage) == {"filer1": PINGS, "filer2": PINGS}
        assert stage.world.lost() == {}


def looked(stage: Stage) -> tuple[Report, SimHost]:
    host = SimHost(stage.world)
    return run_pass("apply", "run", stage.desired, host, Executor(host)), host


def test_a_mirror_puts_its_leg_aside_first() -> None:
    """Else it would stand still until dmeventd has repaired it, or call the lost leg good while nobody writes."""
    stage = changed_mirror()
    report, host = looked(stage)
    assert old_servers(stage.desired, report) == ["filer1", "filer2"]
    assert objections("filer2", stage.desired, report, host) == []
    wanted = plan("filer2", stage.desired, report)
    note, aside, leave, enter = gate.enforce(wanted, frozenset()).steps
    assert isinstance(note.action, WriteFile)
    assert "/var/lib/lunmirror/volumes/" in note.action.path
    assert aside.action.argv[:2] == ("lvm", "lvconvert")
    assert aside.action.argv[-5:-1] == ("-y", "-m", "0", "vg0/testlv")
    assert (leave.action.argv[-1], enter.action.argv[-1]) == ("--logout", "--login")
    assert len({s.ref for s in wanted.steps}) == 1, "a failed step must stop the later ones"
    assert {s.server for s in wanted.steps} == {"filer2"}


def test_a_leg_on_tables_that_lead_nowhere_counts_for_nothing() -> None:
    """Its session was ended and begun again under an idle mirror: device-mapper still says AA."""
    stage = logged_in_again("mirror", "left").configure(LONGER_MIRROR)
    report, host = looked(stage)
    against = objections("filer2", stage.desired, report, host)
    assert any("not every leg of volume vg0/testlv is in sync" in why for why in against)
    assert not words(relogin(stage)[1], "--logout")


def test_a_record_without_it_is_no_reason_to_log_in() -> None:
    stage = changed_budget()
    host = SimHost(stage.world)
    report = run_pass("plan", "run", stage.desired, host)
    assert old_servers(stage.desired, report) == []
    assert sum("declared, not live" in f.what for f in report.findings) == 2
