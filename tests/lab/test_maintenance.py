"""A server in maintenance, on the real kernel: logged out under a writer, rebooted in peace, and brought back by its bitmap."""

import json
import time

from kit import LAYOUTS, MOUNT, Lab

MARK = "/var/lib/lunmirror/maintenance.json"


def test_a_server_is_rebooted_in_maintenance_and_nobody_waits(converged) -> None:
    lab: Lab = converged("core", LAYOUTS["core"])
    witness = lab.write_file()
    lab.run("rm -f /root/w")
    writer = lab.spawn(f"writer {MOUNT}/blocks --log /root/w --interval-ms 50")
    lab.run("sleep 3")

    begun = lab.lunmirror("maintenance", "filer2", "--for", "1h", timeout=300)
    assert begun.rc == 0, str(begun)
    assert lab.target("right") not in lab.run("iscsiadm -m session", check=False).stdout
    lab.run("for i in $(seq 40); do dmsetup status vg0-testlv | grep -qw AD && exit 0; sleep 0.25; done; exit 1")
    assert lab.lunmirror("can-lose", "filer1").rc == 4

    lab.run("filer stop filer2", timeout=60)
    for _ in range(3):
        quiet = lab.run("lunmirror apply --quiet", check=False, timeout=120)
        assert quiet.rc == 0, quiet.stdout
    said = lab.run("lunmirror status", check=False, timeout=120)
    assert said.rc == 0, said.stdout
    assert "in maintenance until" in said.stdout

    lab.run("filer start filer2", timeout=60)
    lab.run("lunmirror apply --quiet", check=False, timeout=120)
    assert lab.target("right") not in lab.run("iscsiadm -m session", check=False).stdout, "not before its end"

    lab.run("pkill -TERM -f '[w]riter /mnt'", check=False)
    writer.wait(300)
    wrote = json.loads(lab.run(f"writer verify {MOUNT}/blocks /root/w", timeout=120).stdout)
    assert wrote["errors"] == 0, wrote
    assert wrote["lost"] == wrote["torn"] == [], wrote
    lab.figure(f"logged out under a writer: longest write {wrote['max_latency_s']:.1f} s")
    assert wrote["max_latency_s"] < 10, wrote

    ended = lab.lunmirror("maintenance", "filer2", "--end", timeout=300)
    assert ended.rc in (0, 3), str(ended)
    lab.settle()
    lab.synced()
    assert " AA " in lab.dm()
    assert lab.checksum(f"{MOUNT}/witness") == witness
    assert set(lab.on_each_leg().values()) == {witness}
    assert not lab.run(f"test -e {MARK} && echo there", check=False).stdout


def test_a_forgotten_maintenance_ends_by_itself(converged) -> None:
    lab: Lab = converged("core", LAYOUTS["core"])
    witness = lab.write_file()
    begun = lab.lunmirror("maintenance", "filer2", "--for", "1m", timeout=300)
    assert begun.rc == 0, str(begun)
    noted = time.monotonic()
    while time.monotonic() - noted < 65:
        time.sleep(1)
    first = lab.apply()
    assert "the maintenance of server filer2 is over" in str(first.findings()), str(first)
    lab.settle()
    lab.synced()
    assert set(lab.on_each_leg().values()) == {witness}


def test_the_leg_of_a_mirror_is_taken_out_and_added_again(converged) -> None:
    lab: Lab = converged("mirror", LAYOUTS["mirror"])
    witness = lab.write_file()
    begun = lab.lunmirror("maintenance", "filer2", "--for", "1h", timeout=300)
    assert begun.rc == 0, str(begun)
    assert lab.dm().split()[2:3] == ["linear"]
    lab.run(f"echo x > {MOUNT}/x; sync -f {MOUNT}/x", timeout=60)
    assert lab.apply(expect=0).titles() == []
    ended = lab.lunmirror("maintenance", "filer2", "--end", timeout=300)
    assert ended.rc in (0, 3), str(ended)
    lab.settle()
    lab.synced()
    assert " mirror 2 " in lab.dm()
    assert set(lab.on_each_leg().values()) == {witness}


def test_what_must_stay_in_service_is_refused(converged) -> None:
    lab: Lab = converged("core", LAYOUTS["core"])
    lab.run("filer cut filer2; echo x > /mnt/test/x; sync -f /mnt/test/x", timeout=60)
    ran = lab.run("lunmirror maintenance filer1 --for 1h", check=False, timeout=300)
    assert ran.rc == 4, ran.stdout + ran.stderr
    assert not lab.run(f"test -e {MARK} && echo there", check=False).stdout
    assert lab.target("left") in lab.run("iscsiadm -m session").stdout
