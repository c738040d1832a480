"""Item 3: one thing is changed by hand, or everything at once; one pass repairs exactly that.

Three servers, a mirror on two of them and a plain volume on the third, so that each kind of damage has a place of its
own; and a neighbour's storage (world.add_bystander), which no pass may touch.
"""

import re
from collections.abc import Callable

import pytest
import world
from kit import SERVERS, Lab, config

from lunmirror.layers.node.settings import STARTUP, TIMEOUTS

SPARE = """
[groups.vg0.volumes.sparelv]
size = "32MiB"
type = "linear"
legs = ["third"]
filesystem = "ext4"
mount = "/mnt/spare"
"""
VOLUME = 'size = "64MiB"\nlegs = ["left", "right"]\nfilesystem = "ext4"\nmount = "/mnt/test"'
EXTRA = 'settings = { "node.session.cmds_max" = "64" }'
TOML = config(disks=("left", "right", "third"), volume=VOLUME, servers={"filer1": EXTRA}, more=SPARE)

# Every managed key with a value that is not the declared one. `settings` names one more, as a user may.
KEYS = dict.fromkeys(STARTUP, "manual") | dict.fromkeys(TIMEOUTS, "33") | {"node.session.cmds_max": "32"}


@pytest.fixture
def whole(converged: Callable[..., Lab]) -> Lab:
    """The layout, converged, in sync, with its neighbour."""
    return converged("drift", TOML, world.add_bystander)


def record(disk: str) -> str:
    return f"$NODES/{SERVERS[{'left': 'filer1', 'right': 'filer2', 'third': 'filer3'}[disk]][2]}"


def change_key(lab: Lab, disk: str, key: str, value: str) -> None:
    """As a hand with an editor does: the key's line in the file."""
    path = lab.record(disk)
    text = lab.get(path).decode()
    new, count = re.subn(rf"(?m)^{re.escape(key)} = .*$", f"{key} = {value}", text)
    assert count == 1, f"{key} stands {count} times in {path}"
    assert new != text, f"{key} is {value} already"
    lab.put(path, new, 0o600)


def release(lab: Lab, volume: str, path: str) -> None:
    lab.run(f"umount {path} && lvchange -an vg0/{volume}", timeout=120)


def log_out(lab: Lab, disk: str) -> None:
    lab.run(f"iscsiadm -m session -r {lab.sid(disk).removeprefix('session')} -u", timeout=60)


def our_line(lab: Lab, path: str = "/mnt/test") -> str:
    return next(line for line in lab.get("/etc/fstab").decode().splitlines(True) if line.split()[1:2] == [path])


def only(lab: Lab, before: world.World, *allowed: str) -> None:
    """Nothing differs but inode and time of files that had to be written again."""
    assert world.changed(before, world.take(lab)) <= set(allowed)


def rewritten(path: str) -> str:
    """The name of a file's inode and time in a world."""
    return f"file {path}"


# Each damage: its name -> (do it, the layers that may act, what may differ afterwards besides nothing).


def _records_deleted(lab: Lab) -> None:
    lab.run(f"rm -r {record('right')}")


def _record_emptied(lab: Lab) -> None:
    lab.run(f": > {lab.record('right')}")


def _record_truncated(lab: Lab) -> None:
    lab.run(f"truncate -s 700 {lab.record('right')}")


def _logged_out(lab: Lab) -> None:
    release(lab, "sparelv", "/mnt/spare")
    log_out(lab, "third")


def _live_timeout(lab: Lab) -> None:
    lab.run(f"echo 55 > /sys/class/iscsi_session/{lab.sid('left')}/recovery_tmo")


def _deactivated(lab: Lab) -> None:
    release(lab, "testlv", "/mnt/test")


def _unmounted(lab: Lab) -> None:
    lab.run("umount /mnt/test")


def _line_gone(lab: Lab) -> None:
    text = lab.get("/etc/fstab").decode()
    lab.put("/etc/fstab", text.replace(our_line(lab), ""))


def _line_altered(lab: Lab) -> None:
    line = our_line(lab)
    device, path, kind, options, *rest = line.split()
    options = ",".join(o for o in options.split(",") if o not in ("_netdev", "nofail"))
    text = lab.get("/etc/fstab").decode()
    lab.put("/etc/fstab", text.replace(line, f"{device}   {path} {kind} {options or 'defaults'} {' '.join(rest)}\n"))


RIGHT = "the record of right"  # whose path is the machine's to say
NEW_SESSION = f"session {SERVERS['filer3'][2]}"
DAMAGE = {
    "record deleted": (_records_deleted, {"node"}, {RIGHT}),
    "record emptied": (_record_emptied, {"node"}, {RIGHT}),
    "record truncated": (_record_truncated, {"node"}, {RIGHT}),
    "session logged out": (_logged_out, {"session", "volume", "mount"}, {NEW_SESSION}),
    "live timeout": (_live_timeout, {"session"}, set()),
    "volume deactivated": (_deactivated, {"volume", "mount"}, set()),
    "unmounted": (_unmounted, {"mount"}, set()),
    "fstab line gone": (_line_gone, {"mount"}, {rewritten("/etc/fstab"), "content /etc/fstab"}),
    "fstab line altered": (_line_altered, {"mount"}, {rewritten("/etc/fstab")}),
}


