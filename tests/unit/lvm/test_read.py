"""The one LVM report, from recordings of real machines."""

import json
from pathlib import Path

import pytest

from lunmirror.engine.model import Present, Unknown
from lunmirror.host.protocol import Ran
from lunmirror.lvm.read import NO_TABLE, DmLine, _parse, read_status

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


@pytest.mark.parametrize("name", ["vg0", "one-leg-hidden", "orphans"])
def test_what_real_machines_said_is_taken(name: str) -> None:
    said = RECORDED.with_name(f"fullreport-{name}.json").read_text()
    assert isinstance(_parse(Ran(("lvm",), 0, said, "", 0.0), {}), Present)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        *(("pv", "pv_uuid", value) for value in (["a"], 5, None, {}, float("nan"))),
        *(("vg", "vg_seqno", value) for value in (float("inf"), 5, True)),
        *(("vg", "vg_extent_size", value) for value in ("0", "-1", "")),
        ("pv", "vg_name", ""),
        ("pv", "vg_name", "another"),
    ],
)
def test_an_answer_of_another_kind_is_unknown(kind: str, field: str, value: object) -> None:
    document = json.loads(RECORDED.read_text())
    section = next(one for one in document["report"] if one.get("vg"))
    section[kind][0][field] = value
    assert isinstance(_parse(Ran(("lvm",), 0, json.dumps(document), "", 0.0), {}), Unknown)


class Machine:
    def __init__(self, out: str) -> None:
        self.out = out

    def query(self, argv: tuple[str, ...], deadline: float) -> Ran:
        return Ran(argv, 0, self.out, "", 0.1)


def test_a_device_without_a_table_hides_no_other() -> None:
    """Somebody else's, too: what made it was killed before it loaded one."""
    found = read_status(Machine("stranger: \nvg0-lv: 0 131072 linear \nhalf: \n"))
    assert found == Present({"stranger": (NO_TABLE,), "vg0-lv": (DmLine("linear", ()),), "half": (NO_TABLE,)})


@pytest.mark.parametrize(
    "line", ["vg0-lv", "vg0-lv:", "vg0-lv: 0 linear", "vg0-lv: 0 -1 linear", "vg0-lv: x 1 linear"]
)
def test_a_line_that_is_none_makes_all_unknown(line: str) -> None:
    assert isinstance(read_status(Machine(f"stranger: 0 8 linear \n{line}\n")), Unknown)
