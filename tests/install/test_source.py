"""`make install` and `make uninstall` on fresh systems: with what README names, with less, with and without a network."""

from collections.abc import Callable
from pathlib import Path

import pytest
from chroots import Chroot
from deb import FOR_WHEELS as README

SOURCE = "/source"  # conftest.py
SYSTEM = Callable[..., Chroot]
MAKE = f"make -s -C {SOURCE}"
EXAMPLE = "/usr/local/share/lunmirror/examples/lunmirror.toml"
LISTED = "find / -xdev -not -path '/proc/*' -not -path '/source/*' -not -path '/wheels/*' -not -path '/tmp/*' | sort"


def files(system: Chroot) -> set[str]:
    return set(system.run("sh", "-c", LISTED).stdout.splitlines())


def checked(system: Chroot) -> None:
    """The program runs without a network, and understands the example that came with it."""
    done = system.run("lunmirror", "--config", EXAMPLE, "check")
    assert "2 servers, 2 disks" in done.stdout
    assert EXAMPLE in system.run("lunmirror", "check", check=False).stdout  # there is no configuration yet


@pytest.fixture
def offline(system: SYSTEM, source: Callable[[Chroot], None], wheels: Path) -> Chroot:
    """What README names, this tree and a directory of wheels."""
    fresh = system(*README)
    source(fresh)
    fresh.put(wheels, "/wheels")
    return fresh


@pytest.mark.core
def test_with_what_the_readme_names(system: SYSTEM, source: Callable[[Chroot], None]) -> None:
    fresh = system(*README)
    source(fresh)

    said = fresh.run("sh", "-c", f"{MAKE} install", network=True).stdout

    assert (
        "apt-get install open-iscsi lvm2 sg3-utils" in said
    )  # what is needed to run is reported, and needed by nothing here
    checked(fresh)


@pytest.mark.core
def test_without_what_it_needs_nothing_is_written(system: SYSTEM, source: Callable[[Chroot], None]) -> None:
    fresh = system("make", "python3")
    source(fresh)
    before = files(fresh)

    done = fresh.run("sh", "-c", f"{MAKE} install", check=False)

    assert done.returncode != 0
    assert "nothing was changed\n  next: apt-get install python3-venv open-iscsi lvm2 sg3-utils\n" in done.stdout
    assert files(fresh) == before


def test_without_network_and_wheels_nothing_is_written(system: SYSTEM, source: Callable[[Chroot], None]) -> None:
    fresh = system(*README)
    source(fresh)
    before = files(fresh)

    done = fresh.run("sh", "-c", f"PIP_RETRIES=0 {MAKE} install", check=False)

    assert done.returncode != 0
    assert "nothing was changed" in done.stdout
    assert "make wheels WHEELS=DIRECTORY" in done.stdout
    assert files(fresh) == before


@pytest.mark.core
def test_without_a_network(offline: Chroot) -> None:
    before = files(offline)

    offline.run("sh", "-c", f"{MAKE} install WHEELS=/wheels")

    checked(offline)
    assert offline.run("sh", "-c", "python3 -c 'import lunmirror'", check=False).returncode  # nobody else's path
    assert offline.run("sh", "-c", "python3 -c 'import pydantic'", check=False).returncode
    new = files(offline) - before
    assert not [path for path in new if "pytest" in path or "ruff" in path or "setuptools" in path]

    offline.run("sh", "-c", f"{MAKE} install WHEELS=/wheels")  # an upgrade
    checked(offline)
    assert files(offline) - before == new

    offline.run("sh", "-c", f"{MAKE} uninstall")
    assert files(offline) == before


def test_what_somebody_changed_stays(offline: Chroot) -> None:
    before = files(offline)
    unit = "/usr/local/lib/systemd/system/lunmirror.timer"
    offline.run("sh", "-c", f"{MAKE} install WHEELS=/wheels; echo '# mine' >> {unit}; cp {EXAMPLE} /etc/lunmirror/")

    said = offline.run("sh", "-c", f"{MAKE} uninstall").stdout

    assert f"kept, since it was changed after the installation: {unit}" in said
    left = {path for path in files(offline) - before if offline.run("test", "-f", path, check=False).returncode == 0}
    assert left == {unit, "/etc/lunmirror/lunmirror.toml"}


def test_a_wheel_that_is_not_the_pinned_one_is_refused(offline: Chroot) -> None:
    offline.run("sh", "-c", "for wheel in /wheels/structlog-*; do echo x >> $wheel; done")
    before = files(offline)

    done = offline.run("sh", "-c", f"{MAKE} install WHEELS=/wheels", check=False)

    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stdout
    assert files(offline) == before


def test_a_stage_for_another_prefix(offline: Chroot) -> None:
    offline.run(
        "sh", "-c", f"{MAKE} install WHEELS=/wheels DESTDIR=/set-aside prefix=/opt/lunmirror && cp -a /set-aside/. /"
    )

    program = "/opt/lunmirror/bin/lunmirror"
    offline.run(program, "--config", "/opt/lunmirror/share/lunmirror/examples/lunmirror.toml", "check")
    unit = offline.path("/etc/systemd/system/lunmirror.service").read_text()  # systemd finds none below /opt
    assert f"\nExecStart={program} apply\n" in unit
    assert offline.run("grep", "-rlI", "/set-aside", "/opt/lunmirror", "/etc", check=False).stdout == ""


def test_another_python_is_reported_in_words(offline: Chroot) -> None:
    """As after an upgrade of the machine to the next release."""
    offline.run("sh", "-c", f"{MAKE} install WHEELS=/wheels; sed -i 's/3\\.1[0-9]/3.10/' /usr/local/bin/lunmirror")

    done = offline.run("lunmirror", "--version", check=False)

    assert done.returncode == 1
    assert "installed for Python 3.10" in done.stdout
    assert "make install" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_running_pass_is_waited_for(offline: Chroot) -> None:
    """It imports its modules as it goes along."""
    lock = "mkdir -m 700 /run/lunmirror; flock /run/lunmirror/lock sh -c 'sleep 8; date +%s.%N > /ended' & sleep 1"
    offline.run("sh", "-c", f"{MAKE} install WHEELS=/wheels; {lock}; {MAKE} install WHEELS=/wheels; wait")

    new = offline.run("sh", "-c", "stat -c %.Z /usr/local/lib/lunmirror/lib; cat /ended").stdout.split()
    assert float(new[0]) >= float(new[1])