CORE = ("record truncated", "session logged out", "fstab line altered")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=(pytest.mark.core, pytest.mark.once) if n in CORE else ()) for n in DAMAGE]
)
def test_one_pass_repairs_one_thing(whole: Lab, name: str) -> None:
    damage, layers, allowed = DAMAGE[name]
    before, data, line = world.take(whole), whole.checksum("/mnt/other/file"), our_line(whole)
    fstab = whole.get("/etc/fstab").decode()
    damage(whole)
    assert world.changed(before, world.take(whole)), "the damage shows"
    ran = whole.apply(expect=0)
    # After a login udev may not be done with the new disk: a wait for it changes nothing.
    assert ran.layers() - ({"disk"} if "session" in layers else set()) == layers, str(ran)
    assert all(title.startswith("wait for") for title in ran.titles("disk")), str(ran)
    only(whole, before, *(rewritten(whole.record("right")) if what == RIGHT else what for what in allowed))
    now = whole.get("/etc/fstab").decode()
    assert (now.count(line), now.replace(line, "")) == (1, fstab.replace(line, "")), "every other byte of fstab stays"
    assert whole.checksum("/mnt/other/file") == data
    assert whole.apply(expect=0).titles() == [], "a second pass finds nothing to do"


def test_every_managed_key(whole: Lab) -> None:
    before, path = world.take(whole), whole.record("left")
    for key, value in KEYS.items():
        change_key(whole, "left", key, value)
        ran = whole.apply(expect=0)
        assert len(ran.report["outcomes"]) == 1, f"{key}: {ran}"
        assert key in ran.report["outcomes"][0]["step"]["title"]
        assert ran.layers() == {"node"}
        assert whole.get(path).decode() == before[f"content {path}"][2], f"{key} is as it was, and all else"
    only(whole, before, rewritten(path))


def test_a_managed_key_that_is_missing(whole: Lab) -> None:
    """A key without a line takes open-iscsi's compiled default, so its absence is drift too."""
    path = whole.record("left")
    lines = whole.get(path).decode().splitlines(True)
    kept = [line for line in lines if line.split(" =")[0] not in KEYS]
    assert len(lines) - len(kept) == len(KEYS)
    whole.put(path, "".join(kept), 0o600)
    before = world.take(whole)
    ran = whole.apply("--detailed-exitcode")
    # cmds_max is no key that every version knows; without it in the record nobody can say that this one does.
    assert ran.rc == 4
    world.told(ran, "node.session.cmds_max", "filer1")
    text = whole.get(path).decode()
    assert sorted(
        [*text.splitlines(True), next(x for x in lines if x.startswith("node.session.cmds_max"))]
    ) == sorted(lines)
    assert world.changed(before, world.take(whole)) == {rewritten(path), f"content {path}"}


def test_everything_at_once(whole: Lab) -> None:
    before = world.take(whole)
    fstab, line, spare = whole.get("/etc/fstab").decode(), our_line(whole), our_line(whole, "/mnt/spare")
    witness = whole.checksum("/mnt/other/file")
    left, right, third = (whole.record(disk) for disk in ("left", "right", "third"))

    for key, value in KEYS.items():
        change_key(whole, "left", key, value)
    whole.run(f"rm -r {record('right')}; truncate -s 700 {third}")
    release(whole, "testlv", "/mnt/test")
    release(whole, "sparelv", "/mnt/spare")
    log_out(whole, "third")
    for disk in ("left", "right"):
        whole.run(f"echo 55 > /sys/class/iscsi_session/{whole.sid(disk)}/recovery_tmo")
    other = spare.replace("_netdev,", "").replace("nofail", "")
    whole.put("/etc/fstab", fstab.replace(line, "").replace(spare, other))
    assert other != spare

    rc, trace = whole.executed("apply")

    assert rc == 0
    allowed = {rewritten(p) for p in (left, right, third, "/etc/fstab")} | {"content /etc/fstab", NEW_SESSION}
    only(whole, before, *(rewritten(whole.record("right")) if what == RIGHT else what for what in allowed))
    now = whole.get("/etc/fstab").decode()
    assert now == fstab.replace(line, "") + line, "only our lines, and what was there stands where it stood"
    assert whole.checksum("/mnt/other/file") == witness
    assert sorted(changes(trace)) == sorted(
        [
            "iscsiadm -o new filer2",
            "iscsiadm -o new filer3",
            "iscsiadm --login filer3",
            "lvm lvchange vg0/testlv",
            "lvm lvchange vg0/sparelv",
            "systemctl daemon-reload",
            "mount /mnt/test",
            "mount /mnt/spare",
        ]
    )


def changes(trace: list[list[str]]) -> list[str]:
    """The programs of a trace that change something, each in the few words that matter here; anything that is not
    known to be a mere read stands in full."""
    targets = {SERVERS[name][2]: name for name in SERVERS}
    found = []
    for program, *words in trace:
        program = program.rsplit("/", 1)[-1]
        match program, words:
            case (
                ("lvm", ["fullreport", *_])
                | ("dmsetup", ["status", *_])
                | ("blkid", ["-p", *_])
                | ("od" | "cmp" | "dd", _)
            ):
                continue
            case "iscsiadm", _ if "discovery" in words and "nonpersistent" in words:
                continue
            case "iscsiadm", _:
                verb = "-o new" if "new" in words else "--login" if "--login" in words else " ".join(words)
                found.append(f"iscsiadm {verb} {targets[words[words.index('-T') + 1]]}")
            case "lvm", [verb, *_]:
                found.append(f"lvm {verb} {words[-1]}")
            case (("mount" | "systemctl"), _):
                found.append(f"{program} {words[-1]}")
            case _:
                found.append(" ".join([program, *words]))
    return found
