"""Every read and every command in turn fails, hangs, answers nothing or rubbish.

Whatever was answered: nothing is destroyed (the simulator raises Harm), no acknowledged write is lost, run_pass gives
a report or a LunmirrorError and no traceback, and when the faults are over, at most three passes come to the end.
"""

import pytest

from lunmirror.errors import LunmirrorError
from lunmirror.execute import Executor
from lunmirror.reconcile import run_pass
from sim.machine import Call, Fault, SimHost
from sim.stage import Stage, end_state
from sim.stories import STORIES

READS = ("fails", "hangs", "empty", "garbage")
CHANGES = ("fails", "hangs", "late")
FAULTY = (
    "blank raid1 ext4 on partitions",
    "blank xfs with a label",
    "healing",
    "new name",
    "growth",
    "inactive",
    "drifted",
)


def counts(name: str) -> tuple[int, int]:
    host = SimHost(STORIES[name]().world)
    run_pass("apply", "run", STORIES[name]().desired, host, Executor(host))
    return host.reads, host.changes


def attempt(stage: Stage, fault: Fault) -> None:
    try:
        stage.apply(fault)
    except LunmirrorError:
        return


def one(at: int, how: str, changes: bool) -> Fault:
    def fault(call: Call) -> str:
        return how if call.number == at and call.changes is changes else ""

    return fault


def assert_comes_right(stage: Stage, ended: dict, where: str) -> None:
    stage.world.advance(60.0)
    last = stage.settle()
    assert last.exit == 0, f"{where}\n{last}"
    assert end_state(stage) == ended, where


def wanted(name: str) -> dict:
    stage = STORIES[name]()
    stage.settle()
    return end_state(stage)


@pytest.mark.parametrize("how", READS)
@pytest.mark.parametrize("name", FAULTY)
def test_one_read_goes_wrong(name: str, how: str) -> None:
    ended = wanted(name)
    for at in range(1, counts(name)[0] + 1):
        stage = STORIES[name]()
        attempt(stage, one(at, how, changes=False))
        assert_comes_right(stage, ended, f"{name}: read {at} {how}")


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("name", FAULTY)
def test_one_change_goes_wrong(name: str, how: str) -> None:
    ended = wanted(name)
    for at in range(1, counts(name)[1] + 1):
        stage = STORIES[name]()
        attempt(stage, one(at, how, changes=True))
        assert_comes_right(stage, ended, f"{name}: change {at} {how}")


def kind_of(call: Call) -> str:
    """Which program or which file is meant: what goes wrong with it goes wrong every time in a pass."""
    words = call.what.split(" ")
    return (
        f"{words[0]} {words[1] if words[0] == 'lvm' else ''}" if call.kind == "query" else f"{call.kind} {call.what}"
    )


@pytest.mark.parametrize("how", READS)
@pytest.mark.parametrize("name", FAULTY)
def test_one_source_goes_wrong_throughout(name: str, how: str) -> None:
    """A program, a file, a folder that is broken answers wrongly each time it is asked."""
    ended = wanted(name)
    sources: dict[str, None] = {}
    attempt(STORIES[name](), lambda call: (sources.setdefault(kind_of(call)), "")[1] if not call.changes else "")
    for source in sources:
        stage = STORIES[name]()
        attempt(stage, lambda call, source=source: how if not call.changes and kind_of(call) == source else "")
        assert_comes_right(stage, ended, f"{name}: {source} {how}")
