"""What is reported of a volume's parts by their names alone."""

import struct

import pytest

from lunmirror.engine.desired import Size, Volume
from lunmirror.engine.model import Present
from lunmirror.host.protocol import Ran
from lunmirror.layers.group.facts import Member, VolumeGroup
from lunmirror.layers.volume.facts import Leg
from lunmirror.layers.volume.index import Index
from lunmirror.layers.volume.index import part as part_of
from lunmirror.layers.volume.observe import _altered, _orphans, _superblocks
from lunmirror.lvm.read import DmLine, Lvm, LvRow, PvRow


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


class Metadata:
    """dd of two metadata volumes on one physical volume, at its extents 0 and 1: leg 0 has counted 7 events, leg 1 has 9."""

    def query(self, argv: tuple[str, ...], deadline: float) -> Ran:
        position, events = (0, 7) if "skip=256" in argv else (1, 9)
        raw = bytearray(66 * 4096)
        raw[:40] = struct.pack("<4sIIiQQQ", b"DmRd", 1, 2, position, events, 0, (1 << 64) - 1)
        return Ran(argv, 0, bytes(raw).decode("utf-8", "surrogateescape"), "", 0.1)


def test_a_legs_metadata_speaks_for_it_wherever_it_lies() -> None:
    """Somebody moved it to the other leg's disk: taken for that leg's, it would have the wrong one called older."""
    members = tuple(Member(pv, f"/dev/{pv}", pv, 1 << 30, 0, False) for pv in ("left", "right"))
    group = VolumeGroup("uuid", 4 << 20, 0, 1, members, (), "me", "me", "", False)
    pvs = tuple(PvRow(f"/dev/{pv}", "8:0", pv, "vg0", False, False, 0, 0, start=1 << 20) for pv in ("left", "right"))
    metas = [
        row(f"testlv_rmeta_{n}")._replace(pvs={"right": 1}, at={"right": n}, size=4 << 20, uuid=f"m{n}")
        for n in range(2)
    ]
    legs = [Leg("testlv_rimage_0", ("left",), ""), Leg("testlv_rimage_1", ("right",), "")]

    said = _superblocks(row("testlv", ""), metas, legs, group, Lvm({}, pvs, (), {}), Metadata())

    assert isinstance(said, Present)
    assert {pv: leg.events for pv, leg in said.facts.legs.items()} == {"left": 7, "right": 9}


@pytest.mark.parametrize(
    ("places", "expected"),
    [(("left", "right"), ""), (("right", "right"), "metadata apart"), (("left", "left"), "metadata apart")],
)
def test_metadata_on_another_disk_than_their_leg(places: tuple[str, str], expected: str) -> None:
    """`pvmove -n testlv_rmeta_0`: the leg fails with either disk."""
    rows = [row("testlv", "")]
    for n, (image, metadata) in enumerate(zip(("left", "right"), places, strict=True)):
        rows.append(row(f"testlv_rimage_{n}")._replace(pvs={image: 16}, extents=16, segtypes=("linear",)))
        rows.append(row(f"testlv_rmeta_{n}")._replace(pvs={metadata: 1}, extents=1))
    assert _altered(rows[0], rows, "raid1") == expected
