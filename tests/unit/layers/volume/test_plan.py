"""The volume layer as tables: what is found, and what is then done."""

import pytest

from lunmirror.desired import Desired, Disk, Filesystem, Group, Portal, Server, Size, Timeouts, Volume
from lunmirror.journal import Entry, parse, render
from lunmirror.layers.group.facts import Member, VolumeGroup
from lunmirror.layers.volume.facts import GROW, UNFORMATTED, Leg, LogicalVolume
from lunmirror.layers.volume.plan import plan
from lunmirror.model import ABSENT, Kind, Plan, Present, Ref, Run, Unknown, WriteFile

MIB = 1 << 20
EXTENT = 4 * MIB
A, B, C = "uuid-a", "uuid-b", "uuid-c"
PV = {"left": A, "right": B, "third": C}
TIMES = Timeouts(3, 3, 7, 10, 3)


def wanted(type="raid1", legs=("left", "right"), size=64 * MIB, log="core", choice=None) -> Desired:
    servers = {f"filer{n}": Server(f"filer{n}", (Portal(f"192.0.2.{n}"),), "automatic", TIMES) for n in (1, 2, 3)}
    disks = {d: Disk(d, f"filer{n}", f"iqn.2001-01.x:{d}", 1, pv_uuid=PV[d]) for n, d in enumerate(PV, 1)}
    volume = Volume(
        "vg0", "lv", Size(bytes=size), type, log if type == "mirror" else "", tuple(legs), Filesystem("ext4")
    )
    group = Group("vg0", tuple(PV))
    return Desired(servers, disks, {"vg0": group}, {"vg0/lv": volume}, 15, 5, choice=choice)


def group(hidden=(), flagged=(), free=400) -> VolumeGroup:
    members = tuple(
        Member(pv, "" if d in hidden else f"/dev/{d}", d, 2 << 30, free * EXTENT, d in hidden or d in flagged)
        for d, pv in PV.items()
    )
    return VolumeGroup("vg-uuid", EXTENT, free * EXTENT, 5, members, (), "me", "me", "", False)


def lv(type="raid1", letters="AA", pvs=(A, B), active=True, ratio=(10, 10), action="idle", past=ABSENT, **more):
    legs = tuple(Leg(f"lv_rimage_{n}", (pv,), letters[n] if type != "linear" else "") for n, pv in enumerate(pvs))
    raw = render(past) if isinstance(past, Entry) else None
    known = {
        "uuid": "lv-uuid", "type": type, "log": "core" if type == "mirror" else "", "size": 64 * MIB, "extents": 16, "legs": legs,
        "active": active, "suspended": False, "open": False, "number": "253:4", "dm": "vg0-lv", "health": "", "tags": (),
        "done": ratio[0], "total": ratio[1], "action": action,
        "past": parse(Present(raw)) if raw else past, "past_raw": raw, "today": "today",
    }  # fmt: skip
    return LogicalVolume(**(known | more))


def planned(volume, desired=None, vg=None, pending=frozenset()) -> Plan:
    world = {"group": {"vg0": Present(vg or group())}, "volume": {"vg0/lv": volume}, "disk": {}}
    return plan(desired or wanted(), world, pending)


def commands(answer: Plan) -> list[str]:
    """The LVM commands, without the devices: what is done."""
    found = []
    for step in answer.steps:
        if isinstance(step.action, Run):
            argv = list(step.action.argv)
            at = argv.index("--devices")
            found.append(" ".join(argv[1:at] + argv[at + 2 :]))
    return found


def notes(answer: Plan) -> list[Entry]:
    return [parse(Present(s.action.content)).facts for s in answer.steps if isinstance(s.action, WriteFile)]


BOTH = Entry("vg0/lv", (A, B), "t0", 5, {})
ONLY_A = Entry("vg0/lv", (A,), "t1", 5, {B: "t1"})


def test_absent_is_made_and_marked_in_one_command():
    (command,) = commands(planned(ABSENT))
    assert f"--addtag {UNFORMATTED}" in command
    assert command.startswith("lvcreate --type raid1 -m 1 -n lv -l 16")
    assert command.endswith("vg0 /dev/left /dev/right")


def test_unknown_makes_nothing():
    answer = planned(Unknown("it hung"))
    assert not answer.steps
    assert [f.kind for f in answer.findings] == [Kind.BLOCKED]


@pytest.mark.parametrize("vg", [group(hidden=("right",)), group(flagged=("right",)), group(free=10)])
def test_nothing_is_made_in_a_group_that_is_not_whole_or_too_small(vg):
    answer = planned(ABSENT, vg=vg)
    assert not [c for c in commands(answer) if c.startswith("lvcreate")]


