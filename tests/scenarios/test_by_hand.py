"""What administrators do by hand: recognised, said, and never a reason to lose what was acknowledged (docs/failures.md)."""

import pytest

from lunmirror.analysis.risk import losses
from lunmirror.engine import journal
from lunmirror.engine.model import Kind, Present
from sim import byhand
from sim.disks import Harm
from sim.stage import SERVERS, Stage, converged, text
from sim.stories import back, flag, outage
from sim.world import blank as blank_lun
from sim.world import make_world


def noted(stage: Stage) -> journal.Entry:
    """What the journal knows of the only volume."""
    [content] = [c for p, c in stage.world.files.items() if p.startswith("/var/lib/lunmirror/volumes/")]
    return journal.parse(Present(content)).facts


def pv(stage: Stage, disk: str) -> str:
    return stage.desired.disks[disk].pv_uuid


def letters(stage: Stage, name: str = "testlv") -> str:
    return "".join(leg.letter for leg in stage.world.active(name).legs)


def lost(stage: Stage, server: str) -> str:
    return "; ".join(map(str, losses(server, stage.plan().report.seen, stage.desired)))


@pytest.mark.parametrize("kind", ["raid1", "mirror"])
def test_a_mirror_under_a_snapshot_is_kept_whole(kind: str) -> None:
    stage = converged(text(type=kind))
    byhand.snapshot(stage.world, "testlv", pv(stage, "left"))
    assert stage.settle().exit == 0
    outage(stage, "filer2")
    assert stage.apply().exit == 3
    assert noted(stage).running == (pv(stage, "left"),)
    if kind == "mirror":
        return  # with a snapshot LVM gives it no leg
    back(stage, "filer2")
    assert stage.settle().exit == 0
    assert letters(stage) == "AA"
    assert noted(stage).running == tuple(sorted((pv(stage, "left"), pv(stage, "right"))))


def test_a_mirror_under_a_snapshot_has_its_newest_leg_known() -> None:
    """Seen: refused because of the snapshot, the journal slept, and the stale leg was started alone."""
    stage = converged(text())
    world = stage.world
    world.event_activation = False
    byhand.snapshot(world, "testlv", pv(stage, "right"))
    outage(stage, "filer2")
    stage.apply()
    world.unmount("/mnt/test")
    world.deactivate("testlv")
    back(stage, "filer2")
    world.cut("filer1")
    world.advance(60.0)
    last = stage.apply()
    assert last.exit == 4
    assert not world.actives
    assert "is older" in last.finding(Kind.REFUSED)


def test_a_snapshotted_volume_does_not_grow_and_reports_why() -> None:
    stage = converged(text())
    byhand.snapshot(stage.world, "testlv")
    last = stage.configure(text(size="128MiB")).apply()
    assert "it has snapshots (vg0/nightly0)" in last.finding(Kind.BLOCKED)
    byhand.drop_snapshots(stage.world, "testlv")
    assert stage.settle().exit == 0
    assert stage.world.active("testlv").extents == 32


def test_a_volume_that_somebody_renamed_is_not_made_again() -> None:
    stage = converged(text())
    byhand.rename(stage.world, "testlv", "testold")
    for _ in range(3):
        last = stage.apply()
        assert last.exit == 4
        stage.world.advance(60.0)
    assert "`lvrename vg0 testold testlv`" in last.finding(Kind.REFUSED)
    assert [name for name, _ in stage.world.metas()["vg0"].lvs] == ["testold"]
    outage(stage, "filer2")
    stage.apply()
    assert noted(stage).running == (pv(stage, "left"),)  # whatever its name
    back(stage, "filer2")
    byhand.rename(stage.world, "testold", "testlv")
    assert stage.settle().exit == 0
    assert letters(stage) == "AA"


