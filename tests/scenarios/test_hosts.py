"""Two hosts on one pair of servers: who may start what, and how that changes hands. The simulator raises Harm when both
have a volume active, and when a host writes metadata of, or starts, a group that carries another's mark."""

from dataclasses import replace

import pytest

from lunmirror.engine.model import Kind
from lunmirror.layers.group.owner import Mark
from sim import hosts
from sim.machine import Call, Died
from sim.stage import Stage, converged, text
from sim.world import INITIATOR, MACHINE

OTHER = "0123456789abcdef0123456789abcdef"
THEIR_NAME = "iqn.1993-08.org.debian:01:000000000002"
OURS = Mark(MACHINE, INITIATOR)


def taking(mark: str, **how: str) -> str:
    return text(**how).replace("[groups.vg0]\n", f'[groups.vg0]\ntake_from = "{mark}"\n')


def marks(stage: Stage) -> list[str]:
    return [t.removeprefix(hosts.TAG) for t in stage.world.metas()["vg0"].tags if t.startswith(hosts.TAG)]


def two(type: str = "raid1", machine: str = OTHER, initiator: str = THEIR_NAME, dead: bool = True) -> Stage:
    """Host a made everything and is off (`dead`), or runs on; host b has the floor."""
    stage = converged(text(type=type))
    stage.world.event_activation = False
    hosts.new_host(stage.world, "a", machine, initiator)
    stage.world.event_activation = False
    if dead:
        hosts.die(stage.world, "a")
    return stage


def back(stage: Stage, words: str = "") -> Stage:
    """Host a boots, with its own configuration; host b goes on with what it has."""
    hosts.take_the_floor(stage.world, "a", leaving="b")
    stage.configure(words or text())
    stage.world.reboot()
    return stage


def served(stage: Stage) -> tuple[list[str], list[str]]:
    return [a.name for a in stage.world.actives], [m.path for m in stage.world.mounts]


@pytest.mark.parametrize("type", ["raid1", "mirror"])
def test_a_takeover_moves_the_mark_for_good(type: str) -> None:
    stage = two(type)
    before = stage.world.metas()["vg0"].seqno
    stage.configure(taking(MACHINE, type=type))
    first = stage.apply()
    takeover = next(n for n, c in enumerate(first.done) if "--deltag lunmirror.host=" in c)
    assert "lvchange" in " ".join(first.done[takeover:])
    assert "lvchange" not in " ".join(first.done[:takeover])
    stage.settle()
    assert marks(stage) == [f"{OTHER}/{THEIR_NAME}#1"]
    assert served(stage) == (["testlv"], ["/mnt/test"])
    seqno = stage.world.metas()["vg0"].seqno
    assert seqno > before

    old = back(stage, text(type=type)).apply()

    assert Kind.REFUSED in old.kinds()
    assert f'take_from = "{OTHER}/{THEIR_NAME}#1"' in old.finding(Kind.REFUSED)
    assert served(stage) == ([], [])
    assert stage.world.metas()["vg0"].seqno == seqno


def test_an_old_consent_takes_nothing_back() -> None:
    """Each host once took over from the other, and the line is still in both configurations."""
    stage = two()
    stage.configure(taking(MACHINE))
    stage.settle()
    stage.world.unmount("/mnt/test")
    hosts.take_the_floor(stage.world, "a", leaving="b")
    hosts.die(stage.world, "b")
    stage.configure(taking(f"{OTHER}/{THEIR_NAME}#1"))
    stage.world.reboot()
    stage.settle()
    assert marks(stage) == [f"{OURS.text}#2"]
    assert served(stage) == (["testlv"], ["/mnt/test"])

    hosts.take_the_floor(stage.world, "b", leaving="a")
    stage.configure(taking(MACHINE))
    stage.world.reboot()
    again = stage.apply()

    assert "no consent" in again.finding(Kind.REFUSED)
    assert served(stage) == ([], [])
    assert marks(stage) == [f"{OURS.text}#2"]


def test_nothing_is_started_without_a_consent() -> None:
    stage = two(dead=False)
    refused = stage.apply()
    assert refused.exit == 4
    assert served(stage) == ([], [])
    assert marks(stage) == [OURS.text]


def test_a_clone_has_the_same_machine_id_and_is_distinguished() -> None:
    stage = two(machine=MACHINE, dead=False)
    refused = stage.apply()
    assert "under another initiator name" in refused.finding(Kind.REFUSED)
    assert served(stage) == ([], [])
    # nor is the machine-id, which both have, a consent
    stage.configure(taking(MACHINE))
    stage.apply()
    assert served(stage) == ([], [])


def test_an_initiator_name_that_was_changed_is_no_dead_end() -> None:
    stage = converged(text())
    hosts.identify(stage.world, MACHINE, THEIR_NAME)
    refused = stage.apply()
    said = refused.finding(Kind.REFUSED)
    assert "vg0/testlv IS ACTIVE HERE" in said
    consent = said.partition("declare take_from = ")[2].split('"')[1]
    assert served(stage) == (["testlv"], ["/mnt/test"])  # what is in service stays so

    stage.configure(taking(consent))
    assert stage.settle().exit == 0
    assert marks(stage) == [f"{MACHINE}/{THEIR_NAME}#1"]


def test_what_is_in_service_under_a_changed_name_is_noted() -> None:
    """A server dies meanwhile; later the name is put back, and the older leg is alone in view."""
    stage = converged(text())
    stage.world.event_activation = False
    name = stage.world.files["/etc/iscsi/initiatorname.iscsi"]
    stage.world.files["/etc/iscsi/initiatorname.iscsi"] = b"InitiatorName=iqn.2026-11.org.example:other\n"
    stage.world.version += 1
    assert stage.apply().exit == 4
    stage.world.cut("filer2")
    stage.world.advance(120.0)

    assert stage.apply().exit == 4
    assert not stage.apply().host.changed
    stage.world.files["/etc/iscsi/initiatorname.iscsi"] = name
    stage.world.restore("filer2")
    stage.world.cut("filer1")
    stage.world.reboot()

    assert stage.apply().exit == 4
    assert not stage.world.actives