def test_converged_and_known_does_nothing():
    assert planned(Present(lv(past=BOTH))) == Plan()


def test_the_journal_follows_what_the_volume_runs_on():
    assert notes(planned(Present(lv())))[0].running == (A, B)
    assert notes(planned(Present(lv(letters="AD", past=BOTH)), vg=group(hidden=("right",))))[0].running == (A,)


def test_while_copying_nothing_is_done():
    answer = planned(Present(lv(letters="aa", ratio=(3, 10), action="resync", extents=8)))
    assert not answer.steps
    assert [f.kind for f in answer.findings] == [Kind.DEGRADED]


HEALING = [
    # what is found, the group, the commands
    (lv(letters="AD", past=ONLY_A), group(), ["lvchange --refresh vg0/lv"]),
    (lv(letters="AD", past=ONLY_A), group(hidden=("right",)), []),
    (lv(letters="AD", past=ONLY_A), group(flagged=("right",)), ["vgextend --restoremissing vg0 /dev/right"]),
    (lv(letters="AD", past=ONLY_A), group(flagged=("right",), hidden=("third",)), []),
    # a segtype mirror would be copied from its first leg, whichever that is
    (lv(type="mirror", letters="DA", past=ONLY_A._replace(running=(B,), last={A: "t"})), group(), []),
    (
        lv(type="linear", pvs=(A,), past=ONLY_A),
        group(flagged=("right",)),
        ["vgextend --restoremissing vg0 /dev/right"],
    ),
    (
        lv(type="linear", pvs=(A,), past=ONLY_A),
        group(),
        ["lvconvert -y --type raid1 -m 1 vg0/lv /dev/right"],
    ),
]


@pytest.mark.parametrize(("facts", "vg", "expected"), HEALING)
def test_healing(facts, vg, expected):
    assert commands(planned(Present(facts), vg=vg)) == expected


def test_a_mirror_that_became_linear_gets_its_leg_back():
    facts = lv(type="linear", pvs=(A,), past=ONLY_A)
    expected = ["lvconvert -y --type mirror -m 1 --mirrorlog core -b vg0/lv /dev/right"]
    assert commands(planned(Present(facts), wanted("mirror"))) == expected


START = [
    # the journal, hidden disks -> command or refusal
    (BOTH, (), "lvchange -a y vg0/lv"),
    (BOTH, ("right",), "lvchange -a y --activationmode degraded vg0/lv"),
    (ONLY_A, ("right",), "lvchange -a y --activationmode degraded vg0/lv"),
    (ONLY_A, ("left",), Kind.REFUSED),
    (ABSENT, ("right",), Kind.REFUSED),
    (Unknown("torn"), ("right",), Kind.REFUSED),
    (BOTH, ("left", "right"), Kind.BLOCKED),
]


@pytest.mark.parametrize(("past", "hidden", "expected"), START)
def test_start(past, hidden, expected):
    answer = planned(Present(lv(letters="  ", active=False, ratio=(0, 0), past=past)), vg=group(hidden=hidden))
    if isinstance(expected, Kind):
        assert (answer.steps, [f.kind for f in answer.findings]) == ((), [expected])
    else:
        assert commands(answer) == [expected]


def test_the_journal_is_written_before_a_degraded_start_and_only_good_legs_are_shown():
    answer = planned(Present(lv(letters="  ", active=False, ratio=(0, 0), past=BOTH)), vg=group(hidden=("right",)))
    assert isinstance(answer.steps[0].action, WriteFile)
    assert notes(answer)[0].running == (A,)
    argv = answer.steps[-1].action.argv
    assert argv[argv.index("--devices") + 1] == "/dev/left"


def test_a_mirror_never_starts_degraded():
    facts = lv(type="mirror", letters="  ", active=False, ratio=(0, 0), past=BOTH)
    answer = planned(Present(facts), wanted("mirror"), vg=group(hidden=("right",)))
    assert (answer.steps, [f.kind for f in answer.findings]) == ((), [Kind.BLOCKED])


def test_two_histories_are_refused_noted_and_not_readmitted():
    facts = lv(letters="DA", past=ONLY_A)  # it runs on B, the journal knows A as the good one
    answer = planned(Present(facts), vg=group(flagged=("left",)))
    assert commands(answer) == []
    assert [f.kind for f in answer.findings] == [Kind.REFUSED]
    assert notes(answer)[0].diverged == (A,)
    assert "filer1" in answer.findings[0].why
    assert "filer2" in answer.findings[0].why


TORN = Entry("vg0/lv", (B,), "t2", 6, {A: "t1"}, diverged=(A,))


