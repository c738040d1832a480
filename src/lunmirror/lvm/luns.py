"""From a session to the block devices of one LUN, in sysfs."""

from lunmirror.engine.plain import count
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import session

FLAT = 0x4000  # the kernel keeps the addressing-method bits of LUNs from 256 up (scsi_common.c, scsilun_to_int)


def place(sid: str) -> str:
    """The pattern of the SCSI devices of a session ("session3"), up to their LUN's number."""
    return f"{session(sid)}/device/target*/*:*:*"


def numbers(lun: int) -> tuple[int, ...]:
    """How the kernel may write a LUN's number in the names of its devices."""
    return (lun, lun | FLAT) if lun > 255 else (lun,)


def patterns(sid: str, lun: int) -> tuple[str, ...]:
    """The globs of the LUN's block devices in a session, one for each way to write its number."""
    return tuple(f"{place(sid)}:{number}/block/*" for number in numbers(lun))


def blocks(reader: Reader, sid: str, lun: int) -> tuple[str, ...]:
    """The block devices of the LUN in one session, as sysfs directories: one, or none. Two layers ask in one pass."""
    return reader.memoize(f"LUN {lun} of {sid}", lambda: tuple(f for p in patterns(sid, lun) for f in reader.glob(p)))


def every(reader: Reader, sid: str) -> dict[int, str]:
    """LUN -> the kernel's name of its block device ("sdb"), of all that a session shows."""
    found = {}
    for directory in reader.glob(f"{place(sid)}:*/block/*"):
        scsi, _, kernel = directory.rsplit("/", 2)
        number = count(scsi.rsplit(":", 1)[-1])
        if number is not None:
            found[number & ~FLAT if number >= FLAT else number] = kernel
    return found
