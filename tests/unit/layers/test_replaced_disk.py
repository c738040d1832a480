"""A disk whose LUN was re-created and is declared under another name: the old table stays, and nothing is done to it."""

from lunmirror.engine.desired import Desired, Disk
from lunmirror.engine.model import ABSENT, Plan, Present
from lunmirror.layers.disk.facts import Gone
from lunmirror.layers.disk.observe import _expected, observe
from lunmirror.layers.disk.plan import plan
from lunmirror.layers.group.facts import Member, VolumeGroup, successors
from lunmirror.layers.session.facts import NoSession
from lunmirror.lvm.read import Lvm, PvRow
from unit.layers.node.machine import TARGET, Machine, desired, server

OLD = Disk("right", "filer1", TARGET, 1, pv_uuid="uuid-old")
NEW = Disk("right2", "filer1", TARGET, 1, pv_uuid="uuid-new", replaces="right")


def declared(*disks: Disk) -> Desired:
    from lunmirror.engine.desired import Group

    plain = desired(server())
    return plain._replace(disks={d.name: d for d in disks}, groups={"vg0": Group("vg0", ("right2",))})


def test_the_old_name_is_not_looked_at_any_more():
    wanted = declared(OLD, NEW)
    seen = {"session": {path.name: Present(NoSession("")) for path in wanted.paths()}}
    found = observe(wanted, Machine(), seen)
    assert (found["right"], found["right2"]) == (Present(Gone("right2")), ABSENT)
    assert plan(wanted._replace(disks={"right": OLD}), seen | {"disk": found}, frozenset()) == Plan()


def test_on_a_lun_of_its_own_it_still_is():
    wanted = declared(OLD._replace(lun=2), NEW)
    seen = {"session": {path.name: Present(NoSession("")) for path in wanted.paths()}}
    assert observe(wanted, Machine(), seen)["right"] is ABSENT


def group(*members: Member) -> VolumeGroup:
    return VolumeGroup("u", 4 << 20, 0, 5, members, (), "me", "me", "", False)


def test_only_the_member_that_was_made_for_it_may_go():
    """Known by the UUID that follows from server, target, LUN and name, though nobody can see it."""
    mine = Member("uuid-old", "", "right", 1, 1, True)
    stranger = Member("uuid-other", "", "", 1, 1, True)
    assert successors(declared(OLD, NEW), "vg0", group(mine, stranger)) == {"uuid-old": NEW}
    assert successors(declared(OLD, NEW), "vg0", group(stranger)) == {}


def missed(*uuids: str) -> str:
    """The volume whose place a blank LUN of NEW has, where the group misses these."""
    lvm = Lvm({}, tuple(PvRow("", "", uuid, "vg0", True, False, 1, 1) for uuid in uuids), (), {})
    return _expected(declared(OLD, NEW), NEW, lvm)


def test_a_successor_that_is_a_member_already_is_as_dear_as_any():
    """`replaces` may stay in the configuration: it is no consent to adopt a LUN that is emptied later."""
    assert missed("uuid-old") == missed("uuid-other") == missed() == ""
    assert missed("uuid-new") == missed("uuid-old", "uuid-new") == "uuid-new"
