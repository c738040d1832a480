"""The packages for Debian 12 and 13: installed from the package archive, then all else without a network."""

import re
from collections.abc import Callable
from pathlib import Path

import deb
import pytest
from chroots import Chroot

EXAMPLE = "/usr/share/lunmirror/examples/lunmirror.toml"
CONFIG = "/etc/lunmirror/lunmirror.toml"
UNITS = ("lunmirror.service", "lunmirror.timer")
# What a maintainer script may ask of systemd, in a machine where it runs. Nothing that stops a pass, a session or a mount.
HARMLESS = (
    r"--system daemon-reload",
    r"stop lunmirror-notify\.timer lunmirror\.timer lunmirror-soon\.timer lunmirror-return\.socket lunmirror-return\.service lunmirror-release\.service",
)
# /run lives as long as one command here: what happens on one boot is one script. systemctl notes what it is asked.
SYSTEMD = """
mkdir -p /run/systemd/system /run/lunmirror; chmod 700 /run/lunmirror
cat > /usr/local/bin/systemctl <<'S'
#!/bin/sh
case " $* " in *" preset "*) exec /usr/bin/systemctl "$@" ;; esac  # by which Debian 13 enables units
echo "$*" >> /asked
S
chmod 755 /usr/local/bin/systemctl
"""


@pytest.fixture
def other(package: Path, tmp_path: Path) -> Callable[[str], Path]:
    """other("0.2.0"): the same package as of another version."""
    return lambda number: deb.as_version(package, number, tmp_path)


def checked(system: Chroot) -> None:
    assert "2 servers, 2 disks" in system.run("lunmirror", "--config", EXAMPLE, "check").stdout
    said = system.run("lunmirror", "check", check=False).stdout
    assert "no configuration" not in said or EXAMPLE in said  # whoever has none yet is reported where to begin


def dpkg(system: Chroot, *packages: Path, before: str = "") -> str:
    """Installs one after the other on one boot; what was printed."""
    for path in packages:
        system.put(path, f"/packages/{path.name}")
    script = "".join(f"dpkg -i /packages/{path.name}\n" for path in packages)
    return system.run("sh", "-ec", SYSTEMD + before + script).stdout


def asked(system: Chroot) -> list[str]:
    return system.run("sh", "-c", "cat /asked 2>/dev/null || true").stdout.splitlines()


def enable(system: Chroot) -> None:
    """As `systemctl enable` does, which is not there."""
    where = {"multi-user.target.wants": "lunmirror.service", "timers.target.wants": "lunmirror.timer"}
    for wants, unit in where.items():
        directory = f"/etc/systemd/system/{wants}"
        system.run("sh", "-ec", f"mkdir -p {directory}; ln -s /lib/systemd/system/{unit} {directory}/{unit}")


def enabled(system: Chroot) -> set[str]:
    return set(
        system.run(
            "sh", "-c", "cd /etc/systemd/system && ls *.wants 2>/dev/null | grep lunmirror || true"
        ).stdout.split()
    )


@pytest.mark.core
def test_it_installs_from_the_package_archive_and_checks(installed: Chroot) -> None:
    checked(installed)
    assert installed.run("sh", "-c", "lunmirror --version").stdout.startswith("lunmirror ")
    assert enabled(installed) == set()
    assert installed.run("test", "-e", CONFIG, check=False).returncode  # none that anybody could take for a wish
    assert (
        "/usr/bin/lunmirror apply"
        in installed.run("sh", "-c", "cat /usr/lib/systemd/system/lunmirror.service").stdout
    )


@pytest.mark.core
def test_its_own_test_passes(installed: Chroot) -> None:
    """debian/tests/pass, as autopkgtest runs it on a machine."""
    installed.put(Path(__file__).parents[2] / "debian/tests/pass", "/pass")
    installed.run("/pass")


def test_debian_12_brings_its_own_and_shows_it_to_nobody(installed: Chroot, suite: str) -> None:
    for name in ("lunmirror", "pydantic"):
        found = installed.run("sh", "-c", f"cd /; python3 -c 'import {name}'", check=False).returncode == 0
        assert found == (suite == "trixie"), name


def test_it_installs_where_there_is_no_network_at_all(installed: Chroot, package: Path) -> None:
    """Its dependencies are there, as on a machine that has open-iscsi and LVM (and, of Debian 13, python3-pydantic)."""
    installed.run("dpkg", "--purge", "lunmirror")
    dpkg(installed, package)
    checked(installed)


@pytest.mark.core
def test_units_are_enabled_where_there_is_a_configuration(installed: Chroot, package: Path) -> None:
    installed.run("sh", "-c", f"dpkg --purge lunmirror; mkdir -p /etc/lunmirror; echo 'version = 1' > {CONFIG}")

    dpkg(installed, package)

    assert enabled(installed) == set(UNITS)
    assert not [line for line in asked(installed) if "start" in line]


