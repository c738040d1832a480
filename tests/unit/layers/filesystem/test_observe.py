import pytest

from lunmirror.engine.model import ABSENT, Present, Unknown
from lunmirror.layers.filesystem.facts import Bare, FileSystem, Other
from lunmirror.layers.filesystem.observe import observe
from lunmirror.layers.volume.facts import UNFORMATTED
from unit.layers.filesystem.world import Machine, desired, head, mountline, ran, volume, world

ID = "vg0/testlv"
EXT4 = "DEVNAME=/dev/mapper/vg0-testlv\nLABEL=my\\ data\nUUID=AA-1\nVERSION=1.0\nTYPE=ext4\nUSAGE=filesystem\n"
XFS = "DEVNAME=/dev/mapper/vg0-testlv\nUUID=bb-2\nTYPE=xfs\nUSAGE=filesystem\n"


def look(machine, seen=None, **declared):
    return observe(desired(volume(**declared)), machine, seen or world())[ID]


def test_a_mounted_volume_is_known_without_running_a_program():
    machine = Machine(mounts=mountline(), tags=("x",))
    assert look(machine) == Present(FileSystem("ext4", "", "", mounted=True, path="/mnt/test", tags=("x",)))
    assert machine.programs == []


def test_the_mount_of_the_whole_is_named_first():
    machine = Machine(mounts=mountline("/srv/part", root="/part") + mountline("/mnt/test"))
    assert look(machine).facts.path == "/mnt/test"


def test_ext3_mounted_as_ext4_is_known_by_its_superblock():
    machine = Machine(mounts=mountline(type="ext4"), answers={"blkid": ran(0, EXT4.replace("ext4", "ext3"))})
    facts = look(machine, filesystem="ext3").facts
    assert (facts.type, facts.mounted, facts.path) == ("ext3", True, "/mnt/test")


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        ({"volume": {ID: ABSENT}}, "does not exist"),
        ({"volume": {}}, "does not exist"),
        ({"volume": {ID: Unknown("a leg hangs")}}, "a leg hangs"),
        (world(active=False), "not active"),
        (world(suspended=True), "suspended"),
        (world(uuid="another"), "not show"),
    ],
)
def test_a_volume_that_cannot_be_read_is_unknown(seen, word):
    machine = Machine()
    answer = look(machine, seen)
    assert isinstance(answer, Unknown)
    assert word in answer.reason
    assert machine.programs == []


@pytest.mark.parametrize(
    ("answers", "facts"),
    [
        ({"blkid": ran(2), "od": ran(0, head())}, Bare(("t",))),
        ({"blkid": ran(0, EXT4)}, FileSystem("ext4", "aa-1", "my data", mounted=False, tags=("t",))),
        ({"blkid": ran(0, XFS), "od": ran(0, head(b"XFSB"))}, FileSystem("xfs", "bb-2", "", False, tags=("t",))),
        (
            {"blkid": ran(0, XFS), "od": ran(0, head(b"XFSB".ljust(126, b"\0") + b"\1"))},
            FileSystem("xfs", "bb-2", "", False, complete=False, tags=("t",)),
        ),
        ({"blkid": ran(8)}, Other("signatures of several kinds at once", ("t",))),
        ({"blkid": ran(0, "DEVNAME=x\nUUID=1\nLABEL=a\nTYPE=swap\n")}, Other("swap labelled 'a'", ("t",))),
        ({"blkid": ran(0, "DEVNAME=x\nPTTYPE=dos\n")}, Other("a partition table (dos)", ("t",))),
        ({"blkid": ran(0, "DEVNAME=x\nTYPE=LVM2_member\n")}, Other("LVM2_member", ("t",))),
        ({"blkid": ran(0, "DEVNAME=x\n")}, Other("something that blkid cannot name", ("t",))),
    ],
)
def test_what_is_on_a_volume(answers, facts):
    assert look(Machine(answers=answers, tags=("t",))) == Present(facts)


@pytest.mark.parametrize(
    "answers",
    [
        {"blkid": ran(None, trouble="did not end within 45 s")},
        {"blkid": ran(None, trouble="could not be started")},
        {"blkid": ran(4, err="usage")},
        {"blkid": ran(-9)},
        {"blkid": ran(0, "")},
        {"blkid": ran(0, "garbage\x00\xff")},
        {"blkid": ran(0, "TYPE=ext4\nTYPE=xfs\n")},
        {"blkid": ran(0, XFS), "od": ran(1, "")},
        # blkid's 2 alone proves nothing: unreadable taken for blank is hazard number one
        {"blkid": ran(2), "od": ran(1, err="Input/output error")},
        {"blkid": ran(2), "od": ran(None, trouble="did not end within 45 s")},
        {"blkid": ran(2), "od": ran(0, "")},
        {"blkid": ran(2), "od": ran(0, head()[:-3])},
        {"blkid": ran(2), "od": ran(0, head()[:-3] + "zz\n")},
        {"blkid": ran(2), "od": ran(0, head(b"XFSB"))},
        {"blkid": ran(2), "od": ran(0, head(b"\0" * 1080 + b"\x53\xef"))},
    ],
)
def test_every_doubt_is_unknown(answers):
    assert isinstance(look(Machine(answers=answers, tags=(UNFORMATTED,))), Unknown)


@pytest.mark.parametrize("mounts", [b"nonsense\n", b"1 2 3\n", mountline()[:-20]])
def test_a_mount_table_that_cannot_be_read_is_unknown(mounts):
    machine = Machine(mounts=mounts, answers={"blkid": ran(2), "od": ran(0, head())})
    assert isinstance(look(machine), Unknown)
    assert machine.programs == []


def test_tags_are_read_again():
    machine = Machine(mounts=mountline(), tags=())
    assert look(machine, world(tags=(UNFORMATTED,))).facts.tags == ()


def test_without_the_tags_nothing_is_known():
    machine = Machine(mounts=mountline(), answers={"lvm": ran(5, err="locked")})
    assert "locked" in look(machine).reason


def test_volumes_without_a_file_system_cost_nothing():
    machine = Machine()
    assert observe(desired(volume()._replace(filesystem=None)), machine, world()) == {}
    assert machine.asked == []


def test_the_node_is_device_mappers_name():
    machine = Machine(answers={"blkid": ran(0, EXT4)})
    look(machine)
    assert ("blkid", "-p", "-o", "export", "/dev/mapper/vg0-testlv") in machine.asked
