"""Every read and every command in turn fails, hangs, answers nothing or rubbish.

Whatever was answered: nothing is destroyed (the simulator raises Harm), no acknowledged write is lost, run_pass gives
a report or a LunmirrorError and no traceback, and when the faults are over, at most three passes come to the end.
"""

import os

import pytest

from lunmirror.engine.errors import LunmirrorError
from lunmirror.engine.execute import Executor
from lunmirror.engine.reconcile import run_pass
from sim.machine import Call, Fault, SimHost
from sim.stage import Stage, end_state
from sim.stories import STORIES

EXHAUSTIVE = os.environ.get("LUNMIRROR_EXHAUSTIVE") == "1"
READS = ("fails", "empty", "garbage", "hangs")
CHANGES = ("fails", "hangs", "late")
LONGEST = "blank raid1 ext4 on partitions"
SHORT = (
    "repair",
    "new name",
    "growth",
    "inactive",
    "crashed",
    "drifted",
    "a dead leg is replaced",
    "a lost leg of a mirror is replaced",
    "a volume half-made",
    "a leg half-added",
)
FAULTY = (LONGEST, *SHORT)


def reads_of(name: str) -> list[int]:
    """The numbers of the reads to spoil: each distinct question once between two changes, since a second asking gets
    the same answer."""
    stage, found = STORIES[name](), {}
    host = SimHost(stage.world)
    host.fault = lambda call: (
        "" if call.changes else (found.setdefault((call.kind, call.what, host.changes), call.number), "")[1]
    )
    run_pass("apply", "run", stage.desired, host, Executor(host))
    return list(found.values())


def changes_of(name: str) -> int:
    stage = STORIES[name]()
    return len(stage.apply().host.changed)


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


@pytest.mark.parametrize("name", FAULTY)
def test_one_read_goes_wrong(name: str) -> None:
    """Each read in one manner, the manners in turn; with LUNMIRROR_EXHAUSTIVE=1 each in every manner."""
    ended = wanted(name)
    for index, at in enumerate(reads_of(name)):
        for how in READS if EXHAUSTIVE else (READS[index % len(READS)],):
            stage = STORIES[name]()
            attempt(stage, one(at, how, changes=False))
            assert_comes_right(stage, ended, f"{name}: read {at} {how}")


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("name", FAULTY)
def test_one_change_goes_wrong(name: str, how: str) -> None:
    ended = wanted(name)
    for at in range(1, changes_of(name) + 1):
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
    """A program, a file, a directory that is broken answers wrongly each time it is asked."""
    ended = wanted(name)
    sources: dict[str, None] = {}
    attempt(STORIES[name](), lambda call: (sources.setdefault(kind_of(call)), "")[1] if not call.changes else "")
    for source in sources:
        stage = STORIES[name]()
        attempt(stage, lambda call, source=source: how if not call.changes and kind_of(call) == source else "")
        assert_comes_right(stage, ended, f"{name}: {source} {how}")
