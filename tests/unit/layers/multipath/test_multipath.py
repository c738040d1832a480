from pathlib import Path

import pytest

from lunmirror.engine.desired import Desired, Disk, Portal, Server, Timeouts
from lunmirror.engine.model import (
    ABSENT,
    AwaitPath,
    Kind,
    MakeDirectory,
    Present,
    Ref,
    RemoveFile,
    Run,
    Unknown,
    WriteFile,
)
from lunmirror.host import paths
from lunmirror.layers.multipath import fragment
from lunmirror.layers.multipath.facts import NAME, Link, Paths, Settings
from lunmirror.layers.multipath.plan import RECONFIGURE, plan

RECORDED = (Path(__file__).parents[3] / "recordings/multipath-config.txt").read_text()
WWIDS = {"left": "1IET_filer1", "right": "1IET_filer2"}
MARK = fragment.mark_of(WWIDS, 7)
FILE = fragment.written(WWIDS, 7)
ASKED = "multipathd does not run"


def desired(multipath=True):
    times = Timeouts(3, 3, 7, 10, 3)
    portals = (Portal("192.168.1.1"), Portal("192.168.2.1"))
    servers = {n: Server(n, portals, "automatic", times, multipath=multipath) for n in ("filer1", "filer2")}
    disks = {d: Disk(d, s, "iqn.2001-01.org.example:x", 1) for d, s in zip(WWIDS, servers, strict=True)}
    return Desired(servers, disks, {}, {}, 15, 30)


def links(disk, letters="AA", used=False):
    first = 0 if disk == "left" else 2
    wwid = WWIDS[disk]
    return tuple(
        Link(f"192.168.{n}.1:3260", "sd" + "abcd"[first + n - 1], wwid, letter.strip(), used, f"{first + n}")
        for n, letter in enumerate(letters, 1)
    )


SETTLED = Settings(FILE, True, "", MARK, "7", tuple((w, "fail") for w in WWIDS.values()), frozenset(WWIDS.values()))
MAPPED = {"left": Paths(links("left"), "dm-1"), "right": Paths(links("right"), "dm-2")}


def planned(settings=SETTLED, wanted=None, **disks):
    seen = {NAME: Present(settings)} | {d: Present(facts) for d, facts in (MAPPED | disks).items()}
    return plan(wanted or desired(), {"multipath": seen}, frozenset())


def kinds(found):
    return [f.kind for f in found.findings]


def test_as_declared_nothing_is_done():
    assert planned() == ((), ())


def test_the_file_as_multipath_itself_reads_it():
    """`multipath -t` of 0.9.4 (Debian 12) with the file of one disk."""
    found = tuple(fragment.settings(RECORDED))
    assert fragment.read_mark(found) == "lunmirror-0123456789abcdef"
    assert fragment.iscsi_tmo(found) == "7"
    assert fragment.retries(found) == {"1IET_filer1": "fail"}


def test_what_the_file_names_is_read_from_it():
    assert fragment.remembered(FILE) == WWIDS
    assert fragment.remembered(None) == {}
    found = tuple(fragment.settings(FILE.decode().replace("  # disk left", "").replace("  # disk right", "")))
    assert fragment.read_mark(found) == MARK
    assert fragment.retries(found) == dict.fromkeys(WWIDS.values(), "fail")


def test_a_point_in_a_wwid_is_a_point():
    assert b'wwid "^naa[.]5$"' in fragment.written({"left": "naa.5"}, 7)


def test_from_nothing_in_this_order():
    bare = {d: Paths(tuple(link._replace(letter="") for link in links(d))) for d in WWIDS}
    steps = planned(Settings(None, False), **bare).steps
    assert [type(s.action) for s in steps] == [MakeDirectory, WriteFile, Run, Run, Run]
    assert steps[1].action == WriteFile(paths.MULTIPATH_CONF, FILE, None, 0o644)
    assert [s.action.argv for s in steps[2:4]] == [("multipath", "-a", "/dev/sda"), ("multipath", "-a", "/dev/sdc")]
    assert steps[2].guards[0].content == "1"
    assert steps[4].action == RECONFIGURE


def test_then_the_maps_are_waited_for():
    bare = {d: Paths(tuple(link._replace(letter="") for link in links(d))) for d in WWIDS}
    found = planned(**bare)
    assert [s.action for s in found.steps] == [
        AwaitPath((f"/dev/disk/by-id/dm-uuid-mpath-{w}",), 30.0) for w in WWIDS.values()
    ]


