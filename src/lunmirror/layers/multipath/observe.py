"""From live sessions to the paths that they show, the maps over them, and what multipathd goes by."""

from lunmirror.engine.desired import Desired, Disk
from lunmirror.engine.model import ABSENT, Absent, Observed, Present, Seen, Unknown, World, facts_of
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import text
from lunmirror.layers.multipath import fragment
from lunmirror.layers.multipath.facts import NAME, Link, Paths, Settings
from lunmirror.layers.session.facts import Session
from lunmirror.lvm import luns, maps

SHOW = (paths.MULTIPATHD, "show", "config", "local")
DEADLINE = 10.0  # seconds for multipathd to answer


def observe(desired: Desired, reader: Reader, seen: World) -> Observed:
    """Present(Settings) or Unknown by NAME; Present(Paths) or Absent (no live session) by disk. Nothing where no server has
    `multipath`, and no file is left from when one had."""
    raw = reader.read(paths.MULTIPATH_CONF)
    if not any(server.multipath for server in desired.servers.values()):
        left = isinstance(raw, Present) and fragment.is_ours(raw.facts)
        return {NAME: _settings(raw, reader)} if left else {}
    found = {disk.name: _paths(desired, disk, reader, seen) for disk in desired.disks.values()}
    return {NAME: _settings(raw, reader), **found}


def _settings(raw: Seen[bytes], reader: Reader) -> Seen[Settings]:
    if isinstance(raw, Unknown):
        return raw
    home = reader.directory(paths.MULTIPATH_CONF.rpartition("/")[0])
    taken = reader.read(paths.MULTIPATH_WWIDS)
    for state in (home, taken):
        if isinstance(state, Unknown):
            return state
    lines = taken.facts.decode(errors="replace").splitlines() if isinstance(taken, Present) else []
    ran = reader.query(SHOW, DEADLINE)
    said = tuple(fragment.settings(ran.out)) if ran.rc == 0 else ()
    return Present(
        Settings(
            raw.facts if isinstance(raw, Present) else None,
            not isinstance(home, Absent),
            "" if said else ran.why or "it printed nothing",
            fragment.read_mark(said),
            fragment.iscsi_tmo(said),
            tuple(fragment.retries(said).items()),
            frozenset(line.strip("/") for line in lines if line.startswith("/")),
        )
    )


def _paths(desired: Desired, disk: Disk, reader: Reader, seen: World) -> Seen[Paths]:
    links: list[Link] = []
    awaited: tuple[str, ...] = ()
    over: set[str] = set()
    for path in desired.paths_to(disk):
        session = facts_of(seen["session"].get(path.name), Session)
        if session is None or not session.live:
            continue
        blocks = luns.blocks(reader, session.sid, disk.lun)
        awaited = awaited or (() if blocks else luns.patterns(session.sid, disk.lun))
        for kernel in (block.rsplit("/", 1)[1] for block in blocks):
            base = f"{paths.SYS_BLOCK}/{kernel}"
            number = text(reader, f"{base}/dev")
            if not reader.glob(f"{paths.UDEV_DATA}/b{number}"):
                awaited = awaited or (f"{paths.UDEV_DATA}/b{number}",)
                continue
            holder = maps.map_over(reader, kernel)
            over |= {holder} - {""}
            letter = maps.letters(reader).get(number, "A") if holder else ""
            links.append(
                Link(
                    str(path.portal),
                    kernel,
                    _wwid(reader, number),
                    letter,
                    maps.in_use(reader, kernel),
                    text(reader, f"{base}/diskseq"),
                )
            )
    if not links and not awaited:
        return ABSENT
    return Present(Paths(tuple(links), min(over, default=""), awaited))


def _wwid(reader: Reader, number: str) -> str:
    """What udev calls the disk: multipath joins by that (uid_attribute ID_SERIAL), and by nothing else."""
    lines = text(reader, f"{paths.UDEV_DATA}/b{number}").splitlines()
    return next((line.removeprefix("E:ID_SERIAL=") for line in lines if line.startswith("E:ID_SERIAL=")), "")
