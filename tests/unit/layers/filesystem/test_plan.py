import pytest

from lunmirror.engine.gate import enforce
from lunmirror.engine.identity import filesystem_uuid
from lunmirror.engine.model import ABSENT, Guard, Kind, Present, Ref, Risk, Unknown
from lunmirror.layers.filesystem.facts import Bare, FileSystem, Other
from lunmirror.layers.filesystem.growth import plan_growth
from lunmirror.layers.filesystem.plan import VERDICTS, Sign, plan
from lunmirror.layers.volume.facts import GROW, UNFORMATTED
from unit.layers.filesystem.world import LV_UUID, VG_UUID, desired, volume, world

ID = "vg0/testlv"
REF = Ref("filesystem", ID)
OURS = filesystem_uuid(LV_UUID)
TAG = (UNFORMATTED,)


def steps(seen, pending=(), **kwargs):
    facts = {k: kwargs.pop(k) for k in ("hidden", "active", "tags", "extents") if k in kwargs}
    planned = plan(desired(volume(**kwargs)), world(filesystem=seen, **facts), frozenset(pending))
    gated = enforce(planned, frozenset())
    assert gated == planned, gated.findings
    return planned


def ext4(**fields):
    return Present(FileSystem(**{"type": "ext4", "uuid": OURS, "label": "", "mounted": False} | fields))


def xfs(**fields):
    return ext4(type="xfs", **fields)


MKFS = ("mkfs.ext4", "-q", "-U", OURS, "/dev/mapper/vg0-testlv")
XFS = ("mkfs.xfs", "-q", "-m", f"uuid={OURS}", "/dev/mapper/vg0-testlv")
AGAIN = ("mkfs.xfs", "-q", "-f", "-m", f"uuid={OURS}", "/dev/mapper/vg0-testlv")
UNTAG = ("lvm", "lvchange", "--devices", "/dev/sda,/dev/sdb", "--deltag", UNFORMATTED, ID)


@pytest.mark.parametrize(
    ("type", "seen", "argvs"),
    [
        ("ext4", Present(Bare(TAG)), [MKFS, UNTAG]),
        ("xfs", Present(Bare(TAG)), [XFS, UNTAG]),
        ("ext4", ext4(tags=TAG), [UNTAG]),
        ("xfs", xfs(tags=TAG), [UNTAG]),
        ("xfs", xfs(tags=TAG, complete=False), [AGAIN, UNTAG]),
        ("ext4", ext4(tags=TAG, uuid="", mounted=True, path="/x"), [UNTAG]),
        ("ext4", ext4(), []),
        ("ext4", ext4(uuid="other"), []),
        ("ext4", ext4(uuid="", mounted=True, path="/x"), []),
    ],
)
def test_what_is_done(type, seen, argvs):
    planned = steps(seen, filesystem=type)
    assert [s.action.argv for s in planned.steps] == argvs
    assert planned.findings == ()


@pytest.mark.parametrize(
    ("type", "seen", "words"),
    [
        ("ext4", ext4(tags=TAG, uuid="other", label="old"), ["ext4", "labelled 'old'", "--deltag", "another name"]),
        ("ext4", xfs(tags=TAG), ["xfs", '"xfs"', "--deltag"]),
        ("ext4", xfs(tags=TAG, uuid="", mounted=True, path="/x"), ["xfs", "mounted at /x"]),
        ("ext4", Present(Other("swap", TAG)), ["swap", "another name"]),
        ("ext4", Present(Bare()), ["no file system is found", "find out what it held"]),
        ("ext4", xfs(), ["xfs", 'filesystem = "xfs"']),
        ("ext4", Present(Other("a partition table (dos)")), ["partition table", "out of the configuration"]),
        ("xfs", xfs(complete=False), ["never finished", "another name"]),
        ("xfs", xfs(complete=False, uuid="other", tags=TAG), ["unfinished"]),
        ("ext3", ext4(), ["ext4"]),
    ],
)
def test_what_is_refused(type, seen, words):
    planned = steps(seen, filesystem=type)
    assert planned.steps == ()
    (finding,) = planned.findings
    assert finding.kind is Kind.REFUSED
    assert finding.next
    for word in words:
        assert word in f"{finding.why} {finding.next}"


def test_the_table_is_whole():
    assert set(VERDICTS) == {(tagged, sign) for tagged in (True, False) for sign in Sign}


