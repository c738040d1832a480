"""Item 5: what may hold somebody's data is never written to.

One machine whose LUNs hold all that must be refused (the fixture `shelf`), each told by its number; and layouts whose
disks were swapped, emptied or shrunk behind their names.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
import world
from kit import MOUNT, SERVERS, Lab, Ran, config
from test_outages import back

# What is written into the backing file of a LUN: name -> (number, size, script with $f the file, a word of the refusal).
# The servers are up meanwhile, but no client has read these LUNs yet.
CONTENTS = {
    "ext4": (2, "64M", "mke2fs -q -F -t ext4 -L precious $f", "ext4"),
    "xfs": (3, "304M", "mkfs.xfs -q -f -L precious $f", "xfs"),
    "swap": (4, "64M", "mkswap -q -L precious $f", "swap"),
    "GPT": (5, "64M", "printf 'label: gpt\\nsize=8M\\n' | sfdisk -q $f", "GPT"),
    "MBR": (6, "64M", "printf 'label: dos\\nsize=8M\\n' | sfdisk -q $f", "MBR"),
    "random bytes": (7, "64M", "head -c 1M /dev/urandom | dd of=$f conv=notrunc status=none", "without a known signature"),
    "random bytes behind the head": (
        8, "64M", "head -c 4k /dev/urandom | dd of=$f conv=notrunc status=none seek=500", "without a known signature",
    ),
    "bytes only at its end": (
        9, "64M", "printf precious | dd of=$f conv=notrunc status=none bs=1 seek=$((64 * 1024 * 1024 - 8))",
        "without a known signature",
    ),
    "one byte in its last sector": (
        10, "64M", "printf x | dd of=$f conv=notrunc status=none bs=1 seek=$((64 * 1024 * 1024 - 512))",
        "without a known signature",
    ),
    "smaller than declared": (11, "32M", "true", "smaller than declared"),
    "ext4 in a GPT": (
        14, "64M",
        "printf 'label: gpt\\nsize=32M\\n' | sfdisk -q $f; mke2fs -q -F -t ext4 -L within -E offset=1048576 $f 30M", "GPT",
    ),
}  # fmt: skip
# Made through the client: LUN -> commands with $d the disk, a word of the refusal.
LABELLED = {
    "foreign PV": (12, "64M", "pvcreate -q $d", "did not make"),
    "PV in another group": (13, "64M", "pvcreate -q $d && vgcreate -q strangers $d && lvcreate -q -an -Zn -l 2 strangers", "strangers"),
}  # fmt: skip
SHELF = CONTENTS | LABELLED
CORE = ("ext4", "random bytes")
VOLUME = 'size = "48MiB"\nfilesystem = "ext4"\nmount = "/mnt/test"'


def toml(number: int, extra: str = "", volume: str = VOLUME, **more: Any) -> str:
    """The left disk is that LUN of filer1, the right one a blank LUN of filer2."""
    return config(volume=volume, disk={"left": extra, "right": ""}, **more).replace("lun = 1", f"lun = {number}", 1)


@pytest.fixture
def shelf(machine: Any) -> Lab:
    """Logged in to both servers, nothing declared yet; LUNs of filer1 hold what CONTENTS and LABELLED say."""
    lab = Lab(machine)
    if "shelf" in machine.converged:
        machine.restore("shelf")
        return lab
    machine.restore("ready")
    for number, size, script, _ in CONTENTS.values():
        lab.run(f"filer lun filer1 add {number} {size}; f=$(filer path filer1 {number}); {script}", timeout=120)
    for number, size, _, _ in LABELLED.values():
        lab.run(f"filer lun filer1 add {number} {size}")
    lab.run("sync")
    for address in ("192.168.1.115", "192.168.1.120"):
        lab.run(
            f"iscsiadm -m discovery -t st -p {address} -o new >/dev/null && iscsiadm -m node -p {address} --login"
        )
    lab.run("udevadm settle")
    for number, _, script, _ in LABELLED.values():
        lab.run(f"d=/dev/{device(lab, number)}; {script}", timeout=120)
    machine.snapshot("shelf")
    machine.converged.add("shelf")
    return lab


def device(lab: Lab, number: int, server: str = "left") -> str:
    """The kernel's name of a LUN's disk."""
    found = lab.run(
        f"ls /sys/class/iscsi_session/{lab.sid(server)}/device/target*/*:*:*:{number}/block"
    ).stdout.split()
    assert len(found) == 1, found
    return found[0]


def refusal(ran: Ran, disk: str) -> dict[str, Any]:
    """The one refusal of a disk; it says what, why and what to do next, and names the disk."""
    found = [f for f in ran.findings("refused") if f["resource"] == {"layer": "disk", "name": disk}]
    assert len(found) == 1, str(ran)
    assert ran.rc == 4
    assert disk in found[0]["what"]
    assert found[0]["key"] == f"disks.{disk}"
    assert found[0]["why"]
    assert found[0]["next"]
    return found[0]


def untouched(lab: Lab, before: world.World) -> None:
    """No group or volume came to be or went; records and sessions may have been put in order, and the blank disk of
    the other server made ready."""
    differ = world.changed(before, world.take(lab))
    kinds = ("pv", "group", "device", "mount")
    assert {name for name in differ if name.split()[0] in kinds} <= {f"pv {SERVERS['filer2'][2]} LUN 1"}
    assert "content /etc/fstab" not in differ


CORE = ("ext4", "random bytes")


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=(pytest.mark.core, pytest.mark.once) if k in CORE else ()) for k in SHELF]
)
def test_a_disk_with_something_on_it(shelf: Lab, kind: str) -> None:
    number, _, _, word = SHELF[kind]
    before, bytes_before = world.take(shelf), shelf.backing("filer1", number)
    shelf.configure(toml(number))
    said = refusal(shelf.apply(expect=4), "left")
    assert word in f"{said['what']} {said['why']}"
    assert "filer1" in f"{said['what']} {said['why']} {said['next']}"
    assert shelf.backing("filer1", number) == bytes_before
    untouched(shelf, before)
    if kind in CORE:  # the plan says the same
        refusal(shelf.plan(expect=4), "left")


@pytest.mark.parametrize("kind", ["ext4", "GPT"])
def test_a_partition_is_not_made_over_content(shelf: Lab, kind: str) -> None:
    number, _, _, word = SHELF[kind]
    before = shelf.backing("filer1", number)
    shelf.configure(toml(number, "partition = true"))
    assert word in refusal(shelf.apply(expect=4), "left")["what"]
    assert shelf.backing("filer1", number) == before


# -- consent ------------------------------------------------------------------------------------------------------------


def consent_in(said: dict[str, Any]) -> str:
    """What the refusal tells the administrator to write."""
    match = re.search(r'overwrite = "(.*)"', said["next"])
    assert match, said
    return match[1]


@pytest.mark.parametrize("kind", ["ext4", "GPT", "random bytes"])
def test_consent_to_exactly_what_is_there(shelf: Lab, kind: str) -> None:
    number = SHELF[kind][0]
    before = shelf.backing("filer1", number)
    shelf.configure(toml(number))
    words = consent_in(refusal(shelf.plan(expect=4), "left"))

    for wrong in (words.split()[0], words + "?", "xfs signature"):
        shelf.configure(toml(number, f'overwrite = "{wrong}"'))
        said = refusal(shelf.apply(expect=4), "left")
        assert wrong in said["what"], "it says that the consent is to something else"
        assert shelf.backing("filer1", number) == before

    shelf.configure(toml(number, f'overwrite = "{words}"'))
    if kind == "GPT":
        said = refusal(shelf.apply(expect=4), "left")
        assert "partition = true" in said["next"]
        assert shelf.backing("filer1", number) == before
        shelf.configure(toml(number, f'overwrite = "{words}"', partition=True))
    shelf.settle()
    assert shelf.mounted().split()[1] == "ext4"
    data = shelf.write_file()
    shelf.apply(expect=0)
    assert set(shelf.on_each_leg().values()) == {data}


def test_consent_to_a_table_is_none_to_what_lies_in_it(shelf: Lab) -> None:
    """A new table over an old one leaves what its partition holds, to be named by words of its own."""
    number = SHELF["ext4 in a GPT"][0]
    shelf.configure(toml(number, partition=True))
    words = consent_in(refusal(shelf.plan(expect=4), "left"))
    assert "GPT" in words
    path = shelf.run(f"filer path filer1 {number}").stdout.strip()
    within = f"sync; dd if={path} bs=1M skip=1 count=30 iflag=direct status=none | sha256sum"
    before = shelf.run(within).stdout
    shelf.configure(toml(number, f'overwrite = "{words}"', partition=True))
    ran = shelf.apply(expect=4)
    assert shelf.run(within).stdout == before
    second = consent_in(refusal(ran, "left"))
    assert "ext4" in second
    assert "within" in second
    shelf.configure(toml(number, f'overwrite = "{second.replace(chr(34), chr(39))}"', partition=True))
    shelf.settle()
    assert shelf.mounted().split()[1] == "ext4"


def test_consent_does_not_outlive_what_it_names(shelf: Lab) -> None:
    """Consent to one file system is no consent to the next one on that LUN."""
    number = SHELF["ext4"][0]
    shelf.configure(toml(number))
    words = consent_in(refusal(shelf.plan(expect=4), "left"))
    shelf.run(f"mke2fs -q -F -t ext4 /dev/{device(shelf, number)} && sync")
    before = shelf.backing("filer1", number)
    shelf.configure(toml(number, f'overwrite = "{words}"'))
    refusal(shelf.apply(expect=4), "left")
    assert shelf.backing("filer1", number) == before


# -- behind a right name ------------------------------------------------------------------------------------------------


@pytest.fixture
def mirror(converged: Callable[..., Lab]) -> Lab:
    return converged("mirror", config(volume=VOLUME))


def take_down(lab: Lab) -> None:
    """What a reboot leaves: nothing mounted, active or logged in."""
    lab.run(f"sync; umount {MOUNT} && lvchange -an vg0/testlv && iscsiadm -m node --logoutall=all", timeout=120)


def test_two_disks_swapped(mirror: Lab) -> None:
    take_down(mirror)
    mirror.run("filer swap filer1 filer2 1", timeout=120)
    bytes_before = [mirror.backing(server) for server in ("filer1", "filer2")]
    ran = mirror.apply(expect=4)
    left, right = refusal(ran, "left"), refusal(ran, "right")
    assert "filer2" in f"{left['what']} {left['why']}"
    assert "filer1" in f"{right['what']} {right['why']}"
    assert mirror.mounted() == ""
    assert mirror.dm() == "", "a volume whose legs are not what they were is not started"
    assert [mirror.backing(server) for server in ("filer1", "filer2")] == bytes_before


def test_two_disks_swapped_under_a_running_mirror(mirror: Lab) -> None:
    """The servers were stopped, their disks changed places, the sessions came back by themselves."""
    data = mirror.write_file()
    mirror.run("filer swap filer1 filer2 1", timeout=120)
    back(mirror, "left")
    back(mirror, "right")
    before = world.take(mirror)
    ran = mirror.apply(expect=4)
    refusal(ran, "left")
    refusal(ran, "right")
    assert ran.layers() == set(), "nothing is done"
    untouched(mirror, before)
    mirror.run("filer swap filer1 filer2 1", timeout=120)
    assert mirror.checksum(f"{MOUNT}/witness") == data


@pytest.mark.parametrize("way", ["after a reboot", "under a running mirror"])
def test_a_blank_replacement_under_the_old_name(mirror: Lab, way: str) -> None:
    data = mirror.write_file()
    if way == "after a reboot":
        take_down(mirror)
    mirror.run("filer lun filer2 blank 1", timeout=120)
    blank = mirror.backing("filer2")
    if way != "after a reboot":
        back(mirror, "right")
    ran = mirror.apply(expect=4, timeout=400)
    assert "replaces" in refusal(ran, "right")["next"]
    assert ran.titles("disk") == ran.titles("group") == []
    if way == "after a reboot":
        assert mirror.backing("filer2") == blank, "nothing was written to the new disk"
    else:  # where the kernel's own raid1 goes on writing to it: the session came back before the leg was given up
        assert mirror.checksum(f"{MOUNT}/witness") == data


def test_a_disk_smaller_than_its_declared_size(lab: Lab) -> None:
    before = lab.backing("filer2")
    lab.configure(config(volume=VOLUME, disk={"right": 'size = "64TiB"'}))
    said = refusal(lab.apply(expect=4), "right")
    assert "64" in said["why"] or str(64 << 40) in said["why"]
    assert lab.backing("filer2") == before
