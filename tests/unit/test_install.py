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


def test_release_does_nothing_while_the_system_runs(installed: Path, tmp_path: Path) -> None:
    """`systemctl stop lunmirror-release`, or an upgrade of the package, must unmount nothing and end nobody."""
    script = (installed / "usr/libexec/lunmirror/release-mounts").read_text()
    called = tmp_path / "called"
    fakes = tmp_path / "bin"
    fakes.mkdir()
    for name, text in {"systemctl": "echo running", "findmnt": f"echo /mnt/test; touch {called}"}.items():
        (fakes / name).write_text(f"#!/bin/sh\n{text}\n")
        (fakes / name).chmod(0o755)
    harmless = script.replace("PATH=/usr/sbin", f"PATH={fakes}:/usr/sbin")
    assert harmless != script

    subprocess.run(["sh", "-c", harmless], check=True)
    assert not called.exists()

    (fakes / "systemctl").write_text("#!/bin/sh\necho stopping\n")
    (fakes / "findmnt").write_text(f"#!/bin/sh\ntouch {called}\n")
    subprocess.run(["sh", "-c", harmless], check=True)
    assert called.exists()
