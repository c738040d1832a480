"""What can be known of the paths to a disk, and of what multipathd goes by."""

from typing import NamedTuple

NAME = "configuration"  # beside the disks, the layer has this one resource


class Settings(NamedTuple):
    """Our file, and what multipathd says that it goes by.

    raw:     the file's content, None if there is none; `directory`: its directory is there.
    why:     why multipathd could not be asked; '' if it was.
    mark:    that of the file that multipathd has read; '' if it has read none of ours.
    tmo:     its fast_io_fail_tmo for iSCSI, as it writes it; `retries`: WWID -> no_path_retry.
    taken:   the WWIDs that multipath takes.
    """

    raw: bytes | None
    directory: bool
    why: str = ""
    mark: str = ""
    tmo: str = ""
    retries: tuple[tuple[str, str], ...] = ()
    taken: frozenset[str] = frozenset()


class Link(NamedTuple):
    """One path to a disk: a SCSI disk of the kernel ("sdb") that a live session shows. `portal`: of that session. `wwid`: as
    udev knows it, which is what multipath joins by; '' for none. `letter`: A or F, as device-mapper has it in the map; '' outside
    of it. `used`: something else than a map is built on it. `diskseq`: see disk/facts.py."""

    portal: str
    kernel: str
    wwid: str
    letter: str = ""
    used: bool = False
    diskseq: str = ""


class Paths(NamedTuple):
    """All paths to a disk that are there now. `map`: the kernel's name of the map over them, '' for none. `awaited`: patterns of
    what the kernel or udev will show in a moment; what is known is not whole before that."""

    links: tuple[Link, ...]
    map: str = ""
    awaited: tuple[str, ...] = ()
