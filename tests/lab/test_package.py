"""The Debian package in service, on the lab's release: installed without a network, a mounted mirror through the packaged
unit, and every change of the package under a writer that must not notice."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import deb
import pytest
from kit import CONFIG, LAYOUTS, MOUNT, Lab, dpkg
from test_sandbox import through_the_unit

ROOT = Path(__file__).parents[2]
VERSION = "9.0.0"
LOG = "/var/tmp/package.log"


@pytest.fixture
def newer(package: Path, tmp_path: Path) -> Path:
    return deb.as_version(package, VERSION, tmp_path)


def still(lab: Lab) -> dict[str, str]:
    """What no change of the package may touch: sessions, iscsid, the volume's table, the mount."""
    script = f"""
    for s in /sys/class/iscsi_session/*; do echo $s $(cat $s/targetname $s/state $s/creator); done
    echo iscsid $(cat /run/iscsid.pid)
    echo open-iscsi $(systemctl show open-iscsi.service -p ActiveEnterTimestampMonotonic -p ActiveState --value)
    echo dmeventd $(pidof dmeventd)
    echo mount $(findmnt -rno ID,SOURCE,OPTIONS {MOUNT})
    echo table $(dmsetup table vg0-testlv)
    """
    return dict(line.split(" ", 1) for line in lab.run(script).stdout.splitlines())


@contextmanager
def unnoticed(lab: Lab, package: Path) -> Iterator[None]:
    """What is done meanwhile makes no write wait longer than the slowest of those before it, with a pass and the unpacking of
    the same files among them, and leaves everything as it is."""
    before = still(lab)
    lab.run(f"rm -f {LOG}")
    lab.put("/var/tmp/same.deb", package.read_bytes())
    writer = lab.spawn(["writer", f"{MOUNT}/blocks", "--log", LOG, "--interval-ms", "20"])
    lab.run("sleep 20; systemctl start lunmirror.service; sleep 5", timeout=200)  # how it is on an ordinary day
    lab.run("dpkg-deb -x /var/tmp/same.deb /var/tmp/same; sync; rm -r /var/tmp/same; sleep 3", timeout=600)
    normal = int(lab.run(f"wc -l < {LOG}").stdout)
    yield
    lab.run("sleep 3")
    writer.kill(15)
    writer.wait(60)
    said = json.loads(lab.run(["writer", "verify", f"{MOUNT}/blocks", LOG], timeout=120).stdout)
    assert said["ok"], said
    assert said["errors"] == 0, said
    waits = [json.loads(line)["latency_s"] for line in lab.get(LOG).decode().splitlines()]
    ordinary, changing = max(waits[3:normal]), max(waits[normal:])
    lab.figure(f"longest write {changing:.2f} s, on an ordinary day {ordinary:.2f} s")
    # A busy host makes single writes slow at any time; a lost session or a suspended volume is a matter of seconds.
    assert changing < max(2 * ordinary, 1.0)
    assert still(lab) == before


def test_blank_to_mounted_through_the_packaged_unit(packaged: Lab) -> None:
    lab = packaged
    assert (
        lab.run("systemctl is-enabled lunmirror.service lunmirror.timer", check=False).stdout.split()
        == ["disabled"] * 2
    )
    lab.run(["lunmirror", "--config", "/usr/share/lunmirror/examples/lunmirror.toml", "check"])
    lab.configure(LAYOUTS["core"])

    through_the_unit(lab, busy=True)

    assert lab.mounted()
    lab.write_file()
    assert lab.plan(expect=0).report["steps"] == []


def test_an_upgrade_and_a_downgrade_are_not_noticed(in_service: Lab, package: Path, newer: Path) -> None:
    lab = in_service
    with unnoticed(lab, package):
        dpkg(lab, newer)
        assert VERSION in lab.run("lunmirror --version").stdout
        through_the_unit(lab, busy=True)
        dpkg(lab, package)
        through_the_unit(lab, busy=True)
    assert lab.run("systemctl is-enabled lunmirror.service lunmirror.timer").stdout.split() == ["enabled"] * 2
    assert lab.run("systemctl is-active lunmirror.timer").stdout.strip() == "active"


def test_an_upgrade_waits_for_a_pass(in_service: Lab, newer: Path) -> None:
    """The pass waits for a server at its start; it ends as it would have, and not a file is replaced before."""
    lab = in_service
    lab.run(
        f"systemctl stop lunmirror.timer; umount {MOUNT}; lvchange -an vg0/testlv; filer stop filer2", timeout=120
    )
    lab.run("while systemctl is-active lunmirror.service | grep -qv inactive; do sleep 0.5; done", timeout=200)
    running = lab.spawn("lunmirror apply >/dev/null; echo $? $(date +%s.%N)")
    lab.run("until [ -s /run/lunmirror/lock ]; do sleep 0.1; done", timeout=60)

    dpkg(lab, newer)

    replaced = lab.run("stat -c %.9Z $(dpkg -L lunmirror | grep 'lunmirror/__init__.py$')").stdout
    rc, ended = running.wait(300).stdout.split()
    assert rc == "3"  # started on one leg
    assert float(replaced) > float(ended)
    assert lab.mounted()


def test_its_own_test_passes(packaged: Lab) -> None:
    """debian/tests/mirror, as autopkgtest runs it on a machine of its own."""
    lab = packaged
    lab.run("systemctl unmask tgt.service; systemctl start tgt.service", timeout=120)
    lab.put("/root/mirror", (ROOT / "debian/tests/mirror").read_bytes(), 0o755)
    lab.run("/root/mirror", timeout=900)


@pytest.mark.parametrize("how", ["--remove", "--purge"])
def test_the_mirror_outlives_the_package(in_service: Lab, package: Path, how: str) -> None:
    lab = in_service
    witness = lab.write_file()
    own = lab.get(CONFIG)
    with unnoticed(lab, package):
        said = lab.run(["dpkg", how, "lunmirror"], timeout=200).stdout
        lab.run("systemctl daemon-reload; udevadm settle; sleep 10", timeout=60)
    assert lab.run("command -v lunmirror", check=False).rc != 0
    assert lab.get(CONFIG) == own
    assert not lab.run("systemctl list-units --no-legend 'lunmirror*.timer'").stdout.strip()
    if how == "--purge":
        assert "/var/lib/lunmirror" in said

    with unnoticed(lab, package):
        dpkg(lab, package)
        through_the_unit(lab, busy=True)
    assert lab.checksum(f"{MOUNT}/witness") == witness
    assert lab.plan(expect=0).report["steps"] == []
