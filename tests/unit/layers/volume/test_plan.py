"""The volume layer as tables: what is found, and what is then done."""

import pytest

from lunmirror.engine.desired import Desired, Disk, Filesystem, Group, Portal, Server, Size, Timeouts, Volume
from lunmirror.engine.gate import enforce
from lunmirror.engine.journal import Entry, advance, fit_to_start, parse, render
from lunmirror.engine.model import ABSENT, Kind, Plan, Present, Ref, Run, Unknown, WriteFile
from lunmirror.layers.disk.facts import Device, Lun
from lunmirror.layers.group.facts import Member, VolumeGroup
from lunmirror.layers.session.facts import NoSession, Session
from lunmirror.layers.volume.doubts import tags_of
from lunmirror.layers.volume.facts import GROW, UNFORMATTED, Leg, LogicalVolume
from lunmirror.layers.volume.plan import plan
from lunmirror.layers.volume.superblock import LegSuperblocks, Superblock

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


def bare() -> Desired:
    """No file system is declared."""
    desired = wanted()
    return desired._replace(volumes={"vg0/lv": desired.volumes["vg0/lv"]._replace(filesystem=None)})


def group(hidden=(), flagged=(), free=400, empty=()) -> VolumeGroup:
    members = tuple(
        Member(
            pv,
            "" if d in hidden else f"/dev/{d}",
            d,
            512 * EXTENT,
            512 * EXTENT if d in empty else free * EXTENT,
            d in hidden or d in flagged,
        )
        for d, pv in PV.items()
    )
    return VolumeGroup("vg-uuid", EXTENT, free * EXTENT, 5, members, (), "me", "me", "", False)


def lv(type="raid1", letters="AA", pvs=(A, B), active=True, ratio=(10, 10), action="idle", past=ABSENT, **more):
    legs = tuple(Leg(f"lv_rimage_{n}", (pv,), letters[n] if type != "linear" else "") for n, pv in enumerate(pvs))
    raw = render(past) if isinstance(past, Entry) else None
    known = {
        "uuid": "lv-uuid", "type": type, "log": "core" if type == "mirror" else "", "size": 64 * MIB, "extents": 16, "legs": legs,
        "active": active, "suspended": False, "open": False, "number": "253:4", "dm": "vg0-lv", "health": "",
        "tags": tuple(tags_of(past)) if isinstance(past, Entry) else (),
        "done": ratio[0], "total": ratio[1], "action": action,
        "past": parse(Present(raw)) if raw else past, "past_raw": raw, "today": "today",
    }  # fmt: skip
    return LogicalVolume(**(known | more))


def disks(vg: VolumeGroup) -> dict:
    """Those of the members in view."""
    seen = [m for m in vg.members if m.device]
    at = {m.disk: Device(m.disk, m.device, 1 << 31, f"8:{n}", f"{n}", ()) for n, m in enumerate(seen, 1)}
    return {name: Present(Lun(d, (d,), d, False, None, None, "")) for name, d in at.items()}


def planned(volume, desired=None, vg=None, pending=frozenset()) -> Plan:
    world = {"group": {"vg0": Present(vg or group())}, "volume": {"vg0/lv": volume}, "disk": disks(vg or group())}
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
ONLY_B = Entry("vg0/lv", (B,), "t1", 5, {A: "t1"})
GIVEN_UP = Entry("vg0/lv", (B,), "t3", 5, {}, rebuild=(A,), scrub="wanted")


def test_absent_is_made_and_marked_in_one_command():
    (command,) = commands(planned(ABSENT))
    assert f"--addtag {UNFORMATTED}" in command
    assert command.startswith("lvcreate --type raid1 -m 1 --regionsize 2048k -n lv -l 16")
    assert command.endswith("vg0 /dev/left /dev/right")


def test_unknown_makes_nothing():
    answer = planned(Unknown("it hung"))
    assert not answer.steps
    assert [f.kind for f in answer.findings] == [Kind.BLOCKED]


@pytest.mark.parametrize("vg", [group(hidden=("right",)), group(flagged=("right",)), group(free=10)])
def test_nothing_is_made_in_an_unfit_group(vg):
    answer = planned(ABSENT, vg=vg)
    assert not [c for c in commands(answer) if c.startswith("lvcreate")]


def test_converged_and_known_does_nothing():
    assert planned(Present(lv(past=BOTH))) == Plan()


def test_the_journal_follows_what_the_volume_runs_on():
    assert notes(planned(Present(lv())))[0].running == (A, B)
    assert notes(planned(Present(lv(letters="AD", past=BOTH)), vg=group(hidden=("right",))))[0].running == (A,)


def test_while_copying_nothing_is_done_but_noted():
    """All that was ever written to a new raid1 is on each of its legs."""
    answer = planned(Present(lv(letters="aa", ratio=(3, 10), action="resync", extents=8)))
    assert commands(answer) == []
    assert notes(answer)[0].running == (A, B)
    assert [f.kind for f in answer.findings] == [Kind.DEGRADED]


