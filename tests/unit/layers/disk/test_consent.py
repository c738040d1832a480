"""What a consent covers, and what it never does. The rest of the disk layer is held by tests/scenarios/test_disks.py."""

import pytest

from lunmirror.engine import gate
from lunmirror.engine.desired import Desired, Disk, Group, Server, Timeouts
from lunmirror.engine.model import Kind, Present, Risk
from lunmirror.layers.disk.facts import Blank, Device, Holds, Lun, OwnTable, Unreadable
from lunmirror.layers.disk.plan import plan

GPT = "GPT partition table (uuid 1-2)"
LEFT = "data without a known signature, in the 4 MiB from byte 0 (sector 0, sha256 0123456789abcdef)"
WHOLE = Device("sdb", "/dev/sdb", 1 << 30, "8:16", "7", ())
PART = Device("sdb1", "/dev/sdb1", (1 << 30) - (2 << 20), "8:17", "", ())


OWN = "aBcDeF-0000-1111-2222-3333-4444-gHiJkL"


def planned(content, consent: str, partition: bool = True, ours: bool = True, pv_uuid: str = "", expected: str = ""):
    """The plan for a disk whose place (our own partition, if `ours`) holds `content`."""
    server = Server("filer1", (), "automatic", Timeouts(1, 1, 1, 10, 3))
    disk = Disk(
        "left", "filer1", "iqn.2006-01.com.example:one", 1, partition=partition, consent=consent, pv_uuid=pv_uuid
    )
    place = (PART if ours else None) if partition else WHOLE
    lun = Lun(WHOLE, (WHOLE,), place, ours and partition, None, content, "", expected)
    desired = Desired({"filer1": server}, {"left": disk}, {}, {}, 15, 5)
    found = plan(desired, {"disk": {"left": Present(lun)}, "session": {}, "group": {}}, frozenset())
    return gate.enforce(found, frozenset())  # no plan gets past it, in a test neither


def refused(found) -> bool:
    return not found.steps and [f.kind for f in found.findings] == [Kind.REFUSED]


def test_a_blank_place_needs_none():
    assert planned(Blank("zeros"), "").steps


@pytest.mark.parametrize("consent", ["", "GPT", GPT + " ", "ext4 signature"])
def test_only_the_very_words_are_a_consent(consent):
    assert refused(planned(Holds(GPT), consent, ours=False))


def test_a_consented_table_is_replaced_by_one_program():
    write, *_ = planned(Holds(GPT), GPT, ours=False).steps
    assert write.action.argv == ("sfdisk", "--wipe", "always", "/dev/sdb"), "what lies in the partition is not named"
    assert write.risk is Risk.CONSUMES
    assert write.proof.startswith("consent")


def test_a_label_may_speak_of_a_partition_table():
    what = "ext4 signature labelled 'old partition table' (uuid 1-2)"
    (label, *_) = planned(Holds(what), what, partition=False).steps
    assert "pvcreate" in label.action.argv
    assert refused(planned(Holds(GPT), GPT, partition=False)), "LVM takes no partitioned disk"


def test_what_lies_in_our_partition_needs_its_own_consent():
    """It may be what is left of a physical volume whose head was damaged, long after the table was consented to."""
    assert refused(planned(Holds(LEFT), ""))
    assert refused(planned(Holds(LEFT), GPT)), "the old consent does not cover it"
    assert refused(planned(Holds("swap signature (uuid 1-2)"), GPT))
    assert refused(planned(Holds(LEFT), GPT, partition=False)), "nor on a whole disk"
    (label, *_) = planned(Holds(LEFT), LEFT).steps
    assert "pvcreate" in label.action.argv
    assert label.proof.startswith("consent")


