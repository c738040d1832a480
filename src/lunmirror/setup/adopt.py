"""From a machine that was set up by hand to its configuration. It looks, and changes nothing.

What is proposed was planned before it is shown: what `plan` would do more of than change settings is taken out again,
and said.
"""

from typing import NamedTuple

from lunmirror.config import compile_texts
from lunmirror.config.problems import dotted
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import ConfigError, HostError
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Absent, World
from lunmirror.engine.reconcile import run_pass
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.setup import groups, records, sessions, verdict, volumes, writing
from lunmirror.setup.mounts import Table
from lunmirror.setup.proposal import Disk, Group, Proposal, Server

ROUNDS = 20  # each takes something out, as a rule all of it at once


class Answer(NamedTuple):
    """`text`: the configuration. `exit`: converged, or refused if anything in use is not expressed."""

    text: str
    exit: Exit
    refused: int


def adopt(reader: Reader, place: str = paths.CONFIG) -> Answer:
    """`place`: where the configuration will be. Raises HostError if something cannot be known."""
    logged_in = sessions.found(reader)
    proposed = _judged(_proposed(logged_in, reader), reader, place)
    is_there = not isinstance(reader.read(place), Absent)
    text = writing.text(proposed, _head(proposed, place, is_there))
    return Answer(text, Exit.REFUSED if proposed.refused else Exit.CONVERGED, len(proposed.refused))


def _proposed(logged_in: sessions.Found, reader: Reader) -> Proposal:
    looked = logged_in.desired
    seen = groups.look(looked, reader)
    mine = groups.found(looked, reader, seen)
    inside = volumes.found(looked, mine.used, reader, seen)
    table = Table(reader)
    completed, refused = [], [*mine.refused, *inside.refused]
    for volume, facts in inside.used:
        whole, why = table.completed(volume, facts)
        completed.append(whole)
        refused += why
    made = tuple(
        Group(name, disks, tuple(v for v in completed if v.group == name), _ADOPTED)
        for name, disks in mine.used.items()
    )
    proposed = Proposal(
        servers=tuple(Server(s.name, s.portals) for s in looked.servers.values()),
        disks=_disks(looked, seen),
        groups=made,
        refused=tuple(refused),
        left=(*logged_in.left, *mine.left, *inside.left),
    ).tidied()
    if not made:
        none = "no volume group on an iSCSI disk is in use here, so there is nothing to adopt (`lunmirror init` proposes one)"
        proposed = proposed._replace(refused=(*proposed.refused, none))
    return _with_records(proposed, looked, reader)


_ADOPTED = (
    "Its disks were made by other hands: to declare them here is the consent to adopt them as they are. The first `lunmirror"
    " apply` notes in LVM's metadata whose group this is, and on which LUN each disk lies."
)


def _disks(looked: Desired, seen: World) -> tuple[Disk, ...]:
    on = {disk: uuid for uuid, disk in groups.disks_of(seen).items()}
    found = []
    for disk in looked.disks.values():
        lun = groups.lun_of(seen, disk.name)
        cut = bool(lun and lun.place and lun.place != lun.whole)
        remark = f"adopted: physical volume {on[disk.name]}" if disk.name in on else ""
        found.append(Disk(disk.name, disk.server, disk.target, disk.lun, cut, remark))
    return tuple(found)


def _with_records(proposed: Proposal, looked: Desired, reader: Reader) -> Proposal:
    """With what the node records of its servers say."""
    names = {server.name for server in proposed.servers}
    disks = {disk.name for disk in proposed.disks}
    own = looked._replace(
        servers={n: s for n, s in looked.servers.items() if n in names},
        disks={n: d for n, d in looked.disks.items() if n in disks},
    )
    seen = groups.look(own, reader)
    derived = (
        compile_texts([(paths.CONFIG, writing.text(proposed, ()))]).servers if _is_valid(proposed) else own.servers
    )
    servers, refused = [], list(proposed.refused)
    for server in proposed.servers:
        said = records.said(own.servers[server.name], own, seen, derived[server.name].timeouts)
        servers.append(server._replace(settings=said.settings, chap=said.chap))
        refused += said.refused
    return proposed._replace(servers=tuple(servers), refused=tuple(refused))


def _is_valid(proposed: Proposal) -> bool:
    try:
        _compiled(proposed, paths.CONFIG)
    except ConfigError:
        return False
    return True


def _compiled(proposed: Proposal, place: str) -> Desired:
    """By the same loader as the file itself; without the files of secrets, which are not there yet."""
    return compile_texts([(place, writing.text(proposed, (), chap=False))])


def _judged(proposed: Proposal, reader: Reader, place: str) -> Proposal:
    """Without what the configuration's own rules refuse, and without what `plan` would do more to than change settings."""
    for _ in range(ROUNDS):
        try:
            desired = _compiled(proposed, place)
        except ConfigError as invalid:
            proposed = _without_the_invalid(proposed, invalid)
            continue
        found = verdict.judge(desired, run_pass("plan", "adopt", desired, reader))
        if not found.volumes and not found.groups:
            return proposed._replace(refused=(*proposed.refused, *found.said))
        for id, why in found.volumes.items():
            proposed = proposed.without_volume(id, why)
        for name, why in found.groups.items():
            proposed = proposed.without_group(name, why)
        proposed = proposed.tidied()
    raise HostError(
        "what is in use here changes while it is looked at, so nothing is proposed",
        next="run it again when nothing is being copied or changed",
    )


def _without_the_invalid(proposed: Proposal, invalid: ConfigError) -> Proposal:
    """Without the volumes, or else the groups, that the configuration's rules refuse."""
    for problem in invalid.problems:
        words = f"{problem.what}{f' ({problem.why})' if problem.why else ''}"
        for group in proposed.groups:
            for volume in group.volumes:
                if _is_about(("groups", group.name, "volumes", volume.name), problem.where):
                    return proposed.without_volume(volume.id, words)
        for group in proposed.groups:
            if _is_about(("groups", group.name), problem.where):
                return proposed.without_group(group.name, words).tidied()
    raise HostError(
        "what is in use here cannot be written as a valid configuration, so nothing is proposed",
        why="; ".join(f"{problem.where}: {problem.what}" for problem in invalid.problems),
    )


def _is_about(key: tuple[str, ...], where: str) -> bool:
    """Whether a place ("FILE:LINE: KEY") is this key, or within it."""
    place, own = where.rpartition(": ")[2], dotted(key)
    return place == own or place.startswith((f"{own}.", f"{own}["))


def _head(proposed: Proposal, place: str, is_there: bool) -> tuple[str, ...]:
    alone = " Each server is taken for a machine of its own: what is on one is lost together." * bool(
        proposed.servers
    )
    return (
        "Proposed by `lunmirror adopt` from what is in use on this machine. Nothing was changed.",
        *(
            [f"There is a configuration at {place} already, which may name the same things otherwise: compare first."]
            * is_there
        ),
        f"Next: read it; put it at {place}; `lunmirror check`; `lunmirror plan`. The plan changes settings alone: node"
        f" records, timeouts, tags in LVM's metadata, {paths.FSTAB}.",
        f"Names of servers and disks may be changed until the first `lunmirror apply`.{alone}",
        "Timeouts that nobody chose are left out: lunmirror derives them (`lunmirror explain stall_budget`).",
    )
