"""fstab(5) as bytes: finds the lines that speak of a mount, and puts ours in place without touching another byte."""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from lunmirror.engine.desired import Volume
from lunmirror.host import paths
from lunmirror.host.mountinfo import unescape
from lunmirror.layers.mount.names import is_lasting

# What keeps boot and shutdown from hanging (systemd.mount(5), present in systemd 252; behaviour read in
# src/fstab-generator/fstab-generator.c and src/core/mount.c):
#   _netdev   orders the mount after the network and remote-fs-pre.target, so at shutdown it is unmounted before
#             open-iscsi logs out and before the network goes; without it the unmount waits for a server that can no
#             longer be reached (open-iscsi #19, systemd #5719). At boot it keeps the mount out of local-fs.target,
#             whose failure ends in the emergency shell.
#   nofail    a server that is away neither fails nor delays boot: remote-fs.target only wants the mount and is not
#             ordered after it (systemd #11614, #20224).
#   x-systemd.device-timeout
#             the job that waits for the device ends. Its default is 90 s, 0 would mean for ever. It is not tried
#             again when the device comes later (systemd #795): the next pass mounts it then.
# Not used: x-systemd.mount-timeout, because systemd's default of 90 s bounds the mount already, and a shorter one
# could kill a journal replay; x-systemd.automount, because a path that hangs on first touch hides an outage.
# A shutdown with a server gone is bounded by replacement_timeout, not by fstab: the unmount's last writes fail or go
# to the other leg when it ends (systemd #28363 is what happens without such a bound).
FIXED = ("_netdev", "nofail")
DEVICE_TIMEOUT = "x-systemd.device-timeout"
# Seconds on top of boot_wait. systemd counts from when the network is online; login, activation and the replay of a
# journal follow the waiting. Lab: 30 s were too few on a loaded machine, and what RequiresMountsFor= the path was given
# up for good. It delays nobody else.
DEVICE_GRACE = 90

# "0": no dump. "2": checked after the root file system; fsck.xfs does nothing.
DUMP_AND_PASS = (b"0", b"2")

_ESCAPED = frozenset(b' \t\n\r\\#"')


class Line(NamedTuple):
    """One line of fstab. `number` counts from 1. `raw` is all of it without its newline."""

    number: int
    raw: bytes
    fields: tuple[bytes, ...]

    @property
    def device(self) -> bytes:
        return unescape(self.fields[0])

    @property
    def path(self) -> bytes:
        return _plain(unescape(self.fields[1]))

    def __str__(self) -> str:
        return f"line {self.number}: {self.raw.decode(errors='backslashreplace').strip()}"


class Write(NamedTuple):
    """A change of one line: the whole file then, the line as it is to be and as it is, whether there was one."""

    content: bytes
    line: str
    observed: str
    replaces: bool


class Lines(tuple[Line, ...]):
    """Lines, found by what they name: each of a thousand volumes asks."""

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        self.by_path: dict[bytes, list[Line]] = {}
        self.by_device: dict[bytes, list[Line]] = {}
        for line in self:
            self.by_path.setdefault(line.path, []).append(line)
            self.by_device.setdefault(line.device, []).append(line)


@lru_cache(maxsize=4)
def entries(fstab: bytes) -> Lines:
    """The lines that mean something to mount: no blank ones, no comments, at least device and path."""
    found = []
    for number, raw in enumerate(fstab.split(b"\n"), start=1):
        fields = tuple(f for f in raw.replace(b"\t", b" ").split(b" ") if f)
        if len(fields) >= 2 and not fields[0].startswith(b"#"):
            found.append(Line(number, raw, fields))
    return Lines(found)


def devices(volume: Volume) -> tuple[str, str]:
    """Both names that LVM gives a volume, the one that we write first."""
    return f"/dev/{volume.id}", f"{paths.MAPPER}/{volume.dm}"


