"""Whether what a line of fstab mounts is our volume, by whichever name: UUID=, LABEL=, a link in /dev/disk.

A name like these is carried by whoever has it: a copy of the volume has the same UUID, and anything may have the same
label. So the name must be seen to be our volume's (udev's link leads to it, or blkid has read it off the volume), and
udev must know of nobody else who claims it (/run/udev/links, one entry for each claimant).
"""

from typing import Any, NamedTuple

from lunmirror.engine.desired import Volume
from lunmirror.engine.model import ABSENT, Present, Seen, Unknown, facts_of
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.layers.filesystem.facts import FileSystem
from lunmirror.layers.volume.facts import LogicalVolume

TAGS = {
    "UUID": f"{paths.DEV_DISK}/by-uuid/",
    "LABEL": f"{paths.DEV_DISK}/by-label/",
    "PARTUUID": f"{paths.DEV_DISK}/by-partuuid/",
    "PARTLABEL": f"{paths.DEV_DISK}/by-partlabel/",
}
_KEPT = frozenset("#+-.:=@_")  # beside letters and digits: what udev leaves as it is (systemd, encode_devnode_name)


class Verdict(NamedTuple):
    """`ours`: it is our volume, or will be as soon as that is active. `doubt`: why that is not known, if so.
    `leads`: what the name means now instead, in words."""

    ours: bool
    doubt: str = ""
    leads: str = ""


def node(device: bytes) -> str:
    """The path in /dev that a first field of fstab means, as udev and systemd spell it; '' if none."""
    name = device.decode(errors="backslashreplace")
    kind, equals, value = name.partition("=")
    if equals and kind in TAGS:
        return TAGS[kind] + _encoded(value.strip('"')) if value.strip('"') else ""
    return name if name.startswith(paths.DEV) and ".." not in name.split("/") else ""


def is_lasting(device: bytes) -> bool:
    """The name means the same volume after the next boot: not a bare /dev/dm-5."""
    return node(device).startswith(f"{paths.DEV_DISK}/")


def judge(
    device: bytes, volume: Volume, seen: Seen[Any] | None, filesystem: Seen[Any] | None, reader: Reader
) -> Verdict:
    """What a first field of fstab, none of LVM's own names, means. `seen` and `filesystem` are those layers' words."""
    place = node(device)
    if not place:
        return Verdict(False)
    leads = reader.link(place)
    lv = facts_of(seen, LogicalVolume)
    if lv is None or not lv.number:
        return _stopped(place, leads, volume, seen, lv)
    mine = f"/dev/dm-{lv.number.partition(':')[2]}"
    claims = _claims(place, reader)
    if isinstance(claims, Unknown):
        return Verdict(False, f"which other device has that name is not known: {claims.reason}")
    if leads != Present(mine) and f"b{lv.number}" not in claims and not _is_read(place, filesystem):
        if isinstance(leads, Unknown):
            return Verdict(False, leads.reason)
        return Verdict(False, "", f"it leads to {leads.facts}" if isinstance(leads, Present) else "it leads nowhere")
    others = [name for name in claims if name != f"b{lv.number}"]
    if others:
        devices = ", ".join(name.removeprefix("b") for name in others[:5])
        return Verdict(False, f"other devices have the same name (numbers {devices}): which one is mounted is chance")
    if is_lasting(device) and not claims and not _is_read(place, filesystem):
        return Verdict(
            False, f"whether another device has that name is not known: {paths.UDEV_LINKS} does not list it"
        )
    return Verdict(True)


def _stopped(
    place: str, leads: Seen[str], volume: Volume, seen: Seen[Any] | None, lv: LogicalVolume | None
) -> Verdict:
    """The volume has no device now, so the name must lead nowhere, and can be ours."""
    if isinstance(leads, Present):
        return Verdict(False, "", f"it leads to {leads.facts}")
    if isinstance(leads, Unknown):
        return Verdict(False, leads.reason)
    directory, _, value = place.rpartition("/")
    is_new = seen is ABSENT  # it is about to be made, and its file system with it
    if f"{directory}/" == TAGS["LABEL"]:
        declared = (
            volume.filesystem is not None
            and bool(volume.filesystem.label)
            and value == _encoded(volume.filesystem.label)
        )
        return Verdict(declared or not is_new, "", "it leads nowhere")
    if f"{directory}/" == TAGS["UUID"]:
        return Verdict(not is_new, "", "it leads nowhere")
    names = {f"dm-name-{volume.dm}"}
    return Verdict(
        directory == f"{paths.DEV_DISK}/by-id" and (value in names or (lv is not None and "-LVM-" in value))
    )


def _is_read(place: str, filesystem: Seen[Any] | None) -> bool:
    """blkid has read the name off our volume itself: udev may not have come to it yet."""
    facts = facts_of(filesystem, FileSystem)
    if facts is None:
        return False
    if facts.uuid and place.lower() == TAGS["UUID"] + facts.uuid:
        return True
    return bool(facts.label) and place == TAGS["LABEL"] + _encoded(facts.label)


def _claims(place: str, reader: Reader) -> tuple[str, ...] | Unknown:
    """Who claims a link of udev's, as "b253:5" (docs/facts/fstab.md). The directory has udev's lock file as well."""
    if not place.startswith(f"{paths.DEV_DISK}/"):
        return ()
    name = place.removeprefix(paths.DEV).replace("\\", "\\x5c").replace("/", "\\x2f")
    seen = reader.directory(f"{paths.UDEV_LINKS}/{name}")
    if isinstance(seen, Unknown):
        return seen
    names: tuple[str, ...] = seen.facts if isinstance(seen, Present) else ()
    return tuple(entry for entry in names if not entry.startswith("."))


def _encoded(value: str) -> str:
    return "".join(_character(c) for c in value)


def _character(character: str) -> str:
    if character in _KEPT or character.isalnum() or ord(character) > 127:
        return character
    return f"\\x{ord(character):02x}"