def test_a_renamed_volume_is_taken_by_its_declared_name() -> None:
    stage = converged(text())
    byhand.rename(stage.world, "testlv", "testold")
    stage.apply()
    stage.configure(text().replace("volumes.testlv", "volumes.testold"))
    assert "/etc/fstab" in stage.apply().finding(Kind.REFUSED)  # the line names the device that is gone
    fstab = stage.world.files["/etc/fstab"]
    stage.world.files["/etc/fstab"] = fstab.replace(b"vg0/testlv", b"vg0/testold").replace(
        b"vg0-testlv", b"vg0-testold"
    )
    stage.world.version += 1
    assert stage.settle().exit == 0
    assert noted(stage).volume == "vg0/testold"


def test_simulator_knows_a_volume_beside_a_renamed_one() -> None:
    """A test of the tests."""
    stage = converged(text())
    byhand.rename(stage.world, "testlv", "testold")
    stage.world.files = {p: c for p, c in stage.world.files.items() if "/lunmirror/volumes/" not in p}
    with pytest.raises(Harm, match="beside the first"):
        stage.apply()


@pytest.mark.parametrize("mount", ["/mnt/test", "/mnt/data"])
def test_a_volume_renamed_in_the_file_is_not_made_again(mount: str) -> None:
    stage = converged(text())
    stage.configure(text().replace("volumes.testlv", "volumes.data").replace("/mnt/test", mount))
    planned = stage.plan()
    assert not [s for s in planned.report.steps if s.ref.layer in ("volume", "filesystem")]
    last = stage.apply()
    assert last.exit == 4
    assert "`lvrename vg0 testlv data`" in last.finding(Kind.REFUSED)
    assert [name for name, _ in stage.world.metas()["vg0"].lvs] == ["testlv"]


def test_a_volume_taken_out_of_the_configuration_is_spoken_of() -> None:
    stage = converged(text())
    stage.configure(text().partition("[groups.vg0.volumes")[0])
    last = stage.apply()
    assert last.exit == 0
    said = last.finding(Kind.NOTE)
    assert "volume vg0/testlv is not declared" in said
    assert "mounted at /mnt/test" in said
    assert "would lose" not in lost(stage, "filer1")
    outage(stage, "filer2")
    stage.apply()
    assert noted(stage).running == (pv(stage, "left"),)
    assert "volume vg0/testlv would lose access and data" in lost(stage, "filer1")


def test_a_leg_that_is_split_off_and_tracked_is_left_alone() -> None:
    stage = converged(text())
    byhand.split_and_track(stage.world, "testlv", pv(stage, "right"))
    for _ in range(3):
        last = stage.apply()
        assert last.exit == 3
        assert not [line for line in last.host.lines if line[0] == "lvm" and line[1] != "fullreport"]
        stage.world.advance(60.0)
    assert "`lvconvert --merge vg0/testlv_rimage_1`" in last.finding(Kind.DEGRADED)
    assert noted(stage).running == (pv(stage, "left"),)
    assert "would lose access and data" in lost(stage, "filer1")
    byhand.merge(stage.world, "testlv")
    assert stage.settle().exit == 0


@pytest.mark.parametrize("how", ["permission", "list"])
def test_a_read_only_volume_is_no_damage(how: str) -> None:
    stage = converged(text())
    stage.world.unmount("/mnt/test")
    if how == "permission":
        byhand.permit(stage.world, "testlv", "read-only")
    else:
        stage.world.read_only = True
    for _ in range(2):
        last = stage.apply()
        stage.world.advance(60.0)
    assert last.exit == 4
    said = last.finding(Kind.REFUSED)
    assert ("lvchange -p" if how == "permission" else "read_only_volume_list") in said
    assert "fsck" not in str(list(last.report.findings))
    outage(stage, "filer2")
    assert stage.apply().exit in (3, 4)


def test_a_volume_flagged_to_be_skipped_reports_so() -> None:
    stage = converged(text())
    world = stage.world
    world.event_activation = False
    world.unmount("/mnt/test")
    world.reboot()
    byhand.skip(world, "testlv")
    last = stage.apply()
    assert (last.exit, world.actives) == (4, [])
    assert "`lvchange -k n vg0/testlv`" in last.finding(Kind.REFUSED)
    byhand.skip(world, "testlv", False)
    assert stage.settle().exit == 0


