"""What `make install` lays out beside the program, and whether systemd understands it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lunmirror import __version__, install
from lunmirror.engine.errors import UsageError

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
EXAMPLES = {p.name for p in (ROOT / "etc/lunmirror/examples").glob("*.toml")} | {"lunmirror.toml"}
FILES = {
    "etc/lunmirror/lunmirror.schema.json",
    "units/dm-event.service.d/lunmirror.conf",
    "units/lunmirror-notify.service",
    "units/lunmirror-notify.timer",
    "units/lunmirror-release.service",
    "units/lunmirror-soon.timer",
    "units/lunmirror-return.service",
    "units/lunmirror-return.socket",
    "units/lunmirror.service",
    "units/lunmirror.timer",
    "units/lvm2-monitor.service.d/lunmirror.conf",
    "units/open-iscsi.service.d/lunmirror.conf",
    "usr/bin/lunmirror-check",
    "usr/lib/systemd/catalog/lunmirror.catalog",
    "usr/libexec/lunmirror/release-mounts",
    "usr/libexec/lunmirror/wait-for-return",
    "usr/share/bash-completion/completions/lunmirror",
    "usr/share/fish/vendor_completions.d/lunmirror.fish",
    "usr/share/lunmirror/cron/lunmirror",
    "usr/share/lunmirror/installed.json",
    "usr/share/man/man8/lunmirror.8",
    "usr/share/zsh/site-functions/_lunmirror",
    *(f"usr/share/lunmirror/examples/{name}" for name in EXAMPLES),
}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    make("install-files", tmp_path)
    return tmp_path


def make(target: str, into: Path, *more: str) -> None:
    words = [f"prefix={into}/usr", f"sysconfdir={into}/etc", f"unitdir={into}/units", *more]
    subprocess.run(["make", "-s", "-C", str(ROOT), target, *words], check=True, capture_output=True)


def files(root: Path) -> set[str]:
    return {str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir()}


def test_every_file_is_laid_out(installed: Path) -> None:
    assert files(installed) == FILES
    assert os.access(installed / "usr/libexec/lunmirror/release-mounts", os.X_OK)


def test_the_example_is_never_a_configuration(installed: Path) -> None:
    """It names addresses, and blank LUNs that would be taken."""
    assert not (installed / "etc/lunmirror/lunmirror.toml").exists()


def test_what_is_removed_is_what_was_laid_down(installed: Path) -> None:
    own = installed / "etc/lunmirror/lunmirror.toml"
    own.write_text("version = 1\n")
    changed = installed / "units/lunmirror.timer"
    changed.write_text(changed.read_text() + "# mine\n")

    make("uninstall", installed)

    assert files(installed) == {"etc/lunmirror/lunmirror.toml", "units/lunmirror.timer"}
    assert not (installed / "usr").exists()  # the directories that it made


def test_a_second_installation_removes_what_is_gone(installed: Path) -> None:
    note = installed / "usr/share/lunmirror/installed.json"
    said = json.loads(note.read_text())
    path = f"{installed}/usr/share/lunmirror/of-yesterday"
    Path(path).write_text("old\n")
    said["files"][path] = hashlib.sha256(b"old\n").hexdigest()
    note.write_text(json.dumps(said))

    make("install-files", installed)

    assert files(installed) == FILES


def test_units_of_a_boot_are_never_taken_away(installed: Path) -> None:
    wants = installed / "etc/systemd/system/timers.target.wants"
    wants.mkdir(parents=True)
    (wants / "lunmirror.timer").symlink_to(installed / "units/lunmirror.timer")

    with pytest.raises(subprocess.CalledProcessError) as failed:
        make("uninstall", installed)

    assert b"systemctl disable lunmirror.timer" in failed.value.stderr
    assert files(installed) >= FILES


def test_staged_files_name_the_place_they_go_to(tmp_path: Path) -> None:
    subprocess.run(
        ["make", "-s", "-C", str(ROOT), "install-files", f"DESTDIR={tmp_path}"], check=True, capture_output=True
    )

    units = tmp_path / "usr/local/lib/systemd/system"  # where systemd looks for this prefix
    assert "\nExecStart=/usr/local/bin/lunmirror apply --unit\n" in (units / "lunmirror.service").read_text()
    assert not [p for p in files(tmp_path) if str(tmp_path) in (tmp_path / p).read_text()]


@pytest.mark.parametrize(
    ("unit", "system"), [("open-iscsi.service", "debian"), ("iscsi.service", "rpm"), (None, "debian")]
)
def test_a_system_is_known_by_its_units(tmp_path: Path, unit: str | None, system: str) -> None:
    if unit:
        there = tmp_path / "usr/lib/systemd/system" / unit
        there.parent.mkdir(parents=True)
        there.touch()

    plan = install.layout({}, host=str(tmp_path))

    assert plan.system == system
    drop_ins = [file.path for file in plan.files if "iscsi.service.d" in file.path]
    assert drop_ins == (
        [f"{plan.names['unitdir']}/open-iscsi.service.d/lunmirror.conf"] if system == "debian" else []
    )


def test_no_word_of_the_list_is_left_in_a_file() -> None:
    for kind in ("", "private"):
        for file in install.layout({}, "debian", kind).files:
            assert not re.search(rb"@[a-z_]+@", file.content), file.path


@pytest.mark.parametrize("prefix", ["usr", "/opt/two words", "/opt/50%", "/opt/$HOME", "/opt/it's"])
def test_a_path_that_a_unit_cannot_name_is_refused(prefix: str) -> None:
    with pytest.raises(UsageError, match="prefix cannot be"):
        install.layout({"prefix": prefix})


def test_what_is_missing_is_reported_before_anything_is_written(tmp_path: Path) -> None:
    """A Python without ensurepip, as Debian's is without python3-venv."""
    bare = "import importlib.util, runpy, sys; find = importlib.util.find_spec; "
    bare += "importlib.util.find_spec = lambda name, *rest: None if name == 'ensurepip' else find(name, *rest); "
    bare += f"sys.argv = ['install.py', 'install', '--root', {str(tmp_path / 'root')!r}]; "
    bare += f"runpy.run_path({str(ROOT / 'packaging/install.py')!r}, run_name='__main__')"

    done = subprocess.run([sys.executable, "-c", bare], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "nothing was changed\n  next: apt-get install python3-venv" in done.stderr
    assert not (tmp_path / "root").exists()


def test_units_name_programs_where_they_are_installed(installed: Path) -> None:
    named = set()
    for unit in (installed / "units").rglob("*"):
        if unit.is_file():
            named |= set(re.findall(r"^Exec\w+=[-@+!:]*(\S*lunmirror\S*)", unit.read_text(), re.MULTILINE))

    helpers = {f"{installed}/usr/libexec/lunmirror/{name}" for name in ("release-mounts", "wait-for-return")}
    assert named == {f"{installed}/usr/bin/lunmirror", *helpers}
    cron = (installed / "usr/share/lunmirror/cron/lunmirror").read_text()
    assert f" root {installed}/usr/bin/lunmirror apply " in cron


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed here")
def test_systemd_understands_the_units(installed: Path) -> None:
    program = installed / "usr/bin/lunmirror"
    program.parent.mkdir(exist_ok=True)
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

    def __init__(self, directory: Path) -> None:
        self.directory, self.path, self.mounted = directory, directory / "mnt [1]", directory / "mounted"
        self.path.mkdir()
        self.mounted.touch()
        self.fakes = directory / "bin"
        self.fakes.mkdir()
        self.fake("systemctl", "echo stopping")
        self.table: dict[str, str] = {str(self.path): "253:5"}  # beside it, other mounts: path -> number
        self.sys = directory / "sys"
        self.block("8:0", "devices/platform/host2/session1/target2:0:0/2:0:0:1/block/sda")
        self.block("8:16", "devices/pci0000:00/ata1/host0/target0:0:0/0:0:0:0/block/sdb")
        self.block("253:4", "devices/virtual/block/dm-4", "8:0")
        self.block("253:5", "devices/virtual/block/dm-5", "253:4")

    def block(self, number: str, place: str, *below: str) -> None:
        """A block device in sysfs."""
        (self.sys / place / "slaves").mkdir(parents=True)
        (self.sys / place / "dev").write_text(f"{number}\n")
        (self.sys / "dev/block").mkdir(parents=True, exist_ok=True)
        (self.sys / "dev/block" / number).symlink_to(self.sys / place)
        for other in below:
            real = (self.sys / "dev/block" / other).resolve()
            (self.sys / place / "slaves" / real.name).symlink_to(real)

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
        lines = [
            f'test "{path}" = "{self.path}" -a ! -e {self.mounted} || echo "{n:>7} {path}"'
            for path, n in self.table.items()
        ]
        self.fake("findmnt", "\n".join(lines))
        changes = {
            "PATH=/usr/sbin": f"PATH={self.fakes}:/usr/sbin",
            "PATIENCE=10": "PATIENCE=1",
            "SYS=/sys": f"SYS={self.sys}",
        }
        for old, new in changes.items():
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
    elsewhere = release.directory / "elsewhere"
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


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/", "8:16"),
        ("/", "253:5"),  # a root file system over iSCSI: it outlives everything
        *((path, "253:5") for path in ("/usr", "/var", "/var/log", "/var/log/journal", "/boot/efi", "/etc", "/tmp")),
        ("DIRECTORY/elsewhere", "8:16"),  # a local disk, whatever its line says
        ("DIRECTORY/elsewhere", "7:7"),  # nothing that sysfs knows
    ],
)
def test_release_ends_nobody_but_for_iscsi(release: Release, path: str, number: str) -> None:
    """An fstab line of the root file system with _netdev made each process one that "keeps a mount busy"."""
    elsewhere = release.directory / "elsewhere"
    elsewhere.mkdir()
    release.table[path.replace("DIRECTORY", str(release.directory))] = number
    bystander = release.hold("exec sleep 60", at=elsewhere)
    try:
        assert release.run(None) == ""
        assert not release.mounted.exists()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_release_frees_a_mount_whose_disks_are_gone(release: Release) -> None:
    release.block("253:9", "devices/virtual/block/dm-9")
    release.table = {str(release.path): "253:9"}
    assert release.run(None) == ""
    assert not release.mounted.exists()


