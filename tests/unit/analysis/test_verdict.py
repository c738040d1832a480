"""One state, one cause, one action for each volume; what only follows is folded under its cause."""

import json

import pytest

from lunmirror.analysis.folding import fold
from lunmirror.analysis.verdict import COPYING, DEGRADED, DOWN, OK, SPLIT_BRAIN, document, judge
from lunmirror.engine.desired import Desired
from lunmirror.engine.model import ABSENT, Drift, Finding, Kind, Ref, Run, Step, Unknown
from unit.analysis.worlds import BOTH, ONLY_LEFT, desired, lv, report, session, world

NOTED = "2026-01-02T00:00:00Z"
AWAY = (
    Finding(Ref("session", "filer2"), Kind.DEGRADED, "filer2 is away"),
    Finding(Ref("disk", "right"), Kind.BLOCKED, "disk right cannot be seen"),
    Finding(Ref("group", "vg0"), Kind.DEGRADED, "group vg0 misses a member"),
    Finding(Ref("volume", "vg0/lv"), Kind.DEGRADED, "runs without full redundancy"),
)
SMALLER = Finding(Ref("volume", "vg0/lv"), Kind.REFUSED, "volume vg0/lv is larger", "nothing is shrunk", "declare it")
OLDER = Finding(Ref("volume", "vg0/lv"), Kind.REFUSED, "volume vg0/lv is not started", "the leg is older", "choose")
STEP = Step(Ref("volume", "vg0/lv"), "refresh", Run(("lvm",)), (Drift("k", "a", "b"),))
GONE_LEFT = world(lv(active=False, past=ONLY_LEFT._replace(boot="b")), gone=("left",))

TABLE = {
    # what is there -> state, word, a part of what it means, of the cause, of the action
    "whole": (world(lv()), (), (), OK, "in sync", "", "", ""),
    "a server is away": (
        *(world(lv("AD", past=ONLY_LEFT), gone=("right",)), AWAY, ()),
        *(DEGRADED, "degraded", "data is safe on filer1; no redundancy", "filer2 does not answer", "none: redundancy returns"),
    ),
    "a copy": (
        *(world(lv("Aa", ratio=(3, 10), action="recover", past=ONLY_LEFT)), (), ()),
        *(COPYING, "copying", "safe on filer1", "the leg on filer2 is being brought up to date", "none"),
    ),
    "the first copy": (
        *(world(lv("aa", ratio=(3, 10), action="resync", past=ABSENT)), (), ()),
        *(COPYING, "copying", "when the copy ends", "its legs are being made equal", "none"),
    ),
    "a step to take": (
        *(world(lv("AD", past=ONLY_LEFT)), (), (STEP,)),
        *(DEGRADED, "degraded", "safe on filer1", "the leg on filer2 is dead", "none: the next pass"),
    ),
    "at rest": (world(lv(active=False)), (), (STEP,), DOWN, "down", "not in service", "not active", "none: the next"),
    "split brain": (
        *(world(lv(past=BOTH._replace(diverged=("pv-right",)))), (OLDER,), ()),
        *(DEGRADED, SPLIT_BRAIN, "each side holds writes", "the leg is older", "choose"),
    ),
    "a refusal on a whole volume": (
        *(world(lv()), (SMALLER,), ()),
        *(OK, "refused", "what is declared is not done", "nothing is shrunk", "declare it"),
    ),
    "a refusal while it is down": (
        *(GONE_LEFT, (OLDER,), ()),
        *(DOWN, "refused", "not in service", "volume vg0/lv is not started; the leg is older", "choose"),
    ),
    "it cannot be seen": (world(Unknown("it hung")), (), (), DOWN, "down", "leaves it alone", "it hung", "plan"),
    "it is not there": (world(ABSENT), (), (STEP,), DOWN, "down", "does not exist yet", "not there", "none: the next"),
    "both servers are away": (
        *(world(Unknown("disks cannot be seen"), gone=("left", "right")), (), ()),
        *(DOWN, "down", "while its servers are away", "filer1 and filer2 do not answer", "bring filer1 or filer2 back"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_one_volume(name: str) -> None:
    seen, findings, steps, state, word, means, cause, action = TABLE[name]
    machine = judge(report(seen, findings, steps), desired())
    (found,) = machine.volumes
    assert (found.state, found.word) == (state, word)
    assert means in found.means.text
    assert cause in found.cause.text
    assert action in found.action
    assert machine.troubles == ()
    assert found.decision == any(f.kind is Kind.REFUSED for f in findings)
    json.dumps(document(machine))


def test_since_when_is_reported_once_and_as_a_time() -> None:
    seen = world(lv("AD", past=ONLY_LEFT), session={"filer2": session("FAILED")})
    seen["session"]["filer2"] = seen["session"]["filer2"]._replace(
        facts=seen["session"]["filer2"].facts._replace(since="2026-01-02T00:00:09,1+00:00")
    )
    (found,) = judge(report(seen, AWAY), desired()).volumes
    assert found.means == ("data is safe on filer1; no redundancy", NOTED)
    assert found.cause == ("filer2 has not answered", "2026-01-02T00:00:09,1+00:00")


def test_one_dead_server_is_one_trouble() -> None:
    assert [t.what for t in fold(AWAY, desired())] == ["filer2 is away"]
    (trouble,) = fold(AWAY, desired())
    assert len(trouble.folded) == 3


def test_a_refusal_is_never_folded_away() -> None:
    kinds = [t.kind for t in fold((*AWAY, SMALLER), desired())]
    assert kinds == [Kind.REFUSED, Kind.DEGRADED]


def test_what_concerns_no_volume_is_a_trouble_of_its_own() -> None:
    third = Finding(Ref("session", "filer3"), Kind.BLOCKED, "filer3 does not answer")
    machine = judge(report(world(lv()), (third,)), desired())
    assert [t.what for t in machine.troubles] == ["filer3 does not answer"]
    assert machine.volumes[0].calm
    assert "every volume is whole, but filer3 does not answer" in machine.headline.text
    assert not machine.calm


def test_servers() -> None:
    seen = world(lv("AD", past=ONLY_LEFT), gone=("right",))
    states = {s.name: s.state for s in judge(report(seen, AWAY), desired()).servers}
    assert states == {"filer1": "needed", "filer2": "away", "filer3": "spare"}


def test_nothing_declared() -> None:
    assert judge(report({}), Desired({}, {}, {}, {}, 15, 5)).calm
