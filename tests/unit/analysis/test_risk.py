"""Which server's loss would cost what, as a table: the world, then the answer for filer1, filer2 and filer3."""

import pytest

from lunmirror.analysis.risk import ACCESS, DATA, UNSURE, Loss, losses
from lunmirror.engine.model import ABSENT, Present, Unknown
from lunmirror.layers.disk.facts import NoDisk, Spanning
from lunmirror.layers.group.facts import DuplicateNames, NoGroup
from lunmirror.layers.volume.facts import LogicalVolume
from lunmirror.layers.volume.superblock import LegSuperblocks, Superblock
from unit.analysis.worlds import BOTH, ONLY_LEFT, PV, desired, lun, lv, world

OK = ""
THREE = ("left", "right", "third")
MIRROR = desired(type="mirror")
ONLY_RIGHT = BOTH._replace(running=(PV["right"],))
TORN = ONLY_LEFT._replace(diverged=(PV["right"],))
GIVEN_UP = ONLY_LEFT._replace(rebuild=(PV["right"],))


def rest(failed: tuple[int, ...] = (), **how) -> LogicalVolume:
    """Not active; leg n says that it ran without leg failed[n]."""
    said = {PV[d]: Superblock(n, 5, frozenset(failed[n : n + 1]), False) for n, d in enumerate(("left", "right"))}
    return lv(active=False, superblocks=Present(LegSuperblocks(said)), **how)


TABLE = {
    "both in sync": (desired(), world(lv()), (OK, OK, OK)),
    "one dead": (desired(), world(lv("AD", past=ONLY_LEFT)), (DATA, OK, OK)),
    "one dead, not noted yet": (desired(), world(lv("AD")), (DATA, OK, OK)),
    "one dead, its session gone": (desired(), world(lv("AD"), gone=("right",)), (DATA, OK, OK)),
    "the first one dead": (desired(), world(lv("DA"), failed=("left",)), (OK, DATA, OK)),
    "one being rebuilt": (desired(), world(lv("Aa", ratio=(3, 10), action="recover")), (DATA, OK, OK)),
    "first copy of all": (desired(), world(lv("aa", ratio=(3, 10), action="resync")), (UNSURE, UNSURE, OK)),
    "letters ahead of the count": (desired(), world(lv("AA", ratio=(3, 10))), (UNSURE, UNSURE, OK)),
    "in sync, one adrift": (desired(), world(lv(adrift=(PV["right"],))), (DATA, OK, OK)),
    "mirror, one adrift": (MIRROR, world(lv("AA", "mirror", adrift=(PV["left"],))), (OK, DATA, OK)),
    "one back with another history": (
        desired(),
        world(lv("AD", superblocks=Present(LegSuperblocks({PV["right"]: Superblock(1, 5, frozenset({0}), False)})))),
        (DATA, DATA, OK),
    ),
    "being compared": (desired(), world(lv("AA", ratio=(3, 10), action="check")), (OK, OK, OK)),
    "found to differ": (desired(), world(lv("AA", mismatches=128)), (UNSURE, UNSURE, OK)),
    "both dead": (desired(), world(lv("DD"), failed=("left", "right")), (UNSURE, UNSURE, OK)),
    "grey seconds: session FAILED, letters A": (desired(), world(lv(), failed=("right",)), (ACCESS, OK, OK)),
    "both sessions FAILED": (desired(), world(lv(), failed=("left", "right")), (ACCESS, ACCESS, OK)),
    "flagged missing": (desired(), world(lv(), flagged=("right",)), (ACCESS, OK, OK)),
    "LUN gone": (desired(), world(lv(), disk={"right": Present(NoDisk("host3", ("x",)))}), (ACCESS, OK, OK)),
    "another disk in its place": (desired(), world(lv(), disk={"right": lun("right", "pv-x")}), (ACCESS, OK, OK)),
    "multipath over two servers": (
        desired(),
        world(lv(), disk={"right": Present(Spanning("mpatha", ("left",)))}),
        (ACCESS, OK, OK),
    ),
    "linear, as declared": (desired(("left",), "linear"), world(lv("", "linear", ("left",))), (DATA, OK, OK)),
    "a mirror made linear": (MIRROR, world(lv("", "linear", ("left",), past=ONLY_LEFT)), (DATA, OK, OK)),
    "linear over two servers": (
        desired(("left",), "linear"),
        world(lv("", "linear", past=BOTH, legs=("left",))._replace(legs=(lv().legs[0]._replace(pvs=BOTH.running),))),
        (DATA, DATA, OK),
    ),
    "mirror in sync": (MIRROR, world(lv("AA", "mirror")), (OK, OK, OK)),
    "mirror, one dead": (MIRROR, world(lv("AD", "mirror")), (DATA, OK, OK)),
    "mirror copied, source unknown": (MIRROR, world(lv("AA", "mirror", ratio=(3, 10))), (UNSURE, UNSURE, OK)),
    "mirror copied from the leg it ran on": (
        MIRROR,
        world(lv("AA", "mirror", ratio=(3, 10), past=ONLY_LEFT)),
        (DATA, OK, OK),
    ),
    "three legs in sync": (desired(THREE), world(lv("AAA", legs=THREE)), (OK, OK, OK)),
    "three legs, one dead": (desired(THREE), world(lv("AAD", legs=THREE)), (OK, OK, OK)),
    "three legs, two dead": (desired(THREE), world(lv("ADD", legs=THREE)), (DATA, OK, OK)),
    "three legs, one being rebuilt": (desired(THREE), world(lv("AAa", legs=THREE, ratio=(1, 9))), (OK, OK, OK)),
    "three legs, one dead, one cut": (
        desired(THREE),
        world(lv("AAD", legs=THREE), failed=("right",)),
        (ACCESS, OK, OK),
    ),
    "a split brain": (desired(), world(lv(past=TORN)), (DATA, DATA, OK)),
    "one given up, refreshed by hand": (desired(), world(lv(past=GIVEN_UP)), (DATA, OK, OK)),
    "journal torn": (desired(), world(lv(past=Unknown("it cannot be read"))), (UNSURE, UNSURE, OK)),
    "nothing noted yet": (desired(), world(lv(past=ABSENT)), (UNSURE, UNSURE, OK)),
    "not active": (desired(), world(rest()), (OK, OK, OK)),
    "not active, only one was good": (desired(), world(rest(past=ONLY_LEFT)), (DATA, OK, OK)),
    "not active, one says the other fell behind": (desired(), world(rest(failed=(1,))), (DATA, OK, OK)),
    "not active, each says so": (desired(), world(rest(failed=(1, 0))), (DATA, DATA, OK)),
    "not active, unreadable": (
        desired(),
        world(rest()._replace(superblocks=Unknown("I/O error"))),
        (UNSURE, UNSURE, OK),
    ),
    "not active, nothing noted": (desired(), world(rest(past=ABSENT)), (UNSURE, UNSURE, OK)),
    "not active, one away": (desired(), world(rest(), gone=("right",)), (ACCESS, OK, OK)),
    "mirror not active": (MIRROR, world(lv(type="mirror", active=False)), (OK, OK, OK)),
    "mirror not active, one good": (MIRROR, world(lv(type="mirror", active=False, past=ONLY_LEFT)), (DATA, OK, OK)),
    "linear not active": (
        desired(("left",), "linear"),
        world(lv("", "linear", ("left",), active=False)),
        (DATA, OK, OK),
    ),
    "suspended": (desired(), world(lv(suspended=True)), (UNSURE, UNSURE, OK)),
    "of a type that is not ours": (desired(), world(lv("AAA", "raid5")._replace(legs=())), (UNSURE,) * 3),
    "a leg on an undeclared disk": (desired(), world(lv("AA", legs=("left", "pv-x"))), (UNSURE,) * 3),
    "both legs on one server": (
        desired()._replace(disks={d: x._replace(server="filer1") for d, x in desired().disks.items()}),
        world(lv()),
        (DATA, OK, OK),
    ),
    "unknown": (desired(), world(Unknown("LVM could not be read")), (UNSURE,) * 3),
    "not made yet": (desired(), world(ABSENT), (OK, OK, OK)),
    "no group yet": (desired(), world(ABSENT, group={"vg0": Present(NoGroup("me"))}), (OK, OK, OK)),
    "two groups of the name": (
        desired(),
        world(ABSENT, group={"vg0": Present(DuplicateNames(("a", "b")))}),
        (UNSURE,) * 3,
    ),
    "nothing was looked at": (desired(), {}, (UNSURE,) * 3),
}