def test_choosing_the_side_that_runs_gives_up_the_other():
    answer = planned(Present(lv(letters="DA", past=TORN)), wanted(choice=("vg0/lv", "filer2")))
    assert commands(answer) == []
    assert (notes(answer)[0].running, notes(answer)[0].rebuild, notes(answer)[0].diverged) == ((B,), (A,), ())


def test_choosing_the_other_side_needs_the_volume_stopped():
    choice = wanted(choice=("vg0/lv", "filer1"))
    busy = planned(Present(lv(letters="DA", past=TORN, open=True)), choice)
    assert (busy.steps, [f.kind for f in busy.findings]) == ((), [Kind.REFUSED])
    assert commands(planned(Present(lv(letters="DA", past=TORN)), choice)) == ["lvchange -a n vg0/lv"]


def test_no_choice_where_there_is_one_history():
    answer = planned(Present(lv(past=BOTH)), wanted(choice=("vg0/lv", "filer1")))
    assert (answer.steps, [f.kind for f in answer.findings]) == ((), [Kind.REFUSED])


GIVEN_UP = Entry("vg0/lv", (B,), "t3", 7, {}, rebuild=(A,), scrub="wanted")


def test_a_leg_given_up_is_dropped_never_refreshed():
    assert commands(planned(Present(lv(letters="DA", past=GIVEN_UP)))) == ["lvconvert -y -m -1 vg0/lv /dev/left"]
    assert commands(planned(Present(lv(letters="DD", past=GIVEN_UP)))) == []
    assert commands(planned(Present(lv(letters="DA", past=GIVEN_UP)), vg=group(hidden=("third",)))) == []


def test_after_a_choice_the_legs_are_compared():
    whole = Entry("vg0/lv", (A, B), "t4", 8, {}, scrub="wanted")
    answer = planned(Present(lv(past=whole)))
    assert commands(answer) == ["lvchange --syncaction check vg0/lv"]
    assert notes(answer)[0].scrub == "running"
    running = whole._replace(scrub="running")
    assert planned(Present(lv(past=running, action="check", ratio=(3, 10)))).steps == ()
    assert notes(planned(Present(lv(past=running))))[0].scrub == ""
    assert [f.kind for f in planned(Present(lv(past=running, mismatches=128))).findings] == [Kind.REFUSED]


KEEPING = [
    (lv(type="linear", pvs=(A,)), wanted("linear", ("left",)), []),
    (lv(type="linear", pvs=(A,)), wanted(), ["lvconvert -y --type raid1 -m 1 vg0/lv /dev/right"]),
    (lv(), wanted(legs=("left", "right", "third")), ["lvconvert -y -m +1 vg0/lv /dev/third"]),
    (lv(type="mirror"), wanted(), ["lvconvert -y --type raid1 vg0/lv"]),
    (
        lv(),
        wanted(size=128 * MIB),
        [f"lvchange --addtag {GROW} vg0/lv", "lvextend -l 32 vg0/lv /dev/left /dev/right"],
    ),
    (lv(tags=(GROW,)), wanted(size=128 * MIB), ["lvextend -l 32 vg0/lv /dev/left /dev/right"]),
    (lv(), wanted(size=32 * MIB), Kind.REFUSED),
    (lv(), wanted("mirror"), Kind.REFUSED),
    (lv(), wanted("linear", ("left",)), Kind.REFUSED),
    (lv(pvs=(A, C)), wanted(), Kind.REFUSED),
    (lv(type="raid5"), wanted(), Kind.REFUSED),
    (lv(health="something new"), wanted(), Kind.BLOCKED),
]


@pytest.mark.parametrize(("facts", "desired", "expected"), KEEPING)
def test_keeping(facts, desired, expected):
    facts = facts._replace(past_raw=render(BOTH), past=Present(Entry("vg0/lv", facts.running, "t0", 5, {})))
    answer = planned(Present(facts._replace(past_raw=render(facts.past.facts))), desired)
    if isinstance(expected, Kind):
        assert (answer.steps, [f.kind for f in answer.findings]) == ((), [expected])
    else:
        assert commands(answer) == expected


def test_two_legs_on_one_server_are_refused():
    desired = wanted()
    disks = desired.disks | {"right": desired.disks["right"]._replace(server="filer1")}
    answer = planned(Present(lv(past=BOTH)), desired._replace(disks=disks))
    assert [f.kind for f in answer.findings] == [Kind.REFUSED]


def test_in_a_prediction_everything_waits_for_the_group():
    pending = frozenset({Ref("group", "vg0")})
    world = {"group": {"vg0": Unknown("not there yet")}, "volume": {"vg0/lv": ABSENT}, "disk": {}}
    (step,) = plan(wanted(), world, pending).steps
    assert step.after == (Ref("group", "vg0"),)
    assert "<disk left>" in step.action.argv


