"""A server goes and comes back: what is served meanwhile, what is repaired, and what an administrator has to decide."""

from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lunmirror.analysis.health import DEGRADED, health
from lunmirror.analysis.risk import losses
from lunmirror.engine.model import Kind
from sim.iscsi import login
from sim.lvm import Lvm
from sim.machine import Call, Died
from sim.stage import DISKS, PAUSE, SERVERS, Stage, converged, text
from sim.stories import (
    back,
    crashed,
    dead_leg,
    degraded_start,
    events,
    flag,
    inactive,
    logged_in_again,
    mirror_without_a_leg,
    moved,
    other_leg_by_hand,
    outage,
    start_by_hand,
)
from sim.world import World


@pytest.mark.parametrize("policy", ['stall_budget = "15s"', 'stall_budget = "5s"\nreplacement_timeout = "0s"'])
def test_one_outage_is_repaired(policy: str) -> None:
    stage = converged(text(policy=f'{policy}\nboot_wait = "5s"'))
    assert {s.recovery_tmo for s in stage.world.sessions} == {0 if "0s" in policy else 6}
    outage(stage, "filer2")
    assert stage.world.active("testlv").line().split()[5] == "AD"

    meanwhile = stage.apply()
    assert meanwhile.exit == 3
    assert not [line for line in meanwhile.host.lines if line[0] == "lvm" and line[1] != "fullreport"]

    flag(stage)
    back(stage, "filer2")
    repaired = stage.apply()
    verbs = [line[1:5:3] for line in repaired.host.lines if line[0] == "lvm" and line[1] != "fullreport"]
    assert verbs == [("vgextend", "--restoremissing"), ("lvchange", "--refresh")]
    assert stage.settle().exit == 0


def test_a_pass_while_a_server_is_silent_writes_no_metadata() -> None:
    stage = converged(text()).configure(text(size="128MiB"))
    outage(stage, "filer2")
    before = stage.world.metas()["vg0"].seqno

    assert stage.apply().exit in (1, 3)

    assert stage.world.metas()["vg0"].seqno == before
    back(stage, "filer2")
    assert stage.settle().exit == 0


def test_the_grey_first_seconds_change_nothing() -> None:
    """Until the ping times out the session reads LOGGED_IN, and every read of the disk hangs."""
    stage = converged(text())
    stage.world.cut("filer2")
    stage.world.advance(1.0)

    before = stage.world.now
    grey = stage.apply()

    assert not grey.host.changed
    assert grey.exit == 3
    assert "does not answer" in grey.finding(Kind.DEGRADED)
    [read] = [line for line in grey.host.lines if line[:2] == ("lvm", "fullreport")]
    cut = next(d.kernel for s in stage.world.sessions if s.server.name == "filer2" for d in s.disks)
    assert f"/dev/{cut}" not in read[read.index("--devices") + 1]
    assert stage.world.now - before < 2.0
    back(stage, "filer2")
    assert stage.settle().exit == 0


def test_in_the_grey_seconds_nothing_is_started_on_one_leg() -> None:
    """Whether the other is away is not known yet; a moment later it is."""
    stage = inactive()
    stage.world.cut("filer2")
    stage.world.advance(1.0)

    grey = stage.apply()

    assert not stage.world.actives
    assert "in some seconds it is known" in grey.finding(Kind.BLOCKED)
    stage.world.advance(60.0)
    assert stage.apply().exit == 3
    assert stage.world.mounts


def test_degraded_start_writes_the_journal_first() -> None:
    stage = degraded_start()

    started = stage.apply()

    assert started.exit == 3, str(started)
    verbs = [c.what for c in started.host.changed if c.kind == "write" or "degraded" in c.what]
    assert verbs[0].startswith("/var/lib/lunmirror/volumes/")
    assert "--activationmode degraded" in verbs[1]
    back(stage, "filer2")
    assert stage.settle().exit == 0


