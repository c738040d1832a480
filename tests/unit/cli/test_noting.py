"""A pass whose configuration is not valid still notes what is newest, by what was declared last; and does nothing else."""

import pytest

from lunmirror import config
from lunmirror.cli.main import main
from lunmirror.config import cache
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import ConfigError, LunmirrorError
from scenarios.test_by_hand import noted, pv
from sim.stage import Stage, converged, text
from sim.stories import outage
from unit.cli.test_maintenance import program


@pytest.fixture
def stage(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return program(converged(text()), tmp_path, monkeypatch)


def refuse(monkeypatch: pytest.MonkeyPatch, last: Desired | None) -> None:
    def load(path: str, **_: object) -> Desired:
        raise ConfigError([LunmirrorError("there is no key speed")])

    monkeypatch.setattr(config, "load", load)
    monkeypatch.setattr(cache, "last", lambda path: last)


def test_a_leg_that_failed_is_noted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, stage.desired)
    outage(stage, "filer2")
    files = dict(stage.world.files)
    assert main(["apply"]) == 78
    assert noted(stage).running == (pv(stage, "left"),)
    changed = {path for path, raw in stage.world.files.items() if files.get(path) != raw}
    assert all(path.startswith("/var/lib/lunmirror/volumes/") for path in changed), changed


def test_the_stale_leg_is_not_started_after_that(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, stage.desired)
    outage(stage, "filer2")
    main(["apply"])
    stage.world.cut("filer1")
    stage.world.restore("filer2")
    stage.world.reboot()
    last = stage.apply()
    assert last.exit in (3, 4)
    assert not stage.world.actives


def test_nothing_is_prepared_for_a_volume_at_rest(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, stage.desired)
    before = noted(stage)
    stage.world.cut("filer2")
    stage.world.reboot()
    assert main(["apply"]) == 78
    assert noted(stage) == before
    assert not stage.world.actives


@pytest.mark.parametrize("verb", ["plan", "status"])
def test_a_verb_that_changes_nothing_notes_nothing(stage: Stage, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, stage.desired)
    before = noted(stage)
    outage(stage, "filer2")
    assert main([verb]) == 78
    assert noted(stage) == before


def test_without_a_last_configuration_nothing_is_looked_at(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, None)
    before = noted(stage)
    outage(stage, "filer2")
    assert main(["apply"]) == 78
    assert noted(stage) == before
