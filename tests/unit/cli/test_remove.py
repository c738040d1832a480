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
    stage.configure(text().partition("[groups.vg0.volumes")[0])
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert f"`lunmirror remove {ID}`" in said
    assert "`lunmirror remove filer3`" in said, "each has its way out, however many there are"
    stage.configure(text())
    assert main(["apply"]) == 0
    capsys.readouterr()
    assert main(["plan"]) == 0
    assert "lunmirror remove filer3" in capsys.readouterr().out
    assert main(["status"]) == 0
    assert f"nobody manages {target}" in capsys.readouterr().out
    assert main(["remove", "filer3"]) == 2
    said = capsys.readouterr().out
    assert "- delete the node record" in said
    assert "0 to change, 2 to remove" in said
    assert main(["remove", "filer3", "--yes"]) == 0
    assert {s.server.name for s in stage.world.sessions} == {"filer1", "filer2"}
    assert main(["apply"]) == 0
    assert target not in stage.world.files[paths.TARGETS].decode()
    capsys.readouterr()
    assert main(["plan"]) == 0
    assert target not in capsys.readouterr().out


def test_a_wipe_is_counted_at_risk(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove", ID, "--wipe-data", ID]) == 2
    assert "1 at risk" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["left", "filer1", SERVERS["filer3"][1], "testlv"])
def test_only_a_volume_has_data_to_wipe(stage: Stage, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove", name, "--wipe-data", name]) == 64
    assert "--wipe-data" in capsys.readouterr().err


def test_a_group_is_not_called_unknown(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove", "vg0", "--yes"]) == 4
    said = capsys.readouterr().out
    assert "vg0 is a group" in said
    assert "vg0/NAME" in said


def test_what_is_out_of_service_is_not_to_be_taken_out_of_it(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["remove", ID, "--yes"]) == 0
    capsys.readouterr()
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert "it is not active" in said
    assert "lunmirror remove" not in said


def test_a_line_of_fstab_that_is_left_names_the_way_out(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.world.unmount("/mnt/test")
    stage.world.deactivate("testlv")
    assert main(["plan"]) == 0
    said = capsys.readouterr().out
    assert "is in /etc/fstab (line 5)" in said
    assert f"`lunmirror remove {ID}`" in said
    assert main(["remove", ID, "--yes"]) == 0
    assert out_of_service(stage)
