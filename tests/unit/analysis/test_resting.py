"""What is expected while a server is in maintenance, as a table."""

import pytest

from lunmirror.analysis.resting import is_expected, reported
from lunmirror.engine.desired import Maintenance
from lunmirror.engine.model import Finding, Kind, Ref
from unit.analysis.worlds import BOTH, ONLY_LEFT, desired, lv, world

ONE = Maintenance("filer2", 1_000, 8_200, "alice")
LACKING = world(lv("AD", past=ONLY_LEFT), failed=("right",))


def under(one: Maintenance | None = ONE):
    return desired()._replace(maintenance=one)


@pytest.mark.parametrize(
    ("seen", "server", "expected"),
    [
        (LACKING, "filer2", True),
        (LACKING, "filer1", False),
        (world(lv("AA", past=BOTH)), "filer2", True),
        (world(lv("DA", past=BOTH), failed=("left",)), "filer2", False),
        (world(lv(active=False)), "filer2", False),
        (world(lv("AD", past=None), failed=("right",)), "filer2", False),
        (world(lv("AD", past=ONLY_LEFT._replace(diverged=("pv-right",))), failed=("right",)), "filer2", False),
    ],
)
def test_a_volume(seen, server: str, expected: bool) -> None:
    wanted = under(ONE._replace(server=server))
    (volume,) = wanted.volumes.values()
    assert is_expected(volume, seen, wanted) is expected


def test_nothing_is_expected_without_one_or_after_it() -> None:
    for one in (None, ONE._replace(over="its time ended")):
        (volume,) = under(one).volumes.values()
        assert not is_expected(volume, LACKING, under(one))


@pytest.mark.parametrize(
    ("ref", "kind", "silent"),
    [
        (Ref("volume", "vg0/lv"), Kind.DEGRADED, True),
        (Ref("volume", "vg0/lv"), Kind.REFUSED, False),
        (Ref("volume", "vg0/lv"), Kind.BLOCKED, False),
        (Ref("disk", "right"), Kind.BLOCKED, True),
        (Ref("disk", "right"), Kind.REFUSED, False),
        (Ref("disk", "left"), Kind.BLOCKED, False),
        (Ref("session", "filer1"), Kind.BLOCKED, False),
        (Ref("session", "filer2"), Kind.DEGRADED, True),
        (Ref("mount", "vg0/lv"), Kind.BLOCKED, False),
        (Ref("filesystem", "vg0/lv"), Kind.DEGRADED, False),
    ],
)
def test_a_finding(ref: Ref, kind: Kind, silent: bool) -> None:
    seen = {**LACKING, "session": {}}
    left = reported((Finding(ref, kind, "what"),), seen, under())
    assert [f.kind for f in left] == ([] if silent else [kind]) + [Kind.NOTE]
    assert "server filer2 is in maintenance until 1970-01-01T02:16:40Z" in left[-1].what


def test_its_end_is_reported_and_silences_nothing() -> None:
    found = (Finding(Ref("session", "filer2"), Kind.BLOCKED, "what"),)
    left = reported(found, LACKING, under(ONE._replace(over="its time ended")))
    assert left[0] == found[0]
    assert "the maintenance of server filer2 is over" in left[1].what