def test_a_prediction_shows_lvm_the_disk_that_is_to_join():
    vg = group()
    vg = vg._replace(members=tuple(m for m in vg.members if m.disk != "right"))
    single = Present(lv(type="linear", pvs=(A,)))
    steps = planned(single, vg=vg, pending=frozenset({Ref("group", "vg0")})).steps
    (run,) = (s.action for s in steps if isinstance(s.action, Run))
    assert run.argv[3] == "/dev/left,/dev/third,<disk right>"


def replacing(old_declared=True) -> Desired:
    """Disk third takes the place of right."""
    desired = wanted(legs=("left", "third"))
    disks = dict(desired.disks) | {"third": desired.disks["third"]._replace(replaces="right")}
    if not old_declared:
        del disks["right"]
    return desired._replace(disks=disks, groups={"vg0": Group("vg0", ("left", "third"))})


def undeclared(vg: VolumeGroup) -> VolumeGroup:
    """The old disk is no longer in the configuration: no declared disk explains its member."""
    return vg._replace(members=tuple(m._replace(disk="") if m.disk == "right" else m for m in vg.members))


@pytest.mark.parametrize(
    ("facts", "desired", "vg", "expected"),
    [
        (lv(past=BOTH), replacing(), group(), ["lvconvert -y -m +1 vg0/lv /dev/third"]),
        (lv(letters="AAa", pvs=(A, B, C), ratio=(3, 10), past=BOTH), replacing(), group(), []),
        (lv(letters="AAA", pvs=(A, B, C)), replacing(), group(), ["lvconvert -y -m -1 vg0/lv /dev/right"]),
        (lv(pvs=(A, C)), replacing(), group(), ["vgreduce vg0 /dev/right"]),
        (
            lv(letters="AD", past=ONLY_A),
            replacing(),
            group(hidden=("right",)),
            ["lvconvert -y --repair vg0/lv /dev/third"],
        ),
        (
            lv(letters="AD", past=ONLY_A),
            replacing(old_declared=False),
            undeclared(group(hidden=("right",))),
            [],  # nothing says that the member out of sight is the one that may go
        ),
        (lv(letters="aD"), replacing(), group(hidden=("right",)), []),
        (lv(pvs=(A, C)), replacing(), group(hidden=("right",)), ["vgreduce --removemissing vg0"]),
        # without a successor a dead leg is never replaced, a member never let go
        (lv(letters="AD", past=ONLY_A), wanted(), group(hidden=("right",)), []),
        (lv(letters="AD", past=ONLY_A), wanted(legs=("left", "third")), group(hidden=("right",)), []),
    ],
)
def test_replacing_a_leg(facts, desired, vg, expected):
    facts = facts._replace(past=Present(Entry("vg0/lv", tuple(sorted(facts.running)) or (A,), "t", 5, {})))
    answer = planned(Present(facts._replace(past_raw=render(facts.past.facts))), desired, vg)
    assert commands(answer) == expected
    assert all(s.proof.startswith("consent: disks.third.replaces") for s in answer.steps if "+1" not in s.action.argv)


@pytest.mark.parametrize(
    "facts", [lv(past=BOTH), lv(letters="  ", active=False, ratio=(0, 0), past=BOTH), lv(letters="AD", past=ONLY_A)]
)
def test_nothing_is_done_on_swapped_disks(facts):
    vg = group()
    swapped = tuple(m._replace(disk="right", strayed_from="left") if m.disk == "left" else m for m in vg.members)
    answer = planned(Present(facts), vg=vg._replace(members=swapped))
    assert (answer.steps, [f.kind for f in answer.findings]) == ((), [Kind.BLOCKED])
    assert planned(ABSENT, vg=vg._replace(members=swapped)).steps == ()


def test_a_linear_volume_whose_leg_is_away_is_degraded_not_out_of_service():
    facts = lv(type="linear", pvs=(A,), past=ONLY_A)
    answer = planned(Present(facts), wanted("mirror"), vg=group(hidden=("right",)))
    assert (commands(answer), [f.kind for f in answer.findings]) == ([], [Kind.DEGRADED])


def test_a_choice_that_is_being_carried_out_is_not_asked_again():
    facts = lv(type="linear", pvs=(B,), past=GIVEN_UP)  # the leg given up is dropped already
    answer = planned(Present(facts), wanted(choice=("vg0/lv", "filer2")))
    assert commands(answer) == ["lvconvert -y --type raid1 -m 1 vg0/lv /dev/left"]
