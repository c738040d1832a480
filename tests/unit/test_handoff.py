"""The Ansible module on this machine, with a program in lunmirror's place that answers what the simulated machine would.

It needs ansible-core (pip install ansible-core, or Debian's package) on the PATH; without it these tests are skipped."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lunmirror.report import as_json
from sim.stage import Stage, converged, text
from sim.stories import back, blank, outage

COLLECTIONS = Path(__file__).parents[2] / "contrib" / "ansible"
PLAYBOOK = shutil.which("ansible-playbook")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not PLAYBOOK, reason="ansible-core is not installed"),
]

FAKE = """#!/bin/sh
echo "$@" >> {directory}/asked
case $1 in
plan) cat {directory}/plan.json; exit $(cat {directory}/plan.rc) ;;
apply) cat {directory}/apply.json; exit $(cat {directory}/apply.rc) ;;
check) exit 0 ;;
esac
"""
PLAY = """
- hosts: localhost
  gather_facts: false
  connection: local
  tasks:
    - lunmirror.storage.lunmirror:
        executable: {directory}/bin/lunmirror
        {more}
"""


class Site:
    """One machine as lunmirror finds it, and a play over it."""

    def __init__(self, directory: Path, stage: Stage) -> None:
        self.directory, self.stage = directory, stage
        program = directory / "bin" / "lunmirror"
        program.parent.mkdir()
        program.write_text(FAKE.format(directory=directory))
        program.chmod(0o755)

    def play(self, *options: str, more: str = "lock_wait: 60s") -> dict[str, Any]:
        """The module's own answer."""
        planned, applied = self.stage.clone().plan(), self.stage.clone().apply()
        for verb, done in (("plan", planned), ("apply", applied)):
            document = as_json.document(done.report._replace(detailed=verb == "apply"))
            (self.directory / f"{verb}.json").write_text(json.dumps(document))
            (self.directory / f"{verb}.rc").write_text(str(document["exit"]))
        if "--check" not in options:
            self.stage.apply()
        (self.directory / "asked").write_text("")
        (self.directory / "play.yml").write_text(PLAY.format(directory=self.directory, more=more))
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_STDOUT_CALLBACK": "default",
            "ANSIBLE_LOCAL_TEMP": str(self.directory / "local"),
            "ANSIBLE_REMOTE_TEMP": str(self.directory / "remote"),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "LC_ALL": "C.UTF-8",
        }
        line = [str(PLAYBOOK), "-i", "localhost,", "-v", *options, str(self.directory / "play.yml")]
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
        said = done.stdout
        found = said[said.index("=> {") + 3 :]
        answer: dict[str, Any] = json.JSONDecoder().raw_decode(found)[0]
        return {**answer, "said": said, "failed": done.returncode != 0}

    @property
    def asked(self) -> list[str]:
        return [line.split()[0] for line in (self.directory / "asked").read_text().splitlines()]


def test_blank_to_mounted_then_unchanged(tmp_path: Path) -> None:
    site = Site(tmp_path, blank())
    first = site.play()
    assert (first["changed"], first["failed"], site.asked) == (True, False, ["apply"])
    assert any("mount vg0/testlv" in step for step in first["steps"])
    site.stage.settle()
    second = site.play()
    assert (second["changed"], second["degraded"], second["exit_code"]) == (False, False, 0)


def test_check_mode_asks_for_the_plan_only_and_shows_it(tmp_path: Path) -> None:
    stage = converged(text())
    stage.world.sessions[0].recovery_tmo = 120
    site = Site(tmp_path, stage)
    shown = site.play("--check", "--diff")
    assert (shown["changed"], site.asked) == (True, ["plan"])
    assert "write '" in shown["said"]
    assert site.play("--check")["steps"] == shown["steps"]
    assert site.play()["steps"] == shown["steps"]
    assert site.play("--check")["changed"] is False


def test_a_degraded_mirror_is_told_and_may_be_a_failure(tmp_path: Path) -> None:
    site = Site(tmp_path, outage(converged(text()), "filer2"))
    told = site.play()
    assert (told["failed"], told["degraded"], told["exit_code"]) == (False, True, 3)
    assert "filer2" in told["msg"]
    strict = site.play(more="fail_on_degraded: true")
    assert (strict["failed"], "redundancy is not full" in strict["msg"]) == (True, True)
    back(site.stage, "filer2")
    assert site.play()["changed"] is True


def test_a_refusal_is_the_tasks_own_message(tmp_path: Path) -> None:
    site = Site(tmp_path, blank(size="600MiB"))  # the disks are smaller
    answer = site.play()
    assert (answer["failed"], answer["exit_code"]) == (True, 4)
    assert "next:" in answer["msg"]
    assert site.play("--check")["failed"] is True


def test_without_lunmirror_check_mode_does_not_fail(tmp_path: Path) -> None:
    site = Site(tmp_path, converged(text()))
    answer = site.play("--check", more=f"config: {tmp_path}/none.toml")
    assert answer["failed"] is False
    (tmp_path / "bin" / "lunmirror").unlink()
    answer = site.play("--check")
    assert (answer["changed"], answer["failed"]) == (True, False)
    assert site.play()["failed"] is True