@pytest.mark.parametrize("listed", [("other",), ()])
def test_a_volume_that_the_machines_list_leaves_out_reports_so(listed: tuple[str, ...]) -> None:
    stage = converged(text())
    world = stage.world
    world.event_activation = False
    world.unmount("/mnt/test")
    world.reboot()
    world.volume_list = listed
    last = stage.apply()
    assert (last.exit, world.actives) == (4, [])
    assert "activation/volume_list" in last.finding(Kind.REFUSED)
    world.volume_list = ("vg0",)
    assert stage.settle().exit == 0


def test_a_mirror_that_nobody_watches_is_no_redundancy() -> None:
    stage = converged(text(type="mirror"))
    world = stage.world
    world.event_activation = False
    world.monitoring = False
    world.unmount("/mnt/test")
    world.reboot()
    for _ in range(4):
        last = stage.apply()
        world.advance(60.0)
    assert last.exit == 3
    assert "dmeventd does not watch it" in last.finding(Kind.DEGRADED)
    assert "dmeventd does not watch it" in lost(stage, "filer2")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"system_id": "old-name"}, "old-name"),
        ({"exported": True}, "exported"),
        ({"lock_type": "sanlock"}, "sanlock"),
    ],
)
def test_a_group_of_somebody_else_was_removed_by_nobody(values: dict, words: str) -> None:
    stage = converged(text())
    world = stage.world
    world.event_activation = False
    world.unmount("/mnt/test")
    world.reboot()
    byhand.own(world, "vg0", **values)
    last = stage.apply()
    assert (last.exit, world.actives) == (4, [])
    said = "\n".join(last.finding(kind) for kind in Kind)
    assert words in said
    assert "removed" not in said
    assert f"rm {journal.path_of('')}"[:8] not in said


def test_a_flagged_member_does_not_matter_to_a_snapshot() -> None:
    stage = converged(text())
    byhand.snapshot(stage.world, "testlv", pv(stage, "left"))
    outage(stage, "filer2")
    flag(stage)
    back(stage, "filer2")
    assert stage.settle().exit == 0
    assert letters(stage) == "AA"


@pytest.mark.parametrize("partition", [True, False])
def test_luns_enlarged_on_their_servers_are_used(partition: bool) -> None:
    stage = converged(text(size="256MiB", partition=partition))
    stage.configure(text(size="1GiB", partition=partition))
    assert "enlarge LUN 1 on server filer1" in stage.apply().finding(Kind.REFUSED)
    if partition:
        byhand.enlarge(stage.world, 2 << 30, partitions=False)
        assert "`growpart /dev/sd" in stage.apply().finding(Kind.REFUSED)
    byhand.enlarge(stage.world, 2 << 30)
    assert stage.settle().exit == 0
    assert stage.world.active("testlv").extents == 256


def test_a_lun_that_grew_is_left_as_it_is_while_nobody_needs_it() -> None:
    stage = converged(text())
    byhand.enlarge(stage.world, 2 << 30)
    assert stage.apply().host.changed == []


def test_another_file_system_and_another_size_change_neither() -> None:
    """Seen: extended first, refused after."""
    stage = converged(text())
    stage.configure(text(size="304MiB", filesystem="xfs"))
    assert stage.apply().exit == 4
    assert stage.world.active("testlv").extents == 16


