"""What is reported of a volume's parts by their names alone."""

import pytest

from lunmirror.desired import Size, Volume
from lunmirror.layers.volume.index import Index
from lunmirror.layers.volume.index import part as part_of
from lunmirror.layers.volume.observe import _orphans
from lunmirror.lvm.read import DmLine, Lvm, LvRow


def row(name: str, parent: str = "testlv") -> LvRow:
    values = dict.fromkeys(LvRow._fields, "") | {"name": name, "parent": parent}
    return LvRow(**values)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("testlv_rimage_0", ("rimage", "0")),
        ("testlv_rmeta_12", ("rmeta", "12")),
        ("testlv_mimage_1", ("mimage", "1")),
        ("testlv_rimage_1-missing_0_0", ("", "")),
        ("testlv_rimage_1_extracted", ("", "")),
        ("testlv_mlog", ("", "")),
        ("testlv2_rimage_0", ("", "")),
        ("testlv", ("", "")),
        ("rimage_0", ("", "")),
    ],
)
def test_only_lvms_own_names_are_parts(name, part):
    assert part_of(name, "testlv") == part


def test_a_stand_in_for_what_is_out_of_view_is_no_orphan():
    """A degraded start makes them (lab: test_split_brain_stops_until_an_administrator_chooses), and they stay."""
    rows = [row("testlv", ""), row("testlv_rimage_0"), row("testlv_rmeta_0")]
    names = (
        "testlv",
        "testlv_rimage_0",
        "testlv_rmeta_0",
        "testlv_rimage_1-missing_0_0",
        "testlv_rimage_1",
        "other_rimage_1",
    )
    status = {f"vg0-{name}": (DmLine("linear", ()),) for name in names}
    assert _orphans("vg0-testlv", rows[0], rows, status) == ("vg0-testlv_rimage_1",)


def test_a_thousand_volumes_are_looked_at_in_linear_time() -> None:
    """Each volume is given its own rows and lines, and no others; found by name, not by a look at all of them."""
    fields = {"group": "vg0", "origin": "", "pvs": {}}
    rows, status = [], {}
    for n in range(1000):
        whole = row(f"v{n}", "")._replace(**fields, uuid=f"u{n}")
        rows += [whole, *(row(f"v{n}_rimage_{i}", f"v{n}")._replace(**fields, uuid=f"u{n}-{i}") for i in range(2))]
        status |= {f"vg0-v{n}{end}": (DmLine("linear", ()),) for end in ("", "_rimage_0", "_rimage_1")}
    index = Index(Lvm({}, (), tuple(rows), {}), status)
    seen = [index.about(Volume("vg0", f"v{n}", Size(extents=1), "raid1", "", ())) for n in range(1000)]
    assert {(len(found), len(lines)) for _, found, lines in seen} == {(3, 3)}
    assert [found.uuid for found, _, _ in seen] == [f"u{n}" for n in range(1000)]
