"""Sessions bound to one network interface, by open-iscsi's own interface records."""

import pytest
from kit import LAYOUTS, MOUNT, SERVERS, Lab, config
from world import told

NAME = "lab0"  # the client's one interface (contrib/lab/guest/filer.py)
BOUND = dict.fromkeys(("filer1", "filer2"), f'interface = "{NAME}"')
TOML = config(partition=True, servers=BOUND)


def interfaces(lab: Lab) -> set[str]:
    return set(lab.run("cat /sys/class/iscsi_session/*/ifacename").stdout.split())


def bound(lab: Lab) -> int:
    """How many of the kernel's iSCSI connections are tied to the interface."""
    return lab.run("ss -Htn state established '( dport = :3260 )'").stdout.count(f"%{NAME}:")


def test_from_nothing_to_bound_sessions(lab: Lab) -> None:
    lab.configure(TOML.replace(NAME, "bond0.100"))
    wrong = lab.apply(expect=1)
    told(wrong, "servers.filer1.interface is bond0.100", "no such network interface", NAME)
    assert lab.records() == {}
    assert lab.run(f"ls {lab.database}/ifaces/bond0.100", check=False).rc != 0

    lab.configure(TOML)
    predicted = lab.plan(expect=2).titles()
    assert f"make an interface record of {NAME}" in predicted
    lab.settle()
    assert lab.mounted()
    assert interfaces(lab) == {NAME}
    assert bound(lab) == 2, lab.run("ss -tn").stdout
    assert f"iface.net_ifacename = {NAME}" in lab.run(f"iscsiadm -m iface -I {NAME}").stdout
    assert lab.apply(expect=0).titles() == []

    lab.run("filer cut filer2; dd if=/dev/zero of=/mnt/test/meanwhile bs=4k count=1 oflag=dsync", timeout=120)
    lab.run(
        "filer restore filer2; for i in $(seq 240); do"
        " [ $(cat /sys/class/iscsi_session/*/state | grep -c LOGGED_IN) = 2 ] && exit 0; sleep 0.25; done; exit 1",
        timeout=120,
    )
    lab.settle(passes=12)
    assert bound(lab) == 2, "iscsid binds it again when it reconnects"


@pytest.mark.unproven
def test_a_vlan_that_is_none_there_is_a_silent_server(lab: Lab) -> None:
    """Frames with a number that nobody else has: the interface is there and up, and nothing answers."""
    lab.run(
        f"ip link add link {NAME} name {NAME}.42 type vlan id 42 && ip link set {NAME}.42 up"
        f" && ip addr add 192.168.1.11/24 dev {NAME}.42 noprefixroute && ip route add 192.168.1.115 dev {NAME}.42 metric 999"
    )
    lab.configure(config(partition=True, servers={"filer1": f'interface = "{NAME}.42"'}))
    before = {server: lab.backing(server) for server in SERVERS}
    wrong = lab.apply(expect=1)
    told(wrong, "filer1", "does not answer")
    assert not [path for path in lab.records() if SERVERS["filer1"][2] + "/" in path]
    assert {server: lab.backing(server) for server in SERVERS} == before
    network = {one["server"]: one for one in lab.lunmirror("status", "-v").report["network"]}
    assert (network["filer1"]["kind"], network["filer1"]["vlan"]) == ("vlan", 42)


@pytest.mark.unproven
def test_an_interface_declared_later(converged) -> None:
    lab: Lab = converged("core", LAYOUTS["core"])
    witness = lab.write_file()
    lab.configure(TOML)
    said = lab.settle()
    told(said, f"interface {NAME} (live default)", "--relogin")
    assert interfaces(lab) == {"default"}
    lab.apply("--relogin", expect=0, timeout=900)
    assert interfaces(lab) == {NAME}
    assert lab.checksum(f"{MOUNT}/witness") == witness
    again = lab.apply(expect=0)
    told(again, "also has a record for interface default")
    for server in ("filer1", "filer2"):
        address, _, target = SERVERS[server]
        lab.run(f"iscsiadm -m node -T {target} -p {address}:3260 -I default -o delete")
    assert "also has a record" not in str(lab.apply(expect=0).findings())
    assert len(set(lab.on_each_leg().values())) == 1


def test_encryption_that_is_required(converged) -> None:
    """A tunnel without peers, and a card by its name: the image has no `wg`, so nothing goes through here."""
    lab: Lab = converged("core", LAYOUTS["core"])
    required = 'interface = "{}"\nrequire_encryption = true'
    lab.configure(config(partition=True, servers={"filer1": required.format(NAME)}))
    wrong = lab.apply(expect=3)
    told(wrong, "is in clear, and require_encryption is true")
    assert lab.mounted()

    lab.run("ip link add wg0 type wireguard && ip link set wg0 up")
    lab.configure(config(partition=True, servers={"filer1": required.format("wg0")}))
    tunnel = lab.apply()
    told(tunnel, "it goes through interface default, not through wg0", "does not answer")
    assert interfaces(lab) == {"default"}
    assert lab.mounted()
