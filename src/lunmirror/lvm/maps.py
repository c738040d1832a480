"""What multipath holds of each path, read off device-mapper."""

from itertools import pairwise

from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import names, text

DEADLINE = 5.0  # seconds; it asks the kernel alone
COMMAND = (paths.DMSETUP, "status")  # the same that lvm/read.py asks: once in a pass


def is_map(reader: Reader, kernel: str) -> bool:
    return kernel.startswith("dm-") and text(reader, f"{paths.SYS_BLOCK}/{kernel}/dm/uuid").startswith("mpath-")


def map_over(reader: Reader, kernel: str) -> str:
    """The map that a SCSI disk is a path of ("dm-3"); '' for none."""
    return next((h for h in names(reader, f"{paths.SYS_BLOCK}/{kernel}/holders") if is_map(reader, h)), "")


def in_use(reader: Reader, kernel: str) -> bool:
    """Something else than a multipath map is built on this very SCSI disk, or on a partition of it."""
    base = f"{paths.SYS_BLOCK}/{kernel}"
    found = (*reader.glob(f"{base}/holders/*"), *reader.glob(f"{base}/{kernel}*/holders/*"))
    return any(not is_map(reader, holder.rsplit("/", 1)[1]) for holder in found)


def letters(reader: Reader) -> dict[str, str]:
    """ "major:minor" of each path -> A (used) or F (failed). Nothing where device-mapper cannot be asked: whoever wants to
    know takes a path for used then. Its lines: drivers/md/dm-mpath.c, multipath_status."""
    found: dict[str, str] = {}
    for line in reader.query(COMMAND, DEADLINE).out.splitlines():
        words = line.split()
        if "multipath" not in words[:4]:
            continue
        found |= {a: b for a, b in pairwise(words) if b in ("A", "F") and ":" in a}
    return found
