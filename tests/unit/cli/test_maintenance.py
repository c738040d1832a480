"""`lunmirror maintenance` from its command line, on the simulated machine."""

import json
import os
from pathlib import Path

import pytest

from apart import move
from lunmirror import config
from lunmirror.cli import maintained, needs
from lunmirror.cli.main import main
from lunmirror.host import files, live, paths, waiting
from sim.machine import SimHost
from sim.stage import Stage, converged, text
from sim.stories import outage


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return program(converged(text()), tmp_path, monkeypatch)


def program(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The whole program, but for the machine under it. What is noted beside the journal is in the simulated world."""
    move(monkeypatch, paths.RUN_DIR, tmp_path / "run")
    monkeypatch.setattr(paths, "DM_CONTROL", str(tmp_path / "control"))
    monkeypatch.setattr(paths, "HISTORY", str(tmp_path / "state" / "history.jsonl"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(needs, "check_machine", lambda: None)
    monkeypatch.setattr(needs, "check_modules", lambda desired: None)
    monkeypatch.setattr(live, "LiveHost", lambda note=None: SimHost(stage.world))
    monkeypatch.setattr(waiting, "heed_signals", lambda: None)
    monkeypatch.setattr(config, "load", lambda path, **_: stage.desired)
    monkeypatch.setattr(files, "read", lambda path: SimHost(stage.world).read(path))
    return stage


def sessions(stage: Stage) -> list[str]:
    return sorted(s.server.name for s in stage.world.sessions)


def test_from_the_beginning_to_the_end(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["maintenance"]) == 0
    assert capsys.readouterr().out == "no server is in maintenance\n"

    assert main(["maintenance", "filer2", "--for", "2h"]) == 0
    assert "server filer2 is in maintenance until " in capsys.readouterr().out
    assert sessions(stage) == ["filer1"]

    assert main(["maintenance"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("server filer2 is in maintenance until ")
    assert "began it at" in said
    assert main(["maintenance", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["maintenance"]["server"] == "filer2"
    assert main(["maintenance", "filer1"]) == 0
    assert capsys.readouterr().out == "server filer1 is not in maintenance\n"

    stage.world.cut("filer2")
    stage.world.advance(60.0)
    assert main(["apply", "--quiet"]) == 0
    assert main(["apply", "--quiet"]) == 0
    assert main(["can-lose", "filer1"]) == 4
    assert main(["can-lose", "filer2"]) == 0
    assert "in maintenance" in capsys.readouterr().out
    assert main(["status", "--quiet"]) == 0
    assert sessions(stage) == ["filer1"]

    stage.world.restore("filer2")
    assert main(["maintenance", "filer2", "--end"]) in (0, 3)
    assert sessions(stage) == ["filer1", "filer2"]
    assert paths.MAINTENANCE not in stage.world.files
    assert stage.world.lost() == {}


def test_a_second_server_is_refused(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["maintenance", "filer2", "--for", "2h"]) == 0
    assert main(["maintenance", "filer1", "--for", "2h"]) == 4
    assert "two servers are never out of service together" in capsys.readouterr().err
    assert main(["maintenance", "filer1", "--end"]) == 4
    assert sessions(stage) == ["filer1"]


def test_what_must_stay_is_refused_with_its_reasons(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outage(stage, "filer2")
    assert main(["maintenance", "filer1", "--for", "2h"]) == 4
    said = capsys.readouterr().err
    assert "must stay in service now" in said
    assert "volume vg0/testlv would lose" in said
    assert paths.MAINTENANCE not in stage.world.files
    assert not (tmp_path / "run" / paths.STATUS).exists()


def test_an_unknown_server_is_a_mistake(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["maintenance", "filer9", "--for", "2h"]) == 64
    assert "there is no server 'filer9'" in capsys.readouterr().err


def test_an_unknown_server_is_not_said_to_be_in_service(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lunmirror.toml"
    file.write_text(text())
    for name, result in ("filer9", 64), ("filer2", 0):
        assert main(["--config", str(file), "maintenance", name]) == result
    said = capsys.readouterr()
    assert "there is no server 'filer9'" in said.err
    assert said.out == "server filer2 is not in maintenance\n"


def test_a_note_that_cannot_be_read_is_removed_by_its_end(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.world.files[paths.MAINTENANCE] = b"{"
    stage.world.version += 1
    assert main(["maintenance"]) == 1
    assert "`lunmirror maintenance --end`" in capsys.readouterr().err
    assert main(["maintenance", "--end"]) == 0
    assert paths.MAINTENANCE not in stage.world.files


def test_without_a_note_nothing_is_in_maintenance(stage: Stage) -> None:
    assert maintained.under(stage.desired) is stage.desired
