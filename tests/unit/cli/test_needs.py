"""What is missing on the machine: an error that names the Debian package, and nothing else."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lunmirror import config
from lunmirror.cli import needs
from lunmirror.engine.errors import HostError
from lunmirror.host import child, modules, paths

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "etc" / "lunmirror" / "lunmirror.toml"


def test_the_packages_are_those_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = dict(re.match(r"([a-z0-9]+)>=([\d.]+)", line).groups() for line in project["dependencies"])
    assert {one.name: ".".join(map(str, one.least)) for one in needs.PACKAGES} == wanted


# Python packages, by real processes

BLOCK = """
import sys
sys.path.insert(0, {src!r})
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
import importlib.metadata, importlib.util
real = importlib.metadata.version
def version(name):
    if name == {package!r}:
        raise importlib.metadata.PackageNotFoundError(name)
    return real(name)
importlib.metadata.version = version
found = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == {package!r} else found(name)
from lunmirror.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.real
@pytest.mark.parametrize("verb", ["check", "plan", "apply", "schema"])
@pytest.mark.parametrize("package", [one.name for one in needs.PACKAGES])
def test_a_python_package_that_is_missing(package: str, verb: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCK.format(src=str(ROOT / "src"), package=package), verb, "--config", str(EXAMPLE)],
        capture_output=True,
        text=True,
        check=False,
    )
    unneeded = verb in ("check", "schema") and package in ("structlog", "jinja2")
    if unneeded or (verb == "schema" and package == "tomli"):
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 1
    assert f"the Python package {package} is not installed" in done.stderr
    assert f"apt-get install python3-{package}" in done.stderr
    assert "internal error" not in done.stderr
    assert "Traceback" not in done.stderr


# What Debian 12 has fails in one of these ways.
OLD = """
import sys
sys.path[:0] = [{src!r}, {old!r}]
from lunmirror.cli.main import main
sys.exit(main(["check", "--json", "--config", {config!r}]))
"""


@pytest.mark.real
@pytest.mark.parametrize("body", ["", "raise AttributeError('no such thing')", "raise TypeError('x')"])
def test_a_python_package_that_is_too_old(tmp_path: Path, body: str) -> None:
    (tmp_path / "pydantic.py").write_text(body)
    (tmp_path / "pydantic-1.10.4.dist-info").mkdir()
    (tmp_path / "pydantic-1.10.4.dist-info" / "METADATA").write_text("Name: pydantic\nVersion: 1.10.4\n")
    source = OLD.format(src=str(ROOT / "src"), old=str(tmp_path), config=str(EXAMPLE))
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    [error] = json.loads(done.stdout)["errors"]
    assert error["what"] == "the Python package pydantic is too old: 1.10.4, and lunmirror needs 2.5 or newer"
    assert "apt-get install python3-pydantic" in error["next"]
    assert "internal error" not in done.stderr


def test_a_mistake_of_ours_is_not_put_on_packages() -> None:
    assert needs.package_at_fault() is None


@pytest.mark.parametrize(
    ("version", "numbers"), [("2.10.6", (2, 10, 6)), ("3.1rc1", (3, 1)), ("24", (24,)), ("x", ()), ("2.x.1", (2,))]
)
def test_versions(version: str, numbers: tuple[int, ...]) -> None:
    assert needs._numbers(version) == numbers


