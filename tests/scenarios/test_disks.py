"""What is taken for a physical volume, and what never is."""

from lunmirror.engine.model import Kind
from sim.disks import Table
from sim.machine import Call
from sim.stage import converged, text
from sim.stories import blank, new_name


def test_disks_whose_partitions_come_late_are_waited_for() -> None:
    """A client that boots without open-iscsi's own login: the kernel shows the disks before their partitions, and our
    table without its partition is not an unfinished one [lab]."""
    stage = converged(text())
    stage.world.event_activation = False
    stage.world.unmount("/mnt/test")
    stage.world.reboot(login=False)

    first = stage.apply()

    assert first.exit == 0, str(first)
    assert not [line for line in first.host.lines if line[0] == "sfdisk"]


def test_a_disk_that_returns_is_not_refused_meanwhile() -> None:
    assert Kind.REFUSED not in new_name().apply().kinds()


def test_our_table_without_its_partition_is_read_again() -> None:
    stage = converged(text())
    stage.world.unmount("/mnt/test")
    stage.world.deactivate("testlv")
    for disk in stage.world.disks():
        disk.partition = False
    stage.world.version += 1
    before = stage.lun().fingerprint()

    first = stage.apply()

    assert first.exit == 0, str(first)
    assert [line[0] for line in first.host.lines].count("partx") == 2
    assert "sfdisk" not in [line[0] for line in first.host.lines]
    assert stage.lun().part.pv in before


def test_an_unfinished_table_of_ours_is_finished() -> None:
    stage = blank()
    stage.lun().table = Table(stage.desired.disks["left"].table_guid, whole=False)

    assert stage.settle().exit == 0


def test_what_somebody_put_where_our_table_was_is_refused() -> None:
    """swap or raw data at the head, and still the second copy of our table at the end: mkswap and dd leave it."""
    for what in ("swap", "raw", "raw in the middle"):
        stage = blank()
        lun = stage.lun()
        lun.table = Table(stage.desired.disks["left"].table_guid, whole=False)
        if what == "swap":
            lun.body.signature = {"TYPE": "swap", "UUID": "1-2"}
        else:
            lun.body.marks = {(1 << 20) if what == "raw" else (60 << 20): 1 << 20}
        before = lun.fingerprint()

        refused = stage.apply()

        assert refused.exit == 4, f"{what}: {refused}"
        assert lun.fingerprint() == before


def test_another_disk_of_the_same_name_is_noticed_last() -> None:
    """The names move after the look and before the write."""
    stage = blank()

    def names_move(call: Call) -> str:
        if call.kind == "query" and call.what.startswith("cmp "):
            for disk in stage.world.disks():
                disk.diskseq = stage.world.number()
            stage.world.version += 1
        return ""

    moved = stage.apply(names_move)

    assert stage.lun().blank
    assert "the machine changed since it was observed" in str(moved)
    assert stage.settle().exit == 0


def test_consent_to_a_table_is_none_to_the_whole_disk() -> None:
    """LVM refuses a partitioned disk; wiping the table first would leave what the consent does not name."""
    guid = "0fc63daf-8483-4772-8e79-3d69d8477de4"
    stage = blank(partition=False, disk_more=f'overwrite = "GPT partition table (uuid {guid})"')
    stage.lun().table = Table(guid)
    before = stage.lun().fingerprint()

    refused = stage.apply()

    assert refused.exit == 4
    assert "partition = true" in refused.finding(Kind.REFUSED)
    assert stage.lun().fingerprint() == before
