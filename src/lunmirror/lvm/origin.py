"""Where a block device comes from, in sysfs: the proof of identity, whatever the device is called or carries."""

from typing import NamedTuple

from lunmirror.engine.model import Present
from lunmirror.engine.plain import count
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import UNSET, connection, names, session, text
from lunmirror.lvm.luns import FLAT

# Never physical volumes here, and some of them (an empty drive, a dead nbd) take long to say so.
_PASSED_OVER = ("ram", "zram", "sr", "fd", "nbd")
_DEEPEST = 8  # devices stacked on devices


class Origin(NamedTuple):
    """A device with nothing below it. `sid` is the iSCSI session that shows it ("session3") and `lun` the number of its
    LUN; '' and None for any other device, which `kernel` names ("loop0", "vda")."""

    kernel: str
    sid: str = ""
    lun: int | None = None


def origins(reader: Reader, kernel: str, depth: int = 0) -> tuple[Origin, ...]:
    """What a device of the kernel lies on in the end. Nothing for one that is gone, and for a device-mapper table that
    leads nowhere, as LVM's own stand-in for what is missing."""
    below = names(reader, f"{paths.SYS_BLOCK}/{kernel}/slaves") if kernel.startswith(("dm-", "md")) else ()
    if below and depth < _DEEPEST:
        return tuple(dict.fromkeys(o for name in below for o in origins(reader, name, depth + 1)))
    link = reader.link(f"{paths.SYS_BLOCK}/{kernel}")
    if (
        not isinstance(link, Present)
        or kernel.startswith("dm-")
        or not link.facts.startswith(f"{paths.SYS}/devices/")
    ):
        return ()
    head, block, name = link.facts.partition("/block/")
    parts = head.split("/")
    sid = next((p for p in parts if p.startswith("session") and count(p[7:]) is not None), "")
    number = count(parts[-1].rsplit(":", 1)[-1]) if block else None
    if not sid or number is None:
        return (Origin(name.split("/")[0] if block else kernel),)
    return (Origin(name.split("/")[0], sid, number & ~FLAT if number >= FLAT else number),)


def disk_around(reader: Reader, kernel: str) -> str:
    """The whole device that a partition is cut from ("loop0" of "loop0p1"); '' for what is no partition. A partition's
    directory in sysfs lies in its disk's own."""
    link = reader.link(f"{paths.SYS_BLOCK}/{kernel}")
    inside = link.facts.partition("/block/")[2].split("/") if isinstance(link, Present) else []
    return inside[0] if len(inside) > 1 else ""


def described(reader: Reader, origin: Origin) -> str:
    """How it is reached, in words: "LUN 9 of iqn… at 192.0.2.1 (session4)"."""
    if not origin.sid:
        file = text(reader, f"{paths.SYS_BLOCK}/{origin.kernel}/loop/backing_file")
        return f"file {file}" if file else f"disk {origin.kernel} of this machine"
    base, place = session(origin.sid), connection(origin.sid)
    address = text(reader, f"{place}/persistent_address") or text(reader, f"{place}/address")
    iface = text(reader, f"{base}/ifacename")
    bound = f", interface {iface}" if iface not in ("default", *UNSET) else ""
    return f"LUN {origin.lun} of {text(reader, f'{base}/targetname')} at {address} ({origin.sid}{bound})"


def label(reader: Reader, kernel: str) -> str:
    """The UUID of the physical volume that udev saw on a device when it last looked ('' for none). Costs no read of the
    device. Good enough to keep a device from LVM, and to name it; never a proof that one is the right one."""
    number = text(reader, f"{paths.SYS_BLOCK}/{kernel}/dev")
    if not number:
        return ""
    lines = text(reader, f"{paths.UDEV_DATA}/b{number}").splitlines()
    found = dict(line[2:].partition("=")[::2] for line in lines if line.startswith("E:ID_FS_"))
    return found.get("ID_FS_UUID", "") if found.get("ID_FS_TYPE") == "LVM2_member" else ""


def candidates(reader: Reader) -> tuple[str, ...]:
    """Devices of the kernel that can be a physical volume: no logical volumes, whose legs would be asked with them."""
    return tuple(
        kernel
        for kernel in names(reader, paths.SYS_BLOCK)
        if not kernel.startswith(_PASSED_OVER)
        and not (kernel.startswith("dm-") and text(reader, f"{paths.SYS_BLOCK}/{kernel}/dm/uuid").startswith("LVM-"))
    )


def labels(reader: Reader) -> dict[str, str]:
    """Kernel name -> UUID of every physical volume that udev saw on this machine, whosever it is."""
    return reader.memoize("labels", lambda: {k: uuid for k in candidates(reader) if (uuid := label(reader, k))})
