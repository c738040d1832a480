"""What is not provably blank or ours is refused, with exit 4 and every byte as it was."""

from dataclasses import replace

import pytest

from lunmirror.engine.model import Kind
from sim.disks import Table
from sim.machine import Call
from sim.stage import Stage, converged, text
from sim.stories import blank, foreign_host
from sim.world import World, foreign_filesystem

END = (512 << 20) - (1 << 20)


def put(stage: Stage, what: str) -> None:
    lun = stage.lun()
    match what:
        case "ext4" | "xfs" | "swap":
            lun.body.signature = foreign_filesystem(what)
        case "MBR":
            lun.body.signature = {"PTTYPE": "dos", "PTUUID": "1234abcd"}
        case "GPT":
            lun.table = Table("AAAAAAAA-BBBB-8CCC-8DDD-EEEEEEEEEEEE")
        case "orphan PV":
            lun.body.pv = "strang-er00-0000-0000-0000-0000-000001"
        case "bytes at the head":
            lun.body.marks = {0: 4096}
        case "bytes at the end":
            lun.body.marks = {END: 4096}


@pytest.mark.parametrize("partition", [True, False])
@pytest.mark.parametrize(
    "what", ["ext4", "xfs", "swap", "MBR", "GPT", "orphan PV", "bytes at the head", "bytes at the end"]
)
def test_a_lun_that_holds_something_stays_as_it_is(what: str, partition: bool) -> None:
    stage = blank(partition=partition)
    put(stage, what)
    before = stage.lun().fingerprint()

    for _ in range(2):
        refused = stage.apply()
        assert refused.exit == 4, str(refused)
        assert refused.finding(Kind.REFUSED)
        assert stage.lun().fingerprint() == before
        assert "vg0" not in stage.world.metas()


def test_a_lun_that_cannot_be_read_is_not_blank() -> None:
    """After the session gave up, blkid ends as for a blank disk."""
    stage = blank()
    stage.apply(lambda call: "fails" if call.what.startswith("cmp ") else "")

    assert stage.lun().blank


def test_a_disk_too_small() -> None:
    stage = blank(size="600MiB")

    assert stage.apply().exit == 4
    assert stage.lun().blank


def test_swapped_luns() -> None:
    """The storage behind the two names was swapped: right names, wrong disks."""
    stage = converged(text())
    servers = stage.world.servers
    stage.world.reboot(login=False)
    one, other = (next(iter(servers[name].targets.values())) for name in ("filer1", "filer2"))
    one[1], other[1] = other[1], one[1]
    before = stage.world.metas()["vg0"]
    stage.world.event_activation = False

    refused = stage.apply()

    assert refused.exit == 4, str(refused)
    assert "swapped or cloned" in refused.finding(Kind.REFUSED)
    assert before == stage.world.metas()["vg0"]
    # The volume is served all the same: LVM finds its legs by UUID, whichever server they are behind.
    assert {line[0] for line in refused.host.lines}.isdisjoint({"sfdisk", "mkfs.ext4"})


def test_a_blank_lun_in_the_place_of_a_member() -> None:
    stage = converged(text())
    stage.world.reboot(login=False)
    target = next(iter(stage.world.servers["filer2"].targets.values()))
    target[1] = blank().lun("right")
    stage.world.event_activation = False

    refused = stage.apply()

    assert refused.exit == 4, str(refused)
    assert target[1].blank


def test_another_hosts_group() -> None:
    stage = foreign_host()
    before = stage.world.metas()["vg0"]

    refused = stage.apply()

    assert refused.exit == 4
    assert "belongs to another host" in refused.finding(Kind.REFUSED)
    assert stage.world.metas()["vg0"] == before


@pytest.mark.parametrize("volumes", ["inactive", "absent"])
def test_another_hosts_group_is_left_alone_by_every_layer(volumes: str) -> None:
    """Nothing of it is made, activated, mounted or taken back, whatever state its volumes are in."""
    stage = foreign_host()
    stage.world.event_activation = False
    stage.world.unmount("/mnt/test")
    if volumes == "absent":
        stage.world.deactivate("testlv")
        for area in stage.world.areas():
            if area.meta and area.meta.name == "vg0":
                area.meta = replace(area.meta, lvs=())
        stage.world.version += 1
    else:
        stage.world.reboot()
    before = stage.world.metas()["vg0"]

    refused = stage.apply()

    assert refused.exit == 4
    assert stage.world.metas()["vg0"] == before
    assert not stage.world.actives
    assert not stage.world.mounts


def test_a_smaller_declaration_shrinks_nothing() -> None:
    stage = converged(text(size="128MiB")).configure(text(size="64MiB"))

    refused = stage.apply()

    assert refused.exit == 4
    assert stage.world.active("testlv").extents == 32


def test_a_volume_that_nobody_marked_as_new_is_not_formatted() -> None:
    stage = blank()
    stage.apply(lambda call: "fails" if "mkfs" in call.what else "")
    world: World = stage.world
    from sim.lvm import Lvm

    Lvm(world, None).tag("vg0", "testlv", "--deltag lunmirror.unformatted")

    refused = stage.apply()

    assert refused.exit == 4
    assert "mkfs" not in str(refused.host.lines)


