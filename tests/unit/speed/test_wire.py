"""How portals are reached, from `ip` and sysfs; and what hangs on one card."""

import json
from typing import Any

import pytest

from lunmirror.speed import wire
from lunmirror.speed.wire import Route
from sim.machine import SimHost
from sim.stage import converged, text
from sim.wire import Interface


def routes(**changes: Any) -> tuple[Route, ...]:
    stage = converged(text())
    for name, value in changes.items():
        if isinstance(value, str):
            setattr(stage.world, name, value)
        else:
            getattr(stage.world, name).update(value)
    host = SimHost(stage.world)
    return wire.routes(stage.desired, {}, host)


def test_a_card_to_each_server() -> None:
    first, second = routes()
    assert (first.interface, first.cards, first.up, first.speed, first.mtu) == ("eth0", ("eth0",), True, 1000, 1500)
    assert second.interface == "eth1"
    assert wire.notes((first, second)) == ()


def test_a_vlan_over_a_bond_comes_down_to_its_cards() -> None:
    net = {
        "bond0.100": Interface("bond0.100", 2000, 9000, kind="vlan", lower=("bond0",)),
        "bond0": Interface("bond0", 2000, 9000, kind="bond", lower=("eth0", "eth1")),
    }
    first, second = routes(interfaces=net, ways={"filer1": "bond0.100", "filer2": "bond0.100"})
    assert (first.cards, first.kind, first.vlan, first.mtu) == (("eth0", "eth1"), "vlan", 100, 9000)
    assert "vlan 100 over eth0, eth1" in wire.words(first)
    assert wire.notes((first, second)) == ()


def test_two_vlans_of_one_card_are_one_card() -> None:
    net = {f"eth0.{n}": Interface(f"eth0.{n}", kind="vlan", lower=("eth0",)) for n in (1, 2)}
    found = routes(interfaces=net, ways={"filer1": "eth0.1", "filer2": "eth0.2"})
    assert "every server is reached over the one card eth0" in wire.notes(found)[0]


def test_a_server_that_is_not_known_makes_no_claim_about_all() -> None:
    assert wire.notes((Route("a", "p", "x", "eth0", ("eth0",)), Route("b", "p", "", why="no address"))) == ()


def test_two_portals_of_a_server_over_one_card() -> None:
    one = Route("a", "p1", "x", "eth0", ("eth0",))
    other = Route("b", "p3", "x", "eth1", ("eth1",))
    assert wire.notes((one, one._replace(portal="p2"), other)) == (
        "all portals of server a are reached over the one card eth0",
    )


@pytest.mark.parametrize(("speed", "state", "shown"), [(-1, "up", None), (1000, "down", None), (100, "up", 100)])
def test_what_an_interface_does_not_say_is_not_known(speed: int, state: str, shown: int | None) -> None:
    found = routes(interfaces={"eth0": Interface("eth0", speed, state=state)})[0]
    assert found.speed == shown
    assert found.up is (state == "up")


@pytest.mark.parametrize(
    "answer", ["", "[]", "{}", "[1]", '[{"dev": 3}]', '[{"dev": "../x"}]', '[{"dev": "a b"}]', "[" * 10_000]
)
def test_an_answer_that_is_none_names_no_interface(answer: str) -> None:
    assert wire._interface(answer) == ("", "")


# iproute2 6.1, ip/xfrm.c
POLICY = """src {src} dst {dst} {more}
\tdir {dir} priority 0 {action}
\ttmpl src 0.0.0.0 dst 0.0.0.0
\t\tproto esp reqid 0 mode transport {level}
"""


@pytest.mark.parametrize(
    ("about", "encryption"),
    [
        ({}, "ipsec"),
        ({"dst": "192.168.1.0/24", "more": "proto tcp dport 3260"}, "ipsec"),
        ({"more": "proto tcp dport 22"}, "none"),
        ({"more": "proto udp"}, "none"),
        ({"dir": "in"}, "none"),
        ({"level": "level use"}, "none"),
        ({"action": "action block"}, "none"),
        ({"src": "10.0.0.0/8"}, "none"),
        ({"dst": "192.168.1.120/32"}, "none"),
        ({"dst": "nonsense"}, "none"),
    ],
)
def test_what_leaves_only_inside_ipsec(about: dict[str, str], encryption: str) -> None:
    one = {"src": "192.168.1.2/32", "dst": "192.168.1.115/32", "dir": "out", "more": "", "action": "", "level": ""}
    other = POLICY.format(**one | {"dst": "10.1.2.3/32"})
    first, second = routes(xfrm=other + POLICY.format(**one | about))
    assert first.encryption == encryption
    assert ("inside IPsec" in wire.words(first), "in clear" in wire.words(first)) == (
        encryption == "ipsec",
        encryption == "none",
    )
    assert second.encryption == ("ipsec" if about.get("dst") in ("192.168.1.0/24", "192.168.1.120/32") else "none")


