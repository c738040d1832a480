"""Looks at the file system on each volume: in the mount table if it is mounted, else on the volume itself.

blkid's exit code 2 means both "nothing found" and "could not read" (docs/facts/kernel.md#blkid; it has cost people
their data). So a volume counts as bare only if its first bytes were really read as well, and hold no superblock of
ours.
"""

from collections.abc import Iterable
from typing import Any

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import Observed, Present, Seen, Unknown, World, facts_of
from lunmirror.engine.plain import count
from lunmirror.host import paths
from lunmirror.host.mountinfo import Entry, read_mounts
from lunmirror.host.protocol import Ran, Reader
from lunmirror.host.sysfs import text
from lunmirror.layers.disk.facts import shown
from lunmirror.layers.filesystem.facts import Bare, Facts, FileSystem, Other
from lunmirror.layers.volume.facts import LogicalVolume
from lunmirror.lvm import Lvm, read_lvm

# Seconds beyond the stall budget: a read waits that long for a leg that has just gone silent, then is answered.
READ_MARGIN = 30.0

# What only blkid can distinguish, for one driver of the kernel mounts all of them under whichever name it is asked.
EXT = frozenset({"ext2", "ext3", "ext4"})
KNOWN = EXT | {"xfs"}

# blkid's own exit codes (blkid(8)).
FOUND, NOT_FOUND_OR_NOT_READ, AMBIVALENT = 0, 2, 8

HEAD = 2048  # bytes: up to and with the ext superblock at 1024
# The primary superblocks: name, offset in bytes of the magic number, its bytes in hexadecimal.
MAGIC = (("an xfs", 0, "58465342"), ("an ext", 1080, "53ef"))
XFS_IN_PROGRESS = 126  # offset in bytes of sb_inprogress (xfsprogs, libxfs/xfs_format.h, struct xfs_dsb)


def observe(desired: Desired, reader: Reader, world: World) -> Observed:
    """Every volume with a declared file system, by volume id."""
    wanted = [(v, v.filesystem.type) for v in desired.volumes.values() if v.filesystem is not None]
    if not wanted:
        return {}
    look = _Look(desired, reader, world)
    return {v.id: look.at(type, world.get("volume", {}).get(v.id)) for v, type in wanted}


class _Look:
    """One look at all volumes: the mount table and the tags are read once.

    The tags are read again, not taken from the volume layer: this layer itself removes them, and is observed again.
    The reader remembers the answer, so that no program runs twice in a pass that changes nothing.
    """

    def __init__(self, desired: Desired, reader: Reader, world: World) -> None:
        self.reader, self.deadline = reader, desired.stall_budget + READ_MARGIN
        self.mounts = read_mounts(reader)
        self.tags = _tags(read_lvm(reader, shown(world)))
        self.of_device: dict[str, list[Entry]] = {}
        for entry in self.mounts.facts if isinstance(self.mounts, Present) else ():
            self.of_device.setdefault(entry.number, []).append(entry)

    def at(self, type: str, seen: Seen[Any] | None) -> Seen[Facts]:
        """What is on the volume, for which a file system of this type is declared."""
        lv = facts_of(seen, LogicalVolume)
        if lv is None:
            return Unknown(getattr(seen, "reason", "the volume does not exist"))
        if not lv.active or not lv.number:
            return Unknown("the volume is not active")
        if lv.misled:
            return Unknown(
                "a leg of the volume lies on a disk that is not the declared one: nothing is written to it"
            )
        if lv.suspended:
            return Unknown("the volume is suspended: reading it would hang")
        if not isinstance(self.mounts, Present):
            return Unknown(getattr(self.mounts, "reason", "there is no mount table"))
        if not isinstance(self.tags, Present):
            return Unknown(getattr(self.tags, "reason", "LVM has no report"))
        if lv.uuid not in self.tags.facts:
            return Unknown("LVM does not show the volume any more")
        tags = self.tags.facts[lv.uuid]
        mount = _whole(self.of_device.get(lv.number, ()))
        if mount is None:
            return _Probe(self.reader, lv, self.deadline, tags).result()
        if {mount.type, type} <= EXT and mount.type != type:
            return _mounted(_Probe(self.reader, lv, self.deadline, tags).result(), mount)
        errors = self._errors(lv) if mount.type in EXT else 0
        return Present(FileSystem(mount.type, "", "", mounted=True, path=mount.path, tags=tags, errors=errors))

    def _errors(self, lv: LogicalVolume) -> int:
        """Of a mounted ext file system. After both legs failed the mount table went on saying rw while every write
        ended in EROFS; this counter is what shows it (docs/facts/lab.md#both-servers-gone)."""
        device = self.reader.link(f"{paths.SYS}/dev/block/{lv.number}")
        kernel = device.facts.rsplit("/", 1)[1] if isinstance(device, Present) else ""
        return count(text(self.reader, f"{paths.SYS}/fs/ext4/{kernel}/errors_count")) or 0


