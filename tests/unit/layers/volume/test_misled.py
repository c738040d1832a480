"""A leg that runs on a device which is not the declared disk: what is then done, as a table."""

from lunmirror.engine.model import ABSENT, Kind, Present
from lunmirror.lvm.origin import Origin
from lunmirror.lvm.places import Places
from unit.layers.volume.test_plan import BOTH, ONLY_A, A, B, commands, group, lv, notes, planned, wanted

NOTED = ONLY_A._replace(running=(B,), last={A: "t1"}, rebuild=(A,))


def kinds(answer):
    return [f.kind for f in answer.findings]


def test_the_journal_learns_first_of_the_good_leg():
    answer = planned(Present(lv(past=BOTH, misled=(A,))))

    assert commands(answer) == []
    (entry,) = notes(answer)
    assert (entry.running, entry.rebuild) == ((B,), (A,))
    assert kinds(answer) == [Kind.REFUSED]


def test_then_the_leg_is_dropped_and_never_refreshed():
    assert commands(planned(Present(lv(past=NOTED, misled=(A,))))) == ["lvconvert -y -m -1 vg0/lv /dev/left"]
    assert commands(planned(Present(lv(letters="DA", past=NOTED, misled=(A,))))) == [
        "lvconvert -y -m -1 vg0/lv /dev/left"
    ]


def test_nothing_is_dropped_while_the_original_is_away():
    answer = planned(Present(lv(past=NOTED, misled=(A,))), vg=group(hidden=("left",)))

    assert commands(answer) == []
    assert kinds(answer) == [Kind.REFUSED]
    assert "filer1" in answer.findings[0].next


def test_its_member_is_taken_back_meanwhile():
    """Else the group would never be whole again."""
    answer = planned(Present(lv(past=NOTED, misled=(A,))), vg=group(flagged=("left",)))

    assert commands(answer)[0] == "vgextend --restoremissing vg0 /dev/left"


def test_without_another_good_leg_nothing_is_done_at_all():
    """What was written last is on that device alone."""
    for volume in (
        lv(letters="AD", past=BOTH, misled=(A,)),
        lv(past=BOTH, misled=(A, B)),
        lv(type="linear", pvs=(A,), past=ONLY_A, misled=(A,)),
    ):
        answer = planned(Present(volume))
        assert answer.steps == ()
        assert kinds(answer) == [Kind.REFUSED]
        assert volume.running == ()


def test_a_good_leg_that_is_on_an_unrelated_device_is_none():
    volume = lv(past=BOTH, misled=(A,))

    assert volume.running == (B,)
    assert not volume.synced


def test_a_mirror_is_left_to_an_administrator():
    answer = planned(Present(lv(type="mirror", past=BOTH, misled=(A,))))

    assert commands(answer) == []
    assert notes(answer)[0].running == (B,)
    assert kinds(answer) == [Kind.REFUSED]


# What is the declared disk, and what is not


# Three sessions: to filer1, to filer2, and to a server at another address that calls its target as filer1 does.
FILES = {
    "/sys/class/iscsi_session/session3/targetname": "iqn.2001-01.x:left",
    "/sys/class/iscsi_connection/connection3:0/persistent_address": "192.0.2.1",
    "/sys/class/iscsi_session/session4/targetname": "iqn.2001-01.x:right",
    "/sys/class/iscsi_connection/connection4:0/persistent_address": "192.0.2.2",
    "/sys/class/iscsi_session/session5/targetname": "iqn.2001-01.x:left",
    "/sys/class/iscsi_connection/connection5:0/persistent_address": "192.0.2.99",
}


class Sysfs:
    def read(self, path):
        return Present(FILES[path].encode()) if path in FILES else ABSENT


PLACES = Places(wanted(), Sysfs())


def test_only_the_declared_lun_is_the_disk():
    assert PLACES.allow(Origin("sda", "session3", 1), "left")
    assert not PLACES.allow(Origin("sdc", "session3", 9), "left"), "another LUN of its target"
    assert not PLACES.allow(Origin("sdb", "session4", 1), "left"), "another server"
    assert not PLACES.allow(Origin("sdd", "session5", 1), "left"), "a server that calls its target the same"
    assert not PLACES.allow(Origin("loop0"), "left")


def test_nothing_is_claimed_of_a_session_that_cannot_be_read():
    assert PLACES.allow(Origin("sdx", "session9", 1), "left")


def test_an_adopted_member_may_be_on_any_disk():
    assert PLACES.allow(Origin("sdb", "session4", 1), "")
    assert not PLACES.allow(Origin("loop0"), "")
