"""The cut: the script that nft is given, and that it is lifted once, also when we were asked to stop."""

import pytest

from lunmirror.drill import cut
from lunmirror.drill.cut import RULES, Cut, elements
from lunmirror.engine.errors import HostError
from lunmirror.host.protocol import Ran


class Host:
    """Remembers what nft was given; answers `rc` and `out`."""

    def __init__(self, rc: int | None = 0, out: str = "", err: str = "") -> None:
        self.rc, self.out, self.err, self.calls = rc, out, err, []

    def run(self, argv, deadline, stdin=b""):
        self.calls.append((argv, stdin.decode()))
        return Ran(argv, self.rc, self.out, self.err, 0.0)


def test_both_families_stand_in_one_script() -> None:
    script = elements((("192.0.2.1", 3260), ("2001:db8::1", 3261), ("192.0.2.2", 860)), 35)
    assert script == (
        "add element inet lunmirror_drill portals4 { 192.0.2.1 . 3260 timeout 35s, 192.0.2.2 . 860 timeout 35s }\n"
        "add element inet lunmirror_drill portals6 { 2001:db8::1 . 3261 timeout 35s }\n"
    )


def test_a_family_without_portals_is_left_out() -> None:
    assert "portals6" not in elements((("192.0.2.1", 3260),), 5)


def test_nothing_is_dropped_but_by_a_set() -> None:
    drops = [line for line in RULES.splitlines() if "drop" in line and "table" not in line]
    assert len(drops) == 4
    assert all("@portals" in line for line in drops)
    assert "policy drop" not in RULES


def test_what_a_killed_drill_left_is_replaced_at_once() -> None:
    host = Host()
    Cut(host).prepare()
    ((argv, script),) = host.calls
    assert argv == ("nft", "-f", "-")
    assert script.index("add table") < script.index("delete table") < script.index("table inet lunmirror_drill {")


def test_a_kernel_that_cannot_is_reported_in_words() -> None:
    with pytest.raises(HostError, match="cannot be made") as ending:
        Cut(Host(1, err="Error: Could not process rule: Operation not supported\n")).prepare()
    assert "Operation not supported" in ending.value.why


def test_dropped_packets_are_counted() -> None:
    rule = '{"rule": {"expr": [{"match": {}}, {"counter": {"packets": %d, "bytes": 9}}, {"drop": null}]}}'
    out = '{"nftables": [{"metainfo": {}}, {"table": {}}, ' + rule % 3 + ", " + rule % 4 + "]}"
    assert Cut(Host(out=out)).packets() == 7
    assert Cut(Host(out="Error: JSON support not compiled-in")).packets() is None


def test_it_is_lifted_once_and_only_if_it_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = []
    monkeypatch.setattr(
        cut.child, "run_all", lambda todo, stuck, note: jobs.extend(todo) or (Ran(("nft",), 0, "", "", 0.0),)
    )
    one = Cut(Host())
    assert one.lift() == ""
    assert jobs == []
    one.prepare()
    assert one.lift() == one.lift() == ""
    assert [job.argv for job in jobs] == [("nft", "delete", "table", "inet", "lunmirror_drill")]
    assert jobs[0].changes  # so that the first request to stop does not cut it short
