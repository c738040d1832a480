"""`multipath = true`: several portals of a server are several paths to its disks, joined by multipathd."""

import pytest

from lunmirror.engine.model import Kind
from lunmirror.report.status import tree
from scenarios.test_crash_anywhere import INSTANTS, die
from scenarios.test_relogin import relogin
from sim import mpath
from sim.disks import Lun
from sim.iscsi import login_at_boot
from sim.resting import Resting
from sim.stage import SERVERS, Stage, end_state, text
from sim.ways import SECOND, two_ways, world

FRAGMENT = mpath.HOME + "lunmirror.conf"
TWO = two_ways()
ONE = text(partition=False)


def converged() -> Stage:
    stage = Stage(TWO, world())
    assert stage.settle().exit == 0
    return stage


def under(stage: Stage) -> list[tuple[str, int]]:
    """What each leg stands on, and over how many paths."""
    disks = (leg.disk for leg in stage.world.active("testlv").legs)
    return [
        (d.kernel[:3], len([p for p in d.paths if not p.gone])) if isinstance(d, mpath.Map) else (d.kernel[:2], 1)
        for d in disks
    ]


def letters(stage: Stage) -> str:
    return "".join(leg.letter for leg in stage.world.active("testlv").legs)


def test_from_blank_to_a_mirror_over_two_maps() -> None:
    stage = Stage(TWO, world())
    predicted = stage.plan().report
    assert "wait for multipathd to join the paths to disk left" in [s.title for s in predicted.steps]
    assert not predicted.findings
    last = stage.settle()
    assert last.exit == 0, str(last)
    assert under(stage) == [("dm-", 2), ("dm-", 2)]
    assert {s.recovery_tmo for s in stage.world.sessions} == {6}
    file = stage.world.files[FRAGMENT].decode()
    assert [line for line in file.splitlines() if "wwid" in line and "filer" in line] == [
        '\twwid "^1IET_filer1$"',
        '\twwid "^1IET_filer2$"',
        '\t\twwid "1IET_filer1"  # disk left',
        '\t\twwid "1IET_filer2"  # disk right',
    ]
    assert "no_path_retry fail" in file
    assert not stage.apply().host.changed


def test_the_first_pass_alone_makes_all_of_it() -> None:
    stage = Stage(TWO, world())
    first = stage.apply()
    assert first.exit == 3, str(first)  # only its volume is copied yet
    assert under(stage) == [("dm-", 2), ("dm-", 2)]


@pytest.mark.parametrize("instant", INSTANTS)
def test_dies_anywhere(instant: str) -> None:
    ended = end_state(converged())
    at = 1
    while die(stage := Stage(TWO, world()), at, instant):
        stage.settle()
        assert end_state(stage) == ended, f"died {instant} change {at}"
        at += 1
    assert at > 10


def test_planned_is_what_is_done() -> None:
    stage = Stage(TWO, world())
    foreseen = [s.title for s in stage.plan().report.steps if s.ref.layer == "multipath"]
    done = [o.step.title for o in stage.apply().report.outcomes if o.step.ref.layer == "multipath"]
    assert sorted(foreseen) == sorted(set(done) - {f"wait for a path to disk {d}" for d in ("left", "right")})
    stage.settle()
    assert sorted(line[0] for line in stage.apply().host.lines) == ["dmsetup", "lvm", "multipathd"]


def test_one_path_is_lost_and_comes_back() -> None:
    stage = converged()
    stage.world.servers["filer1"].dark.add(SECOND["filer1"])
    stage.world.advance(60.0)
    assert letters(stage) == "AA"
    told = stage.apply()
    assert told.exit == 3
    assert SECOND["filer1"] in told.finding(Kind.DEGRADED)
    assert not told.finding(Kind.BLOCKED)
    assert letters(stage) == "AA"
    lines = [line for line in tree(told.report, stage.desired) if "of 2 paths" in line]
    assert ["1 of 2 paths" in line for line in lines] == [True, False], lines
    stage.world.servers["filer1"].dark.clear()
    stage.world.advance(30.0)
    assert stage.settle().exit == 0
    assert under(stage) == [("dm-", 2), ("dm-", 2)]
    assert stage.world.copied.get(stage.desired.disks["left"].pv_uuid, 0) <= 1, "nothing was copied again"


