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
# Gives the event to the example, with a web server in the receiver's place, and prints what that got.
HOOK = """
import http.server, subprocess, sys
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.rfile.read(int(self.headers["Content-Length"])).decode(), flush=True)
        self.send_response(200); self.end_headers()
    def log_message(self, *about): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
open("/apprise.conf", "w").write(f"json://127.0.0.1:{server.server_port}/\\n")
hook = subprocess.Popen(["/hook"], stdin=sys.stdin, stdout=sys.stderr, env={"PATH": "/usr/bin:/bin", "LUNMIRROR_APPRISE": "/apprise.conf"})
server.timeout = 60
server.handle_request()
sys.exit(hook.wait(60))
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


def test_the_apprise_example_hands_an_event_on(suite: str, system: Callable[..., Chroot]) -> None:
    fresh = system("python3", "apprise")
    fresh.put(CONTRIB / "notify/apprise", "/hook")
    line = next(
        line for line in (CONTRIB.parent / "docs/watch.md").read_text().splitlines() if line.startswith('{"sch')
    )
    event = json.loads(line)
    got = json.loads(fresh.run("python3", "-c", HOOK, stdin=json.dumps(event), network=True).stdout)
    assert (got["title"], got["type"]) == ("lunmirror on client1", "warning")
    assert got["message"].splitlines() == [event["what"], event["why"], event["next"]]
