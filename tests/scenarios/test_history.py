"""What a night with an outage leaves in the history."""

from lunmirror.analysis import past
from lunmirror.engine.desired import Desired
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Report
from lunmirror.report.past import render
from lunmirror.report.style import Style
from sim.stage import Stage, converged, text


class Night:
    def __init__(self, stage: Stage) -> None:
        self.stage, self.kept = stage, []

    def apply(self) -> None:
        done = self.stage.apply()
        at = done.host.date()
        entry = past.entry(
            done.report, self.stage.desired, Exit(done.exit), self.kept[-1] if self.kept else None, at, "systemd", ()
        )
        if entry:
            self.kept.append(entry)
        self.stage.world.advance(60.0)


def test_an_outage_is_a_few_entries_and_quiet_passes_are_none() -> None:
    night = Night(converged(text()))
    for _ in range(5):
        night.apply()
    night.stage.world.cut("filer2")
    night.stage.world.advance(60.0)
    for _ in range(5):
        night.apply()
    night.stage.world.restore("filer2")
    night.stage.world.advance(10.0)
    for _ in range(5):
        night.apply()
    states = [entry["state"] for entry in night.kept]
    assert states[0] == "ok"
    assert "degraded" in states
    assert states[-1] == "ok"
    assert len(night.kept) <= 8
    said = render(night.kept, Style(columns=80))
    assert "by systemd" in said
    assert all(len(line) <= 80 or " " not in line.strip() for line in said.splitlines())


def test_no_secret_is_kept() -> None:
    stage = converged(text())
    report = stage.plan().report
    headline = past.entry(report, stage.desired, Exit.CONVERGED, None, "x", "root", ("vg0", "testlv", "volume"))
    assert "volume" not in headline["headline"]


def test_history_of_a_machine_without_volumes() -> None:
    report = Report("apply", "r", (), (), (), {}, 0.1)
    assert past.entry(report, Desired({}, {}, {}, {}, 15, 5), Exit.CONVERGED, None, "x", "root", ())["state"] == "ok"