@pytest.mark.parametrize(("pv_uuid", "expected"), [(OWN, ""), ("", OWN)])
@pytest.mark.parametrize("partition", [True, False])
def test_our_own_physical_volume_is_never_covered(pv_uuid, expected, partition):
    """Two sessions to one LUN made LVM hide it: the consent that was then asked for named our own leg."""
    what = f"LVM2_member signature (uuid {OWN})"
    for consent in ("", what):
        found = planned(Holds(what), consent, partition, pv_uuid=pv_uuid, expected=expected)
        assert refused(found)
        said = found.findings[0]
        assert "not to be lost" in said.next
        assert "overwrite" not in f"{said.what} {said.why} {said.next}"
    other = f"LVM2_member signature (uuid {OWN.replace('a', 'z')})"
    assert planned(Holds(other), other, partition, pv_uuid=pv_uuid, expected="").steps or expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (Blank("zeros"), "left is blank, but its group still expects"),
        (Holds("ext4 signature (uuid 1-2)"), "it holds ext4 signature (uuid 1-2)"),
        (Unreadable("input/output error"), "input/output error"),
        (OwnTable(whole=False, proof="torn"), "is not the disk that it was"),
    ],
)
def test_blank_is_reported_of_what_was_read_as_blank(content, words):
    """Its group misses it: what cannot be read, or holds something else, was called blank as well."""
    found = planned(content, "ext4 signature (uuid 1-2)", partition=False, expected=OWN)
    assert not found.steps
    (said,) = found.findings
    assert words in f"{said.what}; {said.why}"
    assert isinstance(content, Blank) or "is blank" not in said.what


def test_what_is_in_use_is_never_covered():
    what = "something in use: dm-0 is built on it"
    for partition in (True, False):
        assert refused(planned(Holds(what, in_use=True), what, partition))


def test_a_disk_is_not_taken_whole_over_a_partition_table():
    found = planned(Holds(GPT), GPT, partition=False)
    assert refused(found)
    assert "partition = true" in found.findings[0].next


def test_words_that_fit_other_content_too_are_no_consent():
    """What is left of a physical volume of ours whose label is damaged has no signature either."""
    for what in ("data without a known signature, in the 4 MiB from byte 0", "swap signature"):
        found = planned(Holds(what, nameless=True), what, partition=False)
        assert refused(found)
        assert "it may be a leg whose first sectors are damaged" in found.findings[0].next
        assert "overwrite" not in found.findings[0].next


def test_the_words_that_would_consent_can_be_pasted():
    import tomllib

    what = "ext4 file system labelled 'a \"b\" \\c' (uuid 1-2)"
    (finding,) = planned(Holds(what), "").findings
    line = finding.next.rpartition(": ")[2]
    assert tomllib.loads(line) == {"overwrite": what}
    assert planned(Holds(what), tomllib.loads(line)["overwrite"]).steps


@pytest.mark.parametrize(
    "other", [Unreadable("input/output error"), Holds("LVM2_member signature (uuid 1-2)"), Blank("zeros")]
)
def test_a_blank_disk_waits_for_one_that_cannot_be_read(other):
    """Taken, it would be a leg of that group by its UUID, and a mirror would copy its zeros over the other."""
    server = Server("filer1", (), "automatic", Timeouts(1, 1, 1, 10, 3))
    disks = {
        name: Disk(name, "filer1", "iqn.2006-01.com.example:one", number)
        for number, name in enumerate(("left", "right"), 1)
    }
    luns = {
        name: Lun(WHOLE, (WHOLE,), WHOLE, False, None, content, "")
        for name, content in (("left", other), ("right", Blank("zeros")))
    }
    desired = Desired({"filer1": server}, disks, {"vg0": Group("vg0", ("left", "right"))}, {}, 15, 5)
    world = {"disk": {n: Present(lun) for n, lun in luns.items()}, "session": {}, "group": {}}
    found = plan(desired, world, frozenset())
    taken = {step.ref.name for step in found.steps}
    assert taken == ({"left", "right"} if isinstance(other, Blank) else set())
