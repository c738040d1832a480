"""What the tests of configuration management share: a machine that drifted, a degraded mirror whose server is back, and the
proof that somebody only looked."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import deb
import world
from kit import MOUNT, Lab, config, dpkg
from test_chap import chap
from test_outages import back, given_up

ROOT = Path(__file__).parents[2]
SETUP = config(policy='stall_budget = "6s"\nboot_wait = "5s"', servers={"filer1": chap("filer1")})
# With a third disk that holds somebody's file system.
REFUSED = "lun = 2".join(
    config(
        policy='stall_budget = "6s"\nboot_wait = "5s"',
        disks=("left", "right", "third"),
        servers={"filer1": chap("filer1")},
        volume='size = "64MiB"\nlegs = ["left", "right"]\nfilesystem = "ext4"\nmount = "/mnt/test"',
    ).rsplit("lun = 1", 1)
)
TIMERS = "lunmirror.timer lunmirror-soon.timer lunmirror-return.service lunmirror-notify.timer"


def examples(page: str, heading: str, language: str) -> list[str]:
    """The blocks of that language below a heading of docs/."""
    text = (ROOT / "docs" / page).read_text()
    section = re.split(r"^## ", text.split(f"## {heading}\n")[1], flags=re.M)[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.M | re.S)


def send(lab: Lab, directory: Path, there: str) -> None:
    for path in directory.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            lab.put(f"{there}/{path.relative_to(directory)}", path.read_bytes(), path.stat().st_mode & 0o777)


def by_package(lab: Lab) -> None:
    """lunmirror by its package alone: the lab's own program is taken away."""
    lab.run("rm /usr/local/sbin/lunmirror")
    dpkg(lab, deb.built(lab.machine.image.release))


def converge(lab: Lab) -> None:
    """Passes beside those of the timer, until one finds nothing to do and nothing amiss."""
    for _ in range(6):
        if lab.apply("--lock-wait", "120s").rc == 0:
            return
        lab.synced()
    raise AssertionError(str(lab.status()))


def by_hand_only(lab: Lab) -> None:
    """No pass from now on but the tests' own."""
    lab.run(f"systemctl mask --now {TIMERS}", check=False, timeout=120)
    lab.run("while systemctl is-active lunmirror.service | grep -qx activating; do sleep 0.5; done", timeout=300)


def drift(lab: Lab) -> None:
    """A leg was given up, and its server is back; and three settings are not as declared."""
    lab.run("filer cut filer2")
    lab.run(f"dd if=/dev/urandom of={MOUNT}/noise bs=64k count=16 conv=fsync", timeout=120)
    given_up(lab)
    lab.run("filer restore filer2")
    back(lab, "right")
    lab.run(f"sed -i '\\:{MOUNT}:d' /etc/fstab; echo 55 > /sys/class/iscsi_session/{lab.sid('left')}/recovery_tmo")
    lab.run(f"sed -i 's/^node.startup = .*/node.startup = manual/' {lab.record('right')}")


def healed(lab: Lab) -> None:
    """What `drift` did is undone, and redundancy is full."""
    lab.synced()
    assert " AA " in lab.dm()
    assert lab.run(f"grep -c ' {MOUNT} ' /etc/fstab").stdout.strip() == "1"
    assert {about["recovery_tmo"] for about in lab.sessions().values()}.isdisjoint({"55"})
    assert "node.startup = manual" not in lab.get(lab.record("right")).decode()
    assert lab.apply("--lock-wait", "120s", expect=0).titles() == []


@contextmanager
def untouched(lab: Lab, *own: str) -> Iterator[None]:
    """Nothing of the machine is another one afterwards, but what begins with `own`: the tool's notes for itself."""
    lab.run("sleep 8; udevadm settle", timeout=120)  # udev notes a server's return, late on a busy host
    before, print_before = world.take(lab), lab.footprint()
    with lab.stopwatch() as changed:
        yield
    assert [path for path in changed if not path.startswith(own)] == []
    assert world.changed(before, world.take(lab)) == set()
    assert lab.footprint() == print_before


def precious(lab: Lab) -> str:
    """The LUN that REFUSED asks for holds a file system of somebody's; its fingerprint."""
    lab.run(
        "filer lun filer3 add 2 64M; f=$(filer path filer3 2); mke2fs -q -F -t ext4 -L precious $f; sync", timeout=120
    )
    return lab.backing("filer3", 2)
