"""What is told, and how often."""

import json

import pytest

from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Finding, Kind, Ref
from lunmirror.watch import document, events
from unit.analysis.worlds import BOTH, ONLY_LEFT, lv, world
from unit.watch.test_document import NOW, made

WHOLE = world(lv())
DEAD = world(lv("AD", past=ONLY_LEFT), failed=("right",))
COPYING = world(lv("Aa", past=ONLY_LEFT, ratio=(3, 10), action="recover"))
FIRST_COPY = world(lv("Aa", past=BOTH._replace(running=("pv-left",)), ratio=(3, 10), action="recover"))
DOWN = world(lv(active=False))
DAY = 86400


class Told:
    """Passes one after the other, and what somebody is told after each."""

    def __init__(self) -> None:
        self.notes = events.Notes()
        self.now, self.boot, self.status = NOW, "boot1", {}
        self.told: list[events.Json] = []

    def see(self, seen, *refused: str, after: int = 60, reminder: int = DAY) -> list[str]:
        self.now += after
        findings = tuple(Finding(Ref("session", "filer1"), Kind.REFUSED, what, "why", "next") for what in refused)
        self.status = made(seen, before=self.status, findings=findings, now=self.now)
        return self._noted(reminder)

    def fail(self, what: str, after: int = 60) -> list[str]:
        self.now += after
        error = {"what": what, "where": "", "why": "because", "next": "correct it"}
        self.status = document.failed("apply", "r", Exit.CONFIG, 0.1, error, self.status, self.now)
        return self._noted(DAY)

    def _noted(self, reminder: int) -> list[str]:
        before = self.notes
        self.notes = events.parse(
            events.render(events.after_pass(before, self.status, self.boot, reminder, "client1"))
        )
        new = [e for e in self.notes.pending if e["serial"] > before.serial]
        self.told += new
        return [e["event"] for e in new]


def test_an_outage_is_told_once_at_each_transition(valid) -> None:
    all_ = Told()
    assert [all_.see(seen) for seen in (WHOLE, WHOLE, DEAD, DEAD, COPYING, COPYING, WHOLE, WHOLE)] == [
        [],
        [],
        ["degraded"],
        [],
        ["copying"],
        [],
        ["whole"],
        [],
    ]
    for event in all_.told:
        assert valid({k: v for k, v in event.items() if k not in ("tries", "after")}, "event")
    degraded = all_.told[0]
    assert (degraded["volume"], degraded["state"], degraded["host"]) == ("vg0/lv", "degraded", "client1")
    assert degraded["what"] == "volume vg0/lv lacks redundancy"
    assert "data is safe on filer1" in degraded["why"]


def test_nothing_new_is_the_same_notes() -> None:
    told = Told()
    told.see(WHOLE)
    status = made(WHOLE, before=told.status, now=NOW + 600)
    assert events.after_pass(told.notes, status, "boot1", DAY) is told.notes


def test_a_first_build_is_never_told() -> None:
    told = Told()
    assert [told.see(seen) for seen in (DOWN, FIRST_COPY, FIRST_COPY, WHOLE)] == [[], [], [], []]
    assert told.see(DEAD) == ["degraded"]


def test_what_began_degraded_is_told_at_boot_and_once() -> None:
    told = Told()
    told.see(WHOLE)
    told.boot = "boot2"
    assert [told.see(DEAD), told.see(DEAD), told.see(WHOLE)] == [["at boot"], [], ["whole"]]
    told.see(DEAD)
    told.boot = "boot3"
    assert told.see(DEAD) == ["at boot"]
    assert told.told[-1]["what"] == "volume vg0/lv is degraded, and was so when this machine was started"
    told.boot = "boot4"
    assert told.see(WHOLE) == ["whole"]


def test_who_is_named_only_now_is_told_of_what_is_degraded() -> None:
    assert Told().see(DEAD) == ["at boot"]