def test_a_stale_leg_starts_nothing() -> None:
    """It ran on filer1 alone; now only filer2 is there."""
    stage = outage(converged(text()), "filer2")
    stage.apply()
    stage.world.cut("filer1")
    stage.world.restore("filer2")
    stage.world.reboot()

    refused = stage.apply()

    assert refused.exit == 4
    assert "the leg in view is older" in refused.finding(Kind.REFUSED)
    assert not stage.world.actives
    back(stage, "filer1", "filer2")
    assert stage.settle().exit == 0


def caught_up() -> Stage:
    """filer2's leg fell behind and is being copied, which a pass saw; then the copy ends, which no pass has seen yet."""
    stage = dead_leg()
    assert stage.apply().exit == 3
    assert " Aa " in stage.world.active("testlv").line()
    stage.world.advance(30.0)
    assert " AA " in stage.world.active("testlv").line()
    return stage


def test_the_good_server_dies_just_after_a_copy() -> None:
    """The leg that caught up has everything: the kernel says so, and it is the activation in which the copy was seen."""
    stage = outage(caught_up(), "filer1")

    seen = stage.apply()

    assert (seen.exit, stage.world.active("testlv").line().split()[5]) == (3, "DA")
    stage.world.unmount("/mnt/test")
    stage.world.deactivate("testlv")
    assert stage.apply().exit == 3
    assert stage.world.mounts, "the leg that caught up starts it alone"
    back(stage, "filer1")
    assert stage.settle().exit == 0


def test_a_copy_seen_in_another_activation_proves_nothing() -> None:
    """After the copy the first leg runs alone, and then, started by somebody else, the other: a split brain."""
    stage = caught_up()
    stage.world.event_activation = False
    stage.world.cut("filer2")
    stage.world.unmount("/mnt/test")
    stage.world.deactivate("testlv")
    stage.world.advance(60.0)
    lvm = Lvm(stage.world, None)
    lvm.start(lvm.group("vg0"), "testlv")
    stage.world._write(stage.world.active("testlv"))
    stage.world.deactivate("testlv")
    stage.world.cut("filer1")
    back(stage, "filer2")
    start_by_hand(stage)

    refused = stage.apply()

    assert refused.exit == 4
    assert "split brain" in refused.finding(Kind.REFUSED)


def test_what_was_seen_in_another_boot_reports_nothing() -> None:
    """The copy ends, its leg dies, the other goes on; power cut. A pass notes the start and dies; then somebody starts
    the older leg alone, and its device gets the number that the journal had of the boot before."""
    stage = caught_up()
    number = stage.world.active("testlv").diskseq
    outage(stage, "filer2")
    stage.world.event_activation = False
    stage.world.restore("filer2")
    stage.world.reboot()
    with pytest.raises(Died):
        stage.apply(lambda call: "before" if call.changes and "lvchange" in call.what and "-a y" in call.what else "")
    outage(stage, "filer1")
    start_by_hand(stage)
    stage.world.active("testlv").diskseq = number

    assert stage.apply().exit == 4

    stage.world.reboot()
    stage.apply()  # Harm, if the older leg were started
    assert not stage.world.actives


def test_a_leg_that_caught_up_after_a_crash_is_made_equal() -> None:
    stage = crashed()
    stage.world.cut("filer2")
    stage.world.advance(60.0)
    stage.apply()
    back(stage, "filer2")
    stage.apply()
    stage.world.advance(60.0)

    assert stage.apply().exit == 3
    assert stage.settle(8).exit == 0


def login_fails(call: Call) -> str:
    return "fails" if call.changes and "--login" in call.what and "linuxtest1lv-2" in call.what else ""


@pytest.mark.parametrize("third", ["up", "away"])
def test_a_leg_that_is_about_to_move_is_not_given_up(third: str) -> None:
    """`replaces` says that another disk is to take its place, not that it is gone: one login that fails costs nothing."""
    stage = moved("mirror")
    stage.world.event_activation = False
    stage.world.unmount("/mnt/test")
    if third == "away":
        stage.world.cut("filer3")
    stage.world.reboot(login=False)

    blocked = stage.apply(login_fails)

    assert "--repair" not in str(blocked.host.lines)
    assert "vgreduce" not in str(blocked.host.lines)
    back(stage, "filer3")
    assert stage.settle().exit == 0


