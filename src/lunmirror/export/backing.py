"""What stands behind a LUN on its storage server, and why it is not to be exported. Reads only: nothing is ever made,
formatted or written over here."""

from lunmirror.engine.model import Absent, Present, Unknown
from lunmirror.export.lun import Lun
from lunmirror.host import paths
from lunmirror.host.mountinfo import read_mounts
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import text

DEADLINE = 30.0  # seconds
HEAD = "4096"  # bytes that must be readable before "blkid finds nothing" means anything


def fault(lun: Lun, reader: Reader, exported: bool) -> str:
    """In words; '' if there is none. `exported`: it is that very LUN now, so what it holds is the client's."""
    path = reader.link(lun.backing.path)
    if not isinstance(path, Present):
        why = "is not there" if isinstance(path, Absent) else f"cannot be looked at: {path.reason}"
        return f"{lun.backing.path} {why}"
    return _used(lun, path.facts, reader) or ("" if exported else _foreign(lun, path.facts, reader))


def _used(lun: Lun, path: str, reader: Reader) -> str:
    """By anything but the target software, which leaves no holder in sysfs."""
    if path.startswith(paths.DEV) != lun.is_device:
        return f"{lun.backing.path} leads to {path}: declare that, with its size if it is a plain file"
    swaps = reader.read(paths.SWAPS)
    if not isinstance(swaps, Present):
        return f"whether {path} is swap is not known: {paths.SWAPS} cannot be read"
    if path in [line.split()[0] for line in swaps.facts.decode(errors="replace").splitlines()[1:] if line.split()]:
        return f"{path} is swap of this machine"
    if not lun.is_device:
        loops = reader.glob(f"{paths.SYS_BLOCK}/loop*/loop/backing_file")
        used = [loop.split("/")[-3] for loop in loops if text(reader, loop) == path]
        return f"{path} is in use: {', '.join(used)} is made of it" if used else ""
    kernel = path.rpartition("/")[2]
    base = f"{paths.SYS_BLOCK}/{kernel}"
    if not text(reader, f"{base}/dev"):
        return f"{path} is no block device that the kernel knows"
    if text(reader, f"{base}/size") == "0":
        return f"{path} has no size: nothing stands behind it now"
    parts = [base, *(p.rpartition("/")[0] for p in reader.glob(f"{base}/*/partition"))]
    mounts = read_mounts(reader)
    if isinstance(mounts, Unknown):
        return mounts.reason
    for part in parts:
        name = part.rpartition("/")[2]
        holders = reader.directory(f"{part}/holders")
        if not isinstance(holders, Present | Absent):
            return f"whether {name} is in use is not known: {holders.reason}"
        if isinstance(holders, Present) and holders.facts:
            return f"{name} is in use on this machine: {', '.join(holders.facts)} is built on it"
        number = text(reader, f"{part}/dev")
        assert isinstance(mounts, Present)
        if at := next((entry.path for entry in mounts.facts if entry.number == number), ""):
            return f"{name} is mounted on this machine, at {at}"
    return ""


def _foreign(lun: Lun, path: str, reader: Reader) -> str:
    """What it holds, unless that is nothing with a signature, or was made by lunmirror for this very disk."""
    ran = reader.query((paths.BLKID, "-p", "-o", "export", path), DEADLINE)
    if ran.rc == 2 and not ran.out.strip():
        head = reader.query((paths.OD, "-A", "n", "-N", HEAD, path), DEADLINE)
        return "" if head.rc == 0 else f"{path} cannot be read: {head.why}"
    if ran.rc != 0:
        return f"what {path} holds is not known: {ran.why}"
    tags = dict(line.partition("=")[::2] for line in ran.out.splitlines())
    if tags.get("TYPE") == "LVM2_member" and tags.get("UUID") == lun.disk.pv_uuid:
        return ""
    if tags.get("PTTYPE") == "gpt" and tags.get("PTUUID", "").upper() == lun.disk.table_guid:
        return ""
    kind = tags.get("TYPE") or f"a partition table ({tags.get('PTTYPE', 'of no known kind')})"
    uuid = tags.get("UUID") or tags.get("PTUUID") or "none"
    return f"{path} holds {kind} (uuid {uuid}), which lunmirror did not make for disk {lun.disk.name}"
