"""Names that end up in other programs' files and on their command lines: each judged by its owner's rules.

Every function takes any TOML value, returns what lunmirror keeps of it, and raises InvalidValue with a sentence.
"""

import re

from lunmirror.config.mkfs import LABEL_BYTES
from lunmirror.config.problems import InvalidValue, quoted, shown
from lunmirror.engine.desired import dm_name
from lunmirror.engine.plain import is_interface

OWN_NAME = r"[a-z0-9][a-z0-9_.-]{0,63}"
LVM_NAME = r"[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]{0,126}"
IQN = r"iqn\.[0-9]{4}-(0[1-9]|1[0-2])\.[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[A-Za-z0-9._:-]+)?"
EUI = r"eui\.[0-9A-Fa-f]{16}"
NAA = r"naa\.([0-9A-Fa-f]{16}|[0-9A-Fa-f]{32})"
TARGET_PATTERN = f"^({IQN}|{EUI}|{NAA})$"
# A machine-id, or the whole mark of a group: MACHINE-ID/INITIATOR#N (layers/group/owner.py). What LVM's tags may hold.
ACKNOWLEDGEMENT_PATTERN = r"^[0-9a-f]{8}: *\S.*$"
MACHINE_PATTERN = r"^[a-zA-Z0-9_][a-zA-Z0-9_.+/:#-]{0,299}$"

TARGET_BYTES = 223  # RFC 7143, 4.2.7.1
VALUE_BYTES = 255  # open-iscsi keeps a value in 256 bytes (usr/idbm.h, VALUE_MAXVAL)
DM_NAME_BYTES = 127  # DM_NAME_LEN is 128 with its final NUL (linux/dm-ioctl.h)
PATH_BYTES = 1024
INTERFACE_PATTERN = r"^[^/:%\s]{1,15}$"
HIDDEN_BYTES = 16  # room for the longest suffix of a hidden part: "_mimagetmp_99", "_rimage_99_…"

# lvm2, lib/misc/lvm-string.c: apply_lvname_restrictions
_RESERVED_STARTS = ("pvmove", "snapshot")
_RESERVED_PARTS = re.compile(
    "_cdata|_cmeta|_corig|_cpool|_cvol|_imeta|_iorig|_mimage|_mlog|_pmspare|_rimage|_rmeta|_tdata|_tmeta|_vdata"
    "|_vorigin|_wcorig"
)
# lvm2 refuses a group whose name exists in /dev; these exist on every Linux.
_IN_DEV = re.compile(
    "block|bus|char|cpu|disk|dri|fd|full|hugepages|input|mapper|mqueue|net|null|pts|shm|snd|vfio|zero"
)


def line(value: object, what: str = "a text", most: int = VALUE_BYTES) -> str:
    """One line of printable text, not empty, at most `most` bytes of UTF-8."""
    if not isinstance(value, str):
        raise InvalidValue(f"must be {what} in quotes, not {shown(value)}")
    if not value:
        raise InvalidValue(f"is empty, and must be {what}")
    if not value.isprintable():
        raise InvalidValue(
            f"{quoted(value)} contains a character that cannot be printed",
            why="control and invisible characters could change the meaning of the files that this is written to",
            next="remove everything but letters, digits, marks and plain spaces",
        )
    if len(value.encode("utf-8", "replace")) > most:
        raise InvalidValue(f"{quoted(value)} is too long: at most {most} bytes", next="shorten it")
    return value


def trimmed(value: object, what: str = "a text", most: int = VALUE_BYTES) -> str:
    """One line without spaces at its ends: open-iscsi strips them, so they would read as drift for ever."""
    text = line(value, what, most)
    if text != text.strip():
        raise InvalidValue(f"{quoted(text)} begins or ends with a space", next="remove the space")
    return text