def test_a_reminder_each_day() -> None:
    told = Told()
    told.see(WHOLE)
    told.see(DEAD)
    assert told.see(DEAD, after=DAY - 61) == []
    assert told.see(DEAD, after=61) == ["reminder"]
    assert told.see(DEAD, after=60) == []
    assert told.see(DEAD, after=DAY) == ["reminder"]
    assert told.see(DEAD, after=DAY, reminder=0) == []


def test_out_of_service_and_back() -> None:
    told = Told()
    told.see(WHOLE)
    assert [told.see(s) for s in (DOWN, DOWN, DEAD, WHOLE)] == [["out of service"], [], ["in service"], ["whole"]]


def test_refusals_are_told_once_each() -> None:
    told = Told()
    told.see(WHOLE)
    assert told.see(WHOLE, "another host's mark") == ["refused"]
    assert told.see(WHOLE, "another host's mark") == []
    assert told.see(WHOLE, "another host's mark", "flapping: another program keeps undoing this: x") == ["flapping"]
    assert told.see(WHOLE, "another host's mark") == []
    assert told.see(WHOLE) == ["decided"]


def test_an_invalid_configuration_forgets_nothing() -> None:
    told = Told()
    told.see(WHOLE)
    told.see(DEAD)
    assert [told.fail("x is wrong"), told.fail("x is wrong"), told.fail("y is wrong")] == [
        ["invalid"],
        [],
        ["invalid"],
    ]
    assert told.see(DEAD) == ["valid"]
    assert told.see(WHOLE) == ["whole"]


def test_no_pass_for_too_long_is_told_once() -> None:
    told = Told()
    told.see(WHOLE)
    at = told.status["written_at"]
    assert events.overdue(told.notes, at, at + events.SILENCE - 1) is told.notes
    notes = events.overdue(told.notes, at, at + events.SILENCE, "client1")
    assert [e["event"] for e in notes.pending] == ["no pass"]
    assert events.overdue(notes, at, at + 10 * events.SILENCE) is notes
    told.notes = notes
    assert told.see(WHOLE, after=events.SILENCE) == ["passes"]


@pytest.mark.parametrize("raw", [None, b"", b"{", b"[]", b"{}", b'{"schema": 1}', b'{"schema": 2}', b"\xff"])
def test_notes_that_are_none_tell_everything_anew(raw) -> None:
    assert events.parse(raw) == events.Notes()


def test_events_that_nobody_takes_are_bounded() -> None:
    told = Told()
    for _ in range(events.MOST_PENDING):
        told.see(WHOLE)
        told.see(DEAD)
    assert len(told.notes.pending) == events.MOST_PENDING
    assert told.notes.pending[-1]["serial"] == told.notes.serial
    json.loads(events.render(told.notes))


def test_a_maintenance_is_told_at_its_beginning_and_end() -> None:
    told = Told()
    told.see(WHOLE)

    def pass_under(until: int) -> list[str]:
        told.now += 60
        told.status = made(DEAD, before=told.status, now=told.now)
        told.status["maintenance"] = {"server": "filer2", "begun": NOW, "until": until, "by": "alice"}
        told.status["volumes"][0]["maintenance"] = True
        return told._noted(60)

    assert pass_under(NOW + 7200) == ["maintenance"]
    assert [pass_under(NOW + 7200) for _ in range(3)] == [[], [], []], "no reminder either"
    assert told.see(DEAD) == ["maintenance over", "degraded"]
    assert told.told[-2]["why"] == "it was ended"
    assert told.see(WHOLE) == ["whole"]


def test_a_maintenance_that_ended_by_itself_is_told_so() -> None:
    told = Told()
    told.see(WHOLE)
    told.status = made(WHOLE, before=told.status, now=told.now)
    told.status["maintenance"] = {"server": "filer2", "begun": NOW, "until": told.now + 30, "by": "alice"}
    told._noted(DAY)
    assert told.see(WHOLE) == ["maintenance over"]
    assert told.told[-1]["why"] == "its time is over"
