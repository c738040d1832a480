"""The Salt state as Salt would call it, and the shell script, with a program in lunmirror's place."""

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lunmirror.report import as_json
from sim.stage import Stage, converged, text
from sim.stories import blank, outage

CONTRIB = Path(__file__).parents[2] / "contrib"


def state(stage: Stage, test: bool, asked: list[str]) -> ModuleType:
    """contrib's module, with what Salt gives it."""
    spec = importlib.util.spec_from_file_location("salt_state", CONTRIB / "salt" / "_states" / "lunmirror.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run_all(line: list[str], **_: Any) -> dict[str, Any]:
        asked.append(line[1])
        done = stage.plan() if line[1] == "plan" else stage.apply()
        return {"stdout": json.dumps(as_json.document(done.report)), "stderr": "", "retcode": done.exit}

    module.__opts__, module.__salt__ = {"test": test}, {"cmd.run_all": run_all}
    return module


def test_salt_from_blank_to_unchanged() -> None:
    asked: list[str] = []
    stage = blank()
    predicted = state(stage, True, asked).converged("mirrors")
    assert (predicted["result"], asked) == (None, ["plan"])
    assert any("mount vg0/testlv" in title for title in predicted["changes"])
    done = state(stage, False, asked).converged("mirrors")
    assert (done["result"], asked) == (True, ["plan", "apply"])
    assert any("mount vg0/testlv" in title for title in done["changes"])
    stage.settle()
    for test in (True, False):
        again = state(stage, test, asked).converged("mirrors")
        assert (again["result"], again["changes"]) == (True, {})


def test_salt_tells_a_refusal_and_lost_redundancy() -> None:
    refused = state(blank(size="600MiB"), False, []).converged("mirrors")
    assert (refused["result"], "next:" in refused["comment"]) == (False, True)
    stage = outage(converged(text()), "filer2")
    told = state(stage, False, []).converged("mirrors")
    assert (told["result"], "filer2" in told["comment"]) == (True, True)
    assert state(stage, False, []).converged("mirrors", fail_on_degraded=True)["result"] is False


FAKE = """#!/bin/sh
echo "$*" >> {directory}/asked
case $1 in
check) for file; do :; done; ! grep -q nonsense "$file" || exit 78 ;;
plan) exit 2 ;;
apply) exit 3 ;;
esac
"""


@pytest.mark.real
@pytest.mark.skipif(os.geteuid() != 0, reason="it gives files to root")
def test_the_shell_script(tmp_path: Path) -> None:
    program = tmp_path / "lunmirror"
    program.write_text(FAKE.format(directory=tmp_path))
    program.chmod(0o755)
    place, new = tmp_path / "lunmirror.toml", tmp_path / "new.toml"
    place.write_text("old")
    line = [str(CONTRIB / "shell" / "lunmirror-deploy"), str(new), str(place)]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}

    new.write_text("nonsense")
    assert subprocess.run(line, env=environment, check=False).returncode == 78
    assert place.read_text() == "old"
    new.write_text("version = 1")
    assert subprocess.run(line, env=environment, check=False).returncode == 3
    assert (place.read_text(), place.stat().st_mode & 0o777) == ("version = 1", 0o600)
    asked = [one.split()[0] for one in (tmp_path / "asked").read_text().splitlines()]
    assert asked == ["check", "check", "plan", "apply"]
