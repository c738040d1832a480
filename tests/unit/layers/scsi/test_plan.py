"""Each row of the table: what the kernel waits for a disk, and its write cache."""

import pytest

from lunmirror.engine.desired import Desired, Disk, Portal, Server, Timeouts
from lunmirror.engine.model import ABSENT, Kind, Plan, Present, Unknown, WriteValue
from lunmirror.layers.scsi.facts import Patience
from lunmirror.layers.scsi.plan import plan

TIMES = Timeouts(3, 3, 6, 10, 3, command_timeout=9, max_retries=1, eh_timeout=8)
PLACE, RETRIES = "/sys/class/iscsi_session/session1/device/1:0:0:1", "/sys/class/scsi_disk/1:0:0:1"
AS_DECLARED = Patience("sdb", PLACE, 9, 8, 1, RETRIES, "write through")


def planned(state, cache: str = "back") -> Plan:
    server = Server("filer1", (Portal("192.0.2.1"),), "automatic", TIMES, write_cache=cache)
    desired = Desired({"filer1": server}, {"left": Disk("left", "filer1", "iqn.2001-01.x:a", 1)}, {}, {}, 15, 30)
    return plan(desired, {"scsi": {"left": state}}, frozenset())


def test_as_declared_nothing_is_done() -> None:
    assert planned(Present((AS_DECLARED,))) == Plan()


@pytest.mark.parametrize(
    ("changed", "written"),
    [
        ({"timeout": 30}, WriteValue(f"{PLACE}/timeout", "9")),
        ({"eh_timeout": 10}, WriteValue(f"{PLACE}/eh_timeout", "8")),
        ({"max_retries": 5}, WriteValue(f"{RETRIES}/max_retries", "1")),
    ],
)
def test_each_value_that_differs_is_written(changed: dict[str, int], written: WriteValue) -> None:
    (step,) = planned(Present((AS_DECLARED._replace(**changed),))).steps
    assert step.action == written
    assert step.drift[0].observed == str(*changed.values())


def test_every_path_to_the_disk_is_brought_to_it() -> None:
    other = AS_DECLARED._replace(kernel="sdc", place=PLACE.replace("session1", "session2"), timeout=30)
    (step,) = planned(Present((AS_DECLARED, other))).steps
    assert step.action == WriteValue(f"{other.place}/timeout", "9")


def test_a_value_that_cannot_be_read_is_not_written() -> None:
    assert planned(Present((AS_DECLARED._replace(timeout=None, eh_timeout=None),))) == Plan()


def test_without_max_retries_it_is_noted() -> None:
    answer = planned(Present((AS_DECLARED._replace(max_retries=None, retries_at=""),)))
    assert (answer.steps, [f.kind for f in answer.findings]) == ((), [Kind.NOTE])


@pytest.mark.parametrize(
    ("said", "accepted", "refused"),
    [
        ("write back", "through", True),
        ("write back", "back", False),
        ("write through", "through", False),
        ("", "through", False),
    ],
)
def test_a_volatile_cache_is_refused_where_none_is_accepted(said: str, accepted: str, refused: bool) -> None:
    answer = planned(Present((AS_DECLARED._replace(cache=said),)), accepted)
    assert [(f.kind, f.key) for f in answer.findings] == [(Kind.REFUSED, "servers.filer1.write_cache")] * refused
    assert answer.steps == ()


@pytest.mark.parametrize("state", [ABSENT, Unknown("the server is away")])
def test_what_is_not_seen_is_left_to_the_findings_below(state) -> None:
    assert planned(state) == Plan()
