"""Two servers that number their LUNs alike: it works, it is reported, and what multipath makes of it is refused."""

from collections.abc import Callable

import world
from kit import SERVERS, Lab, config

VOLUME = 'size = "48MiB"\nfilesystem = "ext4"\nmount = "/mnt/test"'
TOML = config(volume=VOLUME)
JOIN = "defaults {\n find_multipaths no\n user_friendly_names yes\n}\n"
KEEP_APART = 'defaults {\n find_multipaths strict\n}\nblacklist {\n device {\n  vendor "IET"\n }\n}\n'


def wwids(lab: Lab) -> list[str]:
    return [lab.run(f"cat /sys/class/block/{lab.device(disk)}/device/wwid").stdout for disk in ("left", "right")]


def test_equal_serials(converged: Callable[..., Lab]) -> None:
    lab = converged("equal-serials", TOML)
    left, right = wwids(lab)
    assert left == right, "or this lab shows nothing"
    for ran in (lab.plan(expect=0), lab.apply(expect=0)):
        said = [f for f in ran.findings("note") if "same identity" in f["what"]]
        assert len(said) == 1, str(ran)
        assert {"left", "right"} <= set(said[0]["what"].split())
        assert "by-id" in said[0]["next"]
    # Each leg is on its own server all the same, and nothing was named by an identity that both have.
    table = world.take(lab)
    for leg, server in (("0", "filer1"), ("1", "filer2")):
        assert SERVERS[server][2] + " LUN 1" in table[f"device vg0-testlv_rimage_{leg}"][0]
    assert "by-id" not in lab.get("/etc/fstab").decode()
    assert "wwn-" not in lab.get("/etc/fstab").decode()
    lab.run("umount /mnt/test && lvchange -an vg0/testlv")
    rc, trace = lab.executed("apply")
    assert rc == 0
    assert not any("by-id" in word for argv in trace for word in argv)
    data = lab.write_file()
    assert set(lab.on_each_leg().values()) == {data}


def test_a_map_that_joins_two_servers(lab: Lab) -> None:
    for address in ("192.168.1.115", "192.168.1.120"):
        lab.run(
            f"iscsiadm -m discovery -t st -p {address} -o new >/dev/null && iscsiadm -m node -p {address} --login"
        )
    lab.put("/etc/multipath.conf", JOIN)
    lab.run("udevadm settle; modprobe dm-multipath; multipath -v2; udevadm settle", timeout=120, check=False)
    name = lab.run("dmsetup ls --target multipath").stdout.split()[0]
    joined = sorted(
        lab.run(f"ls /sys/class/block/$(basename $(readlink -f /dev/mapper/{name}))/slaves").stdout.split()
    )
    assert joined == sorted([lab.device("left"), lab.device("right")]), "multipath took the two for one"

    lab.configure(TOML)
    servers = ("filer1", "filer2")
    before, bytes_before = world.take(lab), [lab.backing(server) for server in servers]
    for ran in (lab.plan(expect=4), lab.apply(expect=4)):
        for disk in ("left", "right"):
            said = [f for f in ran.findings("refused") if f["resource"] == {"layer": "disk", "name": disk}]
            assert len(said) == 1, str(ran)
            assert name in said[0]["what"]
            assert disk in said[0]["what"]
            assert said[0]["why"]
            told = said[0]["next"].split("`")[1]
            assert told.startswith(f"multipath -f {name}; multipath -w ")
    assert [lab.backing(server) for server in servers] == bytes_before
    differ = {n for n in world.changed(before, world.take(lab)) if n.split()[0] in ("pv", "group", "device", "mount")}
    assert differ == set()

    # What it tells the administrator to do is enough.
    lab.put("/etc/multipath.conf", KEEP_APART)
    lab.run(f"{told}; udevadm settle")
    lab.settle()
    assert lab.mounted().split()[1] == "ext4"
    assert lab.run("dmsetup ls --target multipath", check=False).stdout.strip() in ("", "No devices found")
