"""Whole passes on the simulated machine: from every story to its end, and nothing after that."""

import pytest

from lunmirror.engine.model import AwaitPath, Run, Step
from sim.iscsi import automatic
from sim.machine import Call
from sim.stage import Stage, converged, end_state, text
from sim.stories import STORIES, blank, degraded_start


@pytest.mark.parametrize("name", STORIES)
def test_story_comes_to_its_end_and_the_next_pass_does_nothing(name: str) -> None:
    stage = STORIES[name]()

    last = stage.settle()

    assert last.exit == 0, str(last)
    before = end_state(stage), stage.world.version, {n: m.seqno for n, m in stage.world.metas().items()}
    stage.world.advance(3600.0)
    again = stage.apply()
    assert (again.exit, again.host.changed) == (0, []), str(again)
    assert [line[0] for line in again.host.lines] == ["lvm", "dmsetup"]
    assert before == (end_state(stage), stage.world.version, {n: m.seqno for n, m in stage.world.metas().items()})
    assert end_state(stage)["active"]["vg0", "testlv"][1].strip("A") == ""


@pytest.mark.parametrize("name", STORIES)
def test_plan_changes_nothing_and_names_the_exit_code(name: str) -> None:
    stage = STORIES[name]()
    before = repr(end_state(stage))

    planned = stage.plan()

    assert repr(end_state(stage)) == before
    assert planned.exit == 2, str(planned)
    assert planned.report.steps


def test_the_whole_way_is_predicted_from_disks_alone() -> None:
    """As `plan` and `status` meet it beside a first pass: found in the lab, by everybody at once."""
    stage = blank(partition=False)
    stage.apply(lambda call: "fails" if "pvcreate" in call.what else "")
    assert stage.world.sessions

    planned = stage.plan()

    assert planned.exit == 2, str(planned)
    assert planned.report.steps[-1].ref.layer == "mount"


# Where plan shows more or less than apply then does: a disk that comes back under its old session is predicted as if it
# might be blank, and what follows on taking a member back, or on starting without a leg, is planned only when that is done.
UNFORESEEN = {
    "new name",
    "drifted",
    "repair",
    "a volume half-made",
    "a leg is distrusted at rest",
    "a leg of a mirror is distrusted",
    "the first leg of a mirror is distrusted at rest",
    # What follows once LVM's metadata say of the legs what the journal says.
    "the first leg is distrusted",
    "the second leg is distrusted",
    # What follows once the journal knows of it.
    "a server is restarted beyond its timeout",
    "a mirror's server is restarted",
    "a server is restarted before a crash",
    "every server is restarted",
}


@pytest.mark.parametrize("name", STORIES)
def test_plan_equals_apply(name: str) -> None:
    """What is planned is what is then done: for each resource the same programs and verbs, in the same order."""
    stage = STORIES[name]()
    foreseen = name not in UNFORESEEN
    planned = by_resource([s for s in stage.plan().report.steps if foreseen or not s.after])

    applied = by_resource([o.step for o in stage.apply().report.outcomes])

    if foreseen:
        assert planned == applied
    else:
        assert all(applied.get(ref, shapes)[: len(shapes)] == shapes for ref, shapes in planned.items())


