"""`lunmirror remove`: what is not declared any more goes out of service in order; its data only if that was asked for."""

from collections.abc import Callable

import pytest

from lunmirror.engine import gate, removal
from lunmirror.engine.execute import Executor
from lunmirror.engine.model import Outcome, Plan, Step
from lunmirror.engine.reconcile import run_pass
from sim import byhand
from sim.disks import Harm
from sim.machine import Call, Died, Fault, SimHost, no_fault
from sim.stage import Stage, converged, text
from sim.stories import outage

ID = "vg0/testlv"
FSTAB = "/etc/fstab"


def undeclared(**shape: str) -> Stage:
    """Its volume is taken out of the configuration, and mounted all the same."""
    return converged(text(**shape)).configure(text(**shape).partition("[groups.vg0.volumes")[0])


def wanted(stage: Stage, name: str = ID, wipe: bool = False, host: SimHost | None = None) -> Plan:
    host = host or SimHost(stage.world)
    report = run_pass("plan", "run", stage.desired, host)
    return gate.enforce(removal.plan(name, wipe, stage.desired, report, host), frozenset())


def removed(
    stage: Stage,
    name: str = ID,
    wipe: bool = False,
    fault: Fault = no_fault,
    meanwhile: Callable[[Step], object] = lambda step: None,
) -> list[Outcome]:
    """`meanwhile`: what happens while the administrator is asked for a step, who then agrees."""
    host = SimHost(stage.world, fault)
    planned = wanted(stage, name, wipe, host)
    assert planned.findings == (), planned.findings
    host.forget()

    def agreed(step: Step) -> bool:
        meanwhile(step)
        return True

    allow = removal.StillWanted(agreed, lambda: wanted(stage, name, wipe))
    try:
        return Executor(host, allow=allow).take(planned.steps)
    finally:
        stage.check()


def refusal(stage: Stage, name: str = ID, wipe: bool = False) -> str:
    planned = wanted(stage, name, wipe)
    assert planned.steps == ()
    (finding,) = planned.findings
    return f"{finding.what}; {finding.why}; {finding.next}"


def journals(stage: Stage) -> list[str]:
    return [p for p in stage.world.files if p.startswith("/var/lib/lunmirror/volumes/")]


def in_metadata(stage: Stage) -> bool:
    return "testlv" in dict(stage.world.metas()["vg0"].lvs)


def out_of_service(stage: Stage) -> bool:
    fstab = stage.world.files[FSTAB]
    return not stage.world.mounts and not stage.world.actives and b"/mnt/test" not in fstab


@pytest.mark.parametrize("type", ["raid1", "mirror", "linear"])
def test_a_volume_goes_out_of_service_and_keeps_its_data(type: str) -> None:
    shape = {"type": type} | ({"disks": ("left",)} if type == "linear" else {})
    stage = undeclared(**shape)
    outcomes = removed(stage)
    assert {o.status for o in outcomes} == {"done"}, outcomes
    assert out_of_service(stage)
    assert in_metadata(stage)
    assert journals(stage), "what is newest on it is known, should it be declared again"
    assert wanted(stage).steps == (), "once is enough"
    stage.configure(text(**shape))
    stage.settle()
    assert [m.path for m in stage.world.mounts] == ["/mnt/test"]
    assert stage.world.lost() == {}


def test_what_is_newest_is_noted_before_it_goes() -> None:
    """A leg failed since the last pass, and is alone in view when the volume is declared again."""
    stage = undeclared()
    stage.world.cut("filer2")
    stage.world.advance(60.0)
    stage.world.restore("filer2")
    stage.world.advance(60.0)
    removed(stage)
    stage.world.cut("filer1")
    stage.world.advance(200.0)
    stage.configure(text())

    assert stage.apply().exit == 4
    assert not stage.world.actives


def test_its_data_go_only_if_that_is_asked_for() -> None:
    stage = undeclared()
    stage.world.given_up = {stage.world.active("testlv").uuid}
    stage.world.acknowledged.clear()
    outcomes = removed(stage, wipe=True)
    assert {o.status for o in outcomes} == {"done"}, outcomes
    assert not in_metadata(stage)
    assert not journals(stage)
    assert stage.apply().exit == 0


def test_the_simulator_keeps_what_nobody_gave_up() -> None:
    with pytest.raises(Harm, match="nobody gave up"):
        removed(undeclared(), wipe=True)


def test_what_is_busy_stays_as_it_is() -> None:
    stage = undeclared()
    stage.world.busy.add("/mnt/test")
    before = stage.world.files[FSTAB]
    outcomes = removed(stage)
    assert [o.status for o in outcomes][:2] == ["failed", "skipped"]
    assert "busy" in outcomes[0].error
    assert stage.world.files[FSTAB] == before
    assert stage.world.active("testlv")


def test_what_is_declared_is_refused() -> None:
    assert "is declared" in refusal(converged(text()))
    assert "is declared in group vg0" in refusal(converged(text()), "left")


def test_what_is_not_known_is_refused() -> None:
    assert "nothing that lunmirror made" in refusal(converged(text()), "vg0/other", wipe=True)
    assert "nothing that lunmirror made" in refusal(undeclared(), "testlv")


@pytest.mark.parametrize("wipe", [False, True])
def test_with_a_leg_split_off_it_is_refused(wipe: bool) -> None:
    """LVM removes the split leg with the volume: a copy that somebody made."""
    stage = undeclared()
    byhand.split_and_track(stage.world, "testlv", stage.desired.disks["right"].pv_uuid)
    assert "testlv_rimage_1" in refusal(stage, wipe=wipe)


