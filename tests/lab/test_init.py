"""`init` against real servers: discovery alone, and a configuration that works."""

import re

from kit import CONFIG, SERVERS, Lab

ASK = " ".join(f"--server {name}={SERVERS[name][0]}" for name in ("filer1", "filer2"))


def test_from_two_addresses_to_a_mounted_mirror(lab: Lab) -> None:
    before = lab.footprint()
    ran = lab.run(f"lunmirror init {ASK}", check=False, timeout=120)
    assert ran.rc == 4, ran.stderr
    assert f"announces {SERVERS['filer2'][2]}" in " ".join(ran.stdout.replace("#", " ").split())
    assert (lab.footprint(), lab.records(), lab.sessions()) == (before, {}, {})

    lab.run(f"mkdir -p /etc/lunmirror; rm -f {CONFIG}; lunmirror init {ASK} --lun 1 --out {CONFIG}", timeout=120)
    assert lab.run("lunmirror check").rc == 0
    assert lab.run(f"lunmirror init {ASK} --out {CONFIG}", check=False).rc == 64
    assert (lab.records(), lab.sessions()) == ({}, {})

    text = lab.run(f"cat {CONFIG}").stdout
    at = text.index("# [groups.vg0.volumes.data]")
    volume = re.sub(r"(?m)^# ", "", text[at:]).replace("10GiB", "64MiB")
    lab.put(CONFIG, text[:at] + volume, 0o644)
    lab.settle()
    assert "/srv/data" in lab.run("findmnt -rno TARGET /dev/vg0/data").stdout
    lab.synced("vg0-data")
    assert lab.apply(expect=0).titles() == []
