"""A server goes and comes back: what is served meanwhile, what is mended, and what a person has to decide."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lunmirror.model import Kind
from sim.stage import PAUSE, Stage, converged, text
from sim.stories import back, degraded_start, flag, outage


def test_one_outage_is_healed() -> None:
    stage = converged(text())
    outage(stage, "filer2")
    assert stage.world.active("testlv").line().split()[5] == "AD"

    meanwhile = stage.apply()
    assert meanwhile.exit == 3
    assert not [line for line in meanwhile.host.lines if line[0] == "lvm" and line[1] != "fullreport"]

    flag(stage)
    back(stage, "filer2")
    healed = stage.apply()
    verbs = [line[1:5:3] for line in healed.host.lines if line[0] == "lvm" and line[1] != "fullreport"]
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

    grey = stage.apply()

    assert not grey.host.changed
    back(stage, "filer2")
    assert stage.settle().exit == 0


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


def test_without_a_journal_no_degraded_start() -> None:
    stage = degraded_start()
    for path in [p for p in stage.world.files if p.startswith("/var/lib/lunmirror/")]:
        del stage.world.files[path]
    stage.world.version += 1

    assert stage.apply().exit == 4
    assert not stage.world.actives


def test_two_histories_are_a_persons_to_decide() -> None:
    """filer1 alone, seen by lunmirror; then somebody starts filer2 alone by hand; then both are there."""
    from sim.lvm import Lvm

    stage = outage(converged(text()), "filer2")
    stage.apply()
    stage.world.event_activation = False
    stage.world.cut("filer1")
    stage.world.restore("filer2")
    stage.world.reboot()
    lvm = Lvm(stage.world, None)
    lvm.start(lvm.group("vg0"), "testlv", by_hand=False)  # a person, or another program
    refused = stage.apply()
    assert refused.exit == 4
    assert "two histories" in refused.finding(Kind.REFUSED)
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


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(EVENTS, max_size=14), st.sampled_from((text(), text(type="mirror"))))
def test_whatever_goes_and_returns_three_passes_converge_or_refuse(events: list[str], words: str) -> None:
    stage = converged(words)
    for event in events:
        happen(stage, event)

    back(stage, "filer1", "filer2")
    for _ in range(4):
        last = stage.apply()
        stage.world.advance(PAUSE)
        if last.exit in (0, 4) and not last.host.changed:
            break

    assert last.exit in (0, 4), f"{events}\n{last}"
    if last.exit == 4:
        assert last.finding(Kind.REFUSED)
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


def test_a_remnant_on_a_disk_that_is_gone_gets_no_leg() -> None:
    """A mirror made linear, and then its only leg's session ended: its table leads nowhere, and a leg added now would be
    copied from nothing."""
    stage = converged(text(type="mirror"))
    outage(stage, "filer1")
    stage.world.logout("filer2")
    stage.world.advance(5.0)
    back(stage, "filer1", "filer2")

    refused = stage.apply()

    assert refused.exit == 4
    assert "a disk that is gone" in refused.finding(Kind.REFUSED)
    assert "lvconvert" not in str(refused.host.lines)

    stage.world.unmount("/mnt/test")
    stage.world.deactivate("testlv")
    assert stage.settle().exit == 0
    assert stage.world.lost() == {}
