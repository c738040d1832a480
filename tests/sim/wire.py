"""The network between the machine and its servers: interfaces, what they stand on, and the routes."""

import json
from dataclasses import dataclass

from sim.servers import Server


@dataclass
class Interface:
    """`speed` in Mbit/s (-1: virtual, it says nothing); `kind` as in uevent's DEVTYPE; `lower`: what it stands on; `vlan`: its number. Of a bond:
    `mode` as its file says it, `partner`: the switch that answers by LACP; each of `lower` is a member, up as its card is."""

    name: str
    speed: int = 1000
    mtu: int = 1500
    state: str = "up"
    kind: str = ""
    lower: tuple[str, ...] = ()
    mode: str = "active-backup 1"
    partner: str = "00:00:00:00:00:00"
    vlan: int = 100


def interfaces() -> dict[str, Interface]:
    """A card to each server."""
    return {f"eth{n}": Interface(f"eth{n}") for n in range(3)}


def put_all(found: dict[str, Interface], put) -> None:
    for one in found.values():
        base = f"/sys/class/net/{one.name}"
        for name, value in (("mtu", one.mtu), ("operstate", one.state)):
            put(f"{base}/{name}", value)
        if one.state == "up":
            put(f"{base}/speed", one.speed)
        put(f"{base}/uevent", f"DEVTYPE={one.kind}\nINTERFACE={one.name}" if one.kind else f"INTERFACE={one.name}")
        if one.kind == "vlan":
            flags = "REORDER_HDR: 1  dev->priv_flags: 1021"
            put(
                f"/proc/net/vlan/{one.name}",
                f"{one.name}  VID: {one.vlan}\t {flags}\n         total frames received  0",
            )
        for lower in one.lower:
            put(f"{base}/lower_{lower}/mtu", found[lower].mtu)
            if one.kind == "bond":
                state = "up" if found[lower].state == "up" else "down"
                put(f"/sys/class/net/{lower}/bonding_slave/mii_status", state)
        if one.kind == "bond":
            put(f"{base}/bonding/slaves", " ".join(one.lower))
            put(f"{base}/bonding/mode", one.mode)
            put(f"{base}/bonding/ad_partner_mac", one.partner)


def leads(
    servers: dict[str, Server],
    ways: dict[str, str],
    found: dict[str, Interface],
    server: Server | None,
    interface: str,
) -> bool:
    """Whether what is bound to this interface gets to the server: it is up, and on the way there or above a card that is."""
    one = found.get(interface)
    if one is None or server is None or one.state == "down":
        return False
    card = ways.get(server.name, f"eth{list(servers).index(server.name)}")
    return interface == card or card in one.lower or bool({*one.lower} & {*found[card].lower})


def route(servers: dict[str, Server], ways: dict[str, str], address: str, oif: str = "") -> tuple[int, str, str]:
    """As `ip -j route get` answers (iproute2 6.1). `ways`: server -> interface, where it is not its own card."""
    for number, server in enumerate(servers.values()):
        if address in server.addresses:
            dev = oif or ways.get(server.name, f"eth{number}")
            found = {"dst": address, "dev": dev, "prefsrc": "192.168.1.2", "flags": [], "uid": 0, "cache": []}
            return 0, json.dumps([found]) + "\n", ""
    return 2, "", "RTNETLINK answers: Network is unreachable\n"


def ping(servers: dict[str, Server], address: str, size: int) -> tuple[int, str, str]:
    """As iputils' ping ends; its headers are 28 bytes."""
    server = next((s for s in servers.values() if address in s.addresses), None)
    answers = server is not None and server.state != "cut" and (not server.largest or size + 28 <= server.largest)
    return (
        (0, "2 packets transmitted, 2 received\n", "") if answers else (1, "2 packets transmitted, 0 received\n", "")
    )
