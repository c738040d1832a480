"""One machine for the whole session: lunmirror installed, servers up, nothing logged in. Each test starts from a
snapshot of that, or of the state a layout converged to."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import deb
import pytest
from machine import Machine

HERE = Path(__file__).parent
WITHOUT_WRITE_SAME = 'ACTION=="add", SUBSYSTEM=="scsi_disk", ATTR{max_write_same_blocks}="0"\n'
sys.path.insert(0, str(HERE))
pytest.register_assert_rewrite("kit", "managed", "predicted")  # their asserts say what differs, too

import evidence  # noqa: E402
from kit import LAYOUTS, Lab, dpkg, state  # noqa: E402

VERSIONS = "uname -r; iscsiadm --version; lvm version | head -n 1 | xargs; tgtadm --version; python3 --version"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--evidence", type=Path, help="write a row for each lab test into this file")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    path: Path | None = item.config.getoption("--evidence")
    machine = getattr(item, "funcargs", {}).get("machine")
    if path and machine and (report.when == "call" or (report.when == "setup" and not report.passed)):
        name = f"{item.path.name}::{item.name}"
        release = machine.image.release
        path = evidence.of_release(path, release)
        evidence.record(path, release, machine.versions, name, report.outcome, report.duration, list(machine.figures))
        machine.figures.clear()
    return report


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A run may last for hours, and be ended from outside: why a test failed is reported at once."""
    if report.failed:
        print(f"\n{report.longreprtext}\n", flush=True)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "once: of the core, on the first release only: the time for `make test` is limited"
    )
    config.addinivalue_line(
        "markers", "unproven: written, and not yet green in the lab; `make test-lab-all` runs it too"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.lab)


def built_wheel(directory: Path) -> Path:
    """The wheel that `make` built, or a fresh one."""
    given = os.environ.get("LUNMIRROR_WHEEL")
    if given:
        return Path(given)
    root = HERE.parent.parent
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(directory), str(root)]
    subprocess.run(pip, check=True, env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"})
    return next(directory.glob("lunmirror-*.whl"))


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    directory = tmp_path_factory.mktemp("lab")
    with Machine(directory / "machine") as machine:
        machine.boot()
        machine.install(built_wheel(directory))
        machine.run("lunmirror --version")
        # tgt carries WRITE SAME out block by block, 20 ms each: mke2fs on a plain volume would take minutes.
        # Where open-iscsi keeps its records is compiled into it.
        there = machine.run("grep -q /var/lib/iscsi/nodes $(command -v iscsiadm)", check=False).rc == 0
        machine.database = "/var/lib/iscsi" if there else "/etc/iscsi"
        machine.put("/etc/udev/rules.d/90-lab.rules", WITHOUT_WRITE_SAME)
        machine.run("udevadm control --reload; udevadm settle")
        machine.snapshot("ready")
        machine.converged = set()
        machine.figures = []
        machine.versions = "Versions: " + ", ".join(machine.run(VERSIONS, check=False).stdout.split("\n")).strip(", ")
        yield machine


@pytest.fixture
def lab(machine: Machine) -> Lab:
    """Blank LUNs, no record, no session, no configuration."""
    machine.restore("ready")
    return Lab(machine)


@pytest.fixture
def converged(machine: Machine):
    """converged("name", toml): the machine after lunmirror brought that configuration to its end, fully in sync.
    `first(lab)` prepares the machine before that."""

    def reach(name: str, text: str, first: Callable[[Lab], None] = lambda lab: None) -> Lab:
        lab = Lab(machine)
        kept = state(name, text)
        if kept in machine.converged:
            machine.restore(kept)
            return lab
        machine.restore("ready")
        first(lab)
        lab.configure(text)
        lab.settle()
        lab.keep(name, text)
        return lab

    return reach


@pytest.fixture
def package(machine: Machine) -> Path:
    """The Debian package for the lab's release."""
    return deb.built(machine.image.release)


@pytest.fixture
def packaged(lab: Lab, package: Path) -> Lab:
    """The package alone: the lab's own program is taken away."""
    lab.run("rm /usr/local/sbin/lunmirror")
    dpkg(lab, package)
    assert lab.run("command -v lunmirror").stdout.strip() == "/usr/bin/lunmirror"
    return lab


@pytest.fixture
def in_service(machine: Machine, request: pytest.FixtureRequest) -> Lab:
    """A mounted mirror, in sync, that only the packaged units have ever touched; they are enabled, the timer runs."""
    from test_sandbox import through_the_unit

    name = state("packaged", LAYOUTS["core"])
    if name in machine.converged:
        machine.restore(name)
        return Lab(machine)
    lab: Lab = request.getfixturevalue("packaged")
    lab.configure(LAYOUTS["core"])
    through_the_unit(lab, busy=True)
    lab.run("systemctl enable -q lunmirror.service lunmirror.timer; systemctl start lunmirror.timer", timeout=120)
    lab.keep("packaged", LAYOUTS["core"])
    return lab