def test_an_adopted_group_is_marked_and_then_nobody_elses() -> None:
    stage = converged(text())
    unmarked(stage)
    stage.settle()
    assert marks(stage) == [OURS.text]
    stage.world.event_activation = False
    hosts.new_host(stage.world, "a", OTHER, THEIR_NAME)
    hosts.die(stage.world, "a")
    stage.world.event_activation = False
    stage.apply()
    assert served(stage) == ([], [])


def unmarked(stage: Stage, tags: tuple[str, ...] = ()) -> None:
    for area in stage.world.areas():
        if area.meta and area.meta.name == "vg0":
            area.meta = replace(area.meta, tags=tags)
    stage.world.version += 1


def test_a_group_without_a_mark_waits_for_all_of_its_members() -> None:
    stage = converged(text())
    unmarked(stage)
    stage.world.cut("filer2")
    stage.world.advance(60)
    away = stage.apply()
    assert "no mark" in away.finding(Kind.NOTE)
    assert marks(stage) == []
    stage.world.restore("filer2")
    stage.world.advance(60)
    stage.settle()
    assert marks(stage) == [OURS.text]


def test_a_mark_of_an_older_version_gets_the_initiators_name() -> None:
    stage = converged(text())
    unmarked(stage, (f"{hosts.TAG}{MACHINE}",))
    done = stage.apply()
    assert done.exit == 0
    assert marks(stage) == [OURS.text]
    assert stage.apply().done == []


def test_without_an_initiator_name_nobody_guesses() -> None:
    stage = converged(text())
    del stage.world.files["/etc/iscsi/initiatorname.iscsi"]
    stage.world.version += 1
    blind = stage.apply()
    assert "whose group is it?" in blind.finding(Kind.BLOCKED)
    assert blind.done == []


def test_a_takeover_waits_for_a_member_that_is_away() -> None:
    stage = two()
    stage.world.cut("filer2")
    stage.configure(taking(MACHINE))
    blocked = stage.apply()
    assert "cannot be taken over yet" in blocked.finding(Kind.BLOCKED)
    assert served(stage) == ([], [])
    assert marks(stage) == [OURS.text]
    stage.world.restore("filer2")
    stage.world.advance(10)
    stage.settle()
    assert served(stage) == (["testlv"], ["/mnt/test"])


def test_a_member_that_is_back_but_flagged_is_no_dead_end() -> None:
    stage = two()
    flagged = stage.desired.disks["right"].pv_uuid
    for area in stage.world.areas():
        if area.meta and area.meta.name == "vg0":
            area.meta = replace(area.meta, missing=frozenset({flagged}))
    stage.configure(taking(MACHINE))
    stage.settle()
    assert marks(stage) == [f"{OTHER}/{THEIR_NAME}#1"]
    assert served(stage) == (["testlv"], ["/mnt/test"])


@pytest.mark.parametrize("when", ["before", "after", "fails", "late"])
def test_a_takeover_may_fail_or_die_at_any_instant(when: str) -> None:
    stage = two()
    stage.configure(taking(MACHINE))

    def fault(call: Call) -> str:
        return when if "--deltag lunmirror.host=" in call.what else ""

    try:
        failed = stage.apply(fault)
    except Died:
        failed = None
    # What is in effect is taken for so, although the program never said it.
    assert served(stage)[0] == ([] if marks(stage) == [OURS.text] or failed is None else ["testlv"])
    assert failed is None or failed.exit in (1, 3)
    stage.settle()
    assert served(stage) == (["testlv"], ["/mnt/test"])
    assert marks(stage) == [f"{OTHER}/{THEIR_NAME}#1"]


def test_two_marks_are_nobodys_to_use() -> None:
    stage = converged(text())
    unmarked(stage, (OURS.tag, f"{hosts.TAG}{OTHER}"))
    stage.world.unmount("/mnt/test")
    stage.world.deactivate("testlv")
    assert stage.apply().exit == 4
    assert served(stage) == ([], [])


@pytest.mark.parametrize("gone", ["filer1", "filer2"])
def test_a_journal_from_before_another_hosts_term(gone: str) -> None:
    """Host b went on without one leg. Host a takes the group back and dies before it starts anything; then that leg is alone."""
    stage = two()
    stage.configure(taking(marks(stage)[0]))
    stage.settle()
    stage.world.cut(gone)
    stage.world.advance(200.0)
    stage.apply()
    stage.world.restore(gone)
    hosts.take_the_floor(stage.world, "a", leaving="b")
    hosts.die(stage.world, "b")
    stage.configure(taking(marks(stage)[0]))
    stage.world.reboot()
    taken: list[str] = []

    def fault(call: Call) -> str:
        if call.changes and "vgchange" in call.what:
            taken.append(call.what)
        return "before" if taken and call.changes and call.what not in taken else ""

    with pytest.raises(Died):
        stage.run(fault)
    assert not stage.world.actives
    stage.world.cut("filer2" if gone == "filer1" else "filer1")
    stage.world.reboot()

    last = stage.apply()

    assert last.exit == 4, str(last)
    assert "another host had the group" in last.finding(Kind.REFUSED)
    stage.world.restore("filer1")
    stage.world.restore("filer2")
    stage.world.advance(60.0)
    assert stage.settle().exit == 0