def test_the_last_path_lost_is_the_server_lost() -> None:
    stage = converged()
    stage.world.cut("filer1")
    stage.world.advance(60.0)
    assert letters(stage) == "DA", "the mirror went on within the budget"
    assert stage.apply().exit == 3
    stage.world.restore("filer1")
    stage.world.advance(30.0)
    assert stage.settle(8).exit == 0
    assert letters(stage) == "AA"
    assert under(stage) == [("dm-", 2), ("dm-", 2)]
    assert stage.world.lost() == {}


@pytest.mark.parametrize("name", ["filer1", "filer2"])
def test_a_boot_with_one_path_away(name: str) -> None:
    stage = converged()
    stage.world.servers[name].dark.add(SERVERS[name][0])
    stage.world.reboot(login=False)
    login_at_boot(stage.world)
    for _ in range(4):
        told = stage.apply()
        stage.world.advance(60.0)
    assert told.exit == 3
    assert not told.host.changed
    assert f"a path to server {name} is lost: {SERVERS[name][0]}:3260 does not answer" in told.finding(Kind.DEGRADED)
    assert letters(stage) == "AA"
    assert stage.world.mounts


def test_without_multipathd_nothing_is_built_on_a_single_path() -> None:
    stage = Stage(TWO, world(running=False))
    told = stage.apply()
    assert told.exit == 1
    assert "multipathd does not answer, and no map holds disks left and right" in told.finding(Kind.BLOCKED)
    assert not stage.world.actives
    stage.world.multipathd.running = True
    assert stage.settle().exit == 0
    stage.world.multipathd.running = False
    told = stage.apply()
    assert told.exit == 3
    assert "multipathd does not answer" in told.finding(Kind.DEGRADED)


def test_two_servers_with_one_wwid_are_refused() -> None:
    stage = Stage(TWO, world(alike=True))
    told = stage.apply()
    assert told.exit == 4
    assert "disk left and disk right have one WWID, 1IET_00010001" in told.finding(Kind.REFUSED)
    assert not stage.world.multipathd.maps
    assert b"00010001" not in stage.world.files.get(FRAGMENT, b"")
    assert not stage.world.actives


def test_a_map_that_joins_two_servers_is_shown_to_nobody() -> None:
    made = world(alike=True)
    made.files[mpath.WWIDS] = b"/1IET_00010001/\n"
    made.directories.add(mpath.HOME.rstrip("/"))
    before = [a.pv for a in made.areas()]
    stage = Stage(TWO, made)
    for _ in range(3):
        told = stage.apply()
        made.advance(60.0)
    (one,) = made.multipathd.maps
    assert {d.session.server.name for d in one.paths} == {"filer1", "filer2"}, "or this shows nothing"
    assert told.exit == 4
    assert "1IET_00010001" in told.finding(Kind.REFUSED)
    assert not any(line[0] == "lvm" and "--devices" in line and "dm-" in " ".join(line) for line in told.host.lines)
    assert [a.pv for a in made.areas()] == before


def test_portals_that_show_two_disks_are_refused() -> None:
    made = world()
    made.servers["filer1"].addresses = (SERVERS["filer1"][0],)
    made.servers["filer3"] = type(made.servers["filer1"])(
        "filer3", (SECOND["filer1"],), {SERVERS["filer1"][1]: {1: Lun(512 << 20, wwid="t10.IET     other")}}
    )
    stage = Stage(TWO, made)
    told = stage.apply()
    assert told.exit == 4
    assert "the portals of server filer1 show different disks as LUN 1" in told.finding(Kind.REFUSED)
    assert not any(m.wwid.endswith(("filer1", "other")) for m in made.multipathd.maps)


@pytest.mark.parametrize("what", ["queue", "tmo"])
def test_a_configuration_that_has_the_last_word(what: str) -> None:
    stage = converged()
    other = 'overrides {\n\tprotocol {\n\t\ttype "scsi:iscsi"\n\t\tfast_io_fail_tmo 30\n\t}\n}\n'
    if what == "queue":
        other = 'multipaths {\n\tmultipath {\n\t\twwid "1IET_filer1"\n\t\tno_path_retry queue\n\t}\n}\n'
    stage.world.files[mpath.HOME + "zz.conf"] = other.encode()
    mpath.reconfigure(stage.world)
    told = stage.apply()
    assert told.exit == 3
    said = told.finding(Kind.DEGRADED)
    assert "multipathd goes by something else than lunmirror wrote" in said
    del stage.world.files[mpath.HOME + "zz.conf"]
    mpath.reconfigure(stage.world)
    assert stage.settle().exit == 0


