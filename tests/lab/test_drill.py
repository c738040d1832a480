"""The drill on a mirror in service: the traffic is really cut, by the kernel's own clock, and everything is whole again
afterwards. Judged by sysfs, nft, device-mapper and a full comparison, not by the drill's own words."""

import json
import re
import xml.etree.ElementTree as ET

from kit import CONFIG, MOUNT, SERVERS, Lab, config
from test_outages import back

RAID1 = config(policy='stall_budget = "6s"\nboot_wait = "5s"')
BUDGET = 6.0
EMULATION = 6.0  # seconds more than the budget that two busy emulated processors may take to notice and to go on
SVG = "/root/drill.svg"
STATES = "/root/states"
# Not a shell's loop: under emulation that is slower than the one second that a session may be FAILED.
OBSERVER = """
import glob, time
last = {}
while True:
    for session in glob.glob("/sys/class/iscsi_session/*"):
        try:
            now = open(session + "/targetname").read().strip(), open(session + "/state").read().strip()
        except OSError:
            continue
        if last.get(session) != now:
            print(time.monotonic(), *now, flush=True)
            last[session] = now
    time.sleep(0.1)
"""


def observe(lab: Lab) -> None:
    """From now on, what sysfs says of both sessions, ten times a second: `time target state`."""
    lab.put("/root/observe.py", OBSERVER)
    lab.spawn(f"python3 -SE /root/observe.py > {STATES}")


def states(lab: Lab, server: str) -> list[tuple[float, str]]:
    """(seconds since boot, state) of one server's session, changes only."""
    rows = [line.split() for line in lab.get(STATES).decode().splitlines()]
    mine = [(float(r[0]), r[2]) for r in rows if len(r) == 3 and r[1] == SERVERS[server][2]]
    return [one for n, one in enumerate(mine) if n == 0 or one[1] != mine[n - 1][1]]


def whole(lab: Lab) -> None:
    """In full sync, and the legs equal sector by sector."""
    lab.synced()
    lab.run("lvchange --syncaction check vg0/testlv && sleep 1")
    lab.run(
        "for i in $(seq 240); do dmsetup status vg0-testlv | grep -q idle && exit 0; sleep 0.5; done; exit 1",
        timeout=150,
    )
    assert int(lab.run("lvs --noheadings -o raid_mismatch_count vg0/testlv").stdout) == 0


def answers(lab: Lab, server: str) -> bool:
    """Whether its portal takes a connection, asked past lunmirror."""
    ask = f"timeout 2 bash -c '</dev/tcp/{SERVERS[server][0]}/3260'"
    return lab.run(ask, check=False, timeout=20).rc == 0


def tables(lab: Lab) -> str:
    return lab.run("nft list tables").stdout.strip()


def dropping(lab: Lab) -> None:
    """Waits until the drill has cut the traffic."""
    lab.run(
        "for i in $(seq 600); do nft list ruleset | grep -q expires && exit 0; sleep 0.1; done; exit 1", timeout=120
    )


