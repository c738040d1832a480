"""`multipath = true`, with real multipathd: a second network to two servers, one path cut, both cut, another configuration."""

import pytest
from kit import MOUNT, SERVERS, Lab, config, volume
from test_outages import writing

FRAGMENT = "/etc/multipath/conf.d/lunmirror.conf"
BUDGET = 9.0
EMULATION = 6.0  # seconds more that a busy emulated processor may take
PORTALS = {"filer1": "192.168.2.115", "filer2": "192.168.2.120"}
ONE = config(policy='stall_budget = "9s"\nboot_wait = "5s"', volume=volume("48MiB"))


def two_ways() -> str:
    text = ONE
    for server, second in PORTALS.items():
        first = SERVERS[server][0]
        text = text.replace(f'portals = ["{first}"]', f'portals = ["{first}", "{second}"]\nmultipath = true')
    return text


def second_network(lab: Lab) -> None:
    """A bridge of its own, a card of its own in each server, and LUNs with names of their own."""
    lab.run("ip link add lab2 type bridge && ip addr add 192.168.2.10/24 dev lab2 && ip link set lab2 up")
    for number, (server, address) in enumerate(PORTALS.items(), 1):
        lab.run(
            f"ip link add {server}b type veth peer name eth1 netns {server} && ip link set {server}b master lab2 up"
            f" && ip -n {server} addr add {address}/24 dev eth1 && ip -n {server} link set eth1 up"
        )
        words = f"scsi_id=lunmirror{number:04},scsi_sn=sn{number:04}"
        lab.run(f"tgtadm -C {number} --lld iscsi --mode logicalunit --op update --tid 1 --lun 1 --params {words}")


def maps(lab: Lab) -> dict[str, str]:
    """Map -> the letters of its paths."""
    out = lab.run("dmsetup status --target multipath").stdout
    lines = (line.split() for line in out.splitlines() if "multipath" in line)
    return {
        w[0].rstrip(":"): "".join(b for a, b in zip(w, w[1:], strict=False) if b in "AF" and ":" in a) for w in lines
    }


def settled(lab: Lab, letters: str, timeout: int = 60) -> None:
    """Waits until the maps' paths read so, in any order."""
    wanted = sorted(letters.split())
    for _ in range(timeout):
        if sorted("".join(sorted(one)) for one in maps(lab).values()) == wanted:
            return
        lab.run("sleep 1")
    raise AssertionError((maps(lab), lab.run("multipath -ll; multipathd show paths", check=False).stdout))


@pytest.fixture
def joined(lab: Lab) -> Lab:
    second_network(lab)
    lab.run("systemctl start multipathd", timeout=60)
    lab.configure(two_ways())
    lab.apply(timeout=900)  # all of it in one pass: minutes, where the host is busy
    lab.settle(passes=12)
    lab.synced()
    return lab


def standing_on_maps(lab: Lab) -> bool:
    return all(device.startswith("/dev/mapper/") for device in lab.placement().values())


def test_from_blank_to_a_mirror_over_two_maps(joined: Lab) -> None:
    lab = joined
    assert sorted(maps(lab).values()) == ["AA", "AA"]
    assert standing_on_maps(lab), lab.placement()
    assert set(lab.run("cat /sys/class/iscsi_session/*/recovery_tmo").stdout.split()) == {
        line.split()[1] for line in lab.get(FRAGMENT).decode().splitlines() if "fast_io_fail_tmo" in line
    }
    assert "queue_if_no_path" not in lab.run("dmsetup table --target multipath").stdout
    taken = [line for line in lab.get("/etc/multipath/wwids").decode().splitlines() if line.startswith("/")]
    assert len(taken) == 2, taken
    assert lab.apply(expect=0).titles() == []
    ways = {
        r["portal"].split(":")[0]: r["interface"]
        for r in lab.lunmirror("speed", "--most", "16MiB", expect=0, timeout=120).report["network"]
    }
    assert {ways[a] for a in PORTALS.values()} == {"lab2"}, ways
    assert {ways[SERVERS[s][0]] for s in PORTALS} == {"lab0"}, ways


@pytest.mark.unproven
def test_one_path_cut_and_both_cut(joined: Lab) -> None:
    lab = joined
    with writing(lab):
        lab.run("sleep 3; ip link set filer1b down; sleep 25")
        told = lab.apply(expect=3)
        assert "192.168.2.115" in str(told.findings("degraded"))
        assert " AA " in lab.dm(), lab.dm()
        lab.run("ip link set filer1b up")
        settled(lab, "AA AA")
    assert " AA " in lab.dm(), "one path cut cost no leg"
    assert not [t for t in lab.apply(expect=0).titles() if "up to date" in t], "and nothing is copied"
    with writing(lab):
        lab.run("sleep 3; ip link set filer1b down; filer cut filer1; sleep 25")
        assert " DA " in lab.dm() or " AD " in lab.dm(), lab.dm()
        lab.run("ip link set filer1b up; filer restore filer1")
        settled(lab, "AA AA")
        lab.settle(passes=12)
    longest = [float(figure.rsplit(" ", 2)[1]) for figure in lab.figures[-2:]]
    assert max(longest) < BUDGET + EMULATION, longest
    assert standing_on_maps(lab)
    lab.write_file()
    assert len(set(lab.on_each_leg().values())) == 1


@pytest.mark.unproven
def test_another_configuration_that_queues_is_told(joined: Lab) -> None:
    lab = joined
    wwid = sorted(maps(lab))[0]
    lab.put(
        "/etc/multipath/conf.d/zz.conf",
        f'multipaths {{\n multipath {{\n  wwid "{wwid}"\n  no_path_retry queue\n }}\n}}\n',
    )
    lab.run("systemctl restart multipathd; sleep 3", timeout=60)
    told = lab.apply(expect=3)
    assert "no_path_retry" in str(told.findings("degraded"))
    lab.run("rm /etc/multipath/conf.d/zz.conf; multipathd reconfigure; sleep 3", timeout=60)
    lab.settle()
    assert "queue_if_no_path" not in lab.run("dmsetup table --target multipath").stdout


@pytest.mark.unproven
def test_two_servers_with_one_name_are_refused(lab: Lab) -> None:
    second_network(lab)
    for number in (1, 2):
        words = "scsi_id=alike,scsi_sn=alike"
        lab.run(f"tgtadm -C {number} --lld iscsi --mode logicalunit --op update --tid 1 --lun 1 --params {words}")
    lab.run("systemctl start multipathd", timeout=60)
    lab.configure(two_ways())
    before = [lab.backing(server) for server in PORTALS]
    told = lab.apply(expect=4)
    assert "have one WWID" in str(told.findings("refused"))
    assert maps(lab) == {}
    assert [lab.backing(server) for server in PORTALS] == before


def test_a_disk_in_use_moves_to_its_map(lab: Lab) -> None:
    second_network(lab)
    lab.configure(ONE)
    lab.apply(timeout=900)
    lab.settle(passes=12)
    lab.synced()
    witness = lab.write_file()
    lab.run("systemctl start multipathd", timeout=60)
    lab.configure(two_ways())
    print(lab.apply(timeout=600))
    lab.apply("--relogin", timeout=900)
    lab.settle(passes=12)
    assert standing_on_maps(lab), lab.placement()
    settled(lab, "AA AA")
    assert lab.checksum(f"{MOUNT}/witness") == witness
