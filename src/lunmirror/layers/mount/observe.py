"""Looks at each declared mount: fstab, the mount table, and the directory to mount on. Runs no program.

A path with something mounted on it is never touched: even listing it hangs while a leg is blocked
(docs/facts/kernel.md#mounted-path). The mount table shows all that is needed.
"""

from typing import Any

from lunmirror.engine.desired import Desired, Volume
from lunmirror.engine.model import Absent, Observed, Present, Seen, Unknown, World, facts_of
from lunmirror.host import paths
from lunmirror.host.mountinfo import Entry, at, read_mounts
from lunmirror.host.protocol import Reader
from lunmirror.layers.mount.facts import Mounted, MountState, Undeclared
from lunmirror.layers.mount.fstab import Line, about, devices, entries, is_ours
from lunmirror.layers.mount.names import Verdict, judge, node
from lunmirror.layers.volume.facts import LogicalVolume, as_declared


def observe(desired: Desired, reader: Reader, world: World) -> Observed:
    """Every volume with a declared mount, by volume id; and where those are mounted that are not declared any more."""
    wanted = [v for v in desired.volumes.values() if v.mount is not None]
    others = (
        (id, facts_of(s, LogicalVolume)) for id, s in world.get("volume", {}).items() if id not in desired.volumes
    )
    left = [(id, facts) for id, facts in others if facts]
    if not wanted and not left:
        return {}
    look = _Look(reader)
    layers = [world.get(name, {}) for name in ("volume", "filesystem")]
    found = {v.id: look.at(v, *(layer.get(v.id) for layer in layers)) for v in wanted}
    return found | {id: state for id, facts in left if (state := look.of(id, facts))}


class _Look:
    """One look at all mounts: fstab and the mount table are read once."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.mounts = read_mounts(reader)
        self.fstab = reader.read(paths.FSTAB)
        self.lines = entries(self.fstab.facts if isinstance(self.fstab, Present) else b"")
        self.at_path: dict[str, list[Entry]] = {}
        self.of_device: dict[str, list[Entry]] = {}
        for entry in self.mounts.facts if isinstance(self.mounts, Present) else ():
            self.at_path.setdefault(entry.path, []).append(entry)
            self.of_device.setdefault(entry.number, []).append(entry)
        # Where that is not known, a reload too many does no harm; one too few would never be made up for.
        self.systemd = not isinstance(reader.directory(paths.SYSTEMD_RUNNING), Absent)

    def of(self, id: str, facts: LogicalVolume) -> Present[Undeclared] | None:
        """Where an undeclared volume is mounted, and fstab names it; None if neither."""
        places = self._elsewhere(facts.number, "")
        names = (name.encode() for name in devices(as_declared(id, facts)))
        lines = tuple(line.number for name in names for line in self.lines.by_device.get(name, ()))
        return Present(Undeclared(places, lines)) if places or lines else None

    def at(self, volume: Volume, seen: Seen[Any] | None, filesystem: Seen[Any] | None) -> Seen[MountState]:
        if not isinstance(self.mounts, Present):
            return Unknown(getattr(self.mounts, "reason", "there is no mount table"))
        if isinstance(self.fstab, Unknown):
            return Unknown(f"{paths.FSTAB} cannot be read: {self.fstab.reason}")
        lv = facts_of(seen, LogicalVolume)
        number = lv.number if lv else ""
        path = volume.mounted.path
        top = at(tuple(self.at_path.get(path, ())), path)
        verdicts = self._verdicts(volume, seen, filesystem)
        aliases = tuple(number for number, verdict in verdicts.items() if verdict.ours)
        lines = about(self.lines, volume, aliases)
        ours = next((line for line in lines if is_ours(line, volume, aliases)), None)
        directory, files = ("", False) if top else self._directory(path)
        return Present(
            MountState(
                fstab=self.fstab.facts if isinstance(self.fstab, Present) else b"",
                line=ours.raw.decode(errors="backslashreplace") if ours else "",
                mounted=_mounted(top) if top else None,
                elsewhere=self._elsewhere(number, path),
                directory=directory,
                absent=isinstance(self.fstab, Absent),
                aliases=aliases,
                doubts={number: v.doubt for number, v in verdicts.items() if v.doubt},
                leads={number: v.leads for number, v in verdicts.items() if v.leads},
                files=files,
                systemd=self.systemd,
                stale=self.systemd and not self._unit_names(volume, ours),
                below=() if top else tuple(e.path for e in self.mounts.facts if e.path.startswith(f"{path}/")),
            )
        )

    def _elsewhere(self, number: str, path: str) -> tuple[str, ...]:
        if not number or not isinstance(self.mounts, Present):
            return ()
        return tuple(e.path for e in self.of_device.get(number, ()) if e.path != path)

    def _verdicts(self, volume: Volume, seen: Seen[Any] | None, filesystem: Seen[Any] | None) -> dict[int, Verdict]:
        """By number, for each line at our mount point that names its device otherwise than LVM does."""
        here = (line for line in about(self.lines, volume, ()) if not is_ours(line, volume, ()))
        return {line.number: judge(line.device, volume, seen, filesystem, self.reader) for line in here}

    def _directory(self, path: str) -> tuple[str, bool]:
        """ "" or "missing" or why the directory cannot be mounted on; and whether there is anything in it."""
        real = self._through_links(path)
        if real:
            return real, False
        seen = self.reader.directory(path)
        if isinstance(seen, Absent):
            return "missing", False
        if isinstance(seen, Unknown):
            return seen.reason, False
        return "", bool(seen.facts)

    def _through_links(self, path: str) -> str:
        """The kernel's mount table shows where a path really is: one that leads through a link would never be found
        there, and be mounted again at each pass."""
        while path not in ("", "/"):
            real = self.reader.link(path)
            if isinstance(real, Unknown):
                return real.reason
            if isinstance(real, Present):
                return "" if real.facts == path else f"{path} is a symbolic link that leads to {real.facts}"
            path = path.rpartition("/")[0]
        return ""

    def _unit_names(self, volume: Volume, line: Line | None) -> bool:
        """systemd's unit for our path exists and names our device. One made from an older fstab would have systemd
        unmount what is mounted by hand (systemd #1741, #1938)."""
        seen = self.reader.read(f"{paths.GENERATED_UNITS}/{unit_name(volume.mounted.path)}")
        lines = seen.facts.split(b"\n") if isinstance(seen, Present) else ()
        names = (*devices(volume), *(filter(None, [node(line.device)]) if line else ()))
        return any(f"What={device}".encode() in lines for device in names)


def _mounted(entry: Entry) -> Mounted:
    options = (*entry.flags, *(o for o in entry.options if o not in entry.flags))
    return Mounted(entry.path, entry.number, entry.type, entry.source, options, "ro" in options, entry.flags)


def unit_name(path: str) -> str:
    """systemd's name for the mount unit of a path (systemd.unit(5), "String escaping")."""
    plain = "/".join(part for part in path.split("/") if part)
    if not plain:
        return "-.mount"
    escaped = "".join(_unit_character(byte, first=not i) for i, byte in enumerate(plain.encode()))
    return f"{escaped}.mount"


def _unit_character(byte: int, first: bool) -> str:
    character = chr(byte)
    if character == "/":
        return "-"
    kept = byte < 128 and (character.isalnum() or character in ":_" or (character == "." and not first))
    return character if kept else f"\\x{byte:02x}"
