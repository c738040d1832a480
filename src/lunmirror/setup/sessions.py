"""Servers, targets and LUNs as the kernel's sessions show them, as a desired state to look at the machine with.

Two sessions are to one server if they have an address in common, or a target: its name is unique in the world, unless a
server was cloned. Then what the LUNs hold differs, and they are two.
"""

from collections.abc import Iterable
from typing import NamedTuple

from lunmirror.config import budget, names, portals
from lunmirror.config.problems import InvalidValue
from lunmirror.engine import desired
from lunmirror.engine.desired import Portal
from lunmirror.engine.errors import HostError
from lunmirror.engine.model import Unknown
from lunmirror.engine.plain import DEFAULT_IFACE, same_address
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import names as listed
from lunmirror.host.sysfs import text
from lunmirror.layers.session.observe import Kernel, kernels_of
from lunmirror.lvm import luns
from lunmirror.lvm.origin import label


class Way(NamedTuple):
    """One session that can be declared. `interface`: what it is bound to, if anything. `luns` maps a LUN to (the kernel's name of its disk, what it holds as far as that
    distinguishes it: its size, and the UUIDs that udev saw on it)."""

    sid: str
    target: str
    portal: Portal
    luns: dict[int, tuple[str, tuple[str, ...]]]
    interface: str = ""


class Found(NamedTuple):
    """All that is logged in, as a desired state without groups; and what of it cannot be declared, in sentences."""

    desired: desired.Desired
    left: tuple[str, ...]


def found(reader: Reader) -> Found:
    """What the kernel's sessions show. Raises HostError if that is not known."""
    kernels = kernels_of(reader)
    if isinstance(kernels, Unknown):
        raise HostError("what this machine is logged in to is not known", why=kernels.reason)
    ways, left = [], []
    for kernel in sorted(kernels, key=lambda k: (len(k.sid), k.sid)):
        one = _way(kernel, reader)
        if isinstance(one, Way):
            ways.append(one)
        else:
            left.append(f"{kernel.sid}, to target {kernel.spelled}: {one}")
    servers = _servers(ways)
    for server in servers:
        left += [
            f"{way.sid}, to target {way.target}: it goes through {way.interface or DEFAULT_IFACE}, another session to this"
            f" server through {server[0].interface or DEFAULT_IFACE}; a server has one interface"
            for way in server
            if way.interface != server[0].interface
        ]
        server[:] = [way for way in server if way.interface == server[0].interface]
    return Found(to_look_at(servers), tuple(left))


def to_look_at(servers: list[list[Way]]) -> desired.Desired:
    """Every LUN of every server as a disk, in no group."""
    made: dict[str, desired.Server] = {}
    disks: dict[str, desired.Disk] = {}
    for number, ways in enumerate(servers, 1):
        name = f"filer{number}"
        addresses = tuple(dict.fromkeys(way.portal for way in ways))
        made[name] = desired.Server(name, addresses, "automatic", budget.resolve(None, {}).timeouts)
        made[name] = made[name]._replace(interface=ways[0].interface)
        targets = {way.target.lower(): way.target for way in reversed(ways)}
        for order, target in enumerate(sorted(targets), 1):
            which = f"-t{order}" if len(targets) > 1 else ""
            for lun in sorted({n for way in ways if way.target.lower() == target for n in way.luns}):
                disk = f"{name}{which}-lun{lun}"
                disks[disk] = desired.Disk(disk, name, targets[target], lun)
    return desired.Desired(made, disks, {}, {}, budget.DEFAULT_BUDGET, 0)


def _way(kernel: Kernel, reader: Reader) -> Way | str:
    """The session, or why it cannot be declared."""
    bound = kernel.iface != DEFAULT_IFACE
    if bound and kernel.iface not in listed(reader, paths.SYS_NET):
        return (
            f"it goes through interface record {kernel.iface}; lunmirror takes only those with the name of their network"
            " interface"
        )
    if not kernel.endpoints:
        return "the kernel does not show its portal"
    address, port = kernel.endpoints[0]
    spelled = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    try:
        portal, target = portals.portal(spelled), names.target(kernel.spelled)
    except InvalidValue as wrong:
        return f"{wrong.what}{f': {wrong.why}' if wrong.why else ''}"
    shown = luns.every(reader, kernel.sid)
    inside = {lun: (disk, _content(disk, reader)) for lun, disk in shown.items()}
    return Way(kernel.sid, target, portal, inside, kernel.iface if bound else "")


def _content(kernel: str, reader: Reader) -> tuple[str, ...]:
    parts = (kernel, f"{kernel}1", f"{kernel}p1")
    return (text(reader, f"{paths.SYS_BLOCK}/{kernel}/size"), *filter(None, (label(reader, one) for one in parts)))


def _servers(ways: Iterable[Way]) -> list[list[Way]]:
    """The sessions by server, in the order of the servers' addresses."""
    servers: list[list[Way]] = []
    for way in ways:
        mine = [server for server in servers if any(_is_same_server(way, other) for other in server)]
        servers = [server for server in servers if server not in mine]
        servers.append([*(one for server in mine for one in server), way])
    return sorted(servers, key=lambda server: min(map(_order, server)))


def _order(way: Way) -> tuple[tuple[int, ...], str]:
    address = way.portal.address
    digits = tuple(int(part) for part in address.split(".")) if address.replace(".", "").isdecimal() else ()
    return digits, str(way.portal)


def _is_same_server(one: Way, other: Way) -> bool:
    if same_address(one.portal.address, other.portal.address):
        return True
    if one.target.lower() != other.target.lower():
        return False
    return all(one.luns[lun][1] == other.luns[lun][1] for lun in one.luns.keys() & other.luns.keys())
