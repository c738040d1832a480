"""The network as it is: the interface that the route to each portal takes, and the cards below it. Only looked at; who
configures it (networkd, netplan, ifupdown) is not lunmirror."""

import json
from itertools import pairwise
from typing import NamedTuple

from lunmirror.engine.desired import Desired, Path
from lunmirror.engine.model import World, facts_of
from lunmirror.engine.plain import count, is_interface
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.host.sysfs import UNSET, connection, kind, names, number, text
from lunmirror.layers.session.facts import Session

DEADLINE = 5.0  # seconds for ip, which only asks the kernel, and for two pings
LARGEST_FRAME = 9216  # bytes; more have only devices that are no wire, as the loopback
SEALED = {"wireguard": "inside WireGuard", "ipsec": "inside IPsec", "none": "in clear"}
_NO_PARTNER = "00:00:00:00:00:00"
_DEEPEST = 4  # a VLAN over a bond over cards, in a bridge


class Route(NamedTuple):
    """How this machine reaches one portal. `address` is numeric. `speed` in Mbit/s, `mtu` in bytes, None where the
    interface does not say; `up`: it carries traffic, `passes`: a frame of that size comes through there and back, None
    where that is not known. `kind`: vlan, bond, wireguard, …, ''
    for a card; `vlan`: its number. `encryption`: "wireguard", "ipsec", or "none". Of the session: `receives`, `sends`, the largest
    data segment in bytes that was negotiated, `digest` whether data carry a checksum; None without one. `faults`: what is wrong with the bonds on the way, in sentences. `why`: nothing of it is known, and why."""

    server: str
    portal: str
    address: str
    interface: str = ""
    cards: tuple[str, ...] = ()
    up: bool | None = None
    speed: int | None = None
    mtu: int | None = None
    kind: str = ""
    vlan: int | None = None
    encryption: str = ""
    receives: int | None = None
    sends: int | None = None
    digest: bool | None = None
    passes: bool | None = None
    faults: tuple[str, ...] = ()
    why: str = ""


def routes(desired: Desired, seen: World, reader: Reader, probe: bool = True) -> tuple[Route, ...]:
    """One for each portal of each declared server, in their order. `probe`: with two frames sent to each."""
    found = []
    for server in desired.servers.values():
        for portal in server.portals:
            mine = [p for p in desired.paths() if p.server.name == server.name and p.portal == portal]
            sid, address = _connected(mine, seen, reader)
            address = address or (portal.address if _is_numeric(portal.address) else "")
            route = _route(Route(server.name, str(portal), address, server.interface), portal.port, reader, probe)
            found.append(_negotiated(route, sid, reader) if sid else route)
    return tuple(found)


def notes(found: tuple[Route, ...]) -> tuple[str, ...]:
    """What is wrong with the way, in words."""
    lost = [
        f"frames of {r.mtu} bytes do not come through between {r.interface} and {r.portal} (server {r.server}), small ones"
        " do: the MTU is not the same all along the way; large reads and writes hang, or will"
        for r in found
        if r.passes is False
    ]
    down = [f"interface {r.interface} to server {r.server} is down" for r in found if r.up is False]
    return (*lost, *down, *dict.fromkeys(fault for r in found for fault in r.faults), *_shared(found))


def _shared(found: tuple[Route, ...]) -> list[str]:
    """What hangs on one card alone."""
    notes = []
    servers = {r.server: frozenset(c for r2 in found if r2.server == r.server for c in r2.cards) for r in found}
    known = {server: cards for server, cards in servers.items() if cards}
    common = frozenset[str]().union(*known.values())
    if len(known) > 1 and len(known) == len(servers) and len(common) == 1:
        notes.append(
            f"every server is reached over the one card {next(iter(common))}: if it, its cable or its switch fails, all"
            " legs are lost at once"
        )
    for server, cards in known.items():
        portals = [r for r in found if r.server == server]
        if len(portals) > 1 and len(cards) == 1:
            notes.append(f"all portals of server {server} are reached over the one card {next(iter(cards))}")
    return notes


