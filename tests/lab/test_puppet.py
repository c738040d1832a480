"""The Puppet class with Debian's own puppet-agent, against real storage servers: the declaration of docs/handoff.md, masterless."""

import json

import debs
import pytest
from kit import CONFIG, MOUNT, Lab
from managed import (
    REFUSED,
    ROOT,
    SETUP,
    by_hand_only,
    by_package,
    converge,
    drift,
    examples,
    healed,
    precious,
    send,
    untouched,
)
from test_chap import DIRECTORY, OURS, guard, nowhere

SECRET = OURS["filer1"]
MODULES = "/root/modules"
DATA = "/root/probe-data"  # a place that `nowhere` knows
HIERA = f"version: 5\nhierarchy: [{{name: all, path: all.yaml, datadir: {DATA}}}]\n"
PLACES = ("/etc/puppet", "/var/cache/puppet", "/var/lib/puppet", "/var/log/puppet", "/run/puppet")
# Puppet's own. Facter asks blkid for its facts about partitions, and blkid keeps what it found.
OWN = (
    *PLACES,
    "/run/blkid",
    "/root/modules",
    "/root/probe",
    "/root/site.pp",
    "/root/.facter",
    "/root/.puppet",
    "/opt/puppetlabs",
)


def apply(lab: Lab, *options: str, text: str = SETUP, timer: bool = True) -> tuple[int, str]:
    """(0 unchanged, 2 changed, 4 failed, 6 both; what was printed)."""
    lab.put(f"{MODULES}/profile/files/lunmirror.toml", text)
    data = {"lunmirror::install": False, "lunmirror::timer": timer}
    lab.put(f"{DATA}/all.yaml", json.dumps(data), 0o600)
    words = ["puppet", "apply", "--modulepath", MODULES, "--hiera_config", "/root/hiera.yaml", "--detailed-exitcodes"]
    done = lab.run([*words, "--color=false", *options, "/root/site.pp"], check=False, timeout=1800)
    return done.rc, done.stdout + done.stderr


@pytest.fixture
def blank(lab: Lab) -> Lab:
    """Puppet, the class and its declaration; lunmirror by its package; a server that wants CHAP."""
    debs.install(lab, "puppet-agent")
    lab.run("systemctl disable --now puppet", check=False, timeout=120)
    by_package(lab)
    guard(lab, "filer1")
    lab.run(f"rm -r {DIRECTORY}")
    send(lab, ROOT / "contrib/puppet", MODULES)
    lab.put("/root/hiera.yaml", HIERA)
    lab.put(f"{DATA}/filer1", f"{SECRET}\n", 0o600)
    lab.put("/root/site.pp", examples("handoff.md", "Puppet", "puppet")[0].replace("/etc/puppet/secrets", DATA))
    return lab


@pytest.fixture
def managed(machine, request) -> Lab:
    """The same, mounted and in sync by one run; from now on no pass but Puppet's."""
    if "puppet" in machine.converged:
        machine.restore("puppet")
        return Lab(machine)
    lab: Lab = request.getfixturevalue("blank")
    assert apply(lab)[0] == 2
    kept(lab)
    return lab


def kept(lab: Lab) -> None:
    by_hand_only(lab)
    converge(lab)
    lab.machine.snapshot("puppet")
    lab.machine.converged.add("puppet")


@pytest.mark.unproven
def test_puppet_from_blank_to_mounted_and_then_unchanged(blank: Lab) -> None:
    lab = blank
    rc, said = apply(lab, "--debug")
    assert rc == 2, said
    assert SECRET not in said
    nowhere(lab, SECRET)
    assert lab.mounted()
    assert lab.run(f"stat -c '%a %U' {DIRECTORY}/filer1 {CONFIG}").stdout.split("\n")[:2] == ["600 root"] * 2
    assert lab.run("systemctl is-active lunmirror.timer").stdout.strip() == "active"
    witness = lab.write_file()
    converge(lab)
    rc, said = apply(lab)  # beside the timer's passes
    assert rc == 0, said
    assert lab.checksum(f"{MOUNT}/witness") == witness
    kept(lab)


@pytest.mark.unproven
def test_noop_shows_the_drift_and_a_run_heals_it(managed: Lab) -> None:
    lab = managed
    drift(lab)
    lab.run("mkdir -p /run/blkid")  # with --debug Facter resolves every fact, and blkid would make it
    with untouched(lab, *OWN):
        rc, said = apply(lab, "--noop", "--debug", timer=False)
    assert (rc, "should be" in said and "(noop)" in said, "/etc/fstab" in said) == (0, True, True), said
    rc, said = apply(lab, timer=False)
    assert rc == 2, said
    healed(lab)


def test_a_refusal_is_a_failure_with_its_words(managed: Lab) -> None:
    lab = managed
    rc, said = apply(lab, text=SETUP + "\nnonsense = 1\n", timer=False)
    assert rc in (4, 6), said
    assert "nonsense" in said
    assert lab.get(CONFIG).decode() == SETUP
    data = precious(lab)
    rc, said = apply(lab, text=REFUSED, timer=False)
    assert rc in (4, 6), said
    for words in ("third", "ext4", "returned 4"):
        assert words in said, said
    assert lab.backing("filer3", 2) == data
    assert lab.mounted()
