"""A reviewed plan is carried out exactly as it was reviewed, or not at all."""

import copy
import json

import pytest

from lunmirror.engine.execute import Executor
from lunmirror.engine.reconcile import run_pass
from lunmirror.report.agreed import Agreed, digest, document, faults
from sim import stories
from sim.machine import Died, SimHost
from sim.stage import Pass, Stage, converged, end_state, text
from sim.stories import STORIES

# What these come to is planned only in later rounds, from what LVM says then (test_passes.UNFORESEEN).
WHOLE = [
    "blank raid1 ext4 on partitions",
    "blank mirror on disks",
    "growth",
    "inactive",
    "second server",
    "flags",
    "third leg",
]


def reviewed(stage: Stage) -> dict:
    body = document(stage.plan().report.steps, "m", "c", 100, 200)
    return json.loads(json.dumps(body))


def apply(stage: Stage, body: dict, fault=lambda call: "") -> Pass:
    agreed = Agreed(body)
    assert agreed.differences(stage.plan().report.steps) == []
    host = SimHost(stage.world, fault)
    report = run_pass("apply", "run", stage.desired, host, Executor(host, allow=agreed))
    stage.check()
    return Pass(report, host)


@pytest.mark.parametrize("name", WHOLE)
def test_a_reviewed_plan_does_what_a_pass_does(name: str) -> None:
    stage = STORIES[name]()
    body = reviewed(stage)
    other = stage.clone()

    done = apply(stage, body)
    other.apply()

    assert not [o for o in done.report.outcomes if o.status != "done"], str(done)
    assert end_state(stage) == end_state(other)


def test_killed_half_way_it_finishes() -> None:
    stage = stories.blank()
    body = reviewed(stage)
    with pytest.raises(Died):
        apply(stage, body, lambda call: "before" if call.changes and " vgcreate " in f" {call.what} " else "")
    apply(stage, body)
    assert stage.world.mounts


def test_what_was_not_reviewed_is_not_done() -> None:
    stage = stories.inactive()
    body = reviewed(stage)
    stage.world.sessions[0].recovery_tmo = 120  # somebody turned it since
    agreed = Agreed(body)
    assert agreed.differences(stage.plan().report.steps)
    host = SimHost(stage.world)
    report = run_pass("apply", "run", stage.desired, host, Executor(host, allow=agreed))
    assert stage.world.sessions[0].recovery_tmo == 120
    assert [o.error for o in report.outcomes if o.status == "skipped"] == ["it was not agreed to"]


def test_another_disk_than_the_reviewed_one_is_left() -> None:
    stage = stories.overwritten(partition=True)
    body = reviewed(stage)
    stage.world.logout("filer1")  # its device is another when it comes back: the guard is not the reviewed one
    stage.world.advance(5.0)
    stage.apply()
    again = Agreed(body)
    risky = [s for s in stage.plan().report.steps if s.proof.startswith("consent")]
    assert not [s for s in risky if again(s) and not s.after]


@pytest.mark.parametrize("key", ["steps", "machine", "config", "expires", "made"])
def test_an_edited_plan_is_refused(key: str) -> None:
    body = reviewed(stories.blank())
    assert faults(body, "m", "c", 150) == []
    edited = copy.deepcopy(body)
    edited[key] = edited[key][1:] if key in ("steps", "machine", "config") else edited[key] + 1
    assert "it was edited, or is damaged" in faults(edited, "m", "c", 150)


@pytest.mark.parametrize(
    ("machine", "config", "now", "said"),
    [
        ("other", "c", 150, "another machine"),
        ("m", "other", 150, "the configuration is not the one"),
        ("m", "c", 200, "expired"),
        ("m", "c", 99, "in the future"),
    ],
)
def test_a_plan_is_bound(machine: str, config: str, now: int, said: str) -> None:
    (fault,) = faults(reviewed(stories.blank()), machine, config, now)
    assert said in fault


@pytest.mark.parametrize("rubbish", [None, [], {}, {"schema": 2}, {"schema": 1, "steps": 3}])
def test_rubbish_is_no_plan(rubbish: object) -> None:
    assert faults(rubbish, "m", "c", 150) == ["it is not a plan that this lunmirror wrote"]


def test_no_secret_is_in_a_plan(tmp_path) -> None:
    body = reviewed(converged(text()))
    assert body["id"] == digest(body)
    assert "password = " not in json.dumps(reviewed(stories.blank()))