def test_mkfs_carries_its_proof_and_its_guards():
    mkfs, untag = steps(Present(Bare(TAG))).steps
    assert mkfs.risk is Risk.CONSUMES
    assert LV_UUID in mkfs.proof
    assert UNFORMATTED in mkfs.proof
    plain = (VG_UUID + LV_UUID).replace("-", "")
    assert mkfs.guards == (
        Guard("/sys/class/block/dm-5/dm/uuid", f"LVM-{plain}"),
        Guard("/sys/class/block/dm-5/dm/name", "vg0-testlv"),
        Guard("/sys/class/block/dm-5/size", str((512 << 20) // 512)),
    )
    assert untag.risk is Risk.NONE
    assert mkfs.ref == untag.ref == REF
    assert mkfs.drift[0].key == "groups.vg0.volumes.testlv.filesystem"


def test_the_users_own_options_come_before_ours():
    (mkfs, _) = steps(Present(Bare(TAG)), mkfs=("-m", "1"), label="data").steps
    assert mkfs.action.argv == ("mkfs.ext4", "-m", "1", "-q", "-U", OURS, "-L", "data", "/dev/mapper/vg0-testlv")


def test_force_in_the_options_is_stopped_by_the_gate():
    planned = plan(desired(volume(mkfs=("-F",))), world(filesystem=Present(Bare(TAG))), frozenset())
    assert enforce(planned, frozenset()).findings[0].kind is Kind.REFUSED


@pytest.mark.parametrize("seen", [Present(Bare(TAG)), ext4(tags=TAG), xfs(tags=TAG, complete=False)])
def test_no_metadata_is_written_while_a_pv_is_away(seen):
    planned = steps(seen, hidden=True, filesystem=seen.facts.type if isinstance(seen.facts, FileSystem) else "ext4")
    assert planned.steps == ()
    assert [f.kind for f in planned.findings] == [Kind.BLOCKED]


@pytest.mark.parametrize("seen", [Unknown("blkid hung"), ABSENT, None])
def test_unknown_never_leads_to_mkfs(seen):
    planned = steps(seen, tags=TAG)
    assert planned.steps == ()
    assert [f.kind for f in planned.findings] == [Kind.BLOCKED]


def test_a_volume_still_to_be_made_is_predicted():
    below = Ref("volume", ID)
    seen = {"group": {}, "volume": {ID: ABSENT}, "filesystem": {ID: Unknown("the volume does not exist")}}
    planned = plan(desired(volume()), seen, frozenset({below}))
    mkfs, untag = planned.steps
    assert mkfs.after == untag.after == (below,)
    assert mkfs.action.argv[0] == "mkfs.ext4"
    assert mkfs.action.argv[-1] == "/dev/mapper/vg0-testlv"
    assert enforce(planned, frozenset()) == planned


def test_the_node_of_a_future_volume_doubles_its_dashes():
    declared = volume(name="my-lv", group="my-vg")
    planned = plan(desired(declared), {}, frozenset({Ref("volume", declared.id)}))
    assert planned.steps[0].action.argv[-1] == "/dev/mapper/my--vg-my--lv"


@pytest.mark.parametrize(("tags", "count"), [((), 0), (TAG, 2)])
def test_mkfs_of_a_future_start_is_predicted_by_its_tag(tags, count):
    seen = Unknown("the volume is not active")
    planned = steps(seen, pending={Ref("volume", ID)}, active=False, tags=tags)
    assert len(planned.steps) == count
    assert planned.findings == ()


def test_a_volume_with_pending_steps_is_judged_as_seen():
    assert steps(ext4(), pending={Ref("volume", ID)}).steps == ()
    assert steps(Present(Other("swap")), pending={Ref("volume", ID)}).findings[0].kind is Kind.REFUSED


@pytest.mark.parametrize(
    ("declared", "fields", "count"),
    [
        ("data", {"label": "old"}, 1),
        ("data", {"label": "data"}, 0),
        ("data", {"mounted": True}, 0),
        ("", {"label": "x"}, 0),
    ],
)
def test_another_label_is_only_noted(declared, fields, count):
    planned = steps(ext4(**fields), label=declared)
    assert [f.kind for f in planned.findings] == [Kind.NOTE] * count


def test_our_uuid_is_the_volumes_and_stays_the_same():
    assert filesystem_uuid(LV_UUID) == filesystem_uuid(LV_UUID)
    assert filesystem_uuid(LV_UUID) != filesystem_uuid(VG_UUID)
    # Whoever changes this makes every unfinished mkfs of an older lunmirror look foreign.
    assert filesystem_uuid("x") == "a2337de4-f936-5fad-b404-6beabdef8c62"


# Growth


def growth(seen, pending=(), **kwargs):
    facts = {k: kwargs.pop(k) for k in ("hidden", "extents") if k in kwargs}
    return plan_growth(desired(volume(**kwargs)), world(filesystem=seen, **facts), frozenset(pending))


UNGROW = ("lvm", "lvchange", "--devices", "/dev/sda,/dev/sdb", "--deltag", GROW, ID)


@pytest.mark.parametrize(
    ("type", "argv"),
    [("ext4", ("resize2fs", "/dev/mapper/vg0-testlv")), ("xfs", ("xfs_growfs", "/mnt/x"))],
)
def test_a_mounted_file_system_grows_then_loses_its_tag(type, argv):
    planned = growth(ext4(type=type, mounted=True, path="/mnt/x", tags=(GROW,)), filesystem=type)
    assert [s.action.argv for s in planned.steps] == [argv, UNGROW]
    assert planned.steps[0].risk is Risk.ONLINE
    assert planned.steps[0].guards


@pytest.mark.parametrize(
    "seen",
    [
        ext4(),
        ext4(mounted=True),
        ext4(tags=(GROW, UNFORMATTED)),
        xfs(tags=(GROW,)),
        Present(Bare((GROW,))),
        Unknown(""),
    ],
)
def test_nothing_else_grows(seen):
    assert growth(seen) == ((), ())


def test_what_is_not_mounted_grows_later():
    planned = growth(ext4(tags=(GROW,)))
    assert [f.kind for f in planned.findings] == [Kind.BLOCKED]
    predicted = growth(ext4(tags=(GROW,)), pending={Ref("mount", ID)})
    assert {s.after for s in predicted.steps} == {(Ref("mount", ID),)}
    assert predicted.findings == ()


def test_growth_waits_for_a_whole_group():
    planned = growth(ext4(mounted=True, tags=(GROW,)), hidden=True)
    assert planned.steps == ()
    assert [f.kind for f in planned.findings] == [Kind.BLOCKED]


def test_growth_of_a_volume_about_to_be_extended_is_predicted():
    planned = growth(ext4(mounted=True, path="/mnt/x"), pending={Ref("volume", ID)}, size=1 << 30)
    assert [s.action.argv for s in planned.steps] == [("resize2fs", "/dev/mapper/vg0-testlv"), UNGROW]
    assert {s.after for s in planned.steps} == {(Ref("volume", ID),)}
    assert growth(ext4(mounted=True), pending={Ref("volume", ID)}) == ((), ())
