"""The one LVM report, from recordings of real machines."""

import json
from pathlib import Path

import pytest

from lunmirror.host.protocol import Ran
from lunmirror.lvm.read import _parse
from lunmirror.model import Present

RECORDED = Path(__file__).parents[2] / "recordings/fullreport-vg0.json"


def autoactivation(value: str | None) -> bool | None:
    document = json.loads(RECORDED.read_text())
    for section in document["report"]:
        for row in section.get("vg", ()):
            assert "vg_autoactivation" not in row  # recorded before it was asked for
            row |= {} if value is None else {"vg_autoactivation": value}
    seen = _parse(Ran(("lvm",), 0, json.dumps(document), "", 0.0), {})
    assert isinstance(seen, Present)
    (group,) = seen.facts.groups["vg0"]
    return group.autoactivation


@pytest.mark.parametrize(
    ("value", "meaning"),
    [("1", True), ("0", False), ("-1", None), ("", None), ("enabled", None), (None, None)],
)
def test_autoactivation_is_known_or_it_is_not(value: str | None, meaning: bool | None) -> None:
    """With --binary 1 and 0 (lab, lvm2 2.03.16). Anything else, or nothing, is not taken for either."""
    assert autoactivation(value) is meaning
