"""What lunmirror tells while a server is away and while its leg is rebuilt, beside what the machine itself shows."""

import re

from kit import MOUNT, Lab, config, volume
from test_outages import back, given_up

SETUP = config(policy='stall_budget = "6s"\nboot_wait = "5s"', volume=volume("256MiB"))
PACE = 4096  # KiB/s that the kernel may copy


def told(lab: Lab, *words: str, expect: int) -> str:
    done = lab.run(["lunmirror", *words], check=False, timeout=120)
    print(f"$ lunmirror {' '.join(words)}  → exit {done.rc} after {done.seconds:.1f} s\n{done.stdout}")
    assert done.rc == expect, done.stderr
    return done.stdout


def test_an_outage_and_a_rebuild_are_reported(converged) -> None:
    lab = converged("telling", SETUP)
    assert told(lab, "status", expect=0).startswith("OK: ")
    assert told(lab, "status", "-q", expect=0) == ""
    for server in ("filer1", "filer2"):
        told(lab, "can-lose", server, expect=0)

    lab.run("filer cut filer2")
    # The kernel still says LOGGED_IN, and every letter is A.
    assert "filer2" in told(lab, "can-lose", "filer1", expect=4)
    lab.run(f"dd if=/dev/urandom of={MOUNT}/noise bs=1M count=96 conv=fsync", timeout=180)
    given_up(lab)
    lab.apply(expect=3)
    said = told(lab, "status", expect=3)
    assert said.startswith("DEGRADED: vg0/testlv is without full redundancy; its data is safe\n"), said
    assert re.search(r"means +data is safe on filer1; no redundancy since \d\d:\d\d", said), said
    assert re.search(r"cause +filer2 has not answered since \d\d:\d\d", said), said
    assert re.search(r"action +none: redundancy returns by itself when filer2 answers", said), said
    assert re.search(r"server filer1 +must stay up: vg0/testlv would lose access and data with it", said), said
    assert re.search(r"server filer2 +lost already: it has not answered since", said), said
    said = told(lab, "status", "-v", expect=3)
    assert "detected conn error" in said
    assert "on disk right: in sync" not in said
    assert "is lost already" in told(lab, "can-lose", "filer2", expect=0)
    assert told(lab, "status", "-q", expect=3)
    told(lab, "status", "--wait", "synced", "--timeout", "3s", expect=3)

    lab.run(f"cd /proc/sys/dev/raid && echo 1000 > speed_limit_min && echo {PACE} > speed_limit_max")
    lab.run("filer restore filer2")
    back(lab, "right")
    watching = lab.spawn("script -qec 'stty cols 100; lunmirror status --watch' /root/watched >/dev/null")
    logged = lab.spawn("lunmirror status --watch > /root/logged 2>/dev/null")
    counts = lab.spawn("while :; do dmsetup status vg0-testlv; sleep 0.5; done > /root/counts")
    lab.apply()
    said = told(lab, "status", expect=3)
    rate, unit = re.search(r" %, ([\d.]+) (.iB)/s, at most .* left", said).groups()
    assert unit in ("KiB", "MiB")
    # md keeps to its limit over some seconds only.
    assert PACE / 8 < float(rate) * (1024 if unit == "MiB" else 1) < PACE * 8
    told(lab, "can-lose", "filer1", expect=4)
    told(lab, "can-lose", "filer2", expect=0)
    lab.run("sleep 5; echo 200000 > /proc/sys/dev/raid/speed_limit_max")
    told(lab, "status", "--wait", "synced", "--timeout", "200s", expect=0)
    assert "AA" in lab.dm()
    assert watching.wait(60).rc == 0
    assert logged.wait(60).rc == 0
    counts.kill()
    lines = lab.get("/root/logged").decode().splitlines()
    print("\n".join(lines))
    print(lab.run("uniq -c /root/counts").stdout)
    print(repr(lab.get("/root/watched")[-3000:].decode()))
    assert lines[-1].endswith("(exit 0)")
    assert any("rebuilding (" in line for line in lines)
    told(lab, "status", expect=0)
    for server in ("filer1", "filer2"):
        told(lab, "can-lose", server, expect=0)
