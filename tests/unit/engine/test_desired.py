"""What follows from the declared state, asked for each of many disks."""

import time

from lunmirror.engine.desired import Desired, Disk, Group, Portal, Server, Timeouts

TIMES = Timeouts(3, 3, 6, 10, 3)


def declared(count: int) -> Desired:
    """Each disk at a target of its own and in a group of its own."""
    servers = {"a": Server("a", (Portal("192.0.2.1"), Portal("192.0.2.2")), "automatic", TIMES)}
    disks = {f"d{n}": Disk(f"d{n}", "a", f"iqn.2001-01.x:{n}", 1) for n in range(count)}
    groups = {f"g{n}": Group(f"g{n}", (f"d{n}",)) for n in range(count)}
    return Desired(servers, disks, groups, {}, 15, 30)


def test_each_disk_has_its_own_paths() -> None:
    desired = declared(2)
    names = [path.name for path in desired.paths()]
    assert names == [f"a 192.0.2.{p}:3260 iqn.2001-01.x:{n}" for n in range(2) for p in (1, 2)]
    assert [path.name for path in desired.paths_to(desired.disks["d1"])] == names[2:]
    assert desired.group_of("d1") == "g1"
    assert desired.group_of("other") is None


def test_what_follows_is_worked_out_again_for_another_document() -> None:
    desired = declared(2)
    assert len(desired.paths()) == 4
    fewer = desired._replace(disks={"d0": desired.disks["d0"]})
    assert [path.name for path in fewer.paths()] == ["a 192.0.2.1:3260", "a 192.0.2.2:3260"]


def test_a_thousand_disks_ask_in_no_time() -> None:
    desired = declared(1000)
    started = time.process_time()
    for disk in desired.disks.values():
        assert len(desired.paths_to(disk)) == 2
        assert desired.group_of(disk.name)
    assert time.process_time() - started < 1.0