def test_the_program_lays_the_same_files_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from lunmirror.cli.main import main

    make("install-files", tmp_path / "made", f"DESTDIR={tmp_path}/made", "prefix=/usr", "sysconfdir=/etc", "unitdir=")
    line = ["install-files", "--root", f"{tmp_path}/laid", "--prefix", "/usr", "--system", "debian"]

    assert main(line) == 0

    assert set(capsys.readouterr().out.split()) | {"/usr/share/lunmirror/installed.json"} == {
        f"/{name}" for name in files(tmp_path / "made")
    }
    for name in files(tmp_path / "made"):
        assert (tmp_path / "made" / name).read_bytes() == (tmp_path / "laid" / name).read_bytes(), name
    assert main([*line, "--remove"]) == 0
    assert files(tmp_path / "laid") == set()
    assert main([*line, "--remove"]) == 1
    assert "nothing was laid down here" in capsys.readouterr().err


def test_every_package_has_the_same_version() -> None:
    own = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert __version__ == own
    assert (ROOT / "debian/changelog").read_text().startswith(f"lunmirror ({own}) ")
    assert f"\nVersion:        {own}\n" in (ROOT / "packaging/lunmirror.spec").read_text()


def test_what_is_pinned_is_what_is_needed() -> None:
    """And no package asks its distribution for less than the program does."""
    pinned = dict(re.findall(r"^([a-z0-9-]+)==([0-9.]+) ", (ROOT / "packaging/requirements.txt").read_text(), re.M))
    control = (ROOT / "debian/control").read_text()
    spec = (ROOT / "packaging/lunmirror.spec").read_text()
    for needed in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
        name, least = re.match(r"(\w+)>=([\d.]+)", needed).groups()
        assert [int(n) for n in pinned[name].split(".")] >= [int(n) for n in least.split(".")]
        assert f"python3-{name} (>= {least})" in control
        assert f"python3-{name} >= {least}" in spec


