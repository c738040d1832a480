"""The file that multipathd goes by, as lunmirror writes it, and what multipathd says that it has read.

It names the declared disks' WWIDs and nothing else: what others have in multipath is left as it is. One line is no WWID: it is
derived from the rest, so that `multipathd show config` shows whether this very file was read.
"""

import re
from collections.abc import Iterable, Iterator

MARK = "# Written by lunmirror, which replaces this file whole."
OF_EACH = ("no_path_retry fail", "path_grouping_policy multibus")
PREFIX = "lunmirror-"  # how the line that is no WWID begins
# What may stand in a WWID: everything else means something to multipath.conf or to a regular expression, or is no name at all.
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-")
_REMEMBERED = re.compile(r'^\s*wwid "(\S+)"\s+# disk (\S+)$', re.M)
_LINE = re.compile(r'^\s*([\w-]+)\s+(?:"([^"]*)"|(\S+))\s*$')
Section = tuple[tuple[str, ...], str, str]  # the sections around a setting, its name, its value


def written(wwids: dict[str, str], seconds: int) -> bytes:
    """The file's bytes. `wwids`: disk -> WWID; `seconds` until a path whose session failed gives its commands back."""
    known = sorted(wwids.items())
    patterns = [wwid.replace(".", "[.]") for _, wwid in known] + [mark_of(wwids, seconds)]
    lines = [
        MARK,
        "# docs/network.md. Nothing queues: a mirror waits for its other leg only until the last path has failed.",
    ]
    lines += ["blacklist_exceptions {", *(f'\twwid "^{one}$"' for one in patterns), "}", "multipaths {"]
    for disk, wwid in known:
        lines += ["\tmultipath {", f'\t\twwid "{wwid}"  # disk {disk}', *(f"\t\t{one}" for one in OF_EACH), "\t}"]
    lines += [
        "}",
        "overrides {",
        "\tprotocol {",
        '\t\ttype "scsi:iscsi"',
        f"\t\tfast_io_fail_tmo {seconds}",
        "\t}",
        "}",
    ]
    return "\n".join(lines).encode() + b"\n"


def mark_of(wwids: dict[str, str], seconds: int) -> str:
    import hashlib  # here, because only a machine with multipath needs it

    return PREFIX + hashlib.sha256(repr((sorted(wwids.items()), seconds)).encode()).hexdigest()[:16]


def remembered(raw: bytes | None) -> dict[str, str]:
    """Disk -> the WWID that the file names for it: of a disk that is out of view nobody else knows it."""
    return {disk: wwid for wwid, disk in _REMEMBERED.findall((raw or b"").decode(errors="replace"))}


def is_ours(raw: bytes | None) -> bool:
    return (raw or b"").decode(errors="replace").startswith(MARK)


def settings(text: str) -> Iterator[Section]:
    """Every setting of what `multipathd show config` prints."""
    around: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[1] == "{":
            around.append(words[0])
        elif words == ["}"] and around:
            around.pop()
        elif match := _LINE.match(line):
            yield tuple(around), match[1], match[2] if match[2] is not None else match[3]


def read_mark(found: Iterable[Section]) -> str:
    marks = (v[1:-1] for place, name, v in found if place == ("blacklist_exceptions",) and name == "wwid")
    return next((mark for mark in marks if mark.startswith(PREFIX)), "")


def iscsi_tmo(found: Iterable[Section]) -> str:
    """fast_io_fail_tmo of iSCSI paths, the last word."""
    kind, last = "", ""
    for place, name, value in found:
        if place == ("overrides", "protocol"):
            kind = value if name == "type" else kind
            last = value if name == "fast_io_fail_tmo" and kind == "scsi:iscsi" else last
    return last


def retries(found: Iterable[Section]) -> dict[str, str]:
    """WWID -> no_path_retry that is set for it alone."""
    wwid, result = "", {}
    for place, name, value in found:
        if place == ("multipaths", "multipath"):
            wwid = value if name == "wwid" else wwid
            if name == "no_path_retry":
                result[wwid] = value
    return result
