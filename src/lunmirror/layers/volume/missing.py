"""What is declared and not there, and what is there and not declared: distinguished by the journal, which knows a volume by its
UUID, whatever its name."""

from lunmirror.engine import journal
from lunmirror.engine.desired import Desired, Size, Volume
from lunmirror.engine.model import ABSENT, Absent, Present, Seen, Unknown
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.layers.volume.index import Index, type_of
from lunmirror.lvm.read import LvRow


def undeclared(desired: Desired, index: Index, reader: Reader) -> list[Volume]:
    """Volumes of declared groups that are not declared, and that the journal knows: renamed by hand, or taken out of the
    configuration. What is newest on them is noted all the same, and they are spoken of."""
    files = reader.directory(paths.JOURNAL_DIR)
    known = (name.removesuffix(".json") for name in (files.facts if isinstance(files, Present) else ()))
    rows = [row for uuid in sorted(known) if (row := index.by_uuid.get(uuid)) and not row.parent]
    return [
        Volume(row.group, row.name, Size(extents=row.extents), type_of(row), "", ())
        for row in rows
        if row.group in desired.groups and f"{row.group}/{row.name}" not in desired.volumes
    ]


def removed(volume: Volume, index: Index, desired: Desired, reader: Reader) -> Absent | Unknown:
    """Absent, unless the journal remembers the volume: then it has another name now, or somebody removed it, with all that
    was on it, and LVM may still have its metadata from before. Made again it would be formatted over that, or beside it."""
    files = reader.directory(paths.JOURNAL_DIR)
    if isinstance(files, Unknown):
        decide = f"see why {paths.JOURNAL_DIR} cannot be read, and correct that"
        return Unknown(f"whether it was there before is not known: {files.reason}", decide)
    for name in sorted(files.facts) if isinstance(files, Present) else ():
        uuid, _, kind = name.rpartition(".")
        row = index.by_uuid.get(uuid)
        if kind != "json" or (row and f"{row.group}/{row.name}" in desired.volumes):
            continue
        file = journal.path_of(uuid)
        past = journal.parse(reader.read(file))
        if row and row.group == volume.group:
            return _renamed(volume, row, past)
        if row:
            continue
        if isinstance(past, Unknown):
            why = f"{file} is of a volume that is not in sight, maybe this one: {past.reason}"
            decide = f"bring every server back first; if every declared volume is there then, move {file} away"
            return Unknown(why, decide)
        if isinstance(past, Present) and past.facts.volume == volume.id:
            why = f"it was there ({uuid}, on legs noted {past.facts.since}), and is not any more: somebody removed it"
            decide = (
                f"if it was removed by mistake, `vgcfgrestore --list {volume.group}` shows what can be brought back; a new,"
                f" blank one needs another name: {file} keeps this one from being re-created"
            )
            return Unknown(why, decide)
    return ABSENT


def _renamed(volume: Volume, row: LvRow, past: Seen[journal.Entry]) -> Unknown:
    """A volume of ours in the same group is not declared, and this one, which is declared, is not there."""
    here = f"{row.group}/{row.name}"
    if isinstance(past, Present) and past.facts.volume == volume.id:
        return Unknown(
            f"it was there ({row.uuid}), and is named {here} now: somebody renamed it",
            f"`lvrename {row.group} {row.name} {volume.name}`, or declare it as [groups.{row.group}.volumes.{row.name}]; if a"
            f" new one is wanted beside it, have lunmirror forget that one: `mv {journal.path_of(row.uuid)} /root/`",
        )
    return Unknown(
        f"volume {here}, which lunmirror managed, is not declared any more, and this one may be meant for it: a"
        " second, empty one would take its place",
        f"if it is the same volume under a new name, `lvrename {row.group} {row.name} {volume.name}`; if it is another"
        f" one, declare [groups.{row.group}.volumes.{row.name}] as well, or have lunmirror forget that volume:"
        f" `mv {journal.path_of(row.uuid)} /root/`",
    )