@pytest.mark.parametrize("wish", [set(UNITS), set()])
def test_an_upgrade_keeps_what_the_administrator_wants(
    installed: Chroot, package: Path, other, wish: set[str]
) -> None:
    own = f"echo mine > {CONFIG}; mkdir -m 700 /etc/lunmirror/secrets; echo s > /etc/lunmirror/secrets/one"
    installed.run("sh", "-ec", own)
    if wish:
        enable(installed)
    newer = other("9.0.0")

    dpkg(installed, newer, package, package)  # up, down, once more

    assert enabled(installed) == wish
    assert installed.run("cat", CONFIG, "/etc/lunmirror/secrets/one").stdout == "mine\ns\n"
    checked(installed)


@pytest.mark.core
def test_an_upgrade_has_systemd_read_its_units_only(installed: Chroot, package: Path, other) -> None:
    said = dpkg(installed, other("9.0.0"), package)

    assert "9.0.0" in said
    assert asked(installed)
    assert set(asked(installed)) == {"--system daemon-reload"}


def test_a_changed_schema_file_survives(installed: Chroot, other) -> None:
    schema = "/etc/lunmirror/lunmirror.schema.json"
    installed.run("sh", "-c", f"echo mine > {schema}")

    dpkg(installed, other("9.0.0"))

    assert installed.run("cat", schema).stdout == "mine\n"


def test_a_pass_that_runs_is_waited_for(installed: Chroot, other) -> None:
    running = "flock /run/lunmirror/lock sh -c 'sleep 6; lunmirror --version > /ran' & sleep 1\n"

    dpkg(installed, other("9.0.0"), before=running)

    assert "9.0.0" not in installed.run("cat", "/ran").stdout  # it ended as the version that it began as
    assert "9.0.0" in installed.run("lunmirror", "--version").stdout


@pytest.mark.core
def test_no_pass_begins_between_the_old_files_and_the_new(installed: Chroot) -> None:
    """Between prerm and postinst, and while only half of it is there."""
    scripts = "/var/lib/dpkg/info/lunmirror"
    installed.run("sh", "-c", f"sed 's/192.168.1.[0-9]*/127.0.0.1/; 0,/127.0.0.1/s//127.0.0.2/' {EXAMPLE} > {CONFIG}")

    said = installed.run(
        "sh",
        "-c",
        f"{SYSTEMD}\n{scripts}.prerm upgrade 9; lunmirror apply; echo rc=$?; {scripts}.postinst configure 0; lunmirror apply; echo rc=$?; ls /run/lunmirror; pgrep sleep || true",
    ).stdout

    first, second = re.findall(r"^rc=(\d+)$", said, re.M)
    assert first == "75", said
    assert "another pass is running" in said
    assert "upgrade" in said
    assert second != "75", said


def test_removal_stops_the_timers_and_nothing_else(installed: Chroot, package: Path) -> None:
    installed.run("sh", "-c", f"echo mine > {CONFIG}")
    enable(installed)

    said = installed.run("sh", "-c", f"{SYSTEMD} dpkg -r lunmirror").stdout

    assert "Mirrors, sessions and mounts go on" in said
    told = asked(installed)
    assert not [line for line in told if not any(re.fullmatch(harmless, line) for harmless in HARMLESS)], told
    assert installed.run("cat", CONFIG).stdout == "mine\n"

    dpkg(installed, package)  # again as it was
    assert enabled(installed) == set(UNITS)
    checked(installed)


@pytest.mark.core
def test_purge_takes_ours_and_names_what_it_leaves(installed: Chroot) -> None:
    journal, rules = "/var/lib/lunmirror/volumes/x.json", "/etc/udev/rules.d/85-lunmirror.rules"
    installed.run(
        "sh", "-ec", f"for f in {CONFIG} {journal} {rules}; do mkdir -p $(dirname $f); echo mine > $f; done"
    )

    said = installed.run("sh", "-c", f"{SYSTEMD} dpkg --purge lunmirror").stdout

    for left in (CONFIG, "/var/lib/lunmirror", rules, "/etc/fstab", "node records"):
        assert left in said
    found = installed.run(
        "sh", "-c", "find / -xdev -path /proc -prune -o -name '*lunmirror*' -print | grep -v ^/run"
    ).stdout.split()
    kept = {CONFIG, rules, "/etc/lunmirror", "/var/lib/lunmirror"}
    assert {path for path in found if not path.startswith("/packages")} == kept
    assert enabled(installed) == set()


def test_the_package_stays_when_debian_12_becomes_13(installed: Chroot, suite: str) -> None:
    """Until its own package for that release comes: with it stays the Python that its dependencies are compiled for. By
    apt-get's own word, which is all that is asked of it here."""
    if suite != "bookworm":
        pytest.skip("there is no later release to go to")
    next_release = "sed -i s/bookworm/trixie/g /etc/apt/sources.list; apt-get update -qq; apt-get -s full-upgrade"

    planned = installed.run("sh", "-ec", next_release, network=True).stdout

    assert re.search(r"^Inst lvm2 ", planned, re.M)
    assert not re.search(r"^Remv (lunmirror|python3\.11|python3\.11-minimal|libpython3\.11-stdlib) ", planned, re.M)
