"""What lunmirror needs of the machine that it runs on, and which Debian package brings what is missing."""

import os
from importlib import util
from typing import NamedTuple

from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import HostError
from lunmirror.host import child, modules, paths, words


class Package(NamedTuple):
    """A Python package; `least` is the oldest version that will do (held to pyproject.toml by a test)."""

    name: str
    least: tuple[int, ...]
    debian: str


PACKAGES = (
    Package("pydantic", (2, 5), "python3-pydantic"),
    Package("tomli", (2, 0), "python3-tomli"),
    Package("jinja2", (3, 1), "python3-jinja2"),
    Package("structlog", (23, 1), "python3-structlog"),
)
PROGRAMS = (paths.ISCSIADM, paths.LVM, paths.DMSETUP)
# The kernel module of each type of volume, as `lsmod` spells it (LVM loads it under "dm-" and the target's name).
TARGETS = {"raid1": "dm_raid", "mirror": "dm_mirror"}


def check_packages() -> None:
    """Each is imported only when something needs it, and that must not be half-way through a pass. Raises HostError."""
    if lacking := [package for package in PACKAGES if util.find_spec(package.name) is None]:
        raise _lacks_packages([f"the Python package {one.name} is not installed" for one in lacking], lacking)


def check_root() -> None:
    """Raises HostError."""
    if os.geteuid() != 0:
        raise HostError(
            "only root may look at and change storage",
            why=f"this is user {os.geteuid()}",
            next="run it with sudo; `lunmirror check` needs no root",
        )


def check_machine() -> None:
    """What every look at the machine needs, before anything is done. Raises HostError."""
    check_root()
    if not os.path.isdir(paths.SYS_BLOCK):
        raise HostError(
            f"there is no {paths.SYS_BLOCK}",
            why="disks and sessions are found through sysfs, and nothing can be known without it",
            next="mount it (mount -t sysfs sysfs /sys), or run on the machine itself, not in a container",
        )
    if programs := [name for name in PROGRAMS if not child.find(name)]:
        raise HostError(
            "; ".join(words.not_installed(name) for name in programs),
            next=f"apt-get install {' '.join(dict.fromkeys(words.debian_package(name) for name in programs))}",
        )


def check_modules(desired: Desired) -> None:
    """What the kernel must bring for this configuration. Raises HostError."""
    wanted = {"iscsi_tcp": "no session can log in without it"}
    for volume in desired.volumes.values():
        if module := TARGETS.get(volume.type):
            wanted.setdefault(module, f"no volume of type {volume.type} can run without it")
    for module, why in wanted.items():
        if fault := modules.fault(module):
            raise HostError(f"the kernel module {module} is missing: {fault.what}", why=why, next=fault.next)


def package_at_fault() -> HostError | None:
    """The error that fits if a Python package is missing or too old. Looks at all of them, which takes its time."""
    from importlib import metadata

    faults, lacking = [], []
    for package in PACKAGES:
        try:
            version = metadata.version(package.name)
        except metadata.PackageNotFoundError:
            if util.find_spec(package.name) is not None:  # installed without its metadata: nothing is known
                continue
            fault = f"the Python package {package.name} is not installed"
        else:
            if _numbers(version) >= package.least:
                continue
            needed = ".".join(map(str, package.least))
            fault = f"the Python package {package.name} is too old: {version}, and lunmirror needs {needed} or newer"
        faults.append(fault)
        lacking.append(package)
    return _lacks_packages(faults, lacking) if faults else None


def _lacks_packages(faults: list[str], lacking: list[Package]) -> HostError:
    return HostError(
        "; ".join(faults),
        why="lunmirror was installed without what it needs",
        next=f"apt-get install {' '.join(one.debian for one in lacking)} (Debian 13; what Debian 12 has is too old), or"
        " install lunmirror by its own package, which brings what it needs",
    )


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers: (2, 10, 6) of 2.10.6, (3, 1) of 3.1rc1."""
    numbers: list[int] = []
    for part in version.split("."):
        digits = part[: next((n for n, c in enumerate(part) if not c.isdigit()), len(part))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)
