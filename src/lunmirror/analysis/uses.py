"""What stands on a server's disks besides the declared volumes."""

from lunmirror.engine.model import Present
from lunmirror.host import paths
from lunmirror.host.mountinfo import read_mounts
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import text
from lunmirror.lvm.maps import is_map


def foreign_uses(disks: tuple[str, ...], declared: set[str], reader: Reader) -> list[str]:
    """What uses these disks and is no declared volume: it would lose them too, and nothing would repair it. `declared` are
    device-mapper names."""
    mounts = read_mounts(reader)
    mounted = {m.number: m.path for m in mounts.facts} if isinstance(mounts, Present) else {}
    found, seen, todo = [], set(), list(disks)
    while todo:
        name = todo.pop(0)
        place = f"{paths.SYS_BLOCK}/{name}"
        dm = text(reader, f"{place}/dm/name")
        if name in seen or dm in declared:
            continue
        seen.add(name)
        number = text(reader, f"{place}/dev")
        parts = [p.split("/")[-2] for p in reader.glob(f"{place}/{name}*/partition")]
        listing = reader.directory(f"{place}/holders")
        holders = list(listing.facts) if isinstance(listing, Present) else []
        if number in mounted:
            found.append(f"{dm or name}, which is on that server, is mounted on {mounted[number]} without a mirror")
        elif name.startswith(("dm-", "md")) and not holders and not is_map(reader, name):
            found.append(f"{dm or name}, which is on that server, is no declared volume")
        todo += [*parts, *holders]
    return found
