"""pip in an environment of one's own, and pipx: the program brings its files with it, and lays them down when told to."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from chroots import Chroot

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    words = ["wheel", "--quiet", "--no-deps", "--wheel-dir", str(directory), str(ROOT)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    return next(directory.glob("*.whl"))


@pytest.fixture(params=["venv", "pipx"])
def with_pip(request: pytest.FixtureRequest, system: Callable[..., Chroot], wheels: Path, wheel: Path) -> Chroot:
    """Installed by either; by pip without a network."""
    fresh = system("python3", "python3-venv", *(["pipx"] if request.param == "pipx" else []))
    fresh.put(wheels, "/wheels")
    fresh.put(wheel, f"/{wheel.name}")
    if request.param == "pipx":  # it wants a newer pip of its own, and asks the network for that
        where = "PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin PIP_FIND_LINKS=/wheels"
        fresh.run("sh", "-c", f"{where} pipx install /{wheel.name}", network=True)
    else:
        fresh.run("python3", "-m", "venv", "/opt/lunmirror")
        fresh.run("sh", "-c", f"/opt/lunmirror/bin/pip install -q --no-index --find-links /wheels /{wheel.name}")
        fresh.run("ln", "-s", "/opt/lunmirror/bin/lunmirror", "/usr/local/bin/lunmirror")
    return fresh


def test_the_program_lays_its_files_down(with_pip: Chroot) -> None:
    before = with_pip.run("find", "/etc", "/usr").stdout.splitlines()
    said = with_pip.run("lunmirror", "check", check=False).stdout
    assert "no configuration" in said
    with_pip.run("lunmirror", "--config", re.findall(r"the example (\S+)", said)[0], "check")  # its own, as yet

    with_pip.run("lunmirror", "install-files")

    example = "/usr/local/share/lunmirror/examples/lunmirror.toml"
    assert "2 servers, 2 disks" in with_pip.run("lunmirror", "--config", example, "check").stdout
    unit = with_pip.run("cat", "/usr/local/lib/systemd/system/lunmirror.service").stdout
    assert "\nExecStart=/usr/local/bin/lunmirror apply --unit\n" in unit
    with_pip.run("test", "-x", "/usr/local/bin/lunmirror")

    with_pip.run("lunmirror", "install-files", "--remove")
    assert with_pip.run("find", "/etc", "/usr").stdout.splitlines() == before