@pytest.mark.parametrize("made", [{"type": "thin-pool"}, {"type": "cache"}, {"altered": "pvmove"}])
def test_what_a_hand_made_a_pool_of_it_is_refused(made: dict[str, str]) -> None:
    """LVM removes the volumes of a pool with it."""
    stage = undeclared()
    host = SimHost(stage.world)
    report = run_pass("plan", "run", stage.desired, host)
    state = report.seen["volume"][ID]
    report.seen["volume"][ID] = state._replace(facts=state.facts._replace(**made))
    planned = removal.plan(ID, True, stage.desired, report, host)
    assert planned.steps == ()
    assert next(iter(made.values())) in planned.findings[0].why


def test_a_server_that_is_declared_is_refused_with_the_way() -> None:
    assert "and then `lunmirror remove filer2`" in refusal(undeclared(), "filer2")


@pytest.mark.parametrize("at", ["unmount", "deactivate", "remove volume"])
def test_renamed_while_it_is_asked_for_nothing_more_is_done(at: str) -> None:
    """LVM finds no volume with that UUID under the old name, and calls that a success: its journal must stay."""
    stage = undeclared()
    stage.world.given_up = {stage.world.active("testlv").uuid}

    def rename(step: Step) -> None:
        if step.title.startswith(at):
            byhand.rename(stage.world, "testlv", "kept")

    outcomes = removed(stage, wipe=True, meanwhile=rename)
    assert "skipped" in {o.status for o in outcomes}
    assert "kept" in dict(stage.world.metas()["vg0"].lvs)
    assert journals(stage)


def test_with_another_in_its_place_its_journal_stays() -> None:
    """LVM selects nothing then, and calls that a success."""
    stage = undeclared()
    stage.world.given_up = {stage.world.active("testlv").uuid}

    def rename(call: Call) -> str:
        if call.changes and "lvremove" in call.what:
            byhand.put_another_in_its_place(stage.world, "testlv", "kept")
        return ""

    outcomes = removed(stage, wipe=True, fault=rename)
    assert [o.status for o in outcomes][-2:] == ["done", "skipped"], outcomes
    assert "kept" in dict(stage.world.metas()["vg0"].lvs)
    assert journals(stage)


def test_with_a_server_away_nothing_is_removed() -> None:
    stage = outage(undeclared(), "filer2")
    assert "out of sight" in refusal(stage)
    assert "out of sight" in refusal(stage, wipe=True)


def test_a_renamed_one_declared_by_its_old_name_is_refused() -> None:
    stage = converged(text())
    byhand.rename(stage.world, "testlv", "renamed")
    assert "it is volume vg0/testlv, which is declared, under another name" in refusal(
        stage, "vg0/renamed", wipe=True
    )


def test_a_line_that_somebody_wrote_is_named_and_left() -> None:
    stage = undeclared()
    line = b"/dev/vg0/testlv /mnt/test ext4 defaults 0 2\n"
    kept = b"".join(one + b"\n" for one in stage.world.files[FSTAB].splitlines() if b"testlv" not in one)
    stage.world.files[FSTAB] = kept + line
    stage.world.version += 1
    assert "which lunmirror did not write" in refusal(stage)


def test_every_other_line_stays() -> None:
    stage = undeclared()
    before = stage.world.files[FSTAB].splitlines(keepends=True)
    removed(stage)
    assert stage.world.files[FSTAB] == b"".join(one for one in before if b"/dev/vg0/testlv" not in one)


@pytest.mark.parametrize("instant", ["before", "during", "after"])
@pytest.mark.parametrize("wipe", [False, True])
def test_killed_anywhere_the_same_command_finishes(wipe: bool, instant: str) -> None:
    def ready() -> Stage:
        stage = undeclared()
        stage.world.given_up = {stage.world.active("testlv").uuid}
        if wipe:
            stage.world.acknowledged.clear()
        return stage

    for at in range(1, len(wanted(ready(), wipe=wipe).steps) + 1):
        stage = ready()

        def fault(call: Call, at: int = at) -> str:
            return instant if call.changes and call.number == at else ""

        with pytest.raises(Died):
            removed(stage, wipe=wipe, fault=fault)
        stage.apply()
        removed(stage, wipe=wipe) if wanted(stage, wipe=wipe).steps else None
        assert out_of_service(stage), at
        assert in_metadata(stage) is not wipe
        assert bool(journals(stage)) is not wipe


def spare() -> Stage:
    """A third disk in the group, with no leg on it; then the group does not declare it any more."""
    three = text(disks=("left", "right", "third"), more='legs = ["left", "right"]')
    stage = converged(three)
    return stage.configure(three.replace('disks = ["left", "right", "third"]', 'disks = ["left", "right"]'))


def test_an_empty_disk_is_taken_out_of_its_group() -> None:
    stage = spare()
    stage.world.given_up = {stage.desired.disks["third"].pv_uuid}
    (step,) = wanted(stage, "third").steps
    assert step.ref.name == "third", "what is refused meanwhile names the command once more"
    (outcome,) = removed(stage, "third")
    assert outcome.status == "done", outcome
    assert stage.desired.disks["third"].pv_uuid not in dict(stage.world.metas()["vg0"].pvs)
    assert "in no group" in refusal(stage, "third")
    assert stage.settle().exit == 0


def test_a_disk_with_the_name_of_its_server_is_taken_out_too() -> None:
    three = text(disks=("left", "right", "third"), more='legs = ["left", "right"]').replace("third", "filer3")
    stage = converged(three).configure(three.replace(', "filer3"]', "]", 1))
    assert [step.title for step in wanted(stage, "filer3").steps] == ["take disk filer3 out of group vg0"]


def test_a_disk_is_not_taken_out_while_a_server_is_away() -> None:
    assert "out of sight" in refusal(outage(spare(), "filer2"), "third")
