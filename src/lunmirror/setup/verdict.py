"""What `plan` says of a proposal: whether a step of it would touch data, or disturb what is in use. Pure."""

from typing import NamedTuple

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import (
    Finding,
    Kind,
    MakeDirectory,
    Ref,
    RemoveFile,
    Report,
    Risk,
    Run,
    Step,
    WriteFile,
    WriteValue,
)
from lunmirror.host import paths

# What may follow on an adoption. Settings of LVM's metadata: whose a group is, who starts it, on which LUN a disk lies.
_SETTINGS = ("--setautoactivation", "--addtag", "--deltag")
_VERBS = ("vgchange", "pvchange", "lvchange")


class Verdict(NamedTuple):
    """`volumes` and `groups`: what must not be proposed, and why. `said`: findings that an administrator has to act on."""

    volumes: dict[str, str]
    groups: dict[str, str]
    said: tuple[str, ...]


def judge(desired: Desired, planned: Report) -> Verdict:
    volumes: dict[str, str] = {}
    groups: dict[str, str] = {}
    for step in planned.steps:
        if is_setting(step):
            continue
        why = f"lunmirror would {step.title}, and an adoption only changes settings; bring that in order first"
        kind, names = _concerned(step.ref, desired)
        for name in names:
            (volumes if kind == "volume" else groups).setdefault(name, why)
    said = [_sentence(f) for f in planned.findings if f.kind is not Kind.NOTE]
    return Verdict(volumes, groups, tuple(dict.fromkeys(said)))


def is_setting(step: Step) -> bool:
    """Whether a step changes settings alone: files, attributes of the kernel, tags; no byte of any disk's content, nothing
    that is started, stopped, mounted or logged in."""
    if step.risk is not Risk.NONE or step.server:
        return False
    if isinstance(step.action, WriteFile | RemoveFile | WriteValue | MakeDirectory):
        return True
    return isinstance(step.action, Run) and _is_setting(step.action.argv)


def _is_setting(argv: tuple[str, ...]) -> bool:
    program, *words = argv
    if program == paths.LVM:
        # `lvm VERB --devices DEVICES …`: of a change, nothing but settings.
        flags = [word for word in words[3:] if word.startswith("-")]
        return words[0] in _VERBS and bool(flags) and all(flag in _SETTINGS for flag in flags)
    if program == paths.ISCSIADM:
        return "new" in words and "--login" not in words
    if program == paths.SG_PERSIST:
        return "--register-ignore" in words  # a mark on the LUN, which reserves nothing
    if program == paths.MOUNT:
        return any(word.startswith("remount,bind,") for word in words)
    return program == paths.SYSTEMCTL and words == ["daemon-reload"]


def _concerned(ref: Ref, desired: Desired) -> tuple[str, tuple[str, ...]]:
    """("volume" or "group", its ids): what a resource belongs to."""
    if ref.layer in ("volume", "filesystem", "mount"):
        return "volume", (ref.name,)
    if ref.layer == "group":
        return "group", (ref.name,)
    if ref.layer in ("disk", "scsi") and ref.name in desired.disks:
        return "group", (desired.group_of(ref.name) or "",)
    server = next((path.server.name for path in desired.paths() if path.name == ref.name), "")
    disks = {disk.name for disk in desired.disks.values() if disk.server == server or not server}
    return "group", tuple(group.name for group in desired.groups.values() if disks & set(group.disks))


def _sentence(finding: Finding) -> str:
    words = ": ".join(filter(None, (finding.what, finding.why)))
    return f"{finding.ref}: {words}" + (f" (next: {finding.next})" if finding.next else "")