def test_the_readme_installs_in_three_lines_before_its_fortieth() -> None:
    first = "\n".join((ROOT / "README.md").read_text().splitlines()[:40])
    block = re.search(r"^## Install\n+```\n(.*?)\n```", first, re.M | re.S)
    assert block
    lines = block[1].splitlines()
    assert [line.split()[0] for line in lines] == ["apt", "editor", "systemctl"]
    assert "/usr/share/lunmirror/examples/lunmirror.toml" in lines[1]
    for way in ("make install", "make uninstall", "pipx", "docs/install.md"):
        assert way in first


def test_every_package_names_what_it_should_be_installed_with() -> None:
    """By sg_persist the restart of a server is reported from an outage (docs/facts/restarts.md)."""
    for file in ("debian/control", "debian/bookworm/control"):
        (recommended,) = re.findall(r"^Recommends: (.*)$", (ROOT / file).read_text(), re.M)
        assert recommended.split(", ") == ["nftables", "sg3-utils", "xfsprogs"]
    spec = (ROOT / "packaging/lunmirror.spec").read_text()
    assert re.findall(r"^Recommends: +(.*)$", spec, re.M) == ["sg3_utils, xfsprogs, nftables"]
    assert "apt-get install make python3-venv open-iscsi lvm2 sg3-utils\n" in (ROOT / "docs/install.md").read_text()


def test_no_file_names_a_python_of_its_own(tmp_path: Path) -> None:
    """The package for Debian 12 depends on python3.11, and on no other."""
    for file in install.layout({"python": "/usr/bin/python3.11"}, "debian", "private").files:
        assert b"python3 " not in file.content.split(b"\n")[0], file.path
