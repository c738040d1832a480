"""`lunmirror remove` from its command line, on the simulated machine."""

import json

import pytest

from lunmirror.cli import output
from lunmirror.cli.main import main
from lunmirror.cli.removing import _Asked
from lunmirror.engine.model import Drift, Ref, Run, Step
from lunmirror.report.style import Style
from scenarios.test_remove import ID, out_of_service, undeclared
from sim.stage import Stage
from unit.cli.test_maintenance import program


@pytest.fixture
def stage(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return program(undeclared(), tmp_path, monkeypatch)


def test_without_a_terminal_it_only_shows(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove", ID]) == 2
    said = capsys.readouterr().out
    assert "unmount /mnt/test" in said
    assert "deactivate volume vg0/testlv" in said
    assert stage.world.mounts


def test_with_yes_it_does_it_and_then_there_is_nothing_to_do(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["remove", ID, "--yes", "--json"]) == 0
    assert (
        next(one["step"]["title"] for one in json.loads(capsys.readouterr().out)["outcomes"]) == "unmount /mnt/test"
    )
    assert out_of_service(stage)
    assert main(["remove", ID, "--yes"]) == 0


def test_what_is_declared_is_refused(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove", "left", "--yes"]) == 4
    assert "is declared in group vg0" in capsys.readouterr().out


def test_each_step_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(output, "show", lambda text: bool(shown.append(text)) or True)
    step = Step(Ref("volume", ID), "unmount /mnt/test", Run(("umount",)), (Drift("k", "a", "b"),), proof="asked: so")
    assert _Asked(Style(columns=80), lambda seconds: "y\n")(step)
    assert not _Asked(Style(columns=80), lambda seconds: "")(step)
    assert "unmount /mnt/test" in "".join(shown)