def probed(reader: Reader, lv: LogicalVolume, deadline: float) -> Seen[Facts]:
    """What is read off one active volume, mounted or not: Present(Bare | FileSystem | Other) or Unknown."""
    return _Probe(reader, lv, deadline, lv.tags).result()


def _tags(lvm: Seen[Lvm]) -> Seen[dict[str, tuple[str, ...]]]:
    """Present(volume UUID -> tags) or Unknown."""
    return Present({row.uuid: row.tags for row in lvm.facts.lvs}) if isinstance(lvm, Present) else lvm


def _whole(entries: Iterable[Entry]) -> Entry | None:
    """The first mount of the whole file system, else of a part of it."""
    found = sorted(entries, key=lambda e: e.root != "/")
    return found[0] if found else None


def _mounted(probed: Seen[Facts], mount: Entry) -> Seen[Facts]:
    """What was read on a volume that is in use."""
    if isinstance(probed, Present) and isinstance(probed.facts, FileSystem):
        return Present(probed.facts._replace(mounted=True, path=mount.path))
    return Unknown(f"it is mounted at {mount.path} as {mount.type}, but no file system can be read on it")


class _Probe:
    """Reads one active volume that is not mounted. Every doubt ends in Unknown."""

    def __init__(self, reader: Reader, lv: LogicalVolume, deadline: float, tags: tuple[str, ...]) -> None:
        self.reader, self.node, self.deadline, self.tags = reader, f"{paths.MAPPER}/{lv.dm}", deadline, tags

    def result(self) -> Seen[Facts]:
        ran = self.reader.query((paths.BLKID, "-p", "-o", "export", self.node), self.deadline)
        if ran.rc == NOT_FOUND_OR_NOT_READ:
            return self._nothing_found()
        if ran.rc == AMBIVALENT:
            return Present(Other("signatures of several kinds at once", self.tags))
        if ran.rc != FOUND:
            return Unknown(f"what is on {self.node} is not known: {ran.why}")
        return self._found(ran)

    def _nothing_found(self) -> Seen[Facts]:
        head = self._head()
        if isinstance(head, Unknown):
            return head
        for name, offset, magic in MAGIC:
            if head.facts[2 * offset : 2 * offset + len(magic)] == magic:
                return Unknown(f"{paths.BLKID} finds nothing on {self.node}, yet {name} superblock begins there")
        return Present(Bare(self.tags))

    def _found(self, ran: Ran) -> Seen[Facts]:
        values = _export(ran.out)
        if not values:
            return Unknown(f"{paths.BLKID} gave an answer about {self.node} that cannot be read: {ran.out[:200]!r}")
        if values.get("TYPE") not in KNOWN:
            return Present(Other(_described(values), self.tags))
        complete = True
        if values["TYPE"] == "xfs":
            head = self._head()
            if isinstance(head, Unknown):
                return head
            complete = head.facts[2 * XFS_IN_PROGRESS : 2 * XFS_IN_PROGRESS + 2] == "00"
        uuid, label = values.get("UUID", "").lower(), values.get("LABEL", "")
        return Present(FileSystem(values["TYPE"], uuid, label, mounted=False, complete=complete, tags=self.tags))

    def _head(self) -> Present[str] | Unknown:
        """Present(the first HEAD bytes in hexadecimal): proof that the volume can be read at all."""
        ran = self.reader.query((paths.OD, "-A", "n", "-v", "-t", "x1", "-N", str(HEAD), self.node), self.deadline)
        if ran.rc != 0:
            return Unknown(f"{self.node} cannot be read: {ran.why}")
        digits = "".join(ran.out.split())
        if len(digits) != 2 * HEAD or digits.strip("0123456789abcdef"):
            return Unknown(f"{self.node} could be read only in part")
        return Present(digits)


def _export(out: str) -> dict[str, str]:
    """blkid's `-o export`: NAME=value lines, characters special to a shell behind a backslash. Empty if it is not
    that, or names anything twice."""
    values: dict[str, str] = {}
    for line in out.splitlines():
        name, equals, value = line.partition("=")
        if not equals or name in values:
            return {}
        values[name] = _plain(value)
    return values


def _plain(value: str) -> str:
    """Without the backslashes that quote; a label that holds one is only ever shown or compared, never used."""
    return value.replace("\\\\", "\0").replace("\\", "").replace("\0", "\\")


def _described(values: dict[str, str]) -> str:
    """For an administrator: "swap labelled 'x'", "a partition table (dos)"."""
    label = f" labelled {values['LABEL']!r}" if values.get("LABEL") else ""
    if values.get("TYPE"):
        return values["TYPE"] + label
    if values.get("PTTYPE"):
        return f"a partition table ({values['PTTYPE']})"
    return "something that blkid cannot name" + label
