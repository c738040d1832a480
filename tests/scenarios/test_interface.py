"""`interface = "bond0.100"`: a server's sessions go through one network interface, whatever the routes say."""

import pytest

from lunmirror.analysis.result import exit_of
from lunmirror.config import compile_texts
from lunmirror.engine.errors import ConfigError
from lunmirror.engine.model import Kind
from scenarios.test_relogin import relogin
from sim.iscsi import login_at_boot, record_path, settings
from sim.stage import SERVERS, Stage, converged, text
from sim.wire import Interface
from sim.world import World, make_world

NAME = "bond0.100"
BOUND = text().replace("[servers.filer1]\n", f'[servers.filer1]\ninterface = "{NAME}"\n')
IFACE = f"/etc/iscsi/ifaces/{NAME}"
ADDRESS, TARGET = SERVERS["filer1"]


WG = BOUND.replace(NAME, "wg0")
ENCRYPTED = WG.replace('interface = "wg0"\n', 'interface = "wg0"\nrequire_encryption = true\n')


def with_tunnel(world: World, kind: str = "wireguard") -> World:
    world.interfaces["wg0"] = Interface("wg0", -1, 1420, "unknown", kind)
    world.ways["filer1"] = "wg0"
    world.version += 1
    return world


def with_bond(world: World, lower: str = "eth0") -> World:
    world.interfaces |= {
        "bond0": Interface("bond0", 2000, kind="bond", lower=(lower,)),
        NAME: Interface(NAME, 2000, kind="vlan", lower=(lower,)),
    }
    world.version += 1
    return world


def through(stage: Stage) -> dict[str, str]:
    return {s.server.name: s.iface for s in stage.world.sessions}


def record(stage: Stage, iface: str = NAME) -> dict[str, str]:
    return settings(stage.world.files[record_path(stage.world, TARGET, f"{ADDRESS}:3260", iface)])


def test_from_blank_to_sessions_of_that_interface_alone() -> None:
    stage = Stage(BOUND, with_bond(make_world()))
    predicted = [step.title for step in stage.plan().report.steps if step.ref.layer in ("node", "session")]
    last = stage.apply()
    done = [o.step.title for o in last.report.outcomes if o.step.ref.layer in ("node", "session")]
    assert last.exit == 3, str(last)  # only its volume is copied yet
    assert [t for t in predicted if "settings" not in t] == [t for t in done if "settings" not in t]
    assert through(stage) == {"filer1": NAME, "filer2": "default"}
    assert settings(stage.world.files[IFACE])["iface.net_ifacename"] == NAME
    assert record(stage)["iface.net_ifacename"] == NAME
    assert not stage.settle().host.changed
    stage.world.reboot()
    login_at_boot(stage.world)
    assert stage.settle().exit == 0
    assert through(stage) == {"filer1": NAME, "filer2": "default"}


def test_one_that_does_not_exist_is_told_and_nothing_is_made() -> None:
    both = BOUND.replace("[servers.filer2]\n", f'[servers.filer2]\ninterface = "{NAME}"\n')
    stage = Stage(both, make_world())
    told = stage.apply()
    assert told.exit == 1
    said = told.finding(Kind.BLOCKED)
    assert f"servers.filer1.interface is {NAME}" in said
    assert "no such network interface (it has eth0, eth1, eth2)" in said
    assert not told.host.changed
    with_bond(stage.world).interfaces[NAME].lower = ("eth0", "eth1")  # it comes later: the next pass goes on
    assert stage.settle().exit == 0
    assert set(through(stage).values()) == {NAME}


def test_two_servers_through_one_interface_make_its_record_once() -> None:
    both = BOUND.replace("[servers.filer2]\n", f'[servers.filer2]\ninterface = "{NAME}"\n')
    world = with_bond(make_world())
    world.interfaces[NAME].lower = ("eth0", "eth1")
    stage = Stage(both, world)
    predicted = [step.title for step in stage.plan().report.steps]
    assert predicted.count(f"make an interface record of {NAME}") == 1
    first = stage.apply()
    assert first.exit == 3, str(first)
    assert {o.status for o in first.report.outcomes} == {"done"}
    assert set(through(stage).values()) == {NAME}


@pytest.mark.parametrize("wrong", ["another card", "down"])
def test_one_that_leads_elsewhere_is_a_silent_server(wrong: str) -> None:
    stage = Stage(BOUND, with_bond(make_world(), "eth0" if wrong == "down" else "eth2"))
    if wrong == "down":
        stage.world.interfaces[NAME].state = "down"
    told = stage.apply()
    assert told.exit == 1
    assert f"does not answer at {ADDRESS}:3260" in told.finding(Kind.BLOCKED)
    assert "filer1" not in through(stage)


def test_one_that_vanishes_later_is_named() -> None:
    stage = Stage(BOUND, with_bond(make_world()))
    stage.settle()
    stage.world.logout("filer1")
    del stage.world.interfaces[NAME]
    stage.world.version += 1
    assert f"there is no network interface {NAME}" in stage.apply().finding(Kind.BLOCKED)


