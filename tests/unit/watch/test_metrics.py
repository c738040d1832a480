"""The metrics, read by Prometheus's own Python parser; their names are a contract."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from lunmirror.engine.exits import Exit
from lunmirror.watch import document, metrics
from unit.analysis.worlds import ONLY_LEFT, lv, world
from unit.watch.test_document import NOW, made

DOCS = Path(__file__).parents[3] / "docs"


def families(status):
    return {f.name: f for f in text_string_to_metric_families(metrics.render(status))}


def value(status, name: str, **labels: str) -> float | None:
    """Of the only series with these labels; None if there is none."""
    found = [
        s.value
        for f in families(status).values()
        for s in f.samples
        if s.name == name and labels.items() <= s.labels.items()
    ]
    assert len(found) < 2, found
    return found[0] if found else None


def test_all_is_well() -> None:
    status = made(world(lv()))

    assert value(status, "lunmirror_volume_redundant", volume="vg0/lv") == 1
    assert value(status, "lunmirror_volume_sync_ratio") == 1
    assert value(status, "lunmirror_volume_degraded_since_timestamp_seconds") is None
    assert value(status, "lunmirror_pass_timestamp_seconds") == NOW
    assert value(status, "lunmirror_session_state", server="filer2", state="LOGGED_IN") == 1
    assert value(status, "lunmirror_session_state", server="filer2", state="FAILED") == 0
    assert value(status, "lunmirror_stall_budget_seconds", server="filer2", kind="live") == 16


def test_an_outage() -> None:
    status = made(world(lv("AD", past=ONLY_LEFT), failed=("right",)))

    assert value(status, "lunmirror_volume_redundant") == 0
    assert value(status, "lunmirror_volume_state", state="degraded") == 1
    assert value(status, "lunmirror_volume_state", state="full") == 0
    assert value(status, "lunmirror_volume_legs_good") == 1
    assert value(status, "lunmirror_volume_degraded_since_timestamp_seconds") == 1767312000
    assert value(status, "lunmirror_volume_sync_ratio") is None  # device-mapper would say 100 %
    assert value(status, "lunmirror_server_can_lose", server="filer1") == 0
    assert value(status, "lunmirror_session_state", server="filer2", state="FAILED") == 1
    assert value(status, "lunmirror_stall_budget_seconds", server="filer2", kind="live") is None


def test_every_metric_is_typed_told_of_and_in_the_documentation() -> None:
    copying = made(world(lv("Aa", past=ONLY_LEFT, ratio=(3, 10), action="recover")))
    copying["volumes"][0]["copying"] = {"ratio": 0.3, "bytes_per_second": 100, "seconds_left_at_most": 5}
    resting = made(world(lv())) | {"maintenance": {"server": "filer2", "begun": 1, "until": 2, "by": "alice"}}
    found = families(copying) | families(resting)

    names = {name.removesuffix("_total") for name in metrics.METRICS}
    assert set(found) == names
    for name, (kind, about) in metrics.METRICS.items():
        family = found[name.removesuffix("_total")]
        assert (family.type, family.documentation) == (kind, about)
        assert (kind == "counter") == name.endswith("_total")
    table = re.findall(r"^\| `(lunmirror_\w+)` \| ([\w, ]*) \|", (DOCS / "watch.md").read_text(), re.M)
    assert {name.removesuffix("_total"): set(re.findall(r"\w+", labels)) for name, labels in table} == {
        name: {label for sample in family.samples for label in sample.labels} for name, family in found.items()
    }


def test_labels_are_escaped() -> None:
    status = made(world(lv()))
    status["servers"][0]["server"] = 'a"b\\c\nd'
    assert value(status, "lunmirror_server_can_lose", server='a"b\\c\nd') == 1


def test_before_anything_was_seen_only_the_pass_is_told() -> None:
    error = dict.fromkeys(("what", "where", "why", "next"), "")
    status = document.failed("apply", "r", Exit.CONFIG, 0.1, error, {}, NOW)
    assert value(status, "lunmirror_pass_exit_code") == 78
    assert "lunmirror_findings" not in families(status)