def test_a_consent_does_not_cover_a_damaged_pv() -> None:
    """With one server nothing else shows that there was a group: raw data were consented to, and the consent stays in
    the configuration for years."""
    stage = blank(disks=("left",), type="linear", partition=False)
    put(stage, "bytes at the head")
    asked = stage.apply().finding(Kind.REFUSED)
    words = asked.partition('overwrite = "')[2].partition('"')[0]
    assert words.startswith("data without a known signature")
    world = converged(text(disks=("left",), type="linear", partition=False)).world
    damaged = Stage(text(disks=("left",), type="linear", partition=False, disk_more=f'overwrite = "{words}"'), world)
    world.unmount("/mnt/test")
    world.deactivate("testlv")
    area = damaged.lun().body
    area.pv, area.meta, area.marks = "", None, {0: 2048}
    world.version += 1
    before = damaged.lun().fingerprint()

    refused = damaged.apply()

    assert refused.exit == 4
    assert damaged.lun().fingerprint() == before


def test_a_disk_that_may_be_in_use_is_not_taken() -> None:
    stage = blank()
    stage.apply(lambda call: "fails" if call.kind == "directory" and call.what.endswith("/holders") else "")

    assert stage.lun().blank


def removed() -> Stage:
    """Somebody removed the volume by mistake; the group and its disks are there."""
    stage = converged(text())
    stage.world.unmount("/mnt/test")
    stage.world.deactivate("testlv")
    for area in stage.world.areas():
        if area.meta and area.meta.name == "vg0":
            area.meta = replace(area.meta, seqno=area.meta.seqno + 1, lvs=())
    stage.world.acknowledged.clear()
    stage.world.version += 1
    return stage


def test_a_volume_that_somebody_removed_is_not_remade() -> None:
    stage = removed()
    entry = next(p for p in stage.world.files if p.startswith("/var/lib/lunmirror/volumes/"))

    refused = stage.apply()

    assert refused.exit == 4
    assert not refused.host.changed
    assert f"another name: {entry}" in refused.finding(Kind.REFUSED)
    assert "vgcfgrestore --list vg0" in refused.finding(Kind.REFUSED)
    del stage.world.files[entry]
    stage.world.version += 1
    assert stage.settle().exit == 0


def test_so_is_one_that_was_renamed_before() -> None:
    stage = converged(text())
    stage.world.unmount("/mnt/test")
    rename(stage.world, "testlv", "data")
    stage.world.files["/etc/fstab"] = stage.world.files["/etc/fstab"].replace(b"/testlv", b"/data")
    stage.configure(text().replace("volumes.testlv", "volumes.data"))
    assert stage.settle().exit == 0
    stage.world.unmount("/mnt/test")
    stage.world.deactivate("data")
    rename(stage.world, "data", "")
    stage.world.acknowledged.clear()

    refused = stage.apply()

    assert (refused.exit, refused.host.changed) == (4, [])


def test_one_that_was_put_aside_has_to_be_let_go_first() -> None:
    """A volume that somebody renamed is the same volume; another one in its place is made when lunmirror is to forget it."""
    stage = converged(text())
    stage.world.unmount("/mnt/test")
    stage.world.deactivate("testlv")
    rename(stage.world, "testlv", "aside")

    said = stage.apply().finding(Kind.REFUSED)
    assert "`lvrename vg0 aside testlv`" in said
    assert [name for name, _ in stage.world.metas()["vg0"].lvs] == ["aside"]
    (journal,) = [path for path in stage.world.files if path.startswith("/var/lib/lunmirror/volumes/")]
    assert f"`mv {journal} /root/`" in said
    del stage.world.files[journal]
    stage.world.given_up.add(journal.rpartition("/")[2].removesuffix(".json"))
    stage.world.version += 1
    assert stage.settle().exit == 0
    assert sorted(name for name, _ in stage.world.metas()["vg0"].lvs) == ["aside", "testlv"]


def rename(world: World, old: str, new: str) -> None:
    """By hand; without a new name it is removed."""
    for area in world.areas():
        if area.meta and area.meta.name == "vg0":
            lvs = tuple((new if name == old else name, lv) for name, lv in area.meta.lvs if new or name != old)
            area.meta = replace(area.meta, seqno=area.meta.seqno + 1, lvs=lvs)
    for active in (a for a in world.actives if a.name == old):
        active.name, active.subs = new, {name.replace(old, new): minor for name, minor in active.subs.items()}
    world.version += 1


def test_an_unreadable_journal_of_nobody_makes_nothing_either() -> None:
    stage = removed()
    entry = next(p for p in stage.world.files if p.startswith("/var/lib/lunmirror/volumes/"))
    stage.world.files[entry] = b"torn"
    stage.world.version += 1

    refused = stage.apply()

    assert refused.exit == 4
    assert "`rm " not in refused.finding(Kind.REFUSED), "it may be another volume's, whose servers are away"
    assert not stage.world.actives


def test_another_volumes_journal_is_no_reason() -> None:
    """One that was renamed, say, or given up: its name is another."""
    stage = removed()
    entry = next(p for p in stage.world.files if p.startswith("/var/lib/lunmirror/volumes/"))
    stage.world.files[entry] = stage.world.files[entry].replace(b"vg0/testlv", b"vg0/former")
    stage.world.version += 1

    assert stage.settle().exit == 0


def test_where_the_journal_cannot_be_listed_nothing_is_made() -> None:
    def fault(call: Call) -> str:
        return "fails" if call.kind == "directory" and "lunmirror/volumes" in call.what else ""

    stage = blank()
    assert stage.apply(fault).exit == 4
    assert not stage.world.actives
