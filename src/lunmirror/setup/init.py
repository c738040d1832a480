"""From addresses to a first configuration: it asks the servers what they announce, and looks at what is logged in to already.

It never logs in: a login shows disks to this machine, and LVM's own events start what lies on them, whoever's it is.
"""

from typing import NamedTuple

from lunmirror.config import compile_texts
from lunmirror.engine.desired import Disk as Place
from lunmirror.engine.desired import Portal
from lunmirror.engine.exits import Exit
from lunmirror.engine.model import Unknown, World
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.layers.disk.facts import Blank
from lunmirror.layers.node.observe import PROBE, Offer, announced
from lunmirror.setup import groups, sessions, writing
from lunmirror.setup.proposal import Chap, Disk, Group, Proposal, Server

SILENT = "it does not answer"
TITLES = ("TO BE DECIDED:", "What is there:")


class Asked(NamedTuple):
    """What is known of a server beforehand. `target` and `chap`: if they were given."""

    name: str
    portals: tuple[Portal, ...]
    target: str = ""
    chap: Chap | None = None


class Answer(NamedTuple):
    """`exit`: converged, or refused if something is to be decided before there are disks to use."""

    text: str
    exit: Exit


def init(asked: tuple[Asked, ...], lun: int | None, group: str, reader: Reader, place: str = paths.CONFIG) -> Answer:
    """`lun`: of each server, if it was given. Raises HostError if the sessions cannot be listed, ConfigError if a name or a
    file of a secret is not valid."""
    offers = _offers(asked, reader)
    logged_in = sessions.found(reader).desired
    seen = groups.look(logged_in, reader)
    disks: list[Disk | None] = []
    undecided: list[str] = []
    shown: list[str] = []
    targets: list[str] = []
    for server in asked:
        answer = offers[server.name]
        there = [
            d for d in logged_in.disks.values() if set(logged_in.servers[d.server].portals) & set(server.portals)
        ]
        shown += [f"{groups.place(d, logged_in)} {holds(seen, d.name)}" for d in there]
        target = server.target or _only_target(answer)
        targets.append(target)
        if isinstance(answer, Unknown):
            shown.append(f"server {server.name}: {answer.reason}")
        else:
            shown += [f"server {server.name} announces {name}" for name in _targets(answer)]
        mine = [d for d in there if d.target.lower() == target.lower()]
        number = lun if lun is not None else _only_blank(mine, seen)
        why = _undecided(server.name, target, number, answer)
        undecided += [why] if why else []
        disks.append(None if why else Disk(f"{server.name}-lun{number}", server.name, target, number or 0))
    proposed = Proposal(
        servers=tuple(Server(server.name, server.portals, chap=server.chap) for server in asked),
        refused=tuple(undecided),
        left=tuple(shown),
    )
    known = [disk for disk in disks if disk]
    if len(known) == len(disks):
        made = Group(group, tuple(disk.name for disk in known))
        proposed = proposed._replace(disks=tuple(known), groups=(made,))
    tail = _tail([one._replace(target=target) for one, target in zip(asked, targets, strict=True)], proposed, group)
    text = writing.text(proposed, _head(place), titles=TITLES) + "\n" + "\n".join(tail) + "\n"
    compile_texts([(place, text)])
    return Answer(text, Exit.REFUSED if undecided else Exit.CONVERGED)


def holds(seen: World, disk: str) -> str:
    """What a disk holds, as far as this machine may look, in words."""
    lun = groups.lun_of(seen, disk)
    if lun is None:
        return (
            f"cannot be looked at: {getattr(seen['disk'].get(disk), 'reason', 'its disk is not to be used as it is')}"
        )
    if lun.pv:
        return f"carries physical volume {lun.pv.uuid}" + (f" of volume group {lun.pv.group}" if lun.pv.group else "")
    if isinstance(lun.content, Blank):
        return f"is blank ({lun.whole.size >> 20} MiB)"
    what = getattr(lun.content, "what", "") or f"what cannot be read: {getattr(lun.content, 'reason', '')}"
    return f"holds {what}"


def _offers(asked: tuple[Asked, ...], reader: Reader) -> dict[str, tuple[Offer, ...] | Unknown]:
    """What each server announces at its portals; at those that answer."""
    endpoints = tuple(dict.fromkeys((p.address, p.port) for server in asked for p in server.portals))
    silence = reader.reach(endpoints, PROBE)
    found: dict[str, tuple[Offer, ...] | Unknown] = {}
    for server in asked:
        answers: list[tuple[Offer, ...] | Unknown] = [
            Unknown(f"it does not answer at {p} ({why})")
            if (why := silence[p.address, p.port])
            else announced(reader, p, server.name)
            for p in server.portals
        ]
        heard = tuple(offer for answer in answers if not isinstance(answer, Unknown) for offer in answer)
        unknown = next((answer for answer in answers if isinstance(answer, Unknown)), Unknown(SILENT))
        found[server.name] = heard or unknown
    return found


def _targets(answer: tuple[Offer, ...] | Unknown) -> list[str]:
    return [] if isinstance(answer, Unknown) else sorted({target for _, _, target in answer})


def _only_target(answer: tuple[Offer, ...] | Unknown) -> str:
    targets = _targets(answer)
    return targets[0] if len(targets) == 1 else ""


def _only_blank(disks: list[Place], seen: World) -> int | None:
    """The LUN that is provably blank, if there is just one in sight."""
    blank = [d.lun for d in disks if (lun := groups.lun_of(seen, d.name)) and isinstance(lun.content, Blank)]
    return blank[0] if len(blank) == 1 else None


def _undecided(server: str, target: str, number: int | None, answer: tuple[Offer, ...] | Unknown) -> str:
    if not target:
        if isinstance(answer, Unknown):
            return f"server {server}: which target? {answer.reason}; name it with `--target {server}=IQN`"
        return f"server {server} announces several targets: choose one with `--target {server}=IQN`"
    if number is None:
        return (
            f"server {server}: which LUN of {target}? None that is blank is in sight, or several are; name it with `--lun N`"
            " (without a login it cannot be seen, and init never logs in)"
        )
    return ""


def _head(place: str) -> tuple[str, ...]:
    return (
        "Proposed by `lunmirror init`. Nothing was changed, and nothing was logged in to.",
        f"Next: read and complete it; put it at {place}; `lunmirror check`; `lunmirror plan`. A disk is taken only if it is"
        " provably blank: the plan says what each one holds.",
        "What is in use on this machine already is for `lunmirror adopt`.",
        "Names of servers and disks may be changed until the first `lunmirror apply`.",
    )


def _tail(asked: list[Asked], proposed: Proposal, group: str) -> list[str]:
    """What is still to be chosen, as comments."""
    lines: list[str] = []
    if not proposed.groups:
        lines += writing.comment(
            "One disk of each server, and their group. Complete target and LUN, and take the # away."
        )
        guesses = [Disk(f"{one.name}-lun1", one.name, one.target or f"TARGET-OF-{one.name}", 1) for one in asked]
        for disk in guesses:
            lines += [*writing.commented(writing.disk_lines(disk)), ""]
        lines += [*writing.commented(writing.group_lines(Group(group, tuple(disk.name for disk in guesses)))), ""]
    lines += writing.comment(
        "A volume, with a copy on each server. Choose name, size and place, and take the # away."
    )
    kind = ['type = "linear"'] if len(asked) == 1 else []
    table = writing.key("groups", group, "volumes", "data")
    lines += writing.commented([f"[{table}]", 'size = "10GiB"', *kind, 'filesystem = "ext4"', 'mount = "/srv/data"'])
    return lines
