"""The process dies before, in the middle of and after every single change; what is left is a world like any other.

At most three healthy passes later (and three more where a power cut left the legs of a raid1 to be made equal,
compared and noted) the world is as if nothing had happened. That nothing is formatted twice, that no
leftover of ours is refused and that nothing foreign is touched is held by the simulator itself (Harm) and by settle().
"""

import pytest

from sim.machine import Call, Died
from sim.stage import Stage, end_state
from sim.stories import STORIES, back, chosen, mirror_without_a_leg

CRASHED = (
    "blank raid1 ext4 on partitions",
    "blank mirror on disks",
    "blank xfs with a label",
    "repair",
    "dead leg",
    "new name",
    "mirror made linear",
    "growth",
    "another region size",
    "xfs growth",
    "second server",
    "third leg",
    "takeover",
    "drifted",
    "crashed",
    "overwritten disks",
    "overwritten partitions",
    "a leg moves",
    "a dead leg is replaced",
    "a lost leg of a mirror is replaced",
    "the second leg's server is restarted",
    "a server is restarted beyond its timeout",
    "a server is restarted before a crash",
    "taken over from another host",
    "adopted without a mark",
    "a leg dead under a snapshot",
    "the first leg is distrusted",
    "a leg is distrusted at rest",
    "a disk renamed",
)
INSTANTS = ("before", "during", "after")


def changes_of(name: str) -> int:
    """How many changes the story takes, over all of its passes."""
    stage, count = STORIES[name](), 0
    for _ in range(4):
        count += len(stage.apply().host.changed)
        stage.world.advance(60.0)
    return count


def die(stage: Stage, at: int, instant: str) -> bool:
    """Passes until the change number `at`; whether it came to that."""
    count = 0
    for _ in range(4):

        def fault(call: Call, count: int = count) -> str:
            return instant if call.changes and call.number + count == at else ""

        try:
            count += len(stage.apply(fault).host.changed)
        except Died:
            return True
        stage.world.advance(60.0)
    return False


@pytest.mark.parametrize("instant", INSTANTS)
@pytest.mark.parametrize("name", CRASHED)
def test_dies_anywhere(name: str, instant: str) -> None:
    wanted = STORIES[name]()
    wanted.settle()
    ended = end_state(wanted)

    for at in range(1, changes_of(name) + 1):
        stage = STORIES[name]()
        assert die(stage, at, instant)
        where = f"{name}: died {instant} change {at}"

        last = stage.settle()

        assert last.exit == 0, f"{where}\n{last}"
        assert end_state(stage) == ended, where


@pytest.mark.parametrize("name", CRASHED)
def test_dies_anywhere_and_the_machine_with_it(name: str) -> None:
    """The same with a power loss: sessions, volumes and mounts are gone as well."""
    wanted = STORIES[name]()
    wanted.settle()
    ended = end_state(wanted)

    for at in range(1, changes_of(name) + 1):
        stage = STORIES[name]()
        assert die(stage, at, "during")
        stage.world.reboot()

        last = stage.settle()

        assert last.exit == 0, f"{name}: power lost in change {at}\n{last}"
        assert end_state(stage) == ended, f"{name}: power lost in change {at}"


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("instant", INSTANTS)
def test_dies_anywhere_while_a_mirror_starts_without_a_leg(instant: str, power: bool) -> None:
    """Given up, or not yet: when its server is back the leg is there again, and nothing written is lost."""
    wanted = back(mirror_without_a_leg(), "filer2")
    wanted.settle()
    kept = end_state(wanted)["active"]
    changes = len(mirror_without_a_leg().apply().host.changed)

    for at in range(1, changes + 1):
        stage = mirror_without_a_leg()
        assert die(stage, at, instant)
        if power:
            stage.world.reboot()
        assert stage.apply().exit == 3
        assert stage.world.mounts, f"died {instant} change {at}"
        back(stage, "filer2")

        last = stage.settle()

        assert last.exit == 0, f"died {instant} change {at}\n{last}"
        assert end_state(stage)["active"].keys() == kept.keys()
        assert stage.world.active("testlv").type == "mirror"


def carried_out(keep: str, at: int, instant: str, power: bool) -> tuple[int, Stage]:
    """A choice, said once; the process dies at change number `at`. (the changes up to then, what is left)"""
    stage, count = chosen(keep), 0
    try:
        for _ in range(4):
            count += len(
                stage.apply(
                    lambda call, n=count: instant if call.changes and call.number + n == at else ""
                ).host.changed
            )
            stage.desired = stage.desired._replace(choice=None)
            stage.world.advance(60.0)
    except Died:
        if power:
            stage.world.reboot()
    return count, stage


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("instant", INSTANTS)
@pytest.mark.parametrize("keep", ["filer1", "filer2"])
def test_dies_anywhere_while_a_choice_is_carried_out(keep: str, instant: str, power: bool) -> None:
    """The choice is remembered, or was not taken yet and is reported again; in the end there is one history on both legs."""
    changes, _ = carried_out(keep, 0, "", False)
    assert changes > 5
    for at in range(1, changes + 1):
        _, stage = carried_out(keep, at, instant, power)
        where = f"{keep}: died {instant} change {at}"
        stage.desired = stage.desired._replace(choice=None)
        if stage.apply().exit == 4:
            stage.desired = stage.desired._replace(choice=("vg0/testlv", keep))
            assert stage.apply().exit in (0, 3), where
            stage.desired = stage.desired._replace(choice=None)

        last = stage.settle(8)

        assert last.exit == 0, f"{where}\n{last}"
        assert " AA " in stage.world.active("testlv").line(), where
        assert not stage.world.unequal, where