REPAIR = [
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


@pytest.mark.parametrize(("facts", "vg", "expected"), REPAIR)
def test_repair(facts, vg, expected):
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
        assert (commands(answer), [f.kind for f in answer.findings]) == ([], [expected])
    else:
        assert commands(answer) == [expected]


def test_a_degraded_start_is_noted_first():
    answer = planned(Present(lv(letters="  ", active=False, ratio=(0, 0), past=BOTH)), vg=group(hidden=("right",)))
    assert isinstance(answer.steps[0].action, WriteFile)
    assert notes(answer)[0].running == (A,)
    argv = answer.steps[-1].action.argv
    assert argv[argv.index("--devices") + 1] == "/dev/left"


def mirror_away(right, past=BOTH, hidden=("right",), desired=None) -> Plan:
    """A stopped mirror; `right` is the state of the session to filer2."""
    facts = lv(type="mirror", letters="  ", active=False, ratio=(0, 0), past=past)
    world = {
        "group": {"vg0": Present(group(hidden=hidden))},
        "volume": {"vg0/lv": Present(facts)},
        "disk": disks(group(hidden=hidden)),
        "session": {"filer1": Present(Session("session1", "LOGGED_IN", 7, 3, 3)), "filer2": right},
    }
    return plan(desired or wanted("mirror"), world, frozenset())


ALONE = ["lvconvert -y --repair --use-policies vg0/lv", "lvchange -a y vg0/lv"]
SILENT = Present(NoSession("no answer within 3 s"))


@pytest.mark.parametrize(
    ("right", "past", "expected"),
    [
        (SILENT, BOTH, ALONE),
        (Present(Session("session2", "FREE", 7, 3, 3)), BOTH, ALONE),
        (Present(NoSession("")), BOTH, Kind.BLOCKED),
        (Present(Session("session2", "FAILED", 7, 3, 3)), BOTH, Kind.BLOCKED),
        (Present(Session("session2", "LOGGED_IN", 7, 3, 3, silence="no answer")), BOTH, Kind.BLOCKED),
        (Unknown("it was not looked at"), BOTH, Kind.BLOCKED),
        (Present(NoSession("")), ONLY_A, ALONE),  # behind for certain, so it does not matter where it is
        (SILENT, ONLY_B, Kind.REFUSED),
        (SILENT, ABSENT, Kind.REFUSED),
        (SILENT, Unknown("torn"), Kind.REFUSED),
    ],
)
def test_a_mirror_without_a_leg(right, past, expected):
    answer = mirror_away(right, past)
    if isinstance(expected, Kind):
        assert (commands(answer), [f.kind for f in answer.findings]) == ([], [expected])
        assert "lunmirror choose vg0/lv --keep filer1" in answer.findings[0].next
        return
    assert commands(answer) == expected
    assert past == ONLY_A or notes(answer)[0].running == (A,)
    repair = answer.steps[-2]
    assert repair.proof.startswith("journal: ")
    assert repair.action.argv[repair.action.argv.index("--devices") + 1] == "/dev/left,/dev/third"
    assert enforce(answer, frozenset()).steps == answer.steps


def test_a_choice_gives_up_the_leg_of_a_mirror_that_may_return():
    choice = wanted("mirror", choice=("vg0/lv", "filer1"))
    entry = notes(mirror_away(Present(NoSession("")), desired=choice))[0]
    assert (entry.running, entry.rebuild, entry.scrub) == ((A,), (B,), "")
    assert commands(mirror_away(Present(NoSession("")), entry, desired=choice)) == ALONE
    assert commands(mirror_away(SILENT, entry, (), choice)) == ALONE  # in view, and kept from LVM's


def test_a_first_leg_behind_is_not_copied_from():
    answer = mirror_away(Present(Session("session2", "LOGGED_IN", 7, 3, 3)), ONLY_B, hidden=())
    assert commands(answer) == ALONE
    argv = answer.steps[-1].action.argv
    assert argv[argv.index("--devices") + 1] == "/dev/right,/dev/third"


def test_a_mirrors_journal_narrows_until_it_is_copied():
    started = mirror_away(SILENT, hidden=())
    assert commands(started) == ["lvchange -a y vg0/lv"]
    assert notes(started)[0].running == (A,)
    copying = planned(Present(lv(type="mirror", ratio=(3, 10), past=BOTH)), wanted("mirror"))
    assert notes(copying)[0].running == (A,)
    known = planned(Present(lv(type="mirror", ratio=(3, 10), past=notes(copying)[0])), wanted("mirror"))
    assert notes(known) == []
    assert notes(planned(Present(lv(type="mirror", past=ONLY_A)), wanted("mirror")))[0].running == (A, B)


def test_what_a_copy_comes_from_is_not_guessed():
    assert notes(planned(Present(lv(type="mirror", ratio=(3, 10), past=ONLY_B)), wanted("mirror"))) == []
    assert notes(planned(Present(lv(type="mirror", ratio=(3, 10))), wanted("mirror"))) == []


NOW, BEFORE = "11111111-1111-4111-8111-111111111111", "00000000-0000-4000-8000-000000000000"


def resting(legs: dict, past=BOTH, **more):
    said = Present(LegSuperblocks({pv: Superblock(*leg) for pv, leg in legs.items()}))
    how = {"letters": "  ", "active": False, "ratio": (0, 0), "past": past, "superblocks": said, "boot": NOW} | more
    return Present(lv(**how))


CLEAN = {A: (0, 33, frozenset(), False), B: (1, 33, frozenset(), False)}
DIRTY = {A: (0, 33, frozenset(), True), B: (1, 33, frozenset(), False)}
A_ALONE = {A: (0, 36, frozenset({1}), True), B: (1, 33, frozenset(), False)}
TORN_ON_DISK = {A: (0, 36, frozenset({1}), False), B: (1, 36, frozenset({0}), False)}
SEEN = BOTH._replace(boot=BEFORE)


@pytest.mark.parametrize(
    ("legs", "past", "running", "scrub"),
    [
        (CLEAN, SEEN, (A, B), ""),
        (DIRTY, SEEN, (A, B), "repair"),
        (DIRTY, ABSENT, (A, B), "repair"),
        (DIRTY, SEEN._replace(scrub="wanted"), (A, B), "repair"),
        (A_ALONE, SEEN, (A,), ""),  # its return copies all that the bitmap has
        (A_ALONE, ONLY_B, (A,), ""),
        (A_ALONE, ABSENT, (A,), ""),
        (CLEAN, SEEN._replace(scrub="repairing"), (A, B), "repair"),
        (CLEAN, SEEN._replace(scrub="running"), (A, B), "wanted"),
    ],
)
def test_what_is_noted_before_a_raid1_starts_whole(legs, past, running, scrub):
    answer = planned(resting(legs, past))
    now = [s for s in answer.steps if not s.after]
    assert commands(Plan(tuple(now))) == ["lvchange -a y vg0/lv"]
    assert commands(answer)[1:] == (["lvchange --syncaction repair vg0/lv"] if legs is DIRTY else [])
    [entry] = notes(answer)
    assert (entry.running, entry.scrub) == (running, scrub)
    assert not isinstance(now[-1].action, WriteFile)
    assert past is ABSENT or entry.boot == NOW


def test_an_unclean_end_is_not_forgotten_over_a_degraded_start():
    one = {A: DIRTY[A]}
    answer = planned(resting(one, SEEN), vg=group(hidden=("right",)))
    assert notes(answer)[0].scrub == "repair"


@pytest.mark.parametrize("past", [ABSENT, BOTH, ONLY_A, ONLY_B, Unknown("torn")])
def test_legs_that_name_each_other_failed_are_split_brain(past):
    answer = planned(resting(TORN_ON_DISK, past))
    assert (commands(answer), [f.kind for f in answer.findings]) == ([], [Kind.REFUSED])
    assert "split brain" in answer.findings[0].what
    if isinstance(past, Unknown):
        assert notes(answer) == [], "a journal that cannot be read is never overwritten"
        return
    [entry] = notes(answer)
    assert (entry.running, entry.diverged) == (((B,), (A,)) if past == ONLY_B else ((A,), (B,)))


@pytest.mark.parametrize("past", [ABSENT, BOTH])
def test_they_may_be_chosen_between_at_once(past):
    world = {
        "group": {"vg0": Present(group())},
        "volume": {"vg0/lv": resting(TORN_ON_DISK, past)},
        "disk": {},
    }
    [entry] = notes(plan(wanted(choice=("vg0/lv", "filer2")), world, frozenset()))
    assert (entry.running, entry.rebuild, entry.diverged) == ((B,), (A,), ())


def test_after_the_choice_they_are_no_more():
    answer = planned(resting(TORN_ON_DISK, GIVEN_UP))
    assert commands(answer) == ["lvchange -a y --activationmode degraded vg0/lv"]


def test_legs_whose_word_cannot_be_read_start_nothing():
    for hidden in ((), ("right",)):
        answer = planned(resting({}, BOTH, superblocks=Unknown("I/O error")), vg=group(hidden=hidden))
        assert (answer.steps, [f.kind for f in answer.findings]) == ((), [Kind.BLOCKED])


def test_a_leg_that_the_kernel_still_believes_in_is_waited_for():
    world = {
        "group": {"vg0": Present(group(hidden=("right",)))},
        "volume": {"vg0/lv": resting({A: CLEAN[A]})},
        "disk": {},
        "session": {"filer2": Present(Session("session2", "LOGGED_IN", 7, 3, 3, silence="no answer"))},
    }
    answer = plan(wanted(), world, frozenset())
    assert (answer.steps, [f.kind for f in answer.findings]) == ((), [Kind.BLOCKED])


GOING = " 5"  # no activation that is known; the version of the group's metadata
MADE_EQUAL = [
    # the journal, what the kernel does -> command, the journal after it, what is reported
    ("repair", "idle", 0, ["lvchange --syncaction repair vg0/lv"], "repairing", [Kind.DEGRADED]),
    ("repair", "check", 0, [], None, [Kind.DEGRADED]),
    ("repairing", "repair", 0, [], None, [Kind.DEGRADED]),
    ("repairing", "idle", 2560, ["lvchange --syncaction check vg0/lv"], "checking", [Kind.DEGRADED]),
    ("checking", "check", 0, [], None, [Kind.DEGRADED]),
    ("checking", "idle", 0, [], "", []),
    ("checking", "idle", 8, [], None, [Kind.REFUSED]),
]


@pytest.mark.parametrize(("scrub", "action", "mismatches", "expected", "after", "said"), MADE_EQUAL)
def test_legs_are_made_equal_and_compared(scrub, action, mismatches, expected, after, said):
    facts = lv(past=BOTH._replace(scrub=scrub, boot=NOW, going=GOING), action=action, mismatches=mismatches, boot=NOW)
    answer = planned(Present(facts))
    assert commands(answer) == expected
    assert [n.scrub for n in notes(answer)] == ([] if after is None else [after])
    assert [f.kind for f in answer.findings] == said


INTERRUPTED = {"running": "wanted", "repairing": "repair", "checking": "repair", "comparing": "compare"}


@pytest.mark.parametrize("scrub", INTERRUPTED)
@pytest.mark.parametrize("going", ["", " 4", "another 5"])
def test_what_may_not_have_come_to_its_end_is_begun_again(scrub, going):
    answer = planned(Present(lv(past=BOTH._replace(scrub=scrub, boot=NOW, going=going), boot=NOW)))
    assert commands(answer) == []
    assert [n.scrub for n in notes(answer)] == [INTERRUPTED[scrub]]
    assert [f.kind for f in answer.findings] == [Kind.DEGRADED]


def test_legs_found_to_differ_by_hand_are_no_redundancy():
    answer = planned(Present(lv(past=BOTH, mismatches=128)))
    assert (commands(answer), [f.kind for f in answer.findings]) == ([], [Kind.DEGRADED])


def test_a_scrub_that_still_goes_on_outlived_what_was_changed():
    past = BOTH._replace(scrub="comparing", boot=NOW, going=" 4")
    assert [n.going for n in notes(planned(Present(lv(past=past, boot=NOW, action="check"))))] == [GOING]


@pytest.mark.parametrize("letters", ["AD", "Aa"])
def test_a_leg_that_failed_ended_it(letters):
    past = BOTH._replace(scrub="checking", boot=NOW, going=GOING)
    assert [n.going for n in notes(planned(Present(lv(letters=letters, past=past, boot=NOW))))] == [""]


@pytest.mark.parametrize("scrub", ["compare", "comparing"])
def test_a_leg_that_failed_before_it_was_compared_stays_out(scrub):
    past = BOTH._replace(scrub=scrub, boot=NOW)
    answer = planned(Present(lv(letters="AD", past=past, boot=NOW)))
    assert [(n.running, n.diverged) for n in notes(answer)] == [((A,), (B,))]
    assert commands(answer) == []


def test_one_that_somebody_else_started_is_made_equal():
    answer = planned(Present(lv(past=SEEN, boot=NOW)))
    assert (notes(answer)[0].scrub, notes(answer)[0].boot) == ("repair", NOW)
    for past in (SEEN._replace(boot=NOW), BOTH, ABSENT):  # seen in this boot, or before boots were noted, or never
        assert [n.scrub for n in notes(planned(Present(lv(past=past, boot=NOW))))] in ([], [""])


def test_a_volume_unlike_its_metadata_is_an_administrators():
    answer = planned(
        Present(lv(type="mirror", letters="  ", ratio=(0, 0), target="linear", past=BOTH)), wanted("mirror")
    )
    assert (commands(answer), [f.kind for f in answer.findings]) == ([], [Kind.REFUSED])
    assert notes(answer)[0].layout == "linear"


def test_no_second_choice_while_one_is_carried_out():
    facts = Present(lv(type="linear", pvs=(B,), past=GIVEN_UP))
    answer = planned(facts, wanted(choice=("vg0/lv", "filer1")))
    assert (commands(answer), [f.kind for f in answer.findings]) == ([], [Kind.REFUSED])
    assert "filer2 was chosen" in answer.findings[0].why


def test_split_brain_is_refused_noted_and_not_readmitted():
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


def test_no_choice_where_there_is_no_split_brain():
    for facts in (lv(past=BOTH), lv(letters="AD", past=ONLY_A)):
        usual = planned(Present(facts))
        answer = planned(Present(facts), wanted(choice=("vg0/lv", "filer1")))
        assert answer.steps == usual.steps
        assert [f.kind for f in answer.findings] == [*(f.kind for f in usual.findings), Kind.NOTE]


def test_a_leg_given_up_is_dropped_never_refreshed():
    assert commands(planned(Present(lv(letters="DA", past=GIVEN_UP)))) == ["lvconvert -y -m -1 vg0/lv /dev/left"]
    assert commands(planned(Present(lv(letters="DD", past=GIVEN_UP)))) == []
    assert commands(planned(Present(lv(letters="DA", past=GIVEN_UP)), vg=group(hidden=("third",)))) == []


def test_after_a_choice_the_legs_are_compared():
    whole = Entry("vg0/lv", (A, B), "t4", 8, {}, scrub="wanted")
    answer = planned(Present(lv(past=whole)))
    assert commands(answer) == ["lvchange --syncaction check vg0/lv"]
    assert notes(answer)[0].scrub == "running"
    running = whole._replace(scrub="running", going=GOING)
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
    (lv(tags=(UNFORMATTED,)), bare(), [f"lvchange --deltag {UNFORMATTED} vg0/lv"]),
    (lv(tags=(UNFORMATTED,)), wanted(), []),
    (lv(), wanted(size=32 * MIB), Kind.REFUSED),
    (lv(), wanted("mirror"), Kind.REFUSED),
    (lv(), wanted("linear", ("left",)), Kind.REFUSED),
    (lv(pvs=(A, C)), wanted(), Kind.REFUSED),
    (lv(health="something new"), wanted(), Kind.BLOCKED),
]


