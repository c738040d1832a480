"""Debian 12 becomes Debian 13 with a mirror in service: the distribution's own upgrade, by apt-get, of every package, then
lunmirror's package for the new release, then the boot of the new kernel. Nothing but the archive comes from outside: what
apt-get wants is worked out and fetched on this host, and put into the machine as an archive of its own."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chroots
import deb
import pytest
from kit import CONFIG, LAYOUTS, MOUNT, Lab
from test_boot import letters
from test_sandbox import through_the_unit

pytestmark = pytest.mark.skipif(
    (os.environ.get("LAB") or "bookworm") != "bookworm", reason="an upgrade begins on Debian 12"
)

LOG = "/var/tmp/upgrade.log"
ARCHIVE = "/var/local/archive"
NEIGHBOUR = "iqn.2006-01.com.openfiler:bystander"
LONGEST = 5400  # seconds, on a machine with much else to do
APT = "DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Options::=--force-confold"
# In a Debian 12 that is reported of Debian 13 and of what the machine has: the files that apt-get would fetch, and they.
FETCH = """
sed -i s/bookworm/trixie/g /etc/apt/sources.list; apt-get update -qq; cp /status /var/lib/dpkg/status
mkdir -p /none/partial  # what is in the cache already is not printed
for what in full-upgrade "install $1"; do
    apt-get -y -qq -o Dir::Cache::archives=/none --print-uris $what > /uris; apt-get -y -qq --download-only $what > /dev/null
    sed -n "s/^'[^']*' \\([^ ]*\\.deb\\) .*/\\1/p" /uris >> /files