def test_a_tunnel_is_said_to_be_one() -> None:
    net = {"wg0": Interface("wg0", -1, 1420, "unknown", kind="wireguard")}
    first, _ = routes(interfaces=net, ways={"filer1": "wg0"})
    assert "inside WireGuard" in wire.words(first)


def test_what_was_negotiated_is_shown() -> None:
    stage = converged(text())
    host = SimHost(stage.world)
    found = wire.routes(stage.desired, stage.plan().report.seen, host)[0]
    assert (found.receives, found.sends, found.digest) == (262144, 8192, False)
    assert "segments of 256 KiB to here, 8 KiB from here, without checksum" in wire.words(found)


def test_no_route_is_said_with_the_reason() -> None:
    stage = converged(text())
    stage.world.servers["filer2"].addresses = ("10.0.0.1",)
    found = wire.routes(stage.desired, {}, SimHost(stage.world))[1]
    assert "Network is unreachable" in found.why
    assert json.dumps(found._asdict())


def test_a_frame_that_does_not_come_through_is_said() -> None:
    stage = converged(text())
    stage.world.interfaces["eth0"].mtu = stage.world.interfaces["eth1"].mtu = 9000
    stage.world.servers["filer1"].largest = 1500
    stage.world.version += 1
    first, second = wire.routes(stage.desired, {}, SimHost(stage.world))
    assert (first.passes, second.passes) == (False, True)
    (note,) = wire.notes((first, second))
    assert "frames of 9000 bytes do not come through between eth0 and 192.168.1.115:3260 (server filer1)" in note


def test_a_server_without_pings_says_nothing_of_frames() -> None:
    stage = converged(text())
    stage.world.cut("filer1")
    assert [r.passes for r in wire.routes(stage.desired, {}, SimHost(stage.world))] == [None, True]


def test_the_loopback_is_no_wire() -> None:
    found = routes(interfaces={"lo": Interface("lo", -1, 65536, "unknown")}, ways={"filer1": "lo"})[0]
    assert (found.passes, found.up, found.speed) == (None, None, None)


def test_an_interface_that_is_down_is_said() -> None:
    assert "interface eth0 to server filer1 is down" in wire.notes(
        routes(interfaces={"eth0": Interface("eth0", state="down")})
    )


@pytest.mark.parametrize(
    ("bond", "card", "said"),
    [
        ({"lower": ("eth0", "eth1")}, "up", ()),
        ({"lower": ("eth0", "eth1")}, "down", ("member eth1 of bond bond0 is down",)),
        ({"lower": ("eth0",)}, "up", ("bond bond0 has only one member, eth0",)),
        ({"lower": ("eth0", "eth1"), "mode": "802.3ad 4", "partner": "00:1b:21:aa:bb:cc"}, "up", ()),
        (
            {"lower": ("eth0", "eth1"), "mode": "802.3ad 4"},
            "up",
            ("no switch answers bond bond0 by LACP: it carries no more than one member does",),
        ),
    ],
)
def test_what_is_wrong_with_a_bond_below_a_vlan(bond: dict[str, Any], card: str, said: tuple[str, ...]) -> None:
    net = {
        "bond0.100": Interface("bond0.100", 2000, kind="vlan", lower=("bond0",)),
        "bond0": Interface("bond0", 2000, kind="bond", **bond),
        "eth1": Interface("eth1", state=card),
    }
    found = routes(interfaces=net, ways={"filer1": "bond0.100", "filer2": "eth2"})
    assert found[0].faults == said
    assert wire.notes(found) == said


def test_without_a_probe_no_frame_is_sent() -> None:
    stage = converged(text())
    host = SimHost(stage.world)
    assert [r.passes for r in wire.routes(stage.desired, {}, host, probe=False)] == [None, None]
    assert {line[0] for line in host.lines} == {"ip"}