@pytest.mark.parametrize(
    ("word", "said"), [("raid5", "raid5"), ("cache", "splitcache"), ("thin-pool", "pool"), ("", "segments")]
)
def test_a_layout_without_legs_is_left_alone(word: str, said: str) -> None:
    """A cache takes the mirror under it out of sight: an outage meanwhile would be seen by nobody."""
    facts = lv(type=word, past=BOTH)._replace(legs=(), altered=word or "volume without segments")
    answer = planned(Present(facts))
    assert [f.kind for f in answer.findings] == [Kind.REFUSED]
    assert said in answer.findings[0].why + answer.findings[0].next
    (entry,) = notes(answer)
    assert entry.running == BOTH.running
    assert fit_to_start(entry, (A,), entry.seqno, 0) == fit_to_start(entry, (A, B), entry.seqno, 0) == ()
    assert advance(entry, "vg0/lv", (A, B), 9, "t9").layout == ""


@pytest.mark.parametrize(("facts", "desired", "expected"), KEEPING)
def test_keeping(facts, desired, expected):
    facts = facts._replace(past_raw=render(BOTH), past=Present(Entry("vg0/lv", facts.running, "t0", 5, {})))
    answer = planned(Present(facts._replace(past_raw=render(facts.past.facts))), desired)
    if isinstance(expected, Kind):
        assert (commands(answer), [f.kind for f in answer.findings]) == ([], [expected])
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


