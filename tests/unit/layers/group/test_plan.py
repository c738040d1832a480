"""Who may start what is in a group: lunmirror, and no event of LVM's."""

from lunmirror.engine.desired import Desired, Disk, Group, Portal, Server, Timeouts
from lunmirror.engine.model import Kind, Plan, Present, Unknown
from lunmirror.layers.disk.facts import Device, Lun, PhysicalVolume
from lunmirror.layers.group.facts import Member, VolumeGroup
from lunmirror.layers.group.plan import plan

TIMES = Timeouts(3, 3, 7, 10, 3)
SERVERS = {n: Server(n, (Portal("192.0.2.1"),), "automatic", TIMES) for n in ("filer1", "filer2")}
DISKS = {
    "left": Disk("left", "filer1", "iqn.2001-01.x:a", 1, pv_uuid="uuid-a"),
    "right": Disk("right", "filer2", "iqn.2001-01.x:b", 1, pv_uuid="uuid-b"),
}
DESIRED = Desired(SERVERS, DISKS, {"vg0": Group("vg0", ("left", "right"))}, {}, 15, 5)


def planned(
    autoactivation: bool | None, missing: bool = False, host: str = "me", others: tuple[str, ...] = ()
) -> Plan:
    members = (
        Member("uuid-a", "/dev/sda", "left", 1 << 30, 0, False),
        Member("uuid-b", "/dev/sdb", "right", 1 << 30, 0, missing),
    )
    facts = VolumeGroup("u", 4 << 20, 0, 5, members, (), host, "me", "", False, autoactivation, others)
    disks = dict.fromkeys(DISKS, Unknown("of no interest here"))
    return plan(DESIRED, {"disk": disks, "group": {"vg0": Present(facts)}}, frozenset())


def test_a_group_that_events_may_start_is_taken_from_them() -> None:
    (step,) = planned(True).steps

    assert step.action.argv == (
        *("lvm", "vgchange", "--devices", "/dev/sda,/dev/sdb"),
        *("--setautoactivation", "n", "vg0"),
    )
    assert "lunmirror" in step.drift[0].desired


def test_nothing_is_done_where_it_is_off_or_not_told() -> None:
    assert planned(False).steps == ()
    assert planned(None).steps == ()  # an lvm2 that does not know the property


def test_metadata_is_not_written_while_a_member_is_missing() -> None:
    assert planned(True, missing=True).steps == ()


def test_another_hosts_group_is_left_alone() -> None:
    answer = planned(True, host="another")

    assert answer.steps == ()
    assert [f.kind for f in answer.findings] == [Kind.REFUSED]


def test_undeclared_volumes_are_still_started_at_boot() -> None:
    answer = planned(True, others=("backup",))

    assert answer.steps == ()
    (note,) = answer.findings
    assert note.kind is Kind.NOTE
    assert "backup" in note.why
    assert "lvchange --setautoactivation n" in note.next


def here(device: str, uuid: str) -> Present:
    disk = Device(device, f"/dev/{device}", 1 << 30, "8:16", "1", ())
    return Present(Lun(disk, (disk,), disk, False, PhysicalVolume(uuid, "", 1 << 30, 1 << 30), None, ""))


def named_alike(*members: Member) -> Plan:
    """Both disks are ready to join, and there is a group vg0 of these members."""
    facts = VolumeGroup("u", 4 << 20, 1 << 30, 5, members, (), "", "me", "", False, True, ("root",))
    disks = {"left": here("sdb", "uuid-a"), "right": here("sdc", "uuid-b")}
    return plan(DESIRED, {"disk": disks, "group": {"vg0": Present(facts)}}, frozenset())


def test_a_group_that_only_has_the_name_is_not_extended() -> None:
    """The machine's own disks may be in a group of that very name: with the LUNs in it, it would need them to boot."""
    answer = named_alike(Member("local", "/dev/vda2", "", 1 << 34, 1 << 30, False))

    assert answer.steps == ()
    (finding,) = answer.findings
    assert finding.kind is Kind.REFUSED
    assert "/dev/vda2" in finding.what
    assert "vgrename u " in finding.next


def test_nor_one_whose_members_may_be_out_of_sight() -> None:
    answer = named_alike(
        Member("local", "/dev/vda2", "", 1 << 34, 1 << 30, False), Member("adopted", "", "", 1 << 30, 0, True)
    )

    assert answer.steps == ()
    assert [f.kind for f in answer.findings] == [Kind.BLOCKED]


def test_a_group_with_one_member_on_a_declared_disk_is_adopted() -> None:
    answer = named_alike(
        Member("local", "/dev/vda2", "", 1 << 34, 1 << 30, False),
        Member("adopted", "/dev/sdb", "left", 1 << 30, 0, False),
    )

    assert [step.action.argv[1] for step in answer.steps] == ["vgchange", "pvchange", "vgextend"]