def about(lines: Lines, volume: Volume, aliases: tuple[int, ...]) -> tuple[Line, ...]:
    """The lines that name the volume's device or its mount point. `aliases` are numbers of lines known to mean our
    device though they call it otherwise."""
    path = _plain(volume.mounted.path.encode())
    named = {line.number: line for line in lines.by_path.get(path, ())}
    for device in devices(volume):
        named |= {line.number: line for line in lines.by_device.get(device.encode(), ())}
    if aliases:
        named |= {line.number: line for line in lines if line.number in aliases}
    return tuple(named[number] for number in sorted(named))


def is_ours(line: Line, volume: Volume, aliases: tuple[int, ...]) -> bool:
    return line.device in {d.encode() for d in devices(volume)} or line.number in aliases


def declared(volume: Volume, boot_wait: int, device: bytes = b"") -> bytes:
    """Our line for this volume, without its newline. `boot_wait` is in seconds; `device`: the first field as it stands
    in fstab, kept."""
    options = ",".join(options_for(volume.mounted.options, boot_wait))
    fields = (volume.mounted.path, volume.formatted.type, options)
    first = device or escape(devices(volume)[0].encode())
    return b" ".join((first, *(escape(f.encode()) for f in fields), *DUMP_AND_PASS))


def kept(line: Line, aliases: tuple[int, ...]) -> bytes:
    """The first field of a line of ours, if it names our volume in a way of its owner's that lasts; else nothing."""
    return line.fields[0] if line.number in aliases and is_lasting(line.device) else b""


def options_for(own: tuple[str, ...], boot_wait: int) -> tuple[str, ...]:
    """The user's own options, then ours; a timeout of the user's own stands."""
    timeout = f"{DEVICE_TIMEOUT}={boot_wait + DEVICE_GRACE}s"
    ours = [o for o in FIXED if o not in own]
    if not any(o.startswith(f"{DEVICE_TIMEOUT}=") for o in own):
        ours.append(timeout)
    return (*(own or ("defaults",)), *ours)


def says(line: Line, volume: Volume, boot_wait: int, aliases: tuple[int, ...] = ()) -> bool:
    """The line means what is declared; how it is spaced, and by which lasting name it calls our volume, is its owner's."""
    wanted = entries(declared(volume, boot_wait))[0]
    same_place = line.path == wanted.path and (is_ours(line, volume, ()) or bool(kept(line, aliases)))
    return same_place and [*map(unescape, line.fields[2:6])] == [*map(unescape, wanted.fields[2:6])]


def put(fstab: bytes, line: bytes, instead_of: int | None) -> bytes:
    """The file with `line` in place of line number `instead_of` (from 1), or after all others. Every other byte
    stays, also what somebody wrote behind the fields of that line; a last line that lacks its newline gets one only if
    ours comes after it."""
    if instead_of is None:
        ended = not fstab or fstab.endswith(b"\n")
        return fstab + (b"" if ended else b"\n") + line + b"\n"
    lines = fstab.split(b"\n")
    lines[instead_of - 1] = line + _remark(lines[instead_of - 1])
    return b"\n".join(lines)


def _remark(raw: bytes) -> bytes:
    """What somebody wrote behind the options or the last field of a line, from its #, with a space before it."""
    plain = raw.replace(b"\t", b" ")
    at, fields = 0, 0
    while at < len(plain):
        if plain[at : at + 1] != b" ":
            if fields >= 4 and plain[at : at + 1] == b"#":
                return b" " + raw[at:]
            fields += 1
            end = plain.find(b" ", at)
            at = len(plain) if end < 0 else end
        at += 1
    return b""


def escape(field: bytes) -> bytes:
    """As fstab(5) wants it: what would end a field, begin a comment or an escape becomes three octal digits."""
    return b"".join(b"\\%03o" % b if b in _ESCAPED or b < 32 or b == 127 else bytes((b,)) for b in field)


def _plain(path: bytes) -> bytes:
    """Without doubled and trailing slashes, which mean nothing."""
    parts = [part for part in path.split(b"/") if part]
    return b"/" + b"/".join(parts) if path.startswith(b"/") else path