def own(value: object) -> str:
    """A name that lunmirror itself gives: of a server or a disk."""
    value = line(value, "a name")
    if not re.fullmatch(OWN_NAME, value):
        raise InvalidValue(
            f"{quoted(value)} is not a name that lunmirror takes",
            why="names of servers and disks have 1 to 64 of the characters a-z 0-9 - _ . and begin with a letter"
            " or a digit",
            next="rename it, also where it is referred to",
        )
    return value


def group(value: object) -> str:
    """The name of a volume group, by LVM's rules."""
    value = _lvm(value, "volume group")
    if _IN_DEV.fullmatch(value):
        raise InvalidValue(
            f"{quoted(value)} cannot name a volume group: /dev/{value} already exists", next="rename it"
        )
    return value


def volume(value: object) -> str:
    """The name of a logical volume, by LVM's rules."""
    value = _lvm(value, "logical volume")
    for start in _RESERVED_STARTS:
        if value.startswith(start):
            raise InvalidValue(
                f"{quoted(value)} cannot name a volume: LVM keeps names that begin with {start} for itself",
                next="rename it",
            )
    if part := _RESERVED_PARTS.search(value):
        raise InvalidValue(
            f"{quoted(value)} cannot name a volume: LVM keeps names that contain {part[0]} for itself",
            next="rename it",
        )
    return value


def fits_device_mapper(group_name: str, volume_name: str) -> bool:
    """Whether the volume's name in /dev/mapper (hyphens doubled), with its hidden parts, is short enough."""
    return len(dm_name(group_name, volume_name)) + HIDDEN_BYTES <= DM_NAME_BYTES


def interface(value: object) -> str:
    """The name of a network interface, which open-iscsi's interface record gets as well."""
    value = line(value, "the name of a network interface")
    if not is_interface(value) or "%" in value:
        raise InvalidValue(
            f"{quoted(value)} cannot name a network interface",
            why="one has 1 to 15 bytes, without spaces, / : and %",
            next='write a name that `ip link` shows: "eth1", "bond0.100"',
        )
    if value in ("default", "iser"):
        raise InvalidValue(
            f"{quoted(value)} is a name that open-iscsi keeps for itself", next="leave interface out, or rename it"
        )
    return value


def target(value: object) -> str:
    """An iSCSI target name: iqn., eui. or naa., as RFC 7143 (and RFC 3980) write them, spelled as the server announces it.

    Capital letters mean nothing to iSCSI (RFC 3722), and are kept all the same: open-iscsi names its records by the
    spelling, sends it to the server as it stands, and servers in the field have them. An underscore is taken in the last part although the RFC knows none: storage servers in the field use it.
    """
    value = line(value, "a target name")
    if len(value) > TARGET_BYTES:
        raise InvalidValue(
            f"{quoted(value)} is too long: a target name has at most {TARGET_BYTES} bytes",
            next="copy it from `iscsiadm -m discovery -t st -p PORTAL`",
        )
    if re.fullmatch(TARGET_PATTERN[1:-1], value):
        return value
    if value.isascii() and re.fullmatch(TARGET_PATTERN[1:-1], value[:4].lower() + value[4:]):
        raise InvalidValue(
            f"{quoted(value)} does not begin in lower case", next=f'write "{value[:4].lower() + value[4:]}"'
        )
    why = "a target name is iqn.YYYY-MM.reversed.domain:name, eui. and 16 hex digits, or naa. and 16 or 32"
    if not value.isascii():
        lookalike = next(c for c in value if not c.isascii())
        why = f"it has the character {lookalike!r}, which only looks like ASCII; {why}"
    raise InvalidValue(
        f"{quoted(value)} is not the name of an iSCSI target",
        why=why,
        next="copy it from `iscsiadm -m discovery -t st -p PORTAL`",
    )


def machine(value: object) -> str:
    """The host that owns a volume group: its machine-id, or its whole mark."""
    value = line(value, "a machine-id", 300)
    if not re.fullmatch(MACHINE_PATTERN, value):
        raise InvalidValue(
            f"{quoted(value)} is not a machine-id, nor the mark of a group",
            next="`lunmirror plan` shows the line to declare; or copy it from /etc/machine-id of the other machine",
        )
    return value


