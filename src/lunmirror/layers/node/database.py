"""Where open-iscsi's database of node records is, and what its directories list."""

from lunmirror.engine.desired import Portal
from lunmirror.engine.model import Absent, Present, Unknown
from lunmirror.engine.plain import count
from lunmirror.host import paths
from lunmirror.host.protocol import Reader


def root_of(reader: Reader) -> str | Unknown:
    """The root of the database. Only if the directories do not show it is iscsiadm's own text read (a file of 400 kB).

    In an upgrade from Debian 12 the newer iscsiadm is there some time before the records are moved to its place, and
    they are moved only if nothing is there: a record made meanwhile would leave all others behind
    (docs/facts/open-iscsi.md#node-database)."""
    directories = {root: reader.directory(f"{root}/nodes") for root in paths.ISCSI_ROOTS}
    there = [root for root, directory in directories.items() if not isinstance(directory, Absent)]
    newer = paths.ISCSI_ROOTS[-1]
    if len(there) == 1 and (there == [newer] or isinstance(reader.directory(newer), Absent)):
        return there[0]
    for directory in paths.PROGRAM_PATH:
        program = reader.read(f"{directory}/{paths.ISCSIADM}")
        if isinstance(program, Absent):
            continue
        if isinstance(program, Unknown):
            return Unknown(f"{directory}/{paths.ISCSIADM} cannot be read: {program.reason}")
        compiled = [root for root in paths.ISCSI_ROOTS if f"{root}/nodes".encode() in program.facts]
        if len(compiled) == 1 and there and compiled[0] not in there:
            return Unknown(
                f"open-iscsi's records lie in {there[0]}/nodes, and its iscsiadm looks for them in {compiled[0]}/nodes:"
                " an upgrade of open-iscsi has not ended (where none is under way, move that directory to its new place)"
            )
        if len(compiled) == 1:
            return compiled[0]
        roots = " and ".join(paths.ISCSI_ROOTS)
        return Unknown(
            f"{directory}/{paths.ISCSIADM} does not show where its database is: it names none or both of {roots}"
        )
    return Unknown("iscsiadm is not installed: install open-iscsi (Debian), iscsi-initiator-utils (RHEL, Fedora)")


def targets(reader: Reader) -> tuple[str, ...] | Unknown:
    """Every target that the database has a directory of."""
    root = root_of(reader)
    return root if isinstance(root, Unknown) else names_in(f"{root}/nodes", reader)


def recorded(target: str, reader: Reader) -> tuple[Portal, ...] | Unknown:
    """The portals for which the database has records of a target, whoever made them."""
    root = root_of(reader)
    names = root if isinstance(root, Unknown) else names_in(f"{root}/nodes/{target}", reader)
    if isinstance(names, Unknown):
        return names
    places = (name.split(",") for name in names)
    return tuple(
        dict.fromkeys(Portal(p[0], port) for p in places if len(p) > 1 and (port := count(p[1])) is not None)
    )


def names_in(directory: str, reader: Reader) -> tuple[str, ...] | Unknown:
    listing = reader.directory(directory)
    if isinstance(listing, Unknown):
        return Unknown(f"the node database cannot be read: {directory}: {listing.reason}")
    return listing.facts if isinstance(listing, Present) else ()
