"""`lunmirror remove` from its command line, on the simulated machine."""

import json

import pytest

from lunmirror.cli import output
from lunmirror.cli.main import main
from lunmirror.cli.removing import _Asked
from lunmirror.engine.model import Drift, Ref, Run, Step
from lunmirror.host import paths
from lunmirror.report.style import Style
from scenarios.test_remove import ID, out_of_service, undeclared
from sim.stage import SERVERS, Stage, converged, text
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


def test_a_server_is_reported_and_goes_by_its_name(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = SERVERS["filer3"][1]
    three = text(disks=("left", "right", "third"), more='legs = ["left", "right"]')
    stage = program(converged(three.replace(', "third"]\n', "]\n")), tmp_path, monkeypatch)
    assert main(["apply"]) == 0
    stage.configure(text())
    assert main(["apply"]) == 0
    capsys.readouterr()
    assert main(["plan"]) == 0
    assert "lunmirror remove filer3" in capsys.readouterr().out
    assert main(["status"]) == 0
    assert f"nobody manages {target}" in capsys.readouterr().out
    assert main(["remove", "filer3", "--yes"]) == 0
    assert {s.server.name for s in stage.world.sessions} == {"filer1", "filer2"}
    assert main(["apply"]) == 0
    assert target not in stage.world.files[paths.TARGETS].decode()
    capsys.readouterr()
    assert main(["plan"]) == 0
    assert target not in capsys.readouterr().out