def test_a_mirror_on_two_logged_out_disks_has_not_failed() -> None:
    stage = converged(text(type="mirror").replace('mount = "/mnt/test"\n', ""))
    stage.world.event_activation = False
    for disk in ("left", "right"):
        address, target = SERVERS[DISKS[disk]]
        stage.world.logout(DISKS[disk])
        stage.world.advance(5.0)
        login(stage.world, target, f"{address}:3260")
        stage.world.advance(5.0)

    told = stage.apply()

    assert "have failed" not in told.finding(Kind.DEGRADED) + told.finding(Kind.BLOCKED)
    assert "lvchange -a n" in told.finding(Kind.DEGRADED)


def test_without_a_journal_no_degraded_start() -> None:
    stage = degraded_start()
    for path in [p for p in stage.world.files if p.startswith("/var/lib/lunmirror/")]:
        del stage.world.files[path]
    stage.world.version += 1

    assert stage.apply().exit == 4
    assert not stage.world.actives


def test_split_brain_is_an_administrators_to_decide() -> None:
    """filer1 alone, seen by lunmirror; then somebody starts filer2 alone by hand; then both are there."""
    stage = other_leg_by_hand(text())
    refused = stage.apply()
    assert refused.exit == 4
    assert "split brain" in refused.finding(Kind.REFUSED)
    back(stage, "filer1")

    again = stage.apply()

    assert again.exit == 4
    assert "--refresh" not in str(again.host.lines)
    assert "--restoremissing" not in str(again.host.lines)


EVENTS = st.sampled_from(
    ("cut 1", "cut 2", "refuse 2", "hang 1", "up 1", "up 2", "reboot", "pass", "flag", "wait", "logout 2")
)


def happen(stage: Stage, event: str) -> None:
    verb, _, server = event.partition(" ")
    world = stage.world
    match verb:
        case "cut":
            world.cut(f"filer{server}")
        case "refuse":
            world.refuse(f"filer{server}")
        case "hang":
            world.hang(f"filer{server}")
        case "up":
            world.restore(f"filer{server}")
        case "reboot":
            world.reboot()
        case "pass":
            stage.apply()
        case "wait":
            world.advance(40.0)
        case "logout":
            world.logout(f"filer{server}")
        case "flag":
            from sim.lvm import Lvm

            if "vg0" in Lvm(world, None).groups():
                flag(stage)
    world.advance(5.0)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(EVENTS, max_size=14), st.sampled_from((text(), text(type="mirror"))))
def test_whatever_returns_passes_converge_or_refuse(events: list[str], words: str) -> None:
    stage = converged(words)
    for event in events:
        happen(stage, event)

    back(stage, "filer1", "filer2")
    for _ in range(7):  # after a power cut three more than else: made equal, compared, noted
        last = stage.apply()
        stage.world.advance(PAUSE)
        if last.exit in (0, 4) and not last.host.changed:
            break

    assert last.exit in (0, 4), f"{events}\n{last}"
    if last.exit == 4:
        assert last.finding(Kind.REFUSED)
    else:
        assert not stage.world.unequal, f"{events}\n{last}"
    stage.check()


def test_a_member_is_not_taken_back_while_another_is_away() -> None:
    """Taking it back writes the metadata, and would flag the one that is away as lost. With three legs: of two, the
    one that is back has only its own old metadata, in which nothing is flagged."""
    stage = outage(converged(text(disks=("left", "right", "third"))), "filer2")
    flag(stage)
    back(stage, "filer2")
    outage(stage, "filer3")

    during = stage.apply()

    assert "--restoremissing" not in str(during.host.lines)
    back(stage, "filer3")
    assert stage.settle().exit == 0


def no_loss(stage: Stage) -> None:
    """Whole, in full sync, every leg with every acknowledged write, and no legs that differ unseen."""
    stage.check()
    assert not stage.world.unequal
    assert not stage.world.mixed
    assert "AA" in stage.world.active("testlv").line()