def test_a_drill_cuts_measures_heals_and_reports(converged, tmp_path):
    lab = converged("raid1-6s", RAID1)
    witness = lab.write_file()
    lab.run("nft add table ip somebody; nft add chain ip somebody c '{ type filter hook output priority 0; }'")
    observe(lab)
    drill = lab.spawn(
        f"lunmirror drill filer2 --confirm --picture {SVG} --json > /root/drill.json 2> /root/drill.log; echo $? > /root/drill.rc"
    )
    dropping(lab)
    assert not answers(lab, "filer2")
    assert answers(lab, "filer1")  # the other server, and
    assert lab.run(f"timeout 5 ping -c 1 {SERVERS['filer2'][0]}", check=False).rc in (0, 127)  # whatever is no iSCSI
    busy = lab.apply(expect=75)
    assert "drill" in str(busy)
    drill.wait(400)
    said = json.loads(lab.get("/root/drill.json"))
    log = lab.get("/root/drill.log").decode()
    print({k: v for k, v in said.items() if k != "events"}, *said["events"], sep="\n")
    assert said["errors"] == 0, said
    assert said["stall"] <= BUDGET + EMULATION, said
    assert said["packets"] > 0, said
    assert said["whole"] is not None, (said, log)
    assert int(lab.get("/root/drill.rc")) == said["exit"] == (0 if said["stall"] <= BUDGET else 1), said
    assert 1 < said["session_lost"] <= said["given_up"] < 25 + said["session_back"], said
    # The world, without the drill's help.
    went = [state for _, state in states(lab, "filer2")]
    assert "FAILED" in went, went
    assert went[0] == went[-1] == "LOGGED_IN", went
    assert {state for _, state in states(lab, "filer1")} == {"LOGGED_IN"}
    assert answers(lab, "filer2")
    assert tables(lab) == "table ip somebody"
    assert lab.run(f"ls -A {MOUNT}").stdout.split() == ["lost+found", "witness"]
    assert lab.checksum(f"{MOUNT}/witness") == witness
    whole(lab)
    assert lab.apply(expect=0).titles() == []
    # The picture.
    picture = lab.get(SVG)
    (tmp_path / "drill.svg").write_bytes(picture)
    texts = ["".join(e.itertext()) for e in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    for event in (
        "traffic dropped",
        "session lost",
        "leg given up",
        "traffic back",
        "session back",
        "full redundancy",
    ):
        assert any(text.startswith(event) for text in texts), (event, texts)
    assert "stall budget 6 s" in texts
    assert "filer2" in texts[0]
    assert not re.search(rb"<script|xlink:href|href=|url\(", picture)


def test_the_traffic_returns_although_the_drill_was_killed(converged):
    lab = converged("raid1-6s", RAID1)
    observe(lab)
    lab.spawn("lunmirror drill filer2 --confirm --seconds 20 --picture /root/killed.svg")
    dropping(lab)
    lab.run("sleep 8; kill -9 $(cut -d' ' -f1 /run/lunmirror/lock)")
    assert not answers(lab, "filer2")  # still cut
    assert "expires" in lab.run("nft list ruleset").stdout
    lab.run(
        f"for i in $(seq 100); do timeout 1 bash -c '</dev/tcp/{SERVERS['filer2'][0]}/3260' && exit 0; sleep 0.2; done; exit 1",
        timeout=60,
    )
    assert "expires" not in lab.run("nft list ruleset").stdout
    assert "FAILED" in [state for _, state in states(lab, "filer2")]
    assert (
        lab.run("pgrep -f '[l]unmirror drill'", check=False).stdout == ""
    )  # its writer and its watcher are gone too
    assert lab.run(f"ls -A {MOUNT}").stdout.split() == ["lost+found"]
    back(lab, "right")  # its port answers some seconds before its session is back
    lab.settle()
    whole(lab)
    # What it left is inert, and the next drill removes it.
    assert "lunmirror_drill" in tables(lab)
    again = lab.lunmirror(
        "drill", "filer2", "--confirm", "--seconds", "3", "--picture", "/root/again.svg", timeout=300
    )
    assert again.report["errors"] == 0, str(again)
    assert tables(lab) == ""


def test_a_drill_of_ipv6_portals_and_of_a_mirror(converged):
    text = config(
        policy='stall_budget = "9s"\nboot_wait = "5s"',
        ipv6=True,
        volume=f'size = "64MiB"\ntype = "mirror"\nfilesystem = "ext4"\nmount = "{MOUNT}"',
    )
    lab = converged("mirror6-9s", text)
    observe(lab)
    ran = lab.lunmirror("drill", "filer1", "--confirm", "--picture", SVG, timeout=600)
    assert ran.report["errors"] == 0, str(ran)
    assert ran.report["whole"] is not None, str(ran)
    assert ran.report["packets"] > 0, str(ran)
    assert "FAILED" in [state for _, state in states(lab, "filer1")]
    assert " mirror 2 " in lab.dm()
    lab.synced()
    lab.write_file()
    assert len(set(lab.on_each_leg().values())) == 1


def test_a_drill_refuses_what_would_hurt(converged):
    lab = converged("raid1-6s", RAID1)
    asked = lab.run("lunmirror drill filer2", check=False)
    assert asked.rc == 64
    assert "192.168.1.120:3260" in asked.stderr
    assert "--confirm" in asked.stderr
    # A disk of the server that somebody uses without a mirror.
    lab.run("filer lun filer2 add 2 64M; iscsiadm -m session -R", timeout=60)
    second = f"/dev/{lab.device('right', 2)}"
    lab.run(
        f"for i in $(seq 50); do test -b {second} && break; sleep 0.1; done; mkfs.ext4 -q {second}; mkdir -p /mnt/alone; mount {second} /mnt/alone",
        timeout=120,
    )
    alone = lab.lunmirror("drill", "filer2", "--confirm", expect=4)
    assert "/mnt/alone" in str(alone.report["reasons"])
    lab.run("umount /mnt/alone")
    # The other leg is behind.
    lab.run("filer cut filer1; dd if=/dev/zero of=/mnt/test/touch bs=4k count=1 oflag=dsync", timeout=120)
    needed = lab.lunmirror("drill", "filer2", "--confirm", expect=4)
    assert "would lose" in str(needed.report["reasons"])
    dead = lab.lunmirror("drill", "filer1", "--confirm", expect=4)
    assert "is not" in str(dead.report["reasons"]) or "degraded" in str(dead.report["reasons"])
    lab.run("filer restore filer1")
    lab.settle()
    # No nftables.
    lab.run("mv /usr/sbin/nft /usr/sbin/nft.away")
    without = lab.run("lunmirror drill filer2 --confirm", check=False, timeout=120)
    assert without.rc == 1
    assert "package nftables" in without.stderr
    lab.run("mv /usr/sbin/nft.away /usr/sbin/nft")
    assert tables(lab) == ""
    assert lab.run(f"test -e {CONFIG}; ls -A {MOUNT}").stdout.split() == ["lost+found", "touch"]