@pytest.mark.parametrize(
    "content",
    [
        f"iface.iscsi_ifacename = {NAME}\niface.net_ifacename = eth7\n",
        f"iface.iscsi_ifacename = {NAME}\niface.net_ifacename = {NAME}\niface.hwaddress = 00:0f:1f:93:ae:01\n",
    ],
)
def test_an_interface_record_of_others_is_left_as_it_is(content: str) -> None:
    stage = Stage(BOUND, with_bond(make_world()))
    stage.world.directories.add("/etc/iscsi/ifaces")
    stage.world.files[IFACE] = content.encode()
    stage.world.version += 1
    told = stage.apply()
    assert told.exit == 1
    assert f"the interface record {IFACE} is not, or not only, for network interface {NAME}" in told.finding(
        Kind.BLOCKED
    )
    assert stage.world.files[IFACE] == content.encode()
    assert "filer1" not in through(stage)


def test_a_binding_taken_out_of_the_record_comes_back() -> None:
    stage = Stage(BOUND, with_bond(make_world()))
    stage.settle()
    path = record_path(stage.world, TARGET, f"{ADDRESS}:3260", NAME)
    stage.world.files[path] = stage.world.files[path].replace(f"iface.net_ifacename = {NAME}\n".encode(), b"")
    stage.world.version += 1
    assert len(stage.apply().report.outcomes) == 1
    assert record(stage)["iface.net_ifacename"] == NAME


def test_declared_later_the_session_stays_until_renewed() -> None:
    stage = converged(text())
    with_bond(stage.world)
    stage.configure(BOUND)
    said = stage.settle()
    assert said.exit == 0, str(said)
    assert f"declared, not live in session1: interface {NAME} (live default)" in said.finding(Kind.NOTE)
    assert through(stage)["filer1"] == "default"
    assert record(stage)["iface.net_ifacename"] == NAME

    report, _ = relogin(stage)
    assert exit_of(report) == 0, report.findings
    assert through(stage) == {"filer1": NAME, "filer2": "default"}
    assert stage.world.lost() == {}
    assert [leg.letter for leg in stage.world.active("testlv").legs] == ["A", "A"]

    told = stage.apply().finding(Kind.NOTE)
    assert "also has a record for interface default" in told
    assert f"-p {ADDRESS}:3260 -I default -o delete" in str([f.next for f in stage.apply().report.findings])
    del stage.world.files[record_path(stage.world, TARGET, f"{ADDRESS}:3260")]
    stage.world.version += 1
    assert "also has a record" not in stage.apply().finding(Kind.NOTE)


def test_no_longer_declared_is_an_administrators_to_end() -> None:
    """A second session would show every disk twice."""
    stage = Stage(BOUND, with_bond(make_world()))
    stage.settle()
    stage.configure(text())
    told = stage.apply()
    assert told.exit == 4
    assert f"another session reaches it already (session1 to {ADDRESS} through interface {NAME})" in told.finding(
        Kind.REFUSED
    )
    assert through(stage)["filer1"] == NAME


def test_encryption_that_is_required_and_there() -> None:
    stage = Stage(ENCRYPTED, with_tunnel(make_world()))
    assert stage.settle().exit == 0
    assert through(stage) == {"filer1": "wg0", "filer2": "default"}
    assert not stage.apply().host.changed


@pytest.mark.parametrize(("kind", "said"), [("", "a network card"), ("vlan", "vlan")])
def test_nothing_is_made_where_the_interface_is_no_tunnel(kind: str, said: str) -> None:
    stage = Stage(ENCRYPTED, with_tunnel(make_world(), kind))
    told = stage.apply()
    assert told.exit == 1
    assert f"require_encryption is true, and wg0 is {said}, and no WireGuard tunnel" in told.finding(Kind.BLOCKED)
    assert not any("filer1" in o.step.title or TARGET in o.step.title.split() for o in told.report.outcomes)
    assert "filer1" not in through(stage)


def test_a_tunnel_that_became_something_else() -> None:
    stage = Stage(ENCRYPTED, with_tunnel(make_world()))
    stage.settle()
    with_tunnel(stage.world, "dummy")
    told = stage.apply()
    assert told.exit == 3  # it is in use, and goes on
    assert "is in clear, and require_encryption is true" in told.finding(Kind.DEGRADED)
    assert not told.host.changed
    stage.world.logout("filer1")
    refused = stage.apply()
    assert "in clear" in refused.finding(Kind.REFUSED)
    assert "filer1" not in through(stage)
    with_tunnel(stage.world)
    assert stage.settle().exit == 0
    assert through(stage)["filer1"] == "wg0"


def test_a_live_session_in_clear_is_renewed_into_the_tunnel() -> None:
    stage = converged(text())
    with_tunnel(stage.world)
    stage.configure(ENCRYPTED)
    said = stage.apply()
    assert said.exit == 3
    assert "it goes through interface default, not through wg0" in said.finding(Kind.DEGRADED)
    assert through(stage)["filer1"] == "default"
    report, _ = relogin(stage)
    assert exit_of(report) == 0, report.findings
    assert through(stage)["filer1"] == "wg0"
    assert stage.world.lost() == {}


def test_encryption_without_an_interface_is_not_valid() -> None:
    with pytest.raises(ConfigError) as caught:
        compile_texts([("/x.toml", ENCRYPTED.replace('interface = "wg0"\n', ""))])
    (problem,) = caught.value.problems
    assert "interface is missing, and require_encryption is true" in problem.what
    assert "servers.filer1" in problem.where
