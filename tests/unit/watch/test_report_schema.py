"""What configuration management reads of plan and apply is the published shape."""

import json

import pytest

from lunmirror.cli.main import main
from lunmirror.report import as_json
from sim.stage import converged, text
from sim.stories import blank, outage

WORLDS = {
    "blank": blank,
    "too small": lambda: blank(size="600MiB"),
    "whole": lambda: converged(text()),
    "an outage": lambda: outage(converged(text()), "filer2"),
    "a mirror's outage": lambda: outage(converged(text(type="mirror")), "filer1"),
}


@pytest.mark.parametrize("name", WORLDS)
def test_plan_and_apply(valid, name: str) -> None:
    stage = WORLDS[name]()
    planned, applied = stage.plan(), stage.apply(lambda call: "fails" if "mkfs" in call.what else "")
    for done in (planned, applied):
        document = valid(as_json.document(done.report), "report")
        assert document["exit"] == done.exit


def test_errors(valid, tmp_path, capsys) -> None:
    for line in (["check", "--config", str(tmp_path / "none.toml"), "--json"], ["nonsense", "--json"]):
        code = main(line)
        assert valid(json.loads(capsys.readouterr().out), "report")["exit"] == code
