import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunmirror.config import names, portals
from lunmirror.config.problems import InvalidValue
from lunmirror.engine.desired import Desired, Disk, Portal, Server, Timeouts
from lunmirror.engine.model import Kind, MakeDirectory, Present, RemoveFile, Unknown, WriteFile
from lunmirror.host import paths
from lunmirror.layers.node.facts import Record
from lunmirror.layers.udev.facts import NAME, Rules
from lunmirror.layers.udev.plan import MARK, plan
from lunmirror.layers.udev.rules import NOTICE, PLAIN, rules

TARGET = "iqn.2006-01.com.openfiler:linuxtest1lv"
TIMES = Timeouts(1, 1, 1, 10, 3, command_timeout=4, eh_timeout=4)
LINE = (
    'ACTION!="remove", SUBSYSTEM=="block", ENV{DEVTYPE}=="disk",'
    f' ENV{{ID_PATH}}=="ip-192.168.1.115:3260-iscsi-{TARGET}-lun-1",'
    ' ATTR{device/timeout}="4", ATTR{device/eh_timeout}="4", ATTR{device/scsi_disk/*/max_retries}="1"'
)


def desired(*lists, lun=1, target=TARGET):
    """One disk on a server with each of these lists of portals."""
    lists = lists or ((Portal("192.168.1.115"),),)
    servers = {f"s{n}": Server(f"s{n}", tuple(one), "automatic", TIMES) for n, one in enumerate(lists)}
    disks = {f"d{n}": Disk(f"d{n}", f"s{n}", target, lun) for n in range(len(lists))}
    return Desired(servers, disks, {}, {}, 6, 30)


def planned(raw, wanted=None, directory=True):
    wanted = wanted or desired()
    return plan(wanted, {"udev": {NAME: Present(Rules(raw, directory))}, "node": {}}, frozenset())


def written(wanted=None):
    (step,) = planned(None, wanted).steps
    return step.action.content


def test_one_rule_for_each_disk():
    (step,) = planned(None).steps
    assert isinstance(step.action, WriteFile)
    assert (step.action.path, step.action.before, step.action.mode) == (paths.UDEV_RULES, None, 0o644)
    lines = step.action.content.decode().splitlines()
    assert lines[0] == MARK
    assert [line for line in lines if line and not line.startswith("#")] == [LINE, NOTICE]


def test_after_the_rules_that_set_id_path():
    assert paths.UDEV_RULES.rpartition("/")[2] > "60-persistent-storage.rules"


def test_as_declared_nothing_is_done():
    assert planned(written()) == ((), ())


def test_comments_are_nobodys_business():
    assert planned(written() + b"\n# a note\n") == ((), ())


@pytest.mark.parametrize(
    "change",
    [(b'"4"', b'"44"'), (b"lun-1", b"lun-2"), (b"\nACTION", b'\nRUN+="/bin/false"\nACTION'), (b"ACTION", b"#ACTION")],
)
def test_any_other_rule_is_drift(change):
    raw = written().replace(*change, 1)
    assert raw != written()
    (step,) = planned(raw).steps
    assert step.action == WriteFile(paths.UDEV_RULES, written(), raw, 0o644)
    assert step.drift


def test_an_empty_file_is_filled_and_a_foreign_one_refused():
    assert planned(b"").steps[0].action.content == written()
    foreign = planned(b'KERNEL=="sda"\n')
    assert foreign.steps == ()
    assert [f.kind for f in foreign.findings] == [Kind.REFUSED]


def test_without_disks_the_file_goes_if_it_is_ours():
    nothing = desired()._replace(disks={})
    raw = written()
    (step,) = planned(raw, nothing).steps
    assert step.action == RemoveFile(paths.UDEV_RULES, raw)
    assert planned(None, nothing) == ((), ())


def test_what_cannot_be_read_is_left_alone():
    found = plan(desired(), {"udev": {NAME: Unknown("input/output error")}, "node": {}}, frozenset())
    assert found.steps == ()
    assert [f.kind for f in found.findings] == [Kind.BLOCKED]


def test_a_missing_directory_is_made_first():
    first, second = planned(None, directory=False).steps
    assert isinstance(first.action, MakeDirectory)
    assert paths.UDEV_RULES.startswith(first.action.path + "/")
    assert isinstance(second.action, WriteFile)


def places(wanted, seen=None):
    found, strange = rules(wanted, seen or {})
    return [rule.text.split('"')[7] for rule in found if rule.server], strange


def test_every_portal_and_every_way_of_numbering():
    both = desired((Portal("192.168.1.115"), Portal("fd00::15", 3261)))
    assert places(both)[0] == [
        f"ip-192.168.1.115:3260-iscsi-{TARGET}-lun-1",
        f"ip-fd00::15:3261-iscsi-{TARGET}-lun-1",
    ]
    ((place,), _) = places(desired(lun=300))
    assert place.split("|")[0].endswith("-lun-0x412c000000000000")  # udev-builtin-path_id.c, format_lun_number


def test_the_address_is_spelt_as_the_record_has_it():
    record = Record("f", 1, {"node.conn[0].address": "FD00:0::15"}, b"")
    wanted = desired((Portal("fd00::15"),))
    assert "ip-FD00:0::15:3260-" in places(wanted, {"node": {"s0": Present(record)}})[0][0]


@pytest.mark.parametrize("address", ['a"b', "a*", "[fd00::1]", "a|b", "a\nb", "a b", "$kernel", "%k", "a\\b", "ä"])
def test_nothing_is_written_that_udev_could_expand(address):
    record = Record("f", 1, {"node.conn[0].address": address}, b"")
    found, strange = places(desired(), {"node": {"s0": Present(record)}})
    assert found == []
    assert [one.disk for one in strange] == ["d0"]


@given(
    st.from_regex(names.TARGET_PATTERN.replace("$", r"\Z"), fullmatch=True),
    st.from_regex(portals.PORTAL_PATTERN.replace("$", r"\Z")),
)
def test_every_valid_configuration_can_be_written(target, words):
    try:
        target, portal = names.target(target), portals.portal(words)
    except InvalidValue:
        return
    (place,), strange = places(desired((portal,), target=target))
    assert strange == ()
    assert set(place) <= PLAIN
    assert fnmatch.fnmatchcase(place, place)


def test_with_a_record_that_cannot_be_read_the_file_stays():
    wanted = desired()
    seen = {"udev": {NAME: Present(Rules(None, True))}, "node": {p.name: Unknown("torn") for p in wanted.paths()}}
    assert plan(wanted, seen, frozenset()) == ((), ())
