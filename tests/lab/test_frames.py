"""Large frames that vanish on the way, for real: packets above a size are dropped between server and client."""

import debs
import pytest
from kit import Lab, config, volume

TOML = config(volume=volume("48MiB"))
SERVER = "192.168.1.115"


def jumbo(lab: Lab) -> None:
    """Frames of 9000 bytes to that server, before the login: a page is one of them. No segment is larger than a frame, since TCP
    would send again in smaller ones what is lost of those."""
    lab.run(
        "ip -n filer1 link set eth0 mtu 9000 gso_max_segs 1; ip link set filer1 mtu 9000; ip link set lab0 mtu 9000"
    )


def lose(lab: Lab, largest: int) -> None:
    """From now on, packets from that server larger than this are dropped as they arrive."""
    lab.run(
        "nft 'table inet frames { chain c { type filter hook input priority -310; policy accept;"
        f" ip saddr {SERVER} tcp sport 3260 meta length > {largest} drop; }}; }}'"
    )


@pytest.mark.unproven
def test_large_frames_that_vanish(lab: Lab):
    """A page comes through, so that udev knows the disk; 256 KiB do not."""
    lab.configure(TOML)
    jumbo(lab)
    lab.run(
        f"iscsiadm -m discovery -t st -p {SERVER} -o new >/dev/null && iscsiadm -m node -p {SERVER} --login && udevadm settle"
    )
    before = lab.backing("filer1")
    lose(lab, 8000)
    ran = lab.apply(timeout=600)
    print(ran)
    assert ran.rc in (1, 4), str(ran)
    refused = [f for f in ran.findings("refused") if f["resource"] == {"layer": "disk", "name": "left"}]
    assert refused, str(ran)
    assert "MTU" in refused[0]["why"]
    assert lab.backing("filer1") == before, "nothing was written"
    lab.run("nft delete table inet frames")
    lab.settle(passes=12)


@pytest.mark.unproven
def test_speed_says_that_a_frame_of_the_mtu_does_not_come_through(converged):
    lab = converged("frames", TOML)
    debs.install(lab, "iputils-ping")  # the image has none
    lab.run(
        "nft 'table inet frames { chain c { type filter hook input priority -310; policy accept;"
        f" ip saddr {SERVER} icmp type echo-reply meta length > 1400 drop; }}; }}'"
    )
    found = lab.lunmirror("speed", "--most", "16MiB", expect=0, timeout=120).report
    passes = {r["server"]: r["passes"] for r in found["network"]}
    assert passes == {"filer1": False, "filer2": True}, found["network"]
    assert any("do not come through" in n for n in found["notes"]), found["notes"]
