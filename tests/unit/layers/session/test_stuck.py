"""Whether a session that was given up may end: what leans on its disks, read off sysfs and device-mapper alone."""

import pytest

from lunmirror.engine.model import ABSENT, Present
from lunmirror.host.protocol import Ran
from lunmirror.layers.session.stuck import burden

BLOCK = "/sys/class/block"
RAID = "vg0-lv: 0 131072 raid raid1 2 {} 131072/131072 idle 0 0 -\n"


class Machine:
    """Two sessions with a disk each, and a raid1 whose legs 0 and 1 lie on sda1 (session1) and sdb1 (session2)."""

    def __init__(
        self, letters: str = "DA", states: tuple[str, str] = ("FREE", "LOGGED_IN"), status: str = RAID
    ) -> None:
        self.status = status.format(letters)
        self.files = {f"/sys/class/iscsi_session/session{n}/state": state for n, state in enumerate(states, 1)}
        self.links, self.tree = {}, {}
        self.mounts = "1 1 8:99 / / rw - ext4 /dev/x rw\n"
        for n, disk in enumerate(("sda", "sdb")):
            self.files[f"{BLOCK}/{disk}/dev"] = f"8:{n * 16}"
            self.files[f"{BLOCK}/{disk}1/dev"] = f"8:{n * 16 + 1}"
            self.links[f"{BLOCK}/{disk}1"] = (
                f"/sys/devices/platform/host{n}/session{n + 1}/target/block/{disk}/{disk}1"
            )
            for kind, minor in (("rimage", n), ("rmeta", n + 2)):
                self.layer(f"dm-{minor}", f"vg0-lv_{kind}_{n}", below=f"{disk}1", above="dm-9")
        self.layer("dm-9", "vg0-lv")

    def layer(self, kernel: str, name: str, below: str = "", above: str = "") -> None:
        self.files[f"{BLOCK}/{kernel}/dm/name"] = name
        self.links[f"{BLOCK}/{kernel}"] = f"/sys/devices/virtual/block/{kernel}"
        for one, other in ((below, kernel), (kernel, above)):
            if one and other:
                self.tree.setdefault(f"{BLOCK}/{one}/holders", []).append(other)
                self.tree.setdefault(f"{BLOCK}/{other}/slaves", []).append(one)

    def query(self, argv, deadline):
        return Ran(argv, 0, self.status, "", 0.0)

    def read(self, path):
        text = self.mounts if path == "/proc/self/mountinfo" else self.files.get(path)
        return ABSENT if text is None else Present(f"{text}\n".encode())

    def directory(self, path):
        return Present(tuple(sorted(self.tree[path]))) if path in self.tree else ABSENT

    def link(self, path):
        return Present(self.links[path]) if path in self.links else ABSENT

    def memoize(self, name, look):
        return look()

    def glob(self, pattern):
        if "/device/target" in pattern:
            disk = "sda" if "session1" in pattern else "sdb"
            return (f"/sys/class/iscsi_session/x/device/target0:0:0/0:0:0:1/block/{disk}",)
        disk = pattern.split("/")[4]
        return (f"{BLOCK}/{disk}/{disk}1/partition",) if disk in ("sda", "sdb") else ()


@pytest.mark.parametrize("letters", ["DA", "AA", "aA"])
def test_a_raid1_with_another_good_leg_goes_on_without_it(letters: str) -> None:
    assert burden("session1", Machine(letters)) == ""


@pytest.mark.parametrize("letters", ["AD", "Aa", "DD", "Da"])
def test_the_last_good_leg_is_not_torn_off(letters: str) -> None:
    assert "no other leg" in burden("session1", Machine(letters))


def test_a_leg_whose_server_is_away_too_is_no_other_leg() -> None:
    assert "no other leg" in burden("session1", Machine("AA", ("FREE", "FREE")))
    assert "no other leg" in burden("session1", Machine("AA", ("FREE", "FAILED")))


def test_two_legs_on_the_same_session_are_one() -> None:
    machine = Machine("AA", ("LOGGED_IN", "LOGGED_IN"))
    machine.links[f"{BLOCK}/sdb1"] = machine.links[f"{BLOCK}/sda1"]
    assert "no other leg" in burden("session1", machine)


@pytest.mark.parametrize(
    "status",
    ["vg0-lv: 0 131072 mirror 2 253:0 253:1 128/128 1 AA 1 core\n", "vg0-lv: 0 131072 linear\n", "", "rubbish\n"],
)
def test_what_is_no_raid1_leans_on_every_disk(status: str) -> None:
    assert burden("session1", Machine(status=status))


def test_letters_that_do_not_fit_the_legs_tell_nothing() -> None:
    machine = Machine(status="vg0-lv: 0 131072 raid raid1 3 AAA 131072/131072 idle 0 0 -\n")
    assert "cannot be distinguished" in burden("session1", machine)


def test_nothing_active_leans_on_nothing() -> None:
    machine = Machine()
    machine.tree = {}
    assert burden("session1", machine) == ""


def test_a_volume_of_somebody_elses_on_the_same_disk() -> None:
    machine = Machine()
    machine.layer("dm-20", "other-lv", below="sda1")
    assert "other-lv" in burden("session1", machine)


def test_a_file_system_straight_on_the_disk() -> None:
    machine = Machine()
    machine.mounts += "2 1 8:1 / /srv rw - ext4 /dev/sda1 rw\n"
    assert "/srv" in burden("session1", machine)


def test_what_cannot_be_seen_is_not_ended() -> None:
    machine = Machine()
    machine.query = lambda argv, deadline: Ran(argv, 1, "", "no", 0.0)
    assert "cannot be seen" in burden("session1", machine)
