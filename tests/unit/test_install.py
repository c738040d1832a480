"""What `make install` lays out beside the program, and whether systemd understands it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
FILES = {
    "etc/lunmirror/lunmirror.schema.json",
    "etc/lunmirror/lunmirror.toml",
    "units/dm-event.service.d/lunmirror.conf",
    "units/lunmirror-release.service",
    "units/lunmirror-soon.timer",
    "units/lunmirror.service",
    "units/lunmirror.timer",
    "units/lvm2-monitor.service.d/lunmirror.conf",
    "units/open-iscsi.service.d/lunmirror.conf",
    "usr/libexec/lunmirror/release-mounts",
    "usr/share/lunmirror/cron/lunmirror",
    "usr/share/man/man8/lunmirror.8",
}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    make(tmp_path)
    return tmp_path


def make(into: Path) -> None:
    words = [f"prefix={into}/usr", f"sysconfdir={into}/etc", f"unitdir={into}/units"]
    subprocess.run(["make", "-s", "-C", str(ROOT), "install-files", *words], check=True, capture_output=True)


def test_every_file_is_laid_out(installed: Path) -> None:
    files = {str(p.relative_to(installed)) for p in installed.rglob("*") if p.is_file()}

    assert files == FILES
    assert (installed / "etc/lunmirror/lunmirror.toml").stat().st_mode & 0o777 == 0o600  # it may name secrets' files
    assert os.access(installed / "usr/libexec/lunmirror/release-mounts", os.X_OK)


def test_a_configuration_that_is_there_stays(installed: Path) -> None:
    own = installed / "etc/lunmirror/lunmirror.toml"
    own.write_text("version = 1\n")

    make(installed)

    assert own.read_text() == "version = 1\n"


def test_units_name_programs_where_they_are_installed(installed: Path) -> None:
    named = set()
    for unit in (installed / "units").rglob("*"):
        if unit.is_file():
            named |= set(re.findall(r"^Exec\w+=[-@+!:]*(\S*lunmirror\S*)", unit.read_text(), re.MULTILINE))

    assert named == {f"{installed}/usr/bin/lunmirror", f"{installed}/usr/libexec/lunmirror/release-mounts"}
    cron = (installed / "usr/share/lunmirror/cron/lunmirror").read_text()
    assert f"\nPATH={installed}/usr/bin:" in cron


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed here")
def test_systemd_understands_the_units(installed: Path) -> None:
    program = installed / "usr/bin/lunmirror"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    units = sorted(str(p) for p in (installed / "units").glob("lunmirror*"))

    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_UNIT_PATH": f"{installed}/units:"},
        check=False,
    )

    about_ours = [line for line in told.stderr.splitlines() if "lunmirror" in line]
    assert about_ours == []


def test_the_order_around_a_pass(installed: Path) -> None:
    """At stop the order is reversed: mounts, a running pass, whoever keeps a mount busy, then the sessions."""
    units = {p.name: p.read_text() for p in (installed / "units").glob("lunmirror*.service")}

    def words(unit: str, key: str) -> set[str]:
        return {w for line in re.findall(rf"^{key}=(.*)", units[unit], re.MULTILINE) for w in line.split()}

    assert "remote-fs-pre.target" in words("lunmirror.service", "Before")
    assert {"open-iscsi.service", "lunmirror-release.service", "local-fs.target"} <= words(
        "lunmirror.service", "After"
    )
    assert "lunmirror.service" in words("lunmirror-release.service", "Before")
    assert {"open-iscsi.service", "blk-availability.service", "dm-event.service"} <= words(
        "lunmirror-release.service", "After"
    )
    assert "lunmirror-release.service" in words("lunmirror.service", "Wants")


class Release:
    """release-mounts, with programs of ours in place of those that would touch the system. One mount, at `path`,
    which can be unmounted once `holder` has ended."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path, self.mounted = folder, folder / "mnt [1]", folder / "mounted"
        self.path.mkdir()
        self.mounted.touch()
        self.fakes = folder / "bin"
        self.fakes.mkdir()
        self.fake("systemctl", "echo stopping")
        self.fake("findmnt", f'test ! -e {self.mounted} || echo "{self.path}"')
        self.holder = 0

    def fake(self, name: str, text: str) -> None:
        (self.fakes / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.fakes / name).chmod(0o755)

    def hold(self, *words: str, at: Path) -> subprocess.Popen[bytes]:
        """A process with a file open in `at`."""
        with open(at / "file", "w") as file:
            return subprocess.Popen(["sh", "-c", *words], stdin=file, start_new_session=True)

    def run(self, holder: subprocess.Popen[bytes] | None) -> str:
        """What it says."""
        alive = f"test -e /proc/{holder.pid}/fd/0" if holder else "false"  # a zombie has no files
        self.fake("umount", f'test "$1" = "{self.path}" || exit 1; ! {alive} && rm {self.mounted}')
        script = (ROOT / "contrib/libexec/release-mounts").read_text()
        for old, new in (("PATH=/usr/sbin", f"PATH={self.fakes}:/usr/sbin"), ("PATIENCE=10", "PATIENCE=1")):
            assert old in script
            script = script.replace(old, new)
        return subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return Release(tmp_path)


def test_release_does_nothing_while_the_system_runs(release: Release) -> None:
    """`systemctl stop lunmirror-release`, or an upgrade of the package, must unmount nothing and end nobody."""
    release.fake("systemctl", "echo running")

    assert release.run(None) == ""
    assert release.mounted.exists()


def test_release_unmounts_what_nobody_holds(release: Release) -> None:
    assert release.run(None) == ""
    assert not release.mounted.exists()


@pytest.mark.parametrize("deaf", [False, True])
def test_release_ends_who_holds_a_mount_and_nobody_else(release: Release, deaf: bool) -> None:
    elsewhere = release.folder / "elsewhere"
    elsewhere.mkdir()
    trap = "trap '' TERM; " if deaf else ""
    holder = release.hold(f"{trap}while :; do sleep 0.1; done", at=release.path)
    bystander = release.hold("exec sleep 60", at=elsewhere)
    try:
        said = release.run(holder)

        assert holder.wait(5) == (-9 if deaf else -15)
        assert f"is still in use by process {holder.pid}" in said
        assert not release.mounted.exists()
        assert bystander.poll() is None
    finally:
        for process in (holder, bystander):
            process.kill()
            process.wait()