@pytest.mark.parametrize(
    "settings",
    [
        SETTLED._replace(mark=""),
        SETTLED._replace(mark="lunmirror-0000"),
        SETTLED._replace(taken=frozenset({"1IET_filer1"})),
        SETTLED._replace(raw=FILE.replace(b"fail", b"queue")),
    ],
)
def test_what_multipathd_has_not_read_it_reads(settings):
    assert planned(settings).steps[-1].action == RECONFIGURE


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (SETTLED._replace(tmo="30"), "fast_io_fail_tmo of iSCSI is 30, not 7"),
        (SETTLED._replace(tmo=""), "not set"),
        (SETTLED._replace(retries=(("1IET_filer1", "queue"), ("1IET_filer2", "fail"))), "disk left is queue"),
    ],
)
def test_another_file_that_has_the_last_word_is_told(settings, said):
    found = planned(settings)
    assert found.steps == ()
    assert kinds(found) == [Kind.DEGRADED]
    assert said in found.findings[0].why


def test_a_foreign_file_is_left_and_an_unread_one_too():
    foreign = planned(SETTLED._replace(raw=b"defaults {\n}\n"))
    assert foreign.steps == ()
    assert kinds(foreign) == [Kind.REFUSED]
    unknown = plan(desired(), {"multipath": {NAME: Unknown("input/output error")}}, frozenset())
    assert unknown.steps == ()
    assert kinds(unknown) == [Kind.BLOCKED]


def test_without_the_daemon():
    silent = SETTLED._replace(why=ASKED, mark="", tmo="", retries=())
    assert kinds(planned(silent)) == [Kind.DEGRADED]
    found = planned(silent, left=Paths(links("left", "  ")))
    assert found.steps == ()
    assert kinds(found) == [Kind.BLOCKED]


def test_no_server_has_it_any_more():
    nobody = desired(multipath=False)
    remove, read = plan(nobody, {"multipath": {NAME: Present(SETTLED)}}, frozenset()).steps
    assert remove.action == RemoveFile(paths.MULTIPATH_CONF, FILE)
    assert read.action == RECONFIGURE
    assert plan(nobody, {"multipath": {}}, frozenset()) == ((), ())


@pytest.mark.parametrize(
    ("letters", "said"), [("AF", "sdb at 192.168.2.1:3260 failed"), ("A ", "sdb at 192.168.2.1:3260 is not in it")]
)
def test_a_path_that_the_map_does_not_use(letters, said):
    found = planned(left=Paths(links("left", letters), "dm-1"))
    assert kinds(found) == [Kind.DEGRADED]
    assert said in found.findings[0].what


def test_of_a_disk_that_is_away_the_file_keeps_the_wwid():
    seen = {NAME: Present(SETTLED), "left": Present(MAPPED["left"]), "right": ABSENT}
    assert plan(desired(), {"multipath": seen}, frozenset()) == ((), ())


@pytest.mark.parametrize("wwid", ["", "a b", '"', "1IET_filer2"])
def test_a_wwid_that_is_no_name_is_refused_and_not_written(wwid):
    wrong = Paths(tuple(link._replace(wwid=wwid, letter="") for link in links("left")))
    found = planned(left=wrong)
    assert Kind.REFUSED in kinds(found)
    assert "1IET_filer1" not in str([s.action.content for s in found.steps if isinstance(s.action, WriteFile)])


def test_two_portals_with_two_disks_are_refused():
    first, second = links("left")
    found = planned(left=Paths((first, second._replace(wwid="1IET_other"))))
    assert kinds(found) == [Kind.REFUSED]
    assert "1IET_filer1 at 192.168.1.1:3260; 1IET_other at 192.168.2.1:3260" in found.findings[0].why


def test_one_in_use_without_it_waits_for_a_relogin():
    found = planned(left=Paths(links("left", "  ", used=True)))
    assert found.steps == ()
    assert kinds(found) == [Kind.DEGRADED]
    assert "--relogin" in found.findings[0].next


def test_a_path_that_is_just_coming_is_waited_for():
    (step,) = planned(left=Paths(links("left")[:1], "", ("/run/udev/data/b8:16",))).steps
    assert step.action == AwaitPath(("/run/udev/data/b8:16",), 30.0)


def test_predicted_behind_the_logins():
    pending = frozenset({Ref("session", p.name) for p in desired().paths()})
    seen = {"multipath": {NAME: Present(SETTLED._replace(raw=None, mark="", taken=frozenset()))}}
    steps = plan(desired(), seen, pending).steps
    assert {s.after for s in steps if isinstance(s.action, AwaitPath)} <= {
        (Ref("session", "filer1 192.168.1.1:3260"), Ref("session", "filer1 192.168.2.1:3260")),
        (Ref("session", "filer2 192.168.1.1:3260"), Ref("session", "filer2 192.168.2.1:3260")),
    }