def by_resource(steps: list[Step]) -> dict[str, list[tuple[str, ...]]]:
    """Without waits, which depend on the machine's mood, and without what lunmirror notes for itself, in the journal and on
    the LUNs, which waits for legs to be there."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for step in steps:
        action = step.action
        if (
            isinstance(action, AwaitPath)
            or "journal" in step.title
            or step.title.startswith(("note that ", "leave a mark "))
        ):
            continue
        shape = (type(action).__name__,)
        if isinstance(action, Run):
            shape = action.argv[:2] if action.argv[0] == "lvm" else action.argv[:1]
        found.setdefault(str(step.ref), []).append(shape)
    return found


def test_plan_of_a_blank_machine_shows_the_whole_way() -> None:
    layers = list(dict.fromkeys(step.ref.layer for step in blank().plan().report.steps))

    assert layers == ["node", "udev", "session", "disk", "group", "volume", "filesystem", "mount"]


def test_only_what_drifted_is_repaired() -> None:
    stage = converged(text())
    stage.world.sessions[0].recovery_tmo = 120

    repaired = stage.apply()

    assert repaired.layers == ["session"]
    assert len(repaired.host.changed) == 1


@pytest.mark.parametrize(
    ("hand", "layers"),
    [
        ("startup", ["node"]),
        ("deleted record", ["node"]),
        ("torn record", ["node"]),
        ("recovery_tmo", ["session"]),
        ("command timeout", ["scsi"]),
        ("retries", ["scsi"]),
        ("udev rule", ["udev"]),
        ("udev rules gone", ["udev"]),
        ("unmounted", ["mount"]),
        ("fstab", ["mount"]),
        ("inactive", ["volume", "mount"]),
    ],
)
def test_one_drift_is_repaired_by_the_layer_that_owns_it(hand: str, layers: list[str]) -> None:
    stage = converged(text())
    wanted = end_state(stage)
    turn(stage, hand)

    repaired = stage.apply()

    assert repaired.layers == layers, str(repaired)
    assert repaired.exit == 0
    assert end_state(stage) == wanted
    if hand == "inactive":  # the counters of its legs are noted once they have been written to
        assert [c.kind for c in stage.apply().host.changed] in ([], ["write"])
    assert not stage.apply().host.changed


RULES = "/etc/udev/rules.d/85-lunmirror.rules"


def turn(stage: Stage, hand: str) -> None:
    world, record = stage.world, stage.record()
    match hand:
        case "startup":
            world.files[record] = world.files[record].replace(b"startup = automatic", b"startup = onboot")
        case "deleted record":
            del world.files[record]
        case "torn record":
            world.files[record] = world.files[record][:700]
        case "recovery_tmo":
            world.sessions[1].recovery_tmo = 3
        case "command timeout":
            world.sessions[0].disks[0].patience["timeout"] = 30
        case "retries":
            world.sessions[1].disks[0].patience["max_retries"] = 5
        case "udev rule":
            world.files[RULES] = world.files[RULES].replace(b'timeout}="9"', b'timeout}="99"', 1)
        case "udev rules gone":
            del world.files[RULES]
        case "unmounted":
            world.unmount("/mnt/test")
        case "fstab":
            lines = world.files["/etc/fstab"].splitlines(keepends=True)
            world.files["/etc/fstab"] = b"".join(line for line in lines if b"testlv" not in line)
        case "inactive":
            world.unmount("/mnt/test")
            world.deactivate("testlv")
    world.version += 1


def test_one_absent_server_leaves_the_other_work_done() -> None:
    """Blank machine, one server away: its leg is waited for, nothing is made on the other alone."""
    stage = blank()
    stage.world.cut("filer2")

    first = stage.apply()

    assert first.exit == 1  # the volume that users need is not there
    assert stage.lun().blank, "a blank disk is not taken while the other may hold the group"
    assert [s.server.name for s in stage.world.sessions] == ["filer1"]
    stage.world.restore("filer2")
    assert stage.settle().exit == 0


def busy_iscsid(stage: Stage, seconds: float) -> None:
    """A boot where open-iscsi.service asked for the logins and did not wait (`-W`): iscsid is still at it."""
    stage.world.unmount("/mnt/test")
    stage.world.reboot(login=False)
    stage.world.asked = dict.fromkeys(automatic(stage.world), stage.world.now + seconds)


def test_logins_that_iscsid_is_busy_with_are_waited_for() -> None:
    """iscsiadm answers "session exists" at once, and there is none yet: no reason to start on fewer legs, or not."""
    stage = converged(text())
    busy_iscsid(stage, 4.0)

    done = stage.apply()

    assert done.exit == 0, str(done)
    assert [leg.letter for leg in stage.world.active("testlv").legs] == ["A", "A"]
    assert not any("degraded" in line for line in done.done)


def test_a_server_that_returns_in_time_takes_part() -> None:
    stage = converged(text())
    stage.world.cut("filer2")
    busy_iscsid(stage, 4.0)

    def returns(call: Call) -> str:
        if call.kind == "await" and "192.168.1.120" in call.what:
            stage.world.restore("filer2")
        return ""

    done = stage.apply(returns)

    assert done.exit == 0, str(done)
    assert [leg.letter for leg in stage.world.active("testlv").legs] == ["A", "A"]


def test_a_session_that_is_only_coming_up_is_waited_for() -> None:
    """At boot its object is there before the login is over, and reads like a broken one."""
    stage = converged(text())
    stage.world.unmount("/mnt/test")
    stage.world.reboot()
    stage.world.cut("filer2")
    stage.world.advance(30.0)
    assert sorted(s.state for s in stage.world.sessions) == ["FREE", "LOGGED_IN"]

    def returns(call: Call) -> str:
        if call.kind == "await":
            stage.world.restore("filer2")
        return ""

    done = stage.apply(returns)

    assert done.exit == 0, str(done)
    assert [leg.letter for leg in stage.world.active("testlv").legs] == ["A", "A"]


def test_boot_wait_bounds_the_pass() -> None:
    stage = degraded_start()
    started = stage.world.now

    assert stage.apply().exit == 3

    assert stage.world.now - started < 5 + 60


def test_a_new_record_is_brought_to_the_disk_at_once() -> None:
    stage = blank()
    assert sorted(stage.apply().host.flushed) == sorted([stage.record("left"), stage.record("right")])
    assert stage.settle().host.flushed == []
