"""What the servers' marks are read with: sg_persist, and only where a connection is not the one that the journal noted.

PR generation=0x1, 1 registered reservation key follows:     (sg3-utils 1.46, sg_persist.c)
  0x6c756e6d12345678
"""

from lunmirror.engine.desired import Desired, Disk
from lunmirror.engine.journal import Entry
from lunmirror.engine.model import Present, Seen, Unknown, World
from lunmirror.host import paths
from lunmirror.host.protocol import Ran, Reader
from lunmirror.host.sysfs import connection, number, text
from lunmirror.layers.disk.facts import Lun
from lunmirror.layers.group.facts import VolumeGroup
from lunmirror.layers.node.facts import spelt
from lunmirror.layers.session.facts import Session
from lunmirror.layers.udev.facts import UNUSED, attention
from lunmirror.layers.volume.standing import SAME, Standing, as_link, verdict

DEADLINE = 10.0  # seconds
READ = (paths.SG_PERSIST, "--in", "--readonly", "--no-inquiry", "--read-keys")
AGAIN = (
    paths.SG_PERSIST,
    "--in",
    "--readonly",
    "--read-keys",
    "--no-inquiry",
)  # the same: answers are remembered by their words
ATTENTION = 6  # sg3-utils' exit code for a unit attention, which the first command after a return meets
# Not ready, unit attention, aborted, the device cannot be opened, a timeout, trouble on the way: it may answer next time.
# Any other failure is an answer: there is no mark.
PASSING = (2, ATTENTION, 11, 15, 33, 99)


def standings(
    pvs: tuple[str, ...],
    group: VolumeGroup,
    entry: Entry | None,
    boot: str,
    active: bool,
    desired: Desired,
    reader: Reader,
    seen: World,
) -> dict[str, Standing]:
    """PV UUID -> its server, for each of these that is in view on a declared disk with a volatile write cache, or that had one
    when the journal noted it."""
    found = {}
    for member in group.members:
        disk = desired.disks.get(member.disk)
        if member.uuid not in pvs or not member.device or member.misplaced_from or disk is None:
            continue
        before = entry.servers.get(member.uuid) if entry else None
        standing = _standing(disk, boot, before is not None, desired, reader, seen)
        if standing is None:
            continue
        if verdict(before, standing) != SAME:
            standing = _asked(standing, reader)
            if not active:
                used, heard = _noted(disk, standing.links, desired, reader, seen)
                standing = standing._replace(attention=used, heard=heard)
        found[member.uuid] = standing
    return found


def _standing(disk: Disk, boot: str, noted: bool, desired: Desired, reader: Reader, seen: World) -> Standing | None:
    """None if the disk has no volatile cache, and had none when it was `noted`, or is not in view. Its connection is looked at
    each time: it may be another since the sessions were, in this very pass."""
    caches, lun = seen.get("scsi", {}).get(disk.name), seen.get("disk", {}).get(disk.name)
    volatile = any(one.volatile for one in caches.facts) if isinstance(caches, Present) else noted
    if not (noted or volatile):
        return None
    states = [seen.get("session", {}).get(path.name) for path in desired.paths_to(disk)]
    live = [s.facts for s in states if isinstance(s, Present) and isinstance(s.facts, Session) and s.facts.live]
    if not live or not isinstance(lun, Present) or not isinstance(lun.facts, Lun):
        return None
    # A port that cannot be read is no connection that could ever be the same again.
    ports = ((s.sid, number(reader, f"{connection(s.sid)}/local_port")) for s in live if s.port and boot)
    links = tuple(sorted(as_link(boot, sid, str(port)) for sid, port in ports if port))
    device = lun.facts.paths[0]
    return Standing(links, device.node, device.diskseq, volatile=volatile)


def _noted(
    disk: Disk, links: tuple[str, ...], desired: Desired, reader: Reader, seen: World
) -> tuple[tuple[str, ...], bool]:
    """What the udev rule left of this disk (layers/udev/facts.py): Standing's `attention` and `heard`. A note of a connection
    that does not live proves nothing of today's server: it may be of another one, or of other software on it."""
    names = [name for path in desired.paths_to(disk) for name in attention(spelt(path, seen), path, disk)]
    used, unused = (
        tuple(filter(None, (_note(reader, f"{paths.ATTENTION_DIR}/{name}{end}") for name in names)))
        for end in ("", UNUSED)
    )
    live = {f"{boot} {port}" for boot, _, port in (link.split("/") for link in links)}
    return used, not live.isdisjoint(used + unused)


def _note(reader: Reader, path: str) -> str:
    words = text(reader, path).split()
    return " ".join(words[:2]) if len(words) >= 2 else ""


def _asked(standing: Standing, reader: Reader) -> Standing:
    ran = reader.query((*READ, standing.node), DEADLINE)
    if ran.rc == ATTENTION:
        ran = reader.query((*AGAIN, standing.node), DEADLINE)
    marks = keys(ran)
    return standing._replace(marks=marks, can=ran.rc == 0)


def keys(ran: Ran) -> Seen[tuple[str, ...]]:
    """Present(the keys registered on a LUN): none of a disk that does not know them, and where nobody can ask. Unknown if
    it could not be asked this time."""
    if ran.rc == 0:
        return _listed(ran.out)
    passing = ran.rc in PASSING or (ran.rc is None and "is not installed" not in ran.trouble)
    return Unknown(ran.why) if passing else Present(())


def _listed(out: str) -> Seen[tuple[str, ...]]:
    lines = [line.strip().lower() for line in out.splitlines()]
    if not any(line.startswith("pr generation") for line in lines):
        return Unknown("sg_persist said something else than the keys")
    return Present(
        tuple(line.removeprefix("0x").split(" ")[0].rjust(16, "0") for line in lines if line.startswith("0x"))
    )
