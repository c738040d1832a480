"""docs/network.md's recipe: one server's sessions go through WireGuard, and nothing of that server is in clear."""

import re
from pathlib import Path

import debs
import pytest
from kit import LAYOUTS, MOUNT, SERVERS, Lab, config
from test_outages import whole

CLEAR = SERVERS["filer1"][0]
SERVER, CLIENT = "10.20.0.1", "10.20.0.2"
TUNNEL = config(partition=True, servers={"filer1": 'interface = "wg0"\nrequire_encryption = true'}).replace(
    CLEAR, SERVER
)
DOCS = Path(__file__).parents[2] / "docs/network.md"


def tunnel(lab: Lab) -> None:
    """Both ends. The client's as the recipe says; the server's is a namespace, which systemd-networkd does not go into."""
    debs.install(lab, "wireguard-tools")
    keys = {}
    for end in ("server", "client"):
        lab.run(
            f"umask 077; wg genkey > /etc/wireguard/{end}.key; wg pubkey < /etc/wireguard/{end}.key > /root/{end}.pub"
        )
        keys[end] = lab.get(f"/root/{end}.pub").decode().strip()
    lab.run(
        "cd /etc/wireguard; chgrp systemd-network . client.key; chmod 750 .; mv client.key private.key; chmod 640 private.key"
    )
    netdev, network = re.findall(r"```ini\n(.*?)```", DOCS.read_text(), re.DOTALL)
    netdev = netdev.replace("PublicKey=…", f"PublicKey={keys['server']}\nEndpoint={CLEAR}:51820")
    lab.put("/etc/systemd/network/wg0.netdev", netdev.replace(f"{CLIENT}/32", f"{SERVER}/32").encode())
    lab.put("/etc/systemd/network/wg0.network", network.replace(f"{SERVER}/30", f"{CLIENT}/30").encode())
    lab.run(
        "cd /etc/systemd/network; chgrp systemd-network wg0.netdev; chmod 640 wg0.netdev; systemctl restart systemd-networkd"
    )
    lab.run(
        "ip netns exec filer1 sh -ec 'ip link add wg0 type wireguard; ip addr add 10.20.0.1/30 dev wg0;"
        " wg set wg0 listen-port 51820 private-key /etc/wireguard/server.key"
        f" peer {keys['client']} allowed-ips {CLIENT}/32; ip link set wg0 up'"
    )


def carried(lab: Lab) -> int:
    """Bytes that the tunnel has taken from the client."""
    return int(lab.run("wg show wg0 transfer").stdout.split()[2])


def test_through_wireguard_and_in_clear_to_nobody(lab: Lab) -> None:
    lab.configure(TUNNEL)
    assert "no such network interface" in str(lab.apply(expect=1).findings())
    assert (
        SERVERS["filer1"][2] not in lab.run("cat /sys/class/iscsi_session/*/targetname", check=False).stdout.split()
    )

    tunnel(lab)
    lab.settle()
    assert lab.mounted()
    before = carried(lab)
    lab.write_file(size=4 << 20)
    assert carried(lab) - before > 4 << 20
    there = lab.run("ss -Htn state established '( dport = :3260 )'").stdout
    assert f"{SERVER}:3260" in there.replace("%wg0", "")
    assert f"{CLEAR}:3260" not in there
    assert lab.apply(expect=0).titles() == []

    lab.run(
        f"filer cut filer1; dd if=/dev/zero of={MOUNT}/meanwhile bs=4k count=1 oflag=dsync; filer restore filer1",
        timeout=120,
    )
    lab.settle(passes=12)
    whole(lab)
    assert len(set(lab.on_each_leg().values())) == 1


def ways(lab: Lab) -> dict[str, str]:
    return {one["server"]: one["encryption"] for one in lab.lunmirror("status", "-v", expect=0).report["network"]}


@pytest.mark.unproven
def test_what_goes_inside_ipsec_and_what_in_clear(converged) -> None:
    """ESP in the kernel, both ends: keys by hand, as no IKE daemon is here."""
    lab: Lab = converged("core", LAYOUTS["core"])
    assert ways(lab) == {"filer1": "none", "filer2": "none"}
    client, key = "192.168.1.10", "0x" + "5a" * 20
    for end, inside in ((client, ""), (CLEAR, "ip netns exec filer1 ")):
        for spi, (one, other) in ((0x101, (client, CLEAR)), (0x102, (CLEAR, client))):
            lab.run(
                f"{inside}ip xfrm state add src {one} dst {other} proto esp spi {spi} mode transport"
                f" aead 'rfc4106(gcm(aes))' {key} 128"
            )
        far = CLEAR if end == client else client
        lab.run(f"{inside}ip xfrm policy add dir out src {end} dst {far} tmpl proto esp mode transport")
    lab.write_file(size=4 << 20)
    counted = re.search(
        r"(\d+)\(bytes\)", lab.run(f"ip -s xfrm state get src {client} dst {CLEAR} proto esp spi 0x101").stdout
    )
    assert counted
    assert int(counted[1]) > 4 << 20
    assert ways(lab) == {"filer1": "ipsec", "filer2": "none"}
    whole(lab)