def test_a_renamed_disk_can_be_replaced_later() -> None:
    words = text().replace("[disks.right]", "[disks.rechts]").replace('"right"', '"rechts"')
    stage = converged(text()).configure(words)
    world = stage.world
    [title] = [o.step.title for o in stage.apply().report.outcomes]
    assert title.endswith("is the one of disk rechts")
    assert stage.apply().host.changed == []
    old = dict(world.metas()["vg0"].pvs)
    outage(stage, "filer2")
    stage.apply()
    world.logout("filer2")
    world.servers["filer2"].targets[SERVERS["filer2"][1]][1] = blank_lun()
    back(stage, "filer2")
    assert stage.apply().exit == 4
    table = words[words.index("[disks.rechts]") : words.index("[groups.vg0]")]
    new = table.replace("[disks.rechts]", '[disks.rechts2]\nreplaces = "rechts"')
    both = words.replace("[groups.vg0]\n", f"{new}\n[groups.vg0]\n", 1)
    stage.configure(both.replace('disks = ["left", "rechts"]', 'disks = ["left", "rechts2"]'))
    gone = next(pv for pv in old if pv != stage.desired.disks["left"].pv_uuid)
    world.given_up.add(gone)
    assert stage.settle(8).exit == 0
    assert letters(stage) == "AA"
    assert gone not in dict(world.metas()["vg0"].pvs)


def test_a_server_renamed_in_the_configuration_keeps_its_leg() -> None:
    words = text().replace("servers.filer2", "servers.nas").replace('server = "filer2"', 'server = "nas"')
    stage = converged(text()).configure(words)
    assert stage.settle().exit == 0
    outage(stage, "filer2")
    assert "would lose access and data" in lost(stage, "filer1")
    back(stage, "filer2")
    assert stage.settle().exit == 0


def test_a_write_protected_lun_is_reported_and_is_no_other_copy() -> None:
    stage = converged(text())
    stage.lun("right").readonly = True
    stage.world.version += 1
    last = stage.apply()
    assert last.exit == 4
    assert "disk right (/dev/sdc) is write-protected" in last.finding(Kind.REFUSED)
    assert "disk right is write-protected" in lost(stage, "filer1")


def test_a_write_protected_lun_is_not_taken() -> None:
    stage = Stage(text(), make_world())
    stage.lun("right").readonly = True
    assert stage.apply().exit == 4
    assert stage.lun("right").blank


def test_a_system_id_of_this_machines_own_is_no_obstacle() -> None:
    stage = converged(text())
    stage.world.system_id = "me"
    byhand.own(stage.world, "vg0", system_id="me")
    assert stage.settle().exit == 0


@pytest.mark.parametrize("boot", [False, True])
def test_two_volumes_that_exchanged_their_names(boot: bool) -> None:
    """Each would be mounted in the other's place, without a word."""
    two = text() + TWO
    stage = converged(two)
    held = {m.path: m.active.uuid for m in stage.world.mounts}
    for old, new in (("testlv", "third"), ("data", "testlv"), ("third", "data")):
        byhand.rename(stage.world, old, new)
    if boot:
        stage.world.reboot()

    for _ in range(3):
        last = stage.apply()
        assert last.exit == 4, str(last)
        assert all(held[m.path] == m.active.uuid for m in stage.world.mounts)
        stage.world.advance(60.0)

    assert "is the volume that was data" in str(last)
    for old, new in (("testlv", "third"), ("data", "testlv"), ("third", "data")):
        byhand.rename(stage.world, old, new)
    assert stage.settle().exit == 0
    assert {m.path: m.active.uuid for m in stage.world.mounts} == held


TWO = """
[groups.vg0.volumes.data]
size = "16MiB"
filesystem = "ext4"
mount = "/srv/data"
"""


def test_a_line_in_fstab_of_what_is_not_declared_is_reported() -> None:
    """Nothing is mounted now, and the next boot mounts it."""
    stage = converged(text()).configure(text().partition("[groups.vg0.volumes")[0])
    stage.world.unmount("/mnt/test")
    said = " ".join(f.what for f in stage.plan().report.findings)
    number = next(n for n, line in enumerate(stage.world.files["/etc/fstab"].splitlines(), 1) if b"/mnt/test" in line)
    assert f"volume vg0/testlv is in /etc/fstab (line {number}), but not declared" in said
    assert stage.apply().exit == 0
