"""Further arguments of mkfs: read by the same rules as mkfs reads them, so that nothing hides in them.

The option letters are those of e2fsprogs 1.47 (misc/mke2fs.c) and xfsprogs 6.x (mkfs/xfs_mkfs.c).
"""

from collections.abc import Sequence
from getopt import GetoptError, getopt

from lunmirror.config.problems import InvalidValue, quoted

_FORCE = "lunmirror decides itself, from proof, whether a device may be written over"
_LABEL = "the label has a key of its own: filesystem = { type, label }"
_UUID = "a UUID given twice makes two file systems one"
_DRY = "it would make no file system"
_ELSEWHERE = "it reads or writes another file or device than the volume"

_EXT = {"F": _FORCE, "L": _LABEL, "U": _UUID, "n": _DRY, "S": _FORCE, "V": _DRY, "t": "the type has its own key"}
_EXT |= {
    "d": _ELSEWHERE,
    "l": _ELSEWHERE,
    "z": _ELSEWHERE,
    "E offset": _ELSEWHERE,
    "E mount_opts": "mount options have a key of their own: mount = { path, options }",
    "O journal_dev": _DRY,
    "R offset": _ELSEWHERE,
    "J device": _ELSEWHERE,
}
_XFS = {"f": _FORCE, "L": _LABEL, "N": _DRY, "V": _DRY, "p": _ELSEWHERE, "m uuid": _UUID, "c options": _ELSEWHERE}
_XFS |= {f"{letter} {name}": _ELSEWHERE for letter in "dlr" for name in ("name", "file", "logdev", "rtdev")}

RULES = {
    "ext3": ("b:cd:e:g:i:jl:m:no:qr:s:t:vz:C:DE:FG:I:J:KL:M:N:O:R:ST:U:V", _EXT),
    "ext4": ("b:cd:e:g:i:jl:m:no:qr:s:t:vz:C:DE:FG:I:J:KL:M:N:O:R:ST:U:V", _EXT),
    "xfs": ("b:c:d:i:l:L:m:n:KNp:qr:s:CfV", _XFS),
}
LABEL_BYTES = {"ext3": 16, "ext4": 16, "xfs": 12}
SMALLEST = {"xfs": 300 * 2**20}  # bytes; mkfs.xfs refuses less since xfsprogs 5.19


def check_options(filesystem: str, options: Sequence[str]) -> None:
    """Raise InvalidValue for an argument that mkfs does not know or that lunmirror keeps for itself."""
    letters, refused = RULES[filesystem]
    try:
        found, rest = getopt(list(options), letters)
    except GetoptError as error:
        why = f"mkfs.{filesystem} has no such option, or it wants a value"
        raise InvalidValue(
            f"-{error.opt[:20]} cannot be used", why=why, next=f"see `man mkfs.{filesystem}`"
        ) from None
    if rest or "--" in options:
        stray = rest[0] if rest else "--"
        raise InvalidValue(
            f"{quoted(stray)} is not an option",
            why="lunmirror names the device itself; nothing but options may stand here",
            next='write each option and its value in order: options = ["-m", "1"]',
        )
    for letter, content in found:
        names = [letter[1:], *(f"{letter[1:]} {part.partition('=')[0]}" for part in content.split(","))]
        for name in names:
            if name in refused:
                raise InvalidValue(f"-{name} cannot be declared", why=refused[name], next="remove it")