@pytest.mark.parametrize("name", TABLE)
def test_what_would_be_lost(name: str) -> None:
    wanted, seen, expected = TABLE[name]
    answers = [losses(f"filer{n}", seen, wanted) for n in (1, 2, 3)]
    assert tuple(a[0].loses if a else OK for a in answers) == expected
    for loss in (one for answer in answers for one in answer):
        assert loss.volume == "vg0/lv"
        assert loss.why
        assert str(loss).startswith("volume vg0/lv")


WORDS = {
    "one dead": "the leg on server filer2 is dead (noted 2026-01-02T00:00:00Z)",
    "one being rebuilt": "the leg on server filer2 is being rebuilt",
    "grey seconds: session FAILED, letters A": "in sync, but cannot be reached: disk right: its session session1 is FAILED",
    "multipath over two servers": "multipath map mpatha joins disk right with disks of other servers",
    "linear, as declared": "it is linear, as declared: its only copy is there, on disk left",
    "a mirror made linear": "without its leg on server filer2 since 2026-01-02T00:00:00Z",
    "a split brain": "each holds writes that the other lacks",
    "one given up, refreshed by hand": "to be copied again in full: its content was given up",
    "journal torn": "it cannot be read",
    "letters ahead of the count": "counts only 3 of 10",
    "found to differ": "counted 128 sectors",
}


@pytest.mark.parametrize("name", WORDS)
def test_why(name: str) -> None:
    wanted, seen, _ = TABLE[name]
    [loss] = losses("filer1", seen, wanted)
    assert WORDS[name] in loss.why


def test_a_server_that_does_not_answer_carries_nothing() -> None:
    """The kernel still believes in its session, and every letter is A."""
    assert losses("filer1", world(lv()), desired()) == ()
    [loss] = losses("filer1", world(lv()), desired(), {"filer2": "no answer within 3 s"})
    assert loss == Loss(
        "filer1",
        "vg0/lv",
        ACCESS,
        "the leg on server filer2 is in sync, but cannot be reached: server filer2 does not answer"
        " (no answer within 3 s)",
    )
