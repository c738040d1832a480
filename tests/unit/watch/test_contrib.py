"""What is shipped for Prometheus and Grafana speaks of metrics that there are, and promtool takes it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lunmirror.watch import metrics
from unit.analysis.worlds import lv, world
from unit.watch.test_document import made

CONTRIB = Path(__file__).parents[3] / "contrib"
ALERTS = CONTRIB / "prometheus" / "alerts.yml"
DASHBOARD = CONTRIB / "grafana" / "lunmirror.json"
PROMTOOL = shutil.which("promtool")


def named(text: str) -> set[str]:
    return set(re.findall(r"\blunmirror_\w+", text))


def test_alerts_and_dashboard_name_metrics_that_there_are() -> None:
    for file in (ALERTS, DASHBOARD, ALERTS.with_name("alerts_test.yml")):
        assert named(file.read_text())
        assert named(file.read_text()) <= set(metrics.METRICS), file


def test_every_alert_has_a_summary_an_action_and_a_test() -> None:
    alerts = re.split(r"^      - alert: ", ALERTS.read_text(), flags=re.M)[1:]
    tested = ALERTS.with_name("alerts_test.yml").read_text()
    untested = set()
    for alert in alerts:
        name = alert.split("\n")[0]
        assert re.search(r"^ +summary: \".+\"$", alert, re.M), name
        assert re.search(r"^ +action: \".+\"$", alert, re.M), name
        assert re.search(r"^        for: \d+[mh]$", alert, re.M), name
        if f"alertname: {name}" not in tested:
            untested.add(name)
    assert untested <= {"LunmirrorRebuildSlow"}


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert (board["uid"], board["schemaVersion"] >= 37) == ("lunmirror", True)
    assert [i["name"] for i in board["__inputs"]] == ["DS_PROMETHEUS"]
    assert {p["type"] for p in board["panels"]} <= {r["id"] for r in board["__requires"] if r["type"] == "panel"}
    ids = [p["id"] for p in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] == "${DS_PROMETHEUS}"
        assert panel["title"]
        assert panel["targets"]
        assert all('instance=~"$instance"' in t["expr"] for t in panel["targets"])
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    assert board["time"]["from"].startswith("now-")


@pytest.mark.real
@pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_takes_rules_and_metrics() -> None:
    run = {"capture_output": True, "text": True, "check": False, "cwd": ALERTS.parent}
    for line in (["check", "rules", ALERTS.name], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run([str(PROMTOOL), *line], **run)
        assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run([str(PROMTOOL), "check", "metrics"], input=metrics.render(made(world(lv()))), **run)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
