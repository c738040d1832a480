"""One word for each volume, and what status ends with."""

import pytest

from lunmirror.analysis.health import DEGRADED, DOWN, FULL, REBUILDING, health, is_full, status_exit
from lunmirror.engine.desired import Desired
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import ABSENT, Finding, Kind, Ref, Unknown
from unit.analysis.worlds import BOTH, ONLY_LEFT, desired, lv, report, world

THREE = ("left", "right", "third")
MOUNTED = desired(mount="/mnt")
NOTED = "2026-01-02T00:00:00Z"

TABLE = {
    # what is there -> the word, a part of the sentence, since when
    "in sync": (desired(), world(lv()), FULL, "in full sync", BOTH.since),
    "in sync, not noted": (desired(), world(lv(past=ABSENT)), FULL, "in full sync", ""),
    "one copy, as declared": (
        desired(("left",), "linear"),
        world(lv("", "linear", ("left",), past=ABSENT)),
        FULL,
        "one copy, as declared",
        "",
    ),
    "dead and noted": (desired(), world(lv("AD", past=ONLY_LEFT)), DEGRADED, "filer2 is dead", NOTED),
    "dead, not noted": (desired(), world(lv("AD")), DEGRADED, "no pass has noted since when", ""),
    "rebuilt": (
        desired(),
        world(lv("Aa", ratio=(3, 10), action="recover", past=ONLY_LEFT)),
        REBUILDING,
        "filer2 is being rebuilt",
        NOTED,
    ),
    "first copy": (
        desired(),
        world(lv("aa", ratio=(3, 10), action="resync", past=ABSENT)),
        REBUILDING,
        "is being rebuilt",
        "",
    ),
    "mirror copied": (
        desired(type="mirror"),
        world(lv("AA", "mirror", ratio=(3, 10), past=ONLY_LEFT)),
        REBUILDING,
        "filer2",
        NOTED,
    ),
    "a mirror made linear": (
        desired(type="mirror"),
        world(lv("", "linear", ("left",), past=ONLY_LEFT)),
        DEGRADED,
        "no leg on server filer2",
        NOTED,
    ),
    "a third leg is declared": (desired(THREE), world(lv()), DEGRADED, "no leg on server filer3", BOTH.since),
    "grey seconds": (desired(), world(lv(), failed=("right",)), DEGRADED, "cannot be reached", ""),
    "no leg can be reached": (desired(), world(lv(), failed=("left", "right")), DOWN, "none of its legs", ""),
    "LVM hangs": (
        desired(),
        world(lv(), disk={"left": Unknown("LVM hung"), "right": Unknown("LVM hung")}),
        DEGRADED,
        "LVM hung",
        "",
    ),
    "every leg of a mirror failed": (desired(), world(lv("DD", "mirror")), DOWN, "all of its legs have failed", ""),
    "inactive": (desired(), world(lv(active=False)), DOWN, "not active", ""),
    "absent": (desired(), world(ABSENT), DOWN, "not there", ""),
    "unknown": (desired(), world(Unknown("it hung")), DOWN, "it hung", ""),
    "not mounted": (MOUNTED, world(lv()), DOWN, "not mounted on /mnt", ""),
    "read-only": (MOUNTED, world(lv(), mounted="ro"), DOWN, "read-only", ""),
    "mounted": (MOUNTED, world(lv(), mounted="rw"), FULL, "in full sync", BOTH.since),
    "being compared": (desired(), world(lv(ratio=(1, 10), action="check")), FULL, "in full sync", BOTH.since),
    "a split brain": (desired(), world(lv(past=BOTH._replace(diverged=("pv-right",)))), DEGRADED, "split brain", BOTH.since),
}  # fmt: skip
EXITS = {FULL: 0, REBUILDING: 3, DEGRADED: 3, DOWN: 1}


@pytest.mark.parametrize("name", TABLE)
def test_health(name: str) -> None:
    wanted, seen, state, part, since = TABLE[name]
    found = health(wanted.volumes["vg0/lv"], seen, wanted)
    assert (found.state, found.since) == (state, since)
    assert part in found.words
    assert status_exit(report(seen), wanted) == EXITS[state]
    assert is_full(report(seen), wanted) == (state == FULL)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Kind.NOTE, 0), (Kind.DEGRADED, 3), (Kind.BLOCKED, 3), (Kind.REFUSED, 4)],
)
def test_findings_count_too(kind: Kind, expected: int) -> None:
    finding = Finding(Ref("session", "filer3"), kind, "what")
    assert status_exit(report(world(lv()), (finding,)), desired()) == expected


def test_the_gravest_decides() -> None:
    refused = Finding(Ref("group", "vg0"), Kind.REFUSED, "what")
    assert status_exit(report(world(lv(active=False)), (refused,)), desired()) == Exit.REFUSED


def test_nothing_declared_is_full() -> None:
    assert status_exit(report({}), Desired({}, {}, {}, {}, 15, 5)) == Exit.CONVERGED