@pytest.mark.parametrize("vg", [group()._replace(host="another"), group()._replace(exported=True)])
@pytest.mark.parametrize(
    "state",
    [ABSENT, Present(lv(active=False, past=BOTH)), Present(lv(past=BOTH)), Present(lv(letters="AD", past=BOTH))],
)
def test_nothing_is_done_in_a_group_that_is_another_hosts(vg, state):
    answer = planned(state, wanted(size=128 * MIB), vg._replace(members=group(flagged=("right",)).members))
    assert commands(answer) == []
    assert "not this host's" in answer.findings[0].why


@pytest.mark.parametrize("state", [ABSENT, Present(lv("linear", pvs=("local",))), Present(lv(active=False))])
def test_nothing_is_done_in_a_group_that_only_has_the_name(state):
    """Neither made in it nor, where a volume has the declared name too, given legs on the LUNs."""
    members = (Member("local", "/dev/vda2", "", 2 << 30, 2 << 30, False),)
    answer = planned(state, vg=group()._replace(members=members, host=""))
    assert commands(answer) == []
    assert "the same name" in answer.findings[0].why


@pytest.mark.parametrize("hidden", [("left",), ("left", "right")])
@pytest.mark.parametrize("legs", [(A, B, C), (A, C)])
def test_nothing_goes_while_what_stays_is_out_of_sight(hidden, legs):
    """In the grey seconds every letter is A, though a leg cannot be reached."""
    facts = lv(letters="A" * len(legs), pvs=legs, past=Entry("vg0/lv", legs, "t0", 5, {}))
    assert commands(planned(Present(facts), replacing(), group(hidden=hidden))) == []
    assert commands(planned(Present(facts), replacing(), group())) != []