def test_a_mirror_starts_without_a_leg_and_gets_it_back() -> None:
    stage = mirror_without_a_leg()

    started = stage.apply()

    assert started.exit == 3, str(started)
    did = [c.what for c in started.host.changed if c.kind == "write" or "lvconvert" in c.what or "lvchange" in c.what]
    assert did[0].startswith("/var/lib/lunmirror/volumes/")
    assert "--repair --use-policies" in did[1]
    assert "lvchange" in did[2]
    assert stage.world.active("testlv").type == "linear"
    assert [m.path for m in stage.world.mounts] == ["/mnt/test"]
    back(stage, "filer2")
    assert stage.settle().exit == 0
    assert stage.world.active("testlv").type == "mirror"
    no_loss(stage)


def test_a_mirror_is_not_started_without_a_possible_leg() -> None:
    """Its server answers, only the login does not come through: to give the leg up would cost a full copy."""
    stage = mirror_without_a_leg()
    stage.world.hang("filer2")

    blocked = stage.apply()

    assert not stage.world.actives
    assert "lunmirror choose vg0/testlv --keep filer1" in blocked.finding(Kind.BLOCKED)
    stage.world.restore("filer2")
    assert stage.settle().exit == 0
    no_loss(stage)


def test_a_mirror_never_starts_from_the_older_leg() -> None:
    """It ran on filer1 alone, as a linear volume; now only filer2 is there, whose metadata still says mirror."""
    stage = outage(converged(text(type="mirror")), "filer2")
    stage.apply()
    stage.world.cut("filer1")
    stage.world.restore("filer2")
    stage.world.reboot()

    refused = stage.apply()

    assert refused.exit == 4
    assert not stage.world.actives
    back(stage, "filer1")
    assert stage.settle().exit == 0


def test_the_journal_narrows_before_a_mirror_is_started() -> None:
    """While it copies from its first leg, the other may lack what is written: it must not be taken for good."""
    stage = converged(text(type="mirror"))
    stage.world.event_activation = False
    stage.world.copying = False
    stage.world.reboot()
    stage.apply()
    stage.world.cut("filer1")
    stage.world.reboot()

    refused = stage.apply()

    assert refused.exit == 4
    assert not stage.world.actives


def test_after_a_crash_the_legs_are_made_equal() -> None:
    stage = crashed()
    assert stage.world.unequal

    first = stage.apply()

    lines = [line for line in first.host.lines if "--syncaction" in line]
    assert [line[line.index("--syncaction") + 1] for line in lines] == ["repair"]
    assert first.exit == 3
    assert "not a clean one" in first.finding(Kind.DEGRADED)
    assert stage.settle().exit == 0
    no_loss(stage)


def test_after_a_crash_that_somebody_else_started_from_too() -> None:
    """LVM's event activation was faster: what the bitmap said is gone, so the boot decides."""
    stage = events()
    stage.world.reboot()
    assert stage.world.actives

    assert stage.apply().exit == 3
    assert stage.settle().exit == 0
    no_loss(stage)


def test_a_crash_while_the_legs_are_made_equal_begins_it_again() -> None:
    stage = crashed()
    stage.apply()
    stage.world.unmount("/mnt/test")
    stage.world.reboot()

    again = stage.apply()

    assert "--syncaction repair" in str([" ".join(line) for line in again.host.lines])
    assert stage.settle().exit == 0
    no_loss(stage)


def test_a_crash_and_a_start_on_one_leg_are_repaired() -> None:
    stage = converged(text())
    stage.world.event_activation = False
    stage.world.cut("filer2")
    stage.world.reboot()
    assert stage.apply().exit == 3
    back(stage, "filer2")
    assert stage.settle().exit == 0
    no_loss(stage)


def test_after_a_clean_stop_nothing_is_compared() -> None:
    stage = inactive()

    started = stage.apply()

    assert "--syncaction" not in str(started.host.lines)
    assert stage.settle().exit == 0


def test_split_brain_is_read_off_the_disks_without_a_journal() -> None:
    stage = other_leg_by_hand(text())
    stage.world.deactivate("testlv")
    for path in [p for p in stage.world.files if p.startswith("/var/lib/lunmirror/")]:
        del stage.world.files[path]
    back(stage, "filer1")

    refused = stage.apply()

    assert refused.exit == 4, str(refused)
    assert "split brain" in refused.finding(Kind.REFUSED)
    assert not stage.world.actives
    assert "is in split brain" in stage.apply().finding(Kind.REFUSED)  # and the journal knows from now on