def test_a_package_without_metadata_is_not_accused(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert needs.package_at_fault() is None


# Programs


@pytest.mark.parametrize(
    ("missing", "next"),
    [
        (("iscsiadm",), "apt-get install open-iscsi"),
        (("lvm",), "apt-get install lvm2"),
        (("dmsetup",), "apt-get install dmsetup"),
        (("iscsiadm", "lvm", "dmsetup"), "apt-get install open-iscsi lvm2 dmsetup"),
    ],
)
def test_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: tuple[str, ...], next: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(paths, "SYS_BLOCK", str(tmp_path))
    monkeypatch.setattr(child, "find", lambda program: "" if program in missing else f"/usr/sbin/{program}")
    with pytest.raises(HostError) as told:
        needs.check_machine()
    assert all(f"{program} is not installed" in told.value.what for program in missing)
    assert told.value.next == next


# Kernel modules


class Kernel:
    """/sys/module and /lib/modules of a machine."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, release: str) -> None:
        self.loaded, self.installed = root / "module", root / "modules"
        self.loaded.mkdir()
        self.installed.mkdir()
        self.mine = self.installed / release
        monkeypatch.setattr(paths, "SYS_MODULES", str(self.loaded))
        monkeypatch.setattr(paths, "KERNEL_MODULES", str(self.installed))
        monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "host", release, "#1", "x86_64")))

    def index(self, dep: str = "", builtin: str = "") -> None:
        self.mine.mkdir(exist_ok=True)
        (self.mine / "modules.dep").write_text(dep)
        (self.mine / "modules.builtin").write_text(builtin)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(tmp_path, monkeypatch, "6.1.0-18-cloud-amd64")


def test_a_module_that_is_loaded(kernel: Kernel) -> None:
    (kernel.loaded / "dm_raid").mkdir()
    assert modules.fault("dm_raid") is None


@pytest.mark.parametrize("suffix", ["", ".xz", ".zst", ".gz"])
def test_a_module_that_can_be_loaded(kernel: Kernel, suffix: str) -> None:
    kernel.index(dep=f"kernel/drivers/md/dm-raid.ko{suffix}: kernel/drivers/md/raid1.ko\n")
    assert modules.fault("dm_raid") is None
    assert modules.fault("raid1") is not None, "it is only named as a dependency"


def test_a_module_that_is_built_in(kernel: Kernel) -> None:
    kernel.index(builtin="kernel/drivers/scsi/iscsi_tcp.ko\n")
    assert modules.fault("iscsi_tcp") is None


def test_a_kernel_without_it(kernel: Kernel) -> None:
    kernel.index(dep="kernel/drivers/md/raid1.ko:\n")
    fault = modules.fault("iscsi_tcp")
    assert fault is not None
    assert "6.1.0-18-cloud-amd64" in fault.what
    assert "apt-get install linux-image-amd64" in fault.next


def test_a_kernel_that_was_upgraded_under_us(kernel: Kernel) -> None:
    (kernel.installed / "6.1.0-20-amd64").mkdir()
    fault = modules.fault("iscsi_tcp")
    assert fault is not None
    assert "are not installed" in fault.what
    assert "reboot" in fault.next


def test_what_is_not_known_is_no_fault(kernel: Kernel) -> None:
    kernel.mine.mkdir()
    assert modules.fault("iscsi_tcp") is None, "no index"
    kernel.mine.rmdir()
    assert modules.fault("iscsi_tcp") is None, "an empty directory: hidden from us"
    kernel.installed.rmdir()
    assert modules.fault("iscsi_tcp") is None, "no modules at all"


@pytest.mark.parametrize(("type", "module"), [("raid1", "dm_raid"), ("mirror", "dm_mirror"), ("raid1", "iscsi_tcp")])
def test_only_what_the_configuration_needs_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, type: str, module: str
) -> None:
    text = EXAMPLE.read_text().replace('type = "raid1"', f'type = "{type}"')
    desired = config.compile_texts([("lunmirror.toml", text)])
    [volume] = desired.volumes.values()
    desired = desired._replace(volumes={volume.id: volume._replace(type=type)})
    asked = []
    monkeypatch.setattr(needs.modules, "fault", lambda name: asked.append(name))
    needs.check_modules(desired)
    assert module in asked
    assert len(asked) == 2
    monkeypatch.setattr(
        needs.modules, "fault", lambda name: modules.Fault("gone", "reboot") if name == module else None
    )
    with pytest.raises(HostError, match=f"the kernel module {module} is missing: gone"):
        needs.check_modules(desired)