def test_no_log_is_made_while_a_member_is_out_of_sight():
    facts = Present(lv(type="mirror", past=BOTH))
    assert commands(planned(facts, wanted(type="mirror", log="disk"), group(hidden=("right",)))) == []
    assert commands(planned(facts, wanted(type="mirror", log="disk"), group())) != []


def replacing(old_declared=True, type="raid1") -> Desired:
    """Disk third takes the place of right."""
    desired = wanted(type, legs=("left", "third"))
    disks = dict(desired.disks) | {"third": desired.disks["third"]._replace(replaces="right")}
    if not old_declared:
        del disks["right"]
    return desired._replace(disks=disks, groups={"vg0": Group("vg0", ("left", "third"))})


def adds_a_leg(step) -> bool:
    return "-m" in step.action.argv and "-1" not in step.action.argv


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
        (
            lv(type="linear", pvs=(A,), past=ONLY_A),
            replacing(type="mirror"),
            group(hidden=("right",), empty=("right",)),  # LVM adds no leg while a member is missing
            ["vgreduce --removemissing vg0", "lvconvert -y --type mirror -m 1 --mirrorlog core -b vg0/lv /dev/third"],
        ),
        (lv(type="linear", pvs=(A,), past=ONLY_A), replacing(type="mirror"), group(hidden=("right",)), []),
        # without a successor a dead leg is never replaced, a member never let go
        (lv(letters="AD", past=ONLY_A), wanted(), group(hidden=("right",)), []),
        (lv(letters="AD", past=ONLY_A), wanted(legs=("left", "third")), group(hidden=("right",)), []),
    ],
)
def test_replacing_a_leg(facts, desired, vg, expected):
    facts = facts._replace(past=Present(Entry("vg0/lv", tuple(sorted(facts.running)) or (A,), "t", 5, {})))
    answer = planned(Present(facts._replace(past_raw=render(facts.past.facts))), desired, vg)
    assert commands(answer) == expected
    assert all(s.proof.startswith("consent: disks.third.replaces") for s in answer.steps if not adds_a_leg(s))


