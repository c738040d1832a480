"""What an administrator reads, and what a program gets, of a damaged mirror."""

import json

import pytest

from lunmirror.analysis.copying import Speed
from lunmirror.analysis.servers import silent_servers
from lunmirror.analysis.verdict import judge
from lunmirror.engine.desired import Desired
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Drift, Finding, Kind, Ref, Report, Run, Step
from lunmirror.host.protocol import Ran
from lunmirror.layers.session import since
from lunmirror.layers.session.since import Error
from lunmirror.report import brief, verdict
from lunmirror.report.status import NOTHING_BESIDE, Beside, render_json, tree
from lunmirror.report.style import Style, block
from unit.analysis.worlds import MIB, ONLY_LEFT, desired, lv, report, world

STEP = Step(Ref("volume", "vg0/lv"), "refresh", Run(("lvm",)), (Drift("k", "a", "b"),))


def said(whole: Report, wanted: Desired | None = None, beside: Beside = NOTHING_BESIDE) -> str:
    """All that -v shows."""
    wanted = wanted or desired()
    machine = judge(whole, wanted, beside.errors)
    brief_ = brief.render(machine, whole, wanted, Style(), beside.speeds, verbose=True)
    return brief_ + block(tree(whole, wanted, beside), Style()) + brief.findings(whole.findings, Style())


def test_a_whole_mirror() -> None:
    text = said(report(world(lv())))
    assert "✓ filer1, filer2 or filer3 may be lost now" in text
    assert text.startswith("OK: 1 volume is in service, with full redundancy (exit 0)\n")


def test_a_dead_leg_to_be_repaired_is_no_redundancy() -> None:
    text = said(report(world(lv("AD", past=ONLY_LEFT)), steps=(STEP,)))
    assert "no redundancy since 2026-01-02T00:00:00Z" in text
    assert "! server filer1              must stay up: vg0/lv would lose access and data with it" in text
    assert "✓ servers filer2 and filer3  may be lost now" in text
    assert "The next pass has 1 step to take" in text
    assert text.startswith("DEGRADED: vg0/lv is without full redundancy; its data is safe (exit 3)\n")


def test_a_copy_is_reported_with_its_pace() -> None:
    whole = report(world(lv("Aa", ratio=(3, 10), action="recover", past=ONLY_LEFT)))
    beside = Beside(speeds={"vg0/lv": Speed(2.0 * MIB, 22.4)})
    assert "being rebuilt (30 %)" in said(whole)
    assert "░ 30 %, 2.0 MiB/s, at most 23 s left" in said(whole, beside=beside)
    volume = json.loads(render_json(whole, desired(), beside))["groups"][0]["volumes"][0]
    assert volume["copying"] == {"bytes_per_second": 2 * MIB, "seconds_left_at_most": 22}
    assert volume["redundancy"]["state"] == "rebuilding"
    assert volume["redundancy"]["noted"] == "2026-01-02T00:00:00Z"


def test_a_blocked_session_is_reported_with_the_kernels_words() -> None:
    whole = report(world(lv(), failed=("right",)))
    beside = Beside(errors={"session1": Error("2026-01-01T00:00:07,123+00:00", "detected conn error (1022)")})
    text = said(whole, beside=beside)
    assert "session1 FAILED at 192.0.2.2:3260 (detected conn error (1022) at 2026-01-01T00:00:07,123+00:00)" in text
    assert "filer2 has not answered since 2026-01-01T00:00:07,123+00:00" in text
    assert "on disk right: out of reach" in text.replace("lv_rimage_1 ", "")
    document = json.loads(render_json(whole, desired()))
    assert document["losing"]["filer1"][0]["loses"] == "access"
    assert document["losing"]["filer2"] == []
    assert document["exit"] == 3


@pytest.mark.parametrize("seen", [{}, world(lv(active=False)), world(lv("", "linear", ("left",)))])
def test_every_world_can_be_told(seen) -> None:
    for wanted in (desired(), desired(("left",), "linear", "/mnt"), Desired({}, {}, {}, {}, 15, 5)):
        assert said(report(seen), wanted).endswith("\n")
        json.loads(render_json(report(seen), wanted))


# The kernel's log


class Kernel:
    def __init__(self, text: str, rc: int = 0) -> None:
        self.text, self.rc, self.asked = text, rc, 0

    def memoize(self, name, look):
        return look()

    def query(self, argv, deadline) -> Ran:
        self.asked += 1
        assert argv == since.COMMAND
        return Ran(argv, self.rc, self.text, "", 0.1)


