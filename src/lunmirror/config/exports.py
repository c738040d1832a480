"""Values of a server's own side: what backs a LUN, who may log in, what it calls itself. Their words go into other programs'
files, so nothing that these would take for more than a word is taken."""

import re

from lunmirror.config.names import PATH_BYTES, line, target
from lunmirror.config.problems import InvalidValue, quoted

BACKING_PATTERN = r"^/[A-Za-z0-9_+.:@/-]+$"
SERIAL_PATTERN = r"^[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}$"


def backing(value: object) -> str:
    """The path of a device or a plain file on the storage server, in its plain form."""
    value = line(value, "a path", PATH_BYTES)
    if not re.fullmatch(BACKING_PATTERN, value):
        raise InvalidValue(
            f"{quoted(value)} cannot back a LUN",
            why="it stands as one word in the target's own configuration: an absolute path of letters, digits and _ + . : @ - /",
            next='write the whole path on the storage server, for example "/dev/vg_storage/left"',
        )
    if {".", "..", ""} & set(value[1:].split("/")):
        raise InvalidValue(f"{quoted(value)} is not in its plain form", next="write it without //, . and ..")
    return value


def initiator(value: object) -> str:
    """The name of a client (RFC 7143): as a target's."""
    return target(value)


def serial(value: object) -> str:
    """32 hexadecimal digits, lower case; dashes as in a UUID are left out."""
    value = line(value, "a serial number")
    if not re.fullmatch(SERIAL_PATTERN, value):
        raise InvalidValue(
            f"{quoted(value)} is not a serial number that both LIO and tgt can have",
            why="LIO derives the LUN's NAA from its hexadecimal digits, and tgt likewise",
            next="leave it out: one is derived from server, target and LUN; or write 32 hexadecimal digits",
        )
    return value.replace("-", "").lower()