@pytest.mark.parametrize(
    "facts", [lv(past=BOTH), lv(letters="  ", active=False, ratio=(0, 0), past=BOTH), lv(letters="AD", past=ONLY_A)]
)
def test_nothing_is_done_on_swapped_disks(facts):
    vg = group()
    swapped = tuple(m._replace(disk="right", misplaced_from="left") if m.disk == "left" else m for m in vg.members)
    answer = planned(Present(facts), vg=vg._replace(members=swapped))
    assert (answer.steps, [f.kind for f in answer.findings]) == ((), [Kind.BLOCKED])
    assert planned(ABSENT, vg=vg._replace(members=swapped)).steps == ()


def test_a_linear_volume_without_its_leg_is_degraded():
    facts = lv(type="linear", pvs=(A,), past=ONLY_A)
    answer = planned(Present(facts), wanted("mirror"), vg=group(hidden=("right",)))
    assert (commands(answer), [f.kind for f in answer.findings]) == ([], [Kind.DEGRADED])


def test_a_choice_that_is_being_carried_out_is_not_asked_again():
    facts = lv(type="linear", pvs=(B,), past=GIVEN_UP)  # the leg given up is dropped already
    answer = planned(Present(facts), wanted(choice=("vg0/lv", "filer2")))
    assert commands(answer) == ["lvconvert -y --type raid1 -m 1 vg0/lv /dev/left"]


# A returning leg, and the journal that cannot be read

ACCUSES = Present(LegSuperblocks({B: Superblock(1, 7, frozenset({0}), False)}))  # B ran without A
SILENT_ON_A = Present(LegSuperblocks({B: Superblock(1, 7, frozenset(), False)}))


@pytest.mark.parametrize("past", [ABSENT, BOTH, ONLY_A])
@pytest.mark.parametrize("vg", [group(), group(flagged=("right",))])
def test_a_returning_leg_that_ran_alone_is_not_let_in(past, vg):
    answer = planned(Present(lv(letters="AD", past=past, superblocks=ACCUSES)), vg=vg)
    assert (commands(answer), [f.kind for f in answer.findings]) == ([], [Kind.REFUSED])
    [entry] = notes(answer)
    assert (entry.running, entry.diverged) == ((A,), (B,))


def test_a_returning_leg_that_accuses_nobody_who_runs_is_let_in():
    refresh = ["lvchange --refresh vg0/lv"]
    assert commands(planned(Present(lv(letters="AD", past=ONLY_A, superblocks=SILENT_ON_A)))) == refresh
    third = lv(letters="ADA", pvs=(A, B, C), past=ONLY_A, superblocks=Present(LegSuperblocks({B: Superblock(1, 7, frozenset({1}), False)})))  # fmt: skip
    assert commands(planned(Present(third), wanted(legs=("left", "right", "third")))) == refresh


@pytest.mark.parametrize("vg", [group(), group(flagged=("right",))])
def test_an_unreadable_returning_leg_is_not_let_in(vg):
    answer = planned(Present(lv(letters="AD", past=ONLY_A, superblocks=Unknown("I/O error"))), vg=vg)
    assert (answer.steps, [f.kind for f in answer.findings]) == ((), [Kind.BLOCKED])