LOG = """\
2026-01-01T00:00:01,000001+00:00  connection1:0: detected conn error (1020)
2026-01-01T00:00:07,123456+00:00  connection1:0: ping timeout of 3 secs expired, recv timeout 3, last rx 42
2026-01-01T00:00:07,123460+00:00  connection1:0: detected conn error (1022)
2026-01-01T00:00:09,000001+00:00  connection11:0: detected conn error (1011)
2026-01-01T00:00:09,000001+00:00  session1: session recovery timed out after 7 secs
"""


def test_the_last_error_of_a_blocked_session() -> None:
    found = since.of_blocked(report(world(lv(), failed=("right",))), Kernel(LOG))
    assert found == {"session1": Error("2026-01-01T00:00:07,123460+00:00", "detected conn error (1022)")}


@pytest.mark.parametrize("kernel", [Kernel(""), Kernel("", rc=1), Kernel("nonsense\n" * 9)])
def test_a_log_that_forgot_invents_nothing(kernel: Kernel) -> None:
    assert since.of_blocked(report(world(lv(), failed=("right",))), kernel) == {}


def test_the_log_is_not_read_while_every_session_is_live() -> None:
    kernel = Kernel(LOG)
    assert since.of_blocked(report(world(lv(), gone=("right",))), kernel) == {}
    assert kernel.asked == 0


# can-lose


class Network:
    def __init__(self, *silent: str) -> None:
        self.silent, self.asked = silent, []

    def reach(self, endpoints, deadline):
        self.asked += endpoints
        return {one: "no answer within 3 s" if one[0] in self.silent else "" for one in endpoints}


def test_the_others_are_asked_whether_they_answer() -> None:
    whole = report(world(lv()))
    network = Network("192.0.2.2")
    silent = silent_servers("filer1", whole, desired(), network)
    assert silent == {"filer2": "no answer within 3 s"}
    assert ("192.0.2.1", 3260) not in network.asked
    result, found = verdict.verdict("filer1", whole, desired(), silent)
    assert result == Exit.REFUSED
    assert "filer2 does not answer" in verdict.render("filer1", found)


def test_one_portal_that_answers_is_enough() -> None:
    wanted = desired()
    two = wanted.servers["filer2"]
    two = two._replace(portals=(*two.portals, two.portals[0]._replace(address="198.51.100.2")))
    wanted = wanted._replace(servers=wanted.servers | {"filer2": two})
    live = {path.name: world(lv())["session"]["filer1"] for path in wanted.paths()}
    whole = report(world(lv()) | {"session": live})
    assert silent_servers("filer1", whole, wanted, Network("192.0.2.2")) == {}
    assert silent_servers("filer1", whole, wanted, Network("192.0.2.2", "198.51.100.2")) != {}


def test_nobody_is_asked_without_a_session() -> None:
    network = Network()
    assert silent_servers("filer1", report({}), desired(), network) == {}
    assert network.asked == []


def test_the_verdict_as_text_and_json() -> None:
    whole = report(world(lv("AD", past=ONLY_LEFT)))
    result, found = verdict.verdict("filer1", whole, desired(), {})
    assert verdict.render("filer1", found).splitlines() == [
        "no: server filer1 must stay up now",
        "  volume vg0/lv would lose access and data: the leg on server filer2 is dead (noted 2026-01-02T00:00:00Z)",
    ]
    document = json.loads(verdict.render_json("filer1", whole, found, result))
    assert (document["can_lose"], document["exit"], len(document["reasons"])) == (False, 4, 1)
    result, found = verdict.verdict("filer2", whole, desired(), {})
    assert (result, found) == (Exit.CONVERGED, ())
    assert verdict.render("filer2", found).startswith("yes: server filer2 can be lost now")


def test_only_a_note_on_the_next_outage_is_shown() -> None:
    notes = (
        Finding(Ref("session", "filer1"), Kind.NOTE, "nobody would bring session1 back", "iscsid does not run"),
        Finding(Ref("disk", "left"), Kind.NOTE, "disks left and right report the same identity"),
    )
    whole = report(world(lv()), notes)
    text = brief.render(judge(whole, desired()), whole, desired(), Style())
    assert "iscsid does not run" in text
    assert "same identity" not in text
    assert "same identity" in said(whole)
    assert text.startswith("OK: ")