done
sort -u /files
"""


def fetched(status: bytes, wanted: list[str], directory: Path) -> bytes:
    """A tar of every package that a machine with that /var/lib/dpkg/status needs, and the index of them."""
    (directory / "status").write_bytes(status)
    with chroots.fresh("bookworm") as system:
        system.put(directory / "status", "/status")
        names = system.run("sh", "-ec", FETCH, "fetch", " ".join(wanted), network=True).stdout.split()
    cache = chroots.CACHE / "archives-bookworm"
    tar, index = io.BytesIO(), ""
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name in names:
            fields = subprocess.run(
                ["dpkg-deb", "-f", cache / name], check=True, capture_output=True, text=True
            ).stdout
            digest = hashlib.sha256((cache / name).read_bytes()).hexdigest()
            index += f"{fields}Filename: ./{name}\nSize: {(cache / name).stat().st_size}\nSHA256: {digest}\n\n"
            archive.add(cache / name, name)
        about = tarfile.TarInfo("Packages")
        about.size = len(index.encode())
        archive.addfile(about, io.BytesIO(index.encode()))
    return tar.getvalue()


class OwnKernel:
    """The image, but for the kernel: the machine's own."""

    def __init__(self, image: Any, lab: Lab, directory: Path) -> None:
        self.image, self.kernel, self.initrd = image, directory / "vmlinuz", directory / "initrd"
        for path, name in ((self.kernel, "vmlinuz"), (self.initrd, "initrd.img")):
            path.write_bytes(lab.get(lab.run(f"ls -t /boot/{name}-6.12*").stdout.split()[0]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.image, name)


@pytest.fixture
def kernels(machine: Any) -> Iterator[None]:
    """Another kernel is booted meanwhile."""
    image = machine.image
    yield
    machine.kill()
    machine.image = image


def upgraded(lab: Lab) -> float:
    """The whole distribution; the seconds it took. What apt-get says is shown as it comes."""
    running = lab.spawn(f"{APT} full-upgrade 2>&1")
    begun, shown = time.monotonic(), 0
    while (ended := running.poll()) is None:
        time.sleep(20)
        said = running.output()[0]
        print(f"[{time.monotonic() - begun:.0f} s]", said[shown:], flush=True)
        shown = len(said)
        assert time.monotonic() - begun < LONGEST, "apt-get has not come to its end"
    assert ended.rc == 0, ended.stdout[-6000:]
    return ended.seconds


def passes(lab: Lab) -> list[int]:
    """What each pass since this boot ended with."""
    said = lab.run("journalctl -b -o cat -u lunmirror.service --no-pager -g 'run ended'", check=False).stdout
    return [json.loads(line)["exit"] for line in said.splitlines() if line.startswith("{")]


def test_the_distribution_is_upgraded_under_a_writer(in_service: Lab, kernels: None, tmp_path: Path) -> None:
    lab = in_service
    lab.run(f"iscsiadm -m node -o new -T {NEIGHBOUR} -p 192.168.1.130")
    witness = lab.write_file()
    sessions = {about["target"] for about in lab.sessions().values()}
    newer = deb.built("trixie")
    wanted = deb.depends(newer)
    lab.put(f"{ARCHIVE}.tar", fetched(lab.get("/var/lib/dpkg/status"), wanted, tmp_path))
    lab.run(f"mkdir {ARCHIVE} && tar -C {ARCHIVE} -xf {ARCHIVE}.tar && rm {ARCHIVE}.tar", timeout=120)
    lab.put("/etc/apt/sources.list", f"deb [trusted=yes] file:{ARCHIVE} ./\n")
    lab.run("apt-get update -q", timeout=120)
    before = passes(lab)
    writer = lab.spawn(["writer", f"{MOUNT}/blocks", "--log", LOG, "--interval-ms", "50"])

    took = upgraded(lab)

    assert lab.run("cat /etc/debian_version").stdout.startswith("13")
    meanwhile = passes(lab)[len(before) :]
    lab.figure(f"full-upgrade {took:.0f} s; passes meanwhile ended with {sorted(set(meanwhile))}")
    assert "internal error" not in lab.run("journalctl -b -o cat -u lunmirror.service --no-pager").stdout

    # Debian 12's own package goes on, over the records in their new place.
    lab.database, lab.nodes = "/var/lib/iscsi", "/var/lib/iscsi/nodes"
    assert lab.run("ls /etc/iscsi/nodes", check=False).rc != 0
    assert NEIGHBOUR in lab.run("ls $NODES").stdout
    assert len(lab.records()) == 3
    through_the_unit(lab, busy=True)
    assert lab.plan(expect=0).report["steps"] == []

    lab.put(f"/root/{newer.name}", newer.read_bytes())
    lab.run(f"{APT} install /root/{newer.name}", timeout=1200)
    assert "python3.11" not in lab.run("head -n 1 /usr/bin/lunmirror").stdout
    through_the_unit(lab, busy=True)
    assert lab.plan(expect=0).report["steps"] == []
    assert lab.run("systemctl is-enabled lunmirror.service lunmirror.timer").stdout.split() == ["enabled"] * 2

    writer.kill(15)
    writer.wait(60)
    said = json.loads(lab.run(["writer", "verify", f"{MOUNT}/blocks", LOG], timeout=300).stdout)
    assert said["ok"], said
    assert said["errors"] == 0, said
    longest = max(json.loads(line)["latency_s"] for line in lab.get(LOG).decode().splitlines())
    lab.figure(f"longest write {longest:.1f} s in {said['writes']} writes")
    assert {about["target"] for about in lab.sessions().values()} == sessions
    assert letters(lab) == "AA"

    lab.machine.image = OwnKernel(lab.machine.image, lab, tmp_path)
    lab.machine.shutdown(timeout=600)
    lab.machine.boot(timeout=600)
    lab.figure(f"booted {lab.run('uname -r').stdout.strip()}")
    assert lab.run("uname -r").stdout.startswith("6.12")
    assert lab.run("systemctl is-system-running --wait", check=False, timeout=300).stdout.strip() == "running"
    assert (
        lab.run(["systemctl", "show", "lunmirror.service", "-p", "ExecMainStatus", "--value"]).stdout.strip() == "0"
    )
    assert letters(lab) == "AA"
    assert lab.mounted()
    assert lab.checksum(f"{MOUNT}/witness") == witness
    assert lab.plan(expect=0).report["steps"] == []
    assert lab.get(CONFIG) == LAYOUTS["core"].encode()
    assert set(lab.on_each_leg().values()) == {witness}
