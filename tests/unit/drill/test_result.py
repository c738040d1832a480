"""Figures and verdict from a course."""

import errno
import json

from lunmirror.drill import result
from lunmirror.drill.probe import Write
from lunmirror.drill.watch import WHOLE, Sample
from unit.drill.courses import CUT, OK, course, rehearsal, steady


def test_a_drill_that_went_well() -> None:
    found = result.judge(course())
    assert found.passed
    assert found.exit == 0
    assert (found.stall, found.errors, found.session_lost, found.given_up) == (4.3, 0, 2.2, 4.2)
    assert (found.session_back, found.whole) == (2.1, 7.0)
    assert [e.label for e in found.events if e.label] == [
        "traffic dropped", "session lost", "leg given up", "traffic back", "session back", "leg rebuilding", "in sync",
        "full redundancy",
    ]  # fmt: skip
    assert "session FAILED" in [e.text for e in found.events]
    assert "pass: volume vg0/testlv: refresh it" in [e.text for e in found.events]
    assert "a write to vg0/testlv returns after 4.3 s" in [e.text for e in found.events]


def test_a_stall_beyond_the_budget() -> None:
    found = result.judge(course(stall=5.2))
    assert found.exit == 1
    assert found.faults == ("a write took 5.2 s, longer than the stall budget of 5 s",)


def test_exactly_the_budget_is_within_it() -> None:
    assert result.judge(course(stall=5.0)).passed


def test_an_error() -> None:
    found = result.judge(course(error=errno.EIO))
    assert found.errors == 1
    assert found.faults == ("1 writes failed: Input/output error",)


def test_not_repaired_in_time() -> None:
    found = result.judge(course(repaired=False))
    assert found.whole is None
    assert found.exit == 1
    assert "never" in result.render(found, "p")


def test_a_lost_write_is_as_long_as_it_was_waited_for() -> None:
    pending = {"vg0/testlv": (*steady(CUT - 4, CUT), Write(CUT + 1, None, 0))}
    assert result.judge(course(writes=pending)).stall == 33.0


def test_traffic_that_was_not_cut() -> None:
    quiet = (Sample(CUT - 4, OK, {"vg0/testlv": WHOLE}),)
    found = result.judge(course(samples=quiet, packets=0, stall=0.1))
    assert any("was not cut" in fault for fault in found.faults)
    assert found.session_lost is found.given_up is None
    assert found.session_back == 0.0


def test_a_cut_too_short_to_be_noticed_is_one_all_the_same() -> None:
    quiet = (Sample(CUT - 4, OK, {"vg0/testlv": WHOLE}),)
    assert result.judge(course(samples=quiet, packets=9, stall=0.1, rehearsal=rehearsal(seconds=2))).passed


def test_a_session_that_was_destroyed() -> None:
    samples = (Sample(CUT - 4, OK, {"vg0/testlv": WHOLE}), Sample(CUT + 3, {}, {"vg0/testlv": WHOLE}))
    found = result.judge(course(samples=samples))
    assert found.session_lost == 3.0
    assert found.session_back is None
    assert "session gone" in [e.text for e in found.events]


def test_two_volumes_are_distinguished() -> None:
    both = course().writes | {"vg0/other": tuple(steady(CUT - 4, CUT + 34))}
    found = result.judge(course(writes=both))
    assert found.stalls["vg0/testlv"] == 4.3
    assert found.stalls["vg0/other"] < 0.1
    assert "on vg0/testlv" in result.render(found, "p")


def test_the_table() -> None:
    said = result.render(result.judge(course()), "/tmp/p.svg")
    assert said.startswith("drill of server filer2, 2026-11-23 05:20:00 UTC: passed\n")
    assert "longest stall        4.30 s   of a stall budget of 5 s" in said
    assert said.endswith("picture: /tmp/p.svg\n")


def test_json_reports_the_same() -> None:
    found = result.judge(course())
    said = json.loads(result.render_json(found, "r1", "/tmp/p.svg"))
    assert (said["verb"], said["exit"], said["result"], said["passed"]) == ("drill", 0, "converged", True)
    assert (said["stall"], said["budget"], said["given_up"]) == (4.3, 5, 4.2)
    assert {"at": 0.0, "event": "traffic dropped", "text": "the traffic of server filer2 is dropped"} in said[
        "events"
    ]


def test_a_refusal() -> None:
    assert "  because\n" in result.render_refusal("filer2", ("because",))
    assert json.loads(result.refusal_json("filer2", "r", ("because",)))["exit"] == 4
