"""What a drill would do, and everything that stands against it, on made-up worlds."""

import fnmatch
import os

import pytest

from lunmirror.drill import plan
from lunmirror.engine.desired import Portal
from lunmirror.engine.model import ABSENT, Present
from lunmirror.host.protocol import Ran
from unit.analysis.worlds import ONLY_LEFT, desired, lv, report, world

IQN = "iqn.2001-01.x:right"
MOUNTS = b"20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"


class Tree:
    """A reader of some files: path -> content; directories follow from them. `names` is what getent says."""

    def __init__(self, files: dict[str, str], names: dict[str, str] | None = None, mounts: bytes = MOUNTS) -> None:
        self.files = {path: text.encode() for path, text in files.items()} | {"/proc/self/mountinfo": mounts}
        self.names = names or {}

    def read(self, path):
        return Present(self.files[path]) if path in self.files else ABSENT

    def directory(self, path):
        below = {p[len(path) + 1 :].split("/")[0] for p in self.files if p.startswith(path + "/")}
        return Present(tuple(sorted(below - {""}))) if below else ABSENT

    def glob(self, pattern):
        depth = pattern.count("/")
        paths = {"/".join(p.split("/")[: depth + 1]) for p in self.files if p.count("/") >= depth}
        parts = pattern.split("/")
        return tuple(
            sorted(p for p in paths if all(fnmatch.fnmatch(a, b) for a, b in zip(p.split("/"), parts, strict=True)))
        )

    def query(self, argv, deadline):
        found = self.names.get(argv[-1], "")
        return Ran(argv, 0 if found else 2, "".join(f"{a} STREAM x\n" for a in found.split()), "", 0.0)

    def memoize(self, name, look):
        return look()


def session(sid: int, target: str, asked: str, at: str = "", disk: str = "sdb", port: int = 3260, tmo: int = 7):
    one = f"/sys/class/iscsi_session/session{sid}"
    two = f"/sys/class/iscsi_connection/connection{sid}:0"
    return {
        f"{one}/targetname": target,
        f"{one}/recovery_tmo": str(tmo),
        f"{two}/persistent_address": asked,
        f"{two}/persistent_port": str(port),
        f"{two}/address": at or asked,
        f"{two}/port": str(port),
        f"{one}/device/target{sid}:0:0/{sid}:0:0:1/block/{disk}/size": "1",
    }


def disk(name: str, number: str, holders: str = "", dm: str = "", parts: str = ""):
    place = f"/sys/class/block/{name}"
    found = {f"{place}/dev": number, f"{place}/holders/": ""}
    found |= {f"{place}/holders/{h}/dev": "" for h in holders.split()}
    found |= {f"{place}/{p}/partition": "1" for p in parts.split()}
    return found | ({f"{place}/dm/name": dm} if dm else {})


PLAIN = (
    session(1, IQN, "192.0.2.2")
    | disk("sdb", "8:16", holders="dm-1")
    | disk("dm-1", "253:1", holders="dm-4", dm="vg0-lv_rimage_1")
    | disk("dm-4", "253:4", dm="vg0-lv")
)


def asked(files=None, seen=None, wish=None, seconds=35, server="filer2", silent=None, **more):
    tree = Tree(PLAIN if files is None else files, **more)
    seen = world(lv(), mounted="rw") if seen is None else seen
    return plan.rehearsal(server, seconds, report(seen), wish or desired(mount="/mnt"), tree, silent or {})


def test_a_drill_that_may_begin() -> None:
    found, reasons = asked()
    assert reasons == ()
    assert found.endpoints == (("192.0.2.2", 3260),)
    assert found.targets == (IQN,)
    assert found.volumes == ("vg0/lv",)
    assert found.places == (plan.Place("vg0/lv", "/mnt", os.makedev(253, 4)),)
    assert (found.sessions, found.budget, found.notes) == (1, 15, ())


@pytest.mark.parametrize("number", [(8, 16), (253, 4), (253, 300), (4095, 1048575)])
def test_device_numbers_are_those_of_stat(number: tuple[int, int]) -> None:
    assert plan.device_number(*number) == os.makedev(*number)


def no(reasons, words: str) -> bool:
    return any(words in reason for reason in reasons)


def test_not_if_the_other_leg_is_behind() -> None:
    found, reasons = asked(seen=world(lv("DA", past=ONLY_LEFT), mounted="rw"))
    assert found is None
    assert no(reasons, "would lose") or no(reasons, "is not known")