def test_a_file_that_was_changed_is_written_again_and_read() -> None:
    stage = converged()
    stage.world.files[FRAGMENT] = stage.world.files[FRAGMENT].replace(b"retry fail", b"retry queue")
    mpath.reconfigure(stage.world)
    assert stage.world.multipathd.maps[0].queues
    assert stage.settle().exit == 0
    assert b"queue\n" not in stage.world.files[FRAGMENT]
    assert not any(m.queues for m in stage.world.multipathd.maps)


def test_somebody_elses_file_is_left() -> None:
    made = world()
    made.directories.add(mpath.HOME.rstrip("/"))
    made.files[FRAGMENT] = b"defaults {\n}\n"
    stage = Stage(TWO, made)
    told = stage.apply()
    assert told.exit == 4
    assert "it is not lunmirror's" in told.finding(Kind.REFUSED) or f"will not write {FRAGMENT}" in told.finding(
        Kind.REFUSED
    )
    assert made.files[FRAGMENT] == b"defaults {\n}\n"


def test_of_a_server_that_is_away_its_wwid_is_kept() -> None:
    stage = converged()
    before = stage.world.files[FRAGMENT]
    stage.world.cut("filer2")
    stage.world.reboot()
    stage.apply()
    assert stage.world.files[FRAGMENT] == before


def test_no_longer_declared_the_file_goes_and_the_maps_stay() -> None:
    stage = converged()
    stage.configure(ONE)
    last = stage.settle()
    assert FRAGMENT not in stage.world.files
    assert letters(stage) == "AA"
    assert under(stage)[0][0] == "dm-"
    assert last.exit in (0, 4)
    # Neither multipathd nor LVM's own rule for what it once took stands in the way afterwards.
    stage.world.multipathd.running = False
    stage.world.reboot(login=False)
    assert stage.settle().exit == 0
    assert letters(stage) == "AA"
    assert under(stage) == [("sd", 1), ("sd", 1)]
    assert stage.world.lost() == {}


def test_a_relogin_goes_through_the_map() -> None:
    stage = converged()
    stage.configure(TWO.replace('stall_budget = "15s"', 'stall_budget = "12s"'))
    report, _ = relogin(stage)
    assert not [f for f in report.findings if f.kind is Kind.REFUSED], report.findings
    assert stage.settle(8).exit == 0
    assert letters(stage) == "AA"
    assert under(stage) == [("dm-", 2), ("dm-", 2)]
    assert stage.world.lost() == {}


def test_declared_later_the_leg_moves_to_the_map() -> None:
    stage = Stage(ONE, world())
    assert stage.settle().exit == 0
    assert under(stage) == [("sd", 1), ("sd", 1)]
    stage.configure(TWO)
    stage.world.multipathd.running = False
    report, host = relogin(stage)
    assert not any("--logout" in line for line in host.lines), "nothing would join what comes back"
    assert "multipathd does not answer" in str(report.findings)
    assert letters(stage) == "AA"
    stage.world.multipathd.running = True
    stage.settle(8)
    relogin(stage)
    last = stage.settle(8)
    assert last.exit == 0, str(last)
    assert letters(stage) == "AA"
    assert under(stage) == [("dm-", 2), ("dm-", 2)]
    assert stage.world.lost() == {}


def test_a_server_is_taken_into_maintenance_and_back() -> None:
    one = Resting(converged())
    begun = one.begin("filer2")
    assert not isinstance(begun, list), begun
    assert begun.exit == 0, begun
    assert {s.server.name for s in one.stage.world.sessions} == {"filer1"}
    assert one.apply().exit == 0
    one.end()
    assert one.stage.settle(8).exit == 0
    assert letters(one.stage) == "AA"
    assert under(one.stage) == [("dm-", 2), ("dm-", 2)]
    assert one.stage.world.lost() == {}
