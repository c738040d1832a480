"""Kernel modules: whether the running kernel has one, or could load it."""

import os
from typing import NamedTuple

from lunmirror.host import paths


class Fault(NamedTuple):
    """What is wrong, and what to do next."""

    what: str
    next: str


def fault(name: str) -> Fault | None:
    """Why the module `name` (with underscores, as in /sys/module) cannot be had; None if it can, or if that is not
    certain. What is built into the kernel stands in /sys/module, too, if it has parameters; iscsi_tcp, dm_raid and
    dm_mirror have some."""
    if os.path.exists(f"{paths.SYS_MODULES}/{name}"):
        return None
    release = os.uname().release
    directory = f"{paths.KERNEL_MODULES}/{release}"
    found = [_lists(f"{directory}/{index}", name) for index in ("modules.builtin", "modules.dep")]
    if any(found):
        return None
    if not os.path.isdir(directory):
        if not _has_entries(paths.KERNEL_MODULES):
            return None  # hidden from us, or never there: nothing is known
        return Fault(
            f"the modules of the running kernel {release} are not installed",
            "reboot, if the kernel was upgraded or removed since the last boot; else apt-get install linux-image-"
            + release,
        )
    if None in found:
        return None
    generic = _generic(release)
    return Fault(
        f"the running kernel {release} comes without it",
        f"apt-get install {generic} and reboot into it"
        if generic
        else f"apt-get install linux-modules-extra-{release}, or a kernel that has it",
    )


def _has_entries(directory: str) -> bool:
    try:
        return bool(os.listdir(directory))
    except OSError:
        return False


def _lists(index: str, name: str) -> bool | None:
    """Whether an index of modules names it; None if it cannot be read."""
    try:
        with open(index, encoding="utf-8", errors="replace") as lines:
            return any(_is_named(line, name) for line in lines)
    except OSError:
        return None


def _is_named(line: str, name: str) -> bool:
    """kernel/drivers/md/dm-raid.ko.xz: kernel/…"""
    file = line.partition(":")[0].strip().rpartition("/")[2]
    return file.partition(".ko")[0].replace("-", "_") == name


def _generic(release: str) -> str:
    """Debian's package of the full kernel in place of the one for clouds: 6.1.0-18-cloud-amd64 -> linux-image-amd64."""
    head, _, machine = release.rpartition("-")
    return f"linux-image-{machine}" if machine in ("amd64", "arm64", "686", "686-pae", "armmp") and head else ""