def _connected(mine: list[Path], seen: World, reader: Reader) -> tuple[str, str]:
    """The session through this portal, and where it is connected: a name resolved, a login redirected. '' where there is none."""
    for path in mine:
        session = facts_of(seen.get("session", {}).get(path.name), Session)
        if session is not None:
            address = text(reader, f"{connection(session.sid)}/address")
            if address not in UNSET and _is_numeric(address):
                return session.sid, address.strip("[]")
    return "", ""


def _negotiated(route: Route, sid: str, reader: Reader) -> Route:
    base = connection(sid)
    digest = number(reader, f"{base}/data_digest")
    return route._replace(
        receives=number(reader, f"{base}/max_recv_dlength"),
        sends=number(reader, f"{base}/max_xmit_dlength"),
        digest=None if digest is None else digest == 1,
    )


def _is_numeric(address: str) -> bool:
    return ":" in address or (address.replace(".", "").isdigit() and address.isascii())


def words(route: Route) -> str:
    """ "192.168.1.115:3260 through eth0, 1000 Mbit/s, MTU 1500"."""
    if route.why:
        return f"{route.portal}: not known: {route.why}"
    parts = [f"{route.portal} through {route.interface}"]
    name = route.kind if route.vlan is None else f"{route.kind} {route.vlan}"
    kind = f"{name} over " if name else "over "
    parts += [f"{kind}{', '.join(route.cards)}"] if route.cards != (route.interface,) else []
    parts += [route.kind] if route.kind and route.cards == (route.interface,) else []
    parts += ["down"] if route.up is False else []
    parts += [f"{route.speed} Mbit/s" if route.speed else "speed not shown"]
    through = "" if route.passes is None else " comes through" if route.passes else " does NOT come through"
    parts += [f"MTU {route.mtu}{through}"] if route.mtu else []
    parts += [SEALED[route.encryption]] if route.encryption else []
    if route.receives and route.sends:
        checked = "with" if route.digest else "without"
        parts += [
            f"segments of {route.receives >> 10} KiB to here, {route.sends >> 10} KiB from here, {checked} checksum"
        ]
    return ", ".join(parts)


def _route(route: Route, port: int, reader: Reader, probe: bool) -> Route:
    if not route.address:
        return route._replace(why="no session uses it, and its name was not resolved")
    through = ("oif", route.interface) if route.interface else ()
    ran = reader.query((paths.IP, "-j", "route", "get", route.address, *through), DEADLINE)
    if ran.rc != 0:
        return route._replace(why=ran.why)
    interface, source = _interface(ran.out)
    if not interface:
        return route._replace(why=f"{paths.IP} named no interface")
    base = f"{paths.SYS_NET}/{interface}"
    what = kind(reader, interface)
    ipsec = what != "wireguard" and _ipsec(source, route.address, port, reader)
    speed, mtu = number(reader, f"{base}/speed"), number(reader, f"{base}/mtu")
    found = route._replace(
        interface=interface,
        cards=_cards(interface, reader),
        up=_up(base, reader),
        speed=speed if speed and speed > 0 else None,
        mtu=mtu if mtu and mtu > 0 else None,
        kind=what,
        vlan=_vlan(interface, reader) if what == "vlan" else None,
        encryption="wireguard" if what == "wireguard" else "ipsec" if ipsec else "none",
        faults=tuple(fault for one in _stack(interface, reader) for fault in _bond(one, reader)),
    )
    return found._replace(passes=_passes(found, reader)) if probe else found


def _passes(route: Route, reader: Reader) -> bool | None:
    """Whether a frame as large as the interface allows comes back, of a server that answers small ones: by ICMP, which must
    not be divided on the way. Many filter it, and then nothing is known."""
    if route.mtu is None or route.mtu > LARGEST_FRAME or route.up is False:
        return None
    headers = 48 if ":" in route.address else 28  # IPv6 40, IPv4 20; ICMP 8
    if reader.query(_ping(route, 56), DEADLINE).rc != 0:
        return None
    rc = reader.query(_ping(route, route.mtu - headers), DEADLINE).rc
    return None if rc not in (0, 1) else rc == 0  # ping(8): 1 where no answer came, 2 for any other error


def _ping(route: Route, size: int) -> tuple[str, ...]:
    return (
        paths.PING,
        "-n",
        "-I",
        route.interface,
        "-q",
        "-c",
        "2",
        "-i",
        "0.3",
        "-W",
        "1",
        "-M",
        "do",
        "-s",
        str(size),
        route.address,
    )