def test_not_if_its_own_leg_is_dead_although_it_could_be_lost() -> None:
    found, reasons = asked(seen=world(lv("AD", past=ONLY_LEFT), mounted="rw"))
    assert found is None
    assert no(reasons, "volume vg0/lv is degraded")


def test_not_if_the_other_server_does_not_answer() -> None:
    assert no(asked(silent={"filer1": "no answer"})[1], "filer1 does not answer")


def test_not_without_anything_to_write_to() -> None:
    assert no(asked(seen=world(lv()), wish=desired())[1], "nothing to measure")


def test_not_if_a_foreign_session_shares_the_portal() -> None:
    files = PLAIN | session(2, "iqn.2001-01.x:somebody", "192.0.2.2", disk="sdc")
    assert no(asked(files)[1], "session2, to target iqn.2001-01.x:somebody")


def test_sessions_elsewhere_do_not_matter() -> None:
    files = PLAIN | session(2, "iqn.2001-01.x:left", "192.0.2.1", disk="sdc")
    assert asked(files)[1] == ()


def test_not_if_somebody_mounts_a_disk_of_the_server() -> None:
    files = PLAIN | disk("sdb", "8:16", holders="dm-1", parts="sdb1") | disk("sdb1", "8:17")
    mounts = MOUNTS + b"30 20 8:17 / /srv rw - ext4 /dev/sdb1 rw\n"
    assert no(asked(files, mounts=mounts)[1], "sdb1, which is on that server, is mounted on /srv")


def test_not_if_a_volume_that_is_not_declared_lies_there() -> None:
    files = PLAIN | disk("sdb", "8:16", holders="dm-1 dm-9") | disk("dm-9", "253:9", dm="vg0-scratch")
    assert no(asked(files)[1], "vg0-scratch, which is on that server, is no declared volume")


def test_what_lies_on_a_declared_volume_is_its_own() -> None:
    files = PLAIN | disk("dm-4", "253:4", holders="dm-5", dm="vg0-lv") | disk("dm-5", "253:5", dm="secret")
    assert asked(files)[1] == ()


# Addresses


def with_portals(*portals: Portal):
    wish = desired(mount="/mnt")
    wish.servers["filer2"] = wish.servers["filer2"]._replace(portals=portals)
    return wish


def test_every_portal_in_both_families() -> None:
    wish = with_portals(Portal("192.0.2.2"), Portal("2001:db8::2", 3261))
    assert asked(wish=wish)[0].endpoints == (("192.0.2.2", 3260), ("2001:db8::2", 3261))


def test_a_name_is_where_its_session_is_and_where_it_could_go() -> None:
    wish = with_portals(Portal("filer2.example"))
    files = PLAIN | session(1, IQN, "filer2.example", at="192.0.2.2")
    found, reasons = asked(files, wish=wish, names={"filer2.example": "192.0.2.2 2001:DB8:0::2"})
    assert reasons == ()
    assert found.endpoints == (("192.0.2.2", 3260), ("2001:db8::2", 3260))


def test_a_name_that_nobody_knows() -> None:
    assert no(asked(wish=with_portals(Portal("filer2.example")))[1], "portal filer2.example:3260 is not known")


def test_a_redirected_login_is_cut_where_it_went() -> None:
    found, _ = asked(PLAIN | session(1, IQN, "192.0.2.2", at="192.0.2.77"))
    assert set(found.endpoints) == {("192.0.2.2", 3260), ("192.0.2.77", 3260)}


def test_a_zone_is_left_out() -> None:
    wish = with_portals(Portal("fe80::1%eth0"))
    assert asked(PLAIN | session(1, IQN, "fe80::1%eth0"), wish=wish)[0].endpoints == (("fe80::1", 3260),)


def test_not_if_another_server_has_the_same_portal() -> None:
    assert no(
        asked(wish=with_portals(Portal("192.0.2.2"), Portal("192.0.2.1")))[1], "server filer1 has the same portal"
    )


# Notes


def test_a_cut_that_is_too_short_is_reported() -> None:
    (note,) = asked(seconds=15)[0].notes
    assert "may not be given up" in note


def test_timeouts_that_are_declared_but_not_live_are_reported() -> None:
    (note,) = asked(PLAIN | session(1, IQN, "192.0.2.2", tmo=120))[0].notes
    assert "declared as 7 s, but session1 runs with 120" in note