@pytest.mark.parametrize("letters", ["AA", "AD"])
@pytest.mark.parametrize("type", ["raid1", "mirror"])
def test_an_unreadable_journal_lets_nothing_in(letters, type):
    found = lv(type, letters, past=Unknown("torn"), past_raw=b"{", superblocks=SILENT_ON_A)
    answer = planned(Present(found), wanted(type), vg=group(flagged=("right",) if letters == "AD" else ()))
    assert (answer.steps, [f.kind for f in answer.findings]) == ((), [Kind.BLOCKED])
    assert "/lv-uuid.json" in answer.findings[0].next


@pytest.mark.parametrize("adrift", [(A,), (B,)])
def test_a_raid1_adrift_is_noted_first_then_refreshed(adrift):
    answer = planned(Present(lv(past=BOTH, adrift=adrift)))
    assert commands(answer) == ["lvchange --refresh vg0/lv"]
    assert notes(answer)[0].running == tuple({A, B} - set(adrift))
    named = LegSuperblocks({adrift[0]: Superblock(0, 7, frozenset({0, 1}), False)})
    refused = planned(Present(lv(past=BOTH, adrift=adrift, superblocks=Present(named))))
    assert (commands(refused), [f.kind for f in refused.findings]) == ([], [Kind.REFUSED])


def test_a_mirror_adrift_is_degraded_and_never_refreshed():
    answer = planned(Present(lv("mirror", past=BOTH, adrift=(B,))), wanted("mirror"))
    assert (commands(answer), [f.kind for f in answer.findings]) == ([], [Kind.DEGRADED])
    assert "`lvconvert -m 0 vg0/lv /dev/right`" in answer.findings[0].next


# A mirror whose first leg may be the one that fell behind


def test_a_mirror_loses_the_legs_behind_with_a_leg():
    past = Entry("vg0/lv", (A, C), "t1", 5, {B: "t1"})
    three = lv("mirror", "   ", (A, B, C), active=False, ratio=(0, 0), past=past)
    world = {
        "group": {"vg0": Present(group(hidden=("left",)))}, "volume": {"vg0/lv": Present(three)}, "disk": {},
        "session": {p.name: SILENT for p in wanted().paths()},
    }  # fmt: skip
    answer = plan(wanted("mirror", legs=("left", "right", "third")), world, frozenset())
    [repair] = [s for s in answer.steps if isinstance(s.action, Run) and "--repair" in s.action.argv]
    assert repair.action.argv[repair.action.argv.index("--devices") + 1] == "/dev/third"


def test_an_unreadable_journal_starts_no_mirror():
    answer = planned(Present(lv("mirror", "  ", active=False, ratio=(0, 0), past=Unknown("torn"))), wanted("mirror"))
    assert (answer.steps, [f.kind for f in answer.findings]) == ((), [Kind.BLOCKED])
    assert "lunmirror choose vg0/lv --keep" in answer.findings[0].next
    never = planned(Present(lv("mirror", "  ", active=False, ratio=(0, 0))), wanted("mirror"))
    assert commands(never) == ["lvchange -a y vg0/lv"]


def test_traces_of_the_last_end_wait_for_the_journal():
    answer = planned(resting(DIRTY, Unknown("torn")))
    assert (answer.steps, [f.kind for f in answer.findings]) == ((), [Kind.BLOCKED])


@pytest.mark.parametrize(
    ("past", "vg", "kind", "said"),
    [
        (BOTH, group(), Kind.BLOCKED, "`lvchange --refresh vg0/lv`"),
        (ONLY_A, group(), Kind.BLOCKED, "`lvchange --refresh vg0/lv`"),
        (ONLY_B, group(), Kind.REFUSED, "restart this machine"),  # the refresh would copy the other one over it
        (ABSENT, group(), Kind.REFUSED, "restart this machine"),
        (BOTH, group(hidden=("right",)), Kind.BLOCKED, "bring server filer2 back"),
    ],
)
def test_a_mirror_that_failed_is_an_administrators(past, vg, kind, said):
    answer = planned(Present(lv(type="mirror", letters="DD", past=past)), wanted("mirror"), vg)
    assert (commands(answer), [f.kind for f in answer.findings]) == ([], [kind])
    assert said in answer.findings[0].next


# What a killed LVM command leaves

HALF = {"letters": "  ", "active": False, "ratio": (0, 0), "half_made": ("lv_rmeta_0", "lv_rmeta_1")}
STRAY = "lvremove -y --select vg_name=vg0 && lv_name=lv_rimage_2 && lv_role=public vg0/lv_rimage_2"
REMOVE = (
    "lvremove -y --select vg_name=vg0 && lv_name=lv && lv_tags=lunmirror.unformatted && lv_skip_activation=1 vg0/lv"
)