def test_legs_whose_word_cannot_be_read_start_nothing() -> None:
    stage = inactive()

    blocked = stage.apply(lambda call: "fails" if call.kind == "query" and "iflag=direct" in call.what else "")

    assert not stage.world.actives
    assert "cannot be read" in blocked.finding(Kind.BLOCKED)
    assert stage.settle().exit == 0


def test_a_linear_volume_follows_its_renamed_disk() -> None:
    """Of a mirror that dmeventd made linear; only then is its leg added again."""
    stage = outage(converged(text(type="mirror")), "filer1")
    stage.world.logout("filer2")
    back(stage, "filer1")

    repaired = stage.apply()

    verbs = [line[1] + " " + line[4] for line in repaired.host.lines if line[0] == "lvm" and line[1] != "fullreport"]
    assert verbs == ["lvchange --refresh", "lvconvert -y"], str(repaired)
    assert stage.settle().exit == 0
    no_loss(stage)


def spoil(stage: Stage, how: str) -> None:
    """The volumes' journals are lost, torn, or of a newer lunmirror."""
    files = stage.world.files
    for path in [p for p in files if p.startswith("/var/lib/lunmirror/volumes/") and p.endswith(".json")]:
        if how == "lost":
            del files[path]
        elif how != "kept":
            files[path] = b"" if how == "torn" else files[path].replace(b'"schema": 1', b'"schema": 2')
    stage.world.version += 1


def journals(stage: Stage) -> dict[str, bytes]:
    return {p: c for p, c in stage.world.files.items() if p.startswith("/var/lib/lunmirror/volumes/")}


@pytest.mark.parametrize("how", ["kept", "lost", "torn", "newer"])
@pytest.mark.parametrize("flagged", [False, True])
def test_a_split_brain_is_seen_whatever_the_journal_says(how: str, flagged: bool) -> None:
    """Refresh of such a leg is a Harm in the simulator."""
    stage = outage(converged(text()), "filer2")
    stage.world.event_activation = False
    stage.world.cut("filer1")
    stage.world.restore("filer2")
    stage.world.reboot()
    start_by_hand(stage)  # no pass had seen the first death
    spoil(stage, how)
    if flagged:
        flag(stage)
    back(stage, "filer1")
    before = journals(stage)

    for _ in range(3):
        refused = stage.apply()
        assert refused.exit == 4, str(refused)
        assert "split brain" in refused.finding(Kind.REFUSED)
        assert "--refresh" not in str(refused.done)
        assert "--restoremissing" not in str(refused.done)
        assert how in ("kept", "lost") or journals(stage) == before
        stage.world.advance(PAUSE)


def test_a_returning_leg_that_cannot_be_read_stays_out() -> None:
    stage = back(outage(converged(text()), "filer2"), "filer2")

    blocked = stage.apply(lambda call: "fails" if call.kind == "query" and "iflag=direct" in call.what else "")

    assert "--refresh" not in str(blocked.done)
    assert "cannot be read" in blocked.finding(Kind.BLOCKED)
    assert stage.settle().exit == 0
    quiet = stage.apply()
    assert "iflag=direct" not in str(quiet.host.lines), "only a returning leg costs a read"


@pytest.mark.parametrize("disk", ["left", "right"])
def test_a_raid1_is_led_to_a_disk_that_was_logged_out(disk: str) -> None:
    stage = logged_in_again("raid1", disk)
    assert stage.world.active("testlv").line().split()[5] == "AA"
    volume = stage.desired.volumes["vg0/testlv"]
    other = "filer2" if disk == "left" else "filer1"
    seen = stage.plan().report.seen
    assert health(volume, seen, stage.desired).state == DEGRADED
    assert losses(other, seen, stage.desired)

    repaired = stage.apply()

    assert [line[1:5:3] for line in repaired.host.lines if line[0] == "lvm" and line[1] != "fullreport"] == [
        ("lvchange", "--refresh")
    ]
    assert not any(leg.disk is None or leg.disk.gone for leg in stage.world.active("testlv").legs)
    assert stage.settle().exit == 0
    assert not losses(other, stage.plan().report.seen, stage.desired)


