"""The text of a proposal: what is from elsewhere cannot end a comment or a text."""

import tomli

from lunmirror.engine.desired import Portal
from lunmirror.setup import writing
from lunmirror.setup.proposal import Disk, Group, Mount, Proposal, Server, Volume

VOLUME = Volume("vg.0", "a+b", 100 << 20, "raid1", "", 2 << 20, ("d",))


def test_whatever_it_says_it_is_toml() -> None:
    hostile = 'a\n[servers.x]\nportals = ["evil"]\x1b[31m\u202e # "'
    made = Proposal(
        (Server("s", (Portal("fd00::1"),), (("startup", '"manual"', hostile),)),),
        (Disk("d", "s", "iqn.2006-01.x:y", 1, remark=hostile),),
        (
            Group(
                "vg.0", ("d",), (VOLUME._replace(filesystem="ext4", mount=Mount("/a\nb = 1", off=hostile)),), hostile
            ),
        ),
        (hostile,),
        (hostile,),
    )
    text = writing.text(made, (hostile,))
    found = tomli.loads(text)
    assert list(found["servers"]) == ["s"]
    assert found["groups"]["vg.0"]["volumes"]["a+b"] == {
        "size": "100MiB",
        "type": "raid1",
        "region_size": "2MiB",
        "legs": ["d"],
        "filesystem": "ext4",
    }
    assert all(line.isprintable() for line in text.splitlines())


def test_a_size_is_written_exactly() -> None:
    sizes = {512 << 20: "512MiB", 3 << 40: "3TiB", (1 << 30) + (4 << 20): "1028MiB", 1536: "1536B"}
    assert {n: writing.size(n) for n in sizes} == sizes


def test_a_label_and_options_stand_in_tables() -> None:
    mount = Mount("/srv/x", ("noatime", "ro"))
    volume = VOLUME._replace(filesystem="xfs", label="mail", mount=mount)
    found = tomli.loads(writing.text(Proposal(groups=(Group("g", ("d",), (volume._replace(group="g"),)),)), ()))
    table = found["groups"]["g"]["volumes"]["a+b"]
    assert table["filesystem"] == {"type": "xfs", "label": "mail"}
    assert table["mount"] == {"path": "/srv/x", "options": ["noatime", "ro"]}