@pytest.mark.parametrize(
    ("facts", "vg", "expected"),
    [
        (lv(**HALF, tags=(UNFORMATTED,)), group(), [REMOVE]),
        (lv(**HALF), group(), Kind.REFUSED),  # nobody says that it is new
        (lv(**HALF, tags=(UNFORMATTED,), past=BOTH), group(), Kind.REFUSED),  # it was in service once
        (lv(**HALF, tags=(UNFORMATTED,), past=Unknown("torn")), group(), Kind.REFUSED),
        (lv(**(HALF | {"active": True}), tags=(UNFORMATTED,)), group(), Kind.REFUSED),
        (lv(**HALF, tags=(UNFORMATTED,)), group(hidden=("right",)), Kind.BLOCKED),
        (lv(past=BOTH, strays=("lv_rimage_2",)), group(), [STRAY]),
        (lv(past=BOTH, strays=("lv_rimage_2",)), group(hidden=("third",)), []),
        (
            lv(type="linear", pvs=(A,), past=ONLY_A, strays=("lv_rimage_2",)),
            group(),
            [STRAY, "lvconvert -y --type raid1 -m 1 vg0/lv /dev/right"],
        ),
        (lv(type="linear", pvs=(A,), past=ONLY_A, orphans=("vg0-lv_rimage_0",)), group(), Kind.BLOCKED),
        (lv(past=BOTH, orphans=("vg0-lv_rimage_2",)), group(), []),
        (
            lv(letters="  ", active=False, ratio=(0, 0), loose=("lv_rimage_0", "lv_rmeta_0"), past=BOTH),
            group(),
            ["lvchange -a n vg0/lv_rimage_0 vg0/lv_rmeta_0"],
        ),
        (lv(letters="  ", active=False, ratio=(0, 0), past=BOTH), group(), ["lvchange -a y vg0/lv"]),
    ],
)
def test_what_a_killed_command_left(facts, vg, expected):
    answer = planned(Present(facts), vg=vg)
    if isinstance(expected, Kind):
        assert (commands(answer), [f.kind for f in answer.findings]) == ([], [expected])
    else:
        assert commands(answer) == expected


def test_a_leg_that_failed_beside_what_was_killed_is_noted():
    answer = planned(Present(lv(letters="AD", half_made=("lv_rmeta_1",), past=BOTH)))
    assert [n.running for n in notes(answer)] == [(A,)]
    assert [f.kind for f in answer.findings] == [Kind.REFUSED]


@pytest.mark.parametrize(
    ("facts", "copying"),
    [
        (lv(letters="Aa", ratio=(3, 10)), (B,)),
        (lv(letters="AD"), ()),  # dead, not copied: it may be revived by a table that knows nothing of the other
        (lv(letters="Aa", ratio=(3, 10), adrift=(B,)), ()),
        (lv(type="mirror", letters="Aa", ratio=(3, 10)), ()),
        (lv(letters="AAa", pvs=(A, B, C), ratio=(3, 10)), (C,)),
    ],
)
def test_only_a_copy_under_way_is_one(facts, copying):
    assert facts.kernel_state.copying == copying


def test_the_mark_goes_only_while_the_group_is_whole():
    marked = Present(lv(tags=(UNFORMATTED,), past=BOTH))
    assert commands(planned(marked, bare())) == [f"lvchange --deltag {UNFORMATTED} vg0/lv"]
    assert commands(planned(marked, bare(), group(hidden=("third",)))) == []


def test_a_member_in_the_way_of_two_volumes_goes_once():
    desired = replacing(type="mirror")
    one = desired.volumes["vg0/lv"]
    desired = desired._replace(volumes={"vg0/lv": one, "vg0/lw": one._replace(name="lw")})
    state = Present(lv(type="linear", pvs=(A,), past=ONLY_A))
    vg = group(hidden=("right",), empty=("right",))
    world = {"group": {"vg0": Present(vg)}, "volume": {"vg0/lv": state, "vg0/lw": state}, "disk": {}}
    said = commands(plan(desired, world, frozenset()))
    assert [line.split()[0] for line in said] == ["vgreduce", "lvconvert", "lvconvert"]


@pytest.mark.parametrize(("there", "given_up"), [(True, True), (False, False)])
def test_a_stopped_mirrors_leg_goes_if_its_place_is_taken(there, given_up):
    """A session to its server proves nothing against it: in its LUN's place is another."""
    desired = wanted("mirror", legs=("left", "third"))
    place = desired.disks["right"] if there else desired.disks["third"]
    third = desired.disks["third"]._replace(server=place.server, target=place.target, lun=place.lun, replaces="right")
    desired = desired._replace(
        disks=desired.disks | {"third": third}, groups={"vg0": Group("vg0", ("left", "third"))}
    )
    facts = Present(lv(type="mirror", letters="  ", active=False, ratio=(0, 0), past=BOTH))
    said = commands(planned(facts, desired, group(hidden=("right",))))
    assert any("--repair" in line for line in said) is given_up
