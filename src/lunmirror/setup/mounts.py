"""The file system on a volume, and where it is mounted: by the kernel's table and by fstab, under whatever name."""

from collections.abc import Iterable
from typing import Any

from lunmirror.config import mountoptions, names
from lunmirror.config.compile import ALWAYS_THERE, DEFAULT_BOOT_WAIT
from lunmirror.config.problems import InvalidValue
from lunmirror.engine import desired
from lunmirror.engine.desired import Size
from lunmirror.engine.errors import HostError
from lunmirror.engine.model import Absent, Present, Seen, Unknown, facts_of
from lunmirror.host import paths
from lunmirror.host.mountinfo import Entry, read_mounts, unescape
from lunmirror.host.protocol import Reader
from lunmirror.layers.filesystem.facts import FileSystem, Other
from lunmirror.layers.filesystem.observe import probed
from lunmirror.layers.mount import fstab
from lunmirror.layers.mount.names import judge
from lunmirror.layers.volume.facts import LogicalVolume
from lunmirror.setup.proposal import Mount, Volume

READ = 45.0  # seconds for one read of a volume: longer than the usual stall
# Flags of a mount that say what an administrator wanted; the others are the kernel's own.
WANTED = ("ro", "noatime", "nodiratime", "nodev", "nosuid", "noexec")


class Table:
    """fstab and the kernel's mounts, read once."""

    def __init__(self, reader: Reader) -> None:
        mounts, content = read_mounts(reader), reader.read(paths.FSTAB)
        if not isinstance(mounts, Present) or isinstance(content, Unknown):
            cause = content if isinstance(content, Unknown) else mounts
            raise HostError("what is mounted is not known, so nothing is proposed", why=getattr(cause, "reason", ""))
        self.reader, self.mounts = reader, mounts.facts
        self.lines = fstab.entries(b"" if isinstance(content, Absent) else content.facts)

    def completed(self, volume: Volume, facts: LogicalVolume) -> tuple[Volume, tuple[str, ...]]:
        """The volume with its file system and mount, and what of them cannot be expressed."""
        state = probed(self.reader, facts, READ)
        if isinstance(state, Unknown):
            return volume, (
                f"volume {volume.id}: what is on it is not known ({state.reason}); it is proposed without",
            )
        lines, mounted = self._lines(volume, facts, state), self._mounted(facts)
        where = ", ".join(dict.fromkeys((*(e.path for e in mounted), *map(_path, lines))))
        found = facts_of(state, FileSystem)
        if found is None or found.type not in paths.MKFS:
            what = found.type if found else getattr(facts_of(state, Other), "what", "nothing that blkid knows")
            beside = f", and of its mount point ({where}) nothing is declared" if where else ""
            why = f"volume {volume.id}: it holds {what}; the volume is kept whole, its content left alone{beside}"
            return volume, (why,) if where or found else ()
        volume = volume._replace(filesystem=found.type, label=_label(found, lines))
        mount = _mount(lines, mounted)
        if mount is None:
            return volume, ()
        refused = (f"the mount of volume {volume.id} at {mount.path}: {mount.off}",) if mount.off else ()
        return volume._replace(mount=mount), refused

    def _mounted(self, facts: LogicalVolume) -> list[Entry]:
        return [e for e in self.mounts if facts.number and e.number == facts.number]

    def _lines(self, volume: Volume, facts: LogicalVolume, state: Seen[Any]) -> list[fstab.Line]:
        """The lines of fstab that name this volume, in whatever way."""
        plain = desired.Volume(volume.group, volume.name, Size(bytes=volume.size), volume.type, "", ())
        own = [line for line in self.lines if fstab.is_ours(line, plain, ())]
        rest = (line for line in self.lines if line not in own)
        named = [one for one in rest if judge(one.device, plain, Present(facts), state, self.reader).ours]
        return sorted((*own, *named))


def _label(found: FileSystem, lines: list[fstab.Line]) -> str:
    """Its label, where fstab goes by it."""
    if not any(found.label and found.label.encode() in line.device for line in lines):
        return ""
    try:
        return names.label(found.label)
    except InvalidValue:
        return ""


def _path(line: fstab.Line) -> str:
    return line.path.decode(errors="backslashreplace")


def _mount(lines: list[fstab.Line], mounted: list[Entry]) -> Mount | None:
    """The mount, declared if it is in use just so; else with the reason why it is not."""
    whole = [entry for entry in mounted if entry.root == "/"]
    if not lines and not mounted:
        return None
    if len(lines) > 1:
        paths_ = ", ".join(map(_path, lines))
        return Mount(_path(lines[0]), off=f"{paths.FSTAB} has {len(lines)} lines for it ({paths_}); leave one")
    line = lines[0] if lines else None
    path = _path(line) if line else (whole or mounted)[0].path
    here = next((entry for entry in whole if entry.path == path), None)
    wanted = _options_of(line) if line else _flags(here) if here else ()
    off = _objection(path, line, here, mounted)
    options = []
    for option in wanted:
        try:
            options.append(mountoptions.mount_option(option))
        except InvalidValue as wrong:
            off = off or f"{wrong.what}: {wrong.why}"
    return Mount(path, tuple(options), off)


def _objection(path: str, line: fstab.Line | None, here: Entry | None, mounted: Iterable[Entry]) -> str:
    others = ", ".join(entry.path for entry in mounted)
    if here is None and others:
        said = f"{paths.FSTAB} says {path}" if line else "only a part of it is"
        return f"it is mounted at {others}, and {said}"
    if here is None:
        return "it is not mounted now, and lunmirror would mount it; if that is wanted, take the # away"
    try:
        names.mount_path(path)
    except InvalidValue as wrong:
        return wrong.what
    return ""


def _options_of(line: fstab.Line) -> tuple[str, ...]:
    """An administrator's own: without what every line of lunmirror's has."""
    field = unescape(line.fields[3]).decode(errors="backslashreplace") if len(line.fields) > 3 else ""
    given = [option for option in field.split(",") if option]
    ours = {*ALWAYS_THERE, *fstab.options_for((), DEFAULT_BOOT_WAIT)}
    return tuple(dict.fromkeys(option for option in given if option not in ours))


def _flags(entry: Entry) -> tuple[str, ...]:
    return tuple(flag for flag in WANTED if flag in entry.flags)
