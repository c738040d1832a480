"""What is shipped for Prometheus and Grafana, judged by their own: promtool of each Debian, and the types that Grafana's makers
publish. No Grafana itself is to be had from a package archive."""

import json
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chroots import Chroot

CONTRIB = Path(__file__).parents[2] / "contrib"
DASHBOARD = CONTRIB / "grafana/lunmirror.json"
SCHEMA = "grafana-foundation-sdk==1769699998!10.1.0"
# Reads a dashboard with the types of Grafana's schema, those of its panels and of Prometheus' queries too, and writes it again.
AGAIN = """
import json, sys
from grafana_foundation_sdk.cog import encoder, plugins
from grafana_foundation_sdk.models import dashboard
plugins.register_default_plugins()
print(json.dumps(dashboard.Dashboard.from_json(json.load(sys.stdin)), cls=encoder.JSONEncoder))
"""
# The program alone: what prometheus depends on is hundreds of megabytes. Debian 13 has it in a package of its own.
FETCH = """
cd /tmp; apt-get update -qq; apt-get download -qq "$1"; dpkg --fsys-tarfile *.deb | tar -x -C / ./usr/bin/promtool
"""
# Of a file to be imported, not of a dashboard: what Grafana asks for while it imports. And what a variable's editor shows.
NOT_IN_SCHEMA = {"/__inputs", "/__requires", "/templating/list/0/definition"}


def unknown(given: Any, understood: Any, at: str = "") -> set[str]:
    """Where the schema has no such key, or another value than was given."""
    if isinstance(given, list) and isinstance(understood, list):
        given, understood = dict(enumerate(given)), dict(enumerate(understood))
    if not isinstance(given, dict) or not isinstance(understood, dict):
        return set() if given == understood else {at}
    found = {f"{at}/{key}" for key in given.keys() - understood.keys()}
    return found.union(
        *(unknown(given[key], understood[key], f"{at}/{key}") for key in given.keys() & understood.keys())
    )


@pytest.fixture(scope="module")
def grafana(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], set[str]]:
    """What the schema does not know of a dashboard."""
    environment = tmp_path_factory.mktemp("grafana") / "venv"
    venv.create(environment, with_pip=True)
    subprocess.run([environment / "bin/pip", "install", "-q", SCHEMA], check=True)

    def judge(board: Any) -> set[str]:
        line = [environment / "bin/python", "-c", AGAIN]
        done = subprocess.run(line, input=json.dumps(board), capture_output=True, text=True, check=True)
        return unknown(board, json.loads(done.stdout))

    return judge


@pytest.mark.core
def test_grafanas_own_schema_knows_all_of_the_dashboard(grafana) -> None:
    board = json.loads(DASHBOARD.read_text())
    assert grafana(board) == NOT_IN_SCHEMA
    for number, panel in enumerate(board["panels"]):  # and it is a schema that would tell
        panel["nonsense"] = panel["options"]["nonsense"] = panel["targets"][0]["nonsense"] = 1
        there = f"/panels/{number}/"
        assert {there + "nonsense", there + "options/nonsense", there + "targets/0/nonsense"} <= grafana(board)


@pytest.mark.core
def test_promtool_of_each_release_takes_rules_and_their_test(suite: str, system: Callable[..., Chroot]) -> None:
    fresh = system()
    fresh.run("sh", "-ec", FETCH, "fetch", "prometheus" if suite == "bookworm" else "promtool", network=True)
    for name in ("alerts.yml", "alerts_test.yml"):
        fresh.put(CONTRIB / "prometheus" / name, f"/rules/{name}")
    said = fresh.run(
        "sh", "-ec", "cd /rules; promtool check rules alerts.yml; promtool test rules alerts_test.yml"
    ).stdout
    assert "SUCCESS: 12 rules found" in said
    fresh.run("sed", "-i", "s/for: 5m/for: 50m/", "/rules/alerts.yml")  # and it is a test that would tell
    assert fresh.run("sh", "-c", "cd /rules; promtool test rules alerts_test.yml", check=False).returncode != 0