def acknowledgement(value: object) -> str:
    """A note that is known, and the reason why it may stay: "3f9a2c10: the reason"."""
    value = line(value, "an acknowledgement", 300)
    if not re.fullmatch(ACKNOWLEDGEMENT_PATTERN, value):
        raise InvalidValue(
            f"{quoted(value)} is not the number of a note and a reason",
            next='write "NUMBER: why it may stay"; `lunmirror plan -v` shows the number of each note',
        )
    return value


def label(value: object) -> str:
    """A file-system label; how long it may be depends on the file system."""
    value = line(value, "a label")
    if len(value.encode()) > max(LABEL_BYTES.values()):
        kinds = ", ".join(f"{kind} {most}" for kind, most in LABEL_BYTES.items())
        short = value.encode()[: min(LABEL_BYTES.values())].decode(errors="ignore")
        raise InvalidValue(
            f"{quoted(value)} is too long for a label",
            why=f"file systems have so many bytes for it: {kinds}",
            next=f"for example {quoted(short)}",
        )
    if " " in value or "/" in value or value.startswith("-"):
        raise InvalidValue(
            f"{quoted(value)} cannot be a label",
            why="a label has no space and no /, and does not begin with -",
            next="choose a plain word",
        )
    return value


def consent(value: object) -> str:
    """The words that say what may be lost."""
    return trimmed(value, "the words that name what may be lost", 1024)


def username(value: object) -> str:
    """A CHAP name."""
    return trimmed(value, "a CHAP name")


def password_file(value: object) -> str:
    """The file of a secret: a path, or the bare name of a systemd credential."""
    value = line(value, "the name of a file", 1024)
    if value in (".", "..") or value.endswith("/"):
        raise InvalidValue(f"{quoted(value)} is a directory", next="name the file that holds the secret")
    return value


def mount_path(value: object) -> str:
    """An absolute path in its plain form, and none of the system's own."""
    value = line(value, "a path", PATH_BYTES)
    if not value.startswith("/"):
        raise InvalidValue(f"{quoted(value)} is not an absolute path", next="write the whole path, beginning with /")
    plain = "/" + "/".join(part for part in value.split("/") if part not in ("", "."))
    if ".." in value.split("/"):
        raise InvalidValue(f"{quoted(value)} contains ..", next="write the path without it")
    if plain != value:
        raise InvalidValue(f"{quoted(value)} is not in its plain form", next=f"write {quoted(plain)}")
    if _SYSTEM_PATHS.fullmatch(plain) or _SYSTEM_TREES.fullmatch(plain):
        raise InvalidValue(
            f"{quoted(value)} belongs to the system itself",
            why="mounting over it would hide what this machine, or lunmirror, needs to run",
            next='choose a path of your own, for example under "/mnt" or "/srv"',
        )
    if any(len(part.encode()) > VALUE_BYTES for part in plain.split("/")):
        raise InvalidValue(f"{quoted(value)} has a part that is longer than {VALUE_BYTES} bytes")
    return value


# Nothing may be mounted here; below these, it is the user's affair (/usr/local, /var/lib/mysql).
_SYSTEM_PATHS = re.compile("/|/usr|/usr/bin|/usr/lib|/usr/lib64|/usr/sbin|/var|/var/lib|/var/lib/lunmirror")
# Nor here or anywhere below.
_SYSTEM_TREES = re.compile("/(bin|boot|dev|etc|lib|lib32|lib64|libx32|proc|run|sbin|sys)(/.*)?")


def _lvm(value: object, what: str) -> str:
    value = line(value, f"the name of a {what}")
    if not re.fullmatch(LVM_NAME, value) or value in (".", ".."):
        raise InvalidValue(
            f"{quoted(value)} cannot name a {what}",
            why="LVM's names have the characters a-z A-Z 0-9 + _ . - and do not begin with -",
            next="rename it",
        )
    return value