def _interface(answer: str) -> tuple[str, str]:
    """Of `ip -j route get`: [{"dst": "192.0.2.1", "dev": "eth0", "prefsrc": …}], the interface, and our own address; '' where
    it names none."""
    try:
        (first,) = json.loads(answer)
        name, source = first["dev"], first.get("prefsrc", "")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "", ""
    return (name, source if isinstance(source, str) else "") if is_interface(name) else ("", "")


def _vlan(interface: str, reader: Reader) -> int | None:
    """Its number (net/8021q/vlanproc.c: "eth0.100  VID: 100  REORDER_HDR: 1 …")."""
    words = text(reader, f"{paths.PROC_VLAN}/{interface}").split()
    return count(words[words.index("VID:") + 1]) if "VID:" in words[:-1] else None


def _ipsec(source: str, address: str, port: int, reader: Reader) -> bool:
    """Whether the kernel lets nothing out to that portal but inside ESP: by a policy of the kernel's that requires it
    (ip-xfrm(8); one of "level use" lets it go in clear as well)."""
    ran = reader.query((paths.IP, "xfrm", "policy"), DEADLINE)
    blocks = ("\n" + ran.out).replace("\n\t", "\t").split("\nsrc ")[1:] if ran.rc == 0 else []
    for words in (f"src {block}".split() for block in blocks):
        said = dict(pairwise(words))
        rule = words[: words.index("dir")] if "dir" in words else []
        selector = dict(zip(rule[::2], rule[1::2], strict=False))
        if said.get("dir") != "out" or "esp" not in words or "use" in words or "block" in words:
            continue
        if (
            selector.get("proto", "tcp") != "tcp"
            or selector.get("dport", str(port)) != str(port)
            or "sport" in selector
        ):
            continue
        if _within(source, selector.get("src", "")) and _within(address, selector.get("dst", "")):
            return True
    return False


def _within(address: str, network: str) -> bool:
    from ipaddress import ip_address, ip_network  # `status -v` alone asks

    try:
        return ip_address(address) in ip_network(network)
    except ValueError:
        return False


def _up(base: str, reader: Reader) -> bool | None:
    """Tunnels and the loopback have no state of their own: they say "unknown" (Documentation/networking/operstates.rst)."""
    state = text(reader, f"{base}/operstate")
    return None if state in ("", "unknown") else state == "up"


def _stack(interface: str, reader: Reader, depth: int = 0) -> tuple[str, ...]:
    """The interface and all that it stands on, from above."""
    inside = names(reader, f"{paths.SYS_NET}/{interface}")
    below = [name.removeprefix("lower_") for name in inside if name.startswith("lower_") and depth < _DEEPEST]
    return tuple(dict.fromkeys((interface, *(one for name in below for one in _stack(name, reader, depth + 1)))))


def _cards(interface: str, reader: Reader) -> tuple[str, ...]:
    """What is below it in the end: the cards of a bond or VLAN, the interface itself if it stands on none."""
    return tuple(
        one
        for one in _stack(interface, reader)
        if not any(name.startswith("lower_") for name in names(reader, f"{paths.SYS_NET}/{one}"))
    )


def _bond(interface: str, reader: Reader) -> tuple[str, ...]:
    """What is wrong with a bond (Documentation/networking/bonding.rst, drivers/net/bonding/bond_sysfs.c); nothing for what is
    none."""
    base = f"{paths.SYS_NET}/{interface}/bonding"
    members = text(reader, f"{base}/slaves").split()
    states = {one: text(reader, f"{paths.SYS_NET}/{one}/bonding_slave/mii_status") for one in members}
    down = [one for one, state in states.items() if state and state != "up"]
    found = [f"bond {interface} has only one member, {members[0]}"] if len(members) == 1 else []
    found += [f"member {one} of bond {interface} is down" for one in down]
    if text(reader, f"{base}/mode").startswith("802.3ad") and text(reader, f"{base}/ad_partner_mac") == _NO_PARTNER:
        found.append(f"no switch answers bond {interface} by LACP: it carries no more than one member does")
    return tuple(found)