def test_a_mirror_on_a_logged_out_disk_is_degraded() -> None:
    stage = logged_in_again("mirror", "right")

    said = stage.apply()

    assert said.exit == 3, str(said)
    assert "lvconvert -m 0 vg0/testlv /dev/" in said.finding(Kind.DEGRADED)
    assert losses("filer1", said.report.seen, stage.desired)
    assert "--refresh" not in str(said.done)


def stale_leg_of_mirror(disks: tuple[str, ...], server: str) -> Stage:
    """One leg died, dmeventd did nothing, a pass saw it; then the machine was started again."""
    stage = converged(text(type="mirror", disks=disks))
    stage.world.event_activation = False
    with patch.object(World, "_to_linear", lambda *_: None):
        outage(stage, server)
        stage.apply()
    stage.world.unmount("/mnt/test")
    stage.world.restore(server)
    return stage


def test_a_mirror_does_not_start_from_a_stale_leg() -> None:
    stage = stale_leg_of_mirror(("left", "right", "third"), "filer2")
    stage.world.cut("filer1")
    stage.world.reboot()
    stage.world.advance(60.0)

    stage.apply()
    stage.apply()

    assert [leg.pv for leg in stage.world.active("testlv").legs] == [stage.lun("third").part.pv]
    assert not stage.world.mixed
    assert stage.world.lost() == {}


@pytest.mark.parametrize("how", ["torn", "newer"])
def test_an_unreadable_journal_starts_no_mirror(how: str) -> None:
    stage = stale_leg_of_mirror(("left", "right"), "filer1")
    stage.world.reboot()
    stage.world.advance(10.0)
    spoil(stage, how)
    before = journals(stage)

    blocked = stage.apply()

    assert not stage.world.actives
    assert "choose vg0/testlv" in blocked.finding(Kind.BLOCKED)
    assert journals(stage) == before


THREE = ("left", "right", "third")


def test_two_of_three_legs_are_made_equal_after_a_crash() -> None:
    """What the bitmap keeps for the third is copied to the third alone."""
    stage = outage(converged(text(disks=THREE)), "filer3")
    stage.apply()
    stage.world.event_activation = False
    stage.world.reboot()
    stage.apply()
    back(stage, "filer3")

    assert stage.settle(passes=8).exit == 0

    no_loss(stage)


def test_one_of_two_dead_legs_returns() -> None:
    """LVM refreshes no volume a leg of which is out of view: nothing is tried in vain, and the right server is named."""
    stage = converged(text(disks=THREE))
    for server in ("filer2", "filer3"):
        outage(stage, server)
    back(stage, "filer2")

    ran = stage.apply()

    assert ran.exit == 3, str(ran)
    assert "bring server filer3 back" in ran.finding(Kind.DEGRADED)
    back(stage, "filer3")
    assert stage.settle(passes=8).exit == 0


@pytest.mark.parametrize("kind", ["raid1", "mirror"])
@pytest.mark.parametrize("disk", ["left", "right"])
def test_a_torn_leg_is_noted_before_the_next_write(kind: str, disk: str) -> None:
    """Its letter says in sync until somebody writes. The client ends after that write and before a pass; then the leg that
    has it is away."""
    stage = converged(text(type=kind))
    stage.world.event_activation = False
    stage.world.idle = True
    stage.world.logout(DISKS[disk])
    stage.world.cut(DISKS[disk])
    stage.apply()
    assert "AA" in stage.world.active("testlv").line()

    stage.world.idle = False
    stage.world.advance(5.0)
    other = DISKS["right" if disk == "left" else "left"]
    stage.world.cut(other)
    stage.world.restore(DISKS[disk])
    stage.world.reboot()
    last = stage.apply()

    assert last.exit in (1, 4), str(last)
    assert not stage.world.actives
    stage.world.restore(other)
    stage.settle()
    assert stage.world.mounts
