"""Debian packages for the lab's machine, which has no network. What it lacks is worked out and fetched on this host by the
apt-get of its release, from the machine's own list of packages, and kept in the cache."""

import hashlib
import os
import tarfile
from io import BytesIO
from pathlib import Path

import chroots
from kit import Lab

# In a system of that release, of which is said that it has what the machine has.
FETCH = """
apt-get update -qq; cp /status /var/lib/dpkg/status; mkdir -p /fetched/partial
apt-get -y -qq --download-only --no-install-recommends -o Dir::Cache::archives=/fetched install "$@" >&2
"""
THERE = "/var/local/debs"


def fetched(release: str, status: bytes, packages: tuple[str, ...]) -> Path:
    """The directory of what a machine with that /var/lib/dpkg/status needs for the packages."""
    recipe = hashlib.sha256(status + repr(sorted(packages)).encode()).hexdigest()[:16]
    directory = chroots.CACHE / f"deb-{release}-lab-{recipe}"
    if not directory.exists():
        making = directory.with_name(f"{directory.name}.{os.getpid()}")
        making.mkdir(parents=True)
        with chroots.fresh(release) as system:
            system.run("sh", "-c", "cat > /status", stdin=status.decode())
            system.run("sh", "-ec", FETCH, "fetch", *packages, network=True)
            for path in sorted(system.path("/fetched").glob("*.deb")):
                (making / path.name).write_bytes(path.read_bytes())
        making.rename(directory)
    os.utime(directory)  # in use: see chroots.prune
    return directory


def send_files(lab: Lab, package: str, root: str, paths: tuple[str, ...], there: str) -> None:
    """Some files of a package that is far too large to be installed for them."""
    with chroots.fresh(lab.machine.image.release) as system:
        unpack = """
        cd /tmp; apt-get update -qq; apt-get download -qq $1; root=.$2; shift 2; for path; do set -- "$@" $root/$path; shift; done
        dpkg-deb --fsys-tarfile *.deb | tar -x "$@"; tar -C $root -cf /sent.tar .
        """
        system.run("sh", "-ec", unpack, "unpack", package, root, *paths, network=True)
        lab.put("/root/sent.tar", system.path("/sent.tar").read_bytes())
    lab.run(f"mkdir -p {there} && tar -C {there} -xf /root/sent.tar && rm /root/sent.tar", timeout=120)


def install(lab: Lab, *packages: str) -> None:
    """Those packages of the machine's own release, and what they depend on, as `apt-get install` would."""
    directory = fetched(lab.machine.image.release, lab.get("/var/lib/dpkg/status"), packages)
    bundle = BytesIO()
    with tarfile.open(fileobj=bundle, mode="w") as tar:
        for path in sorted(directory.glob("*.deb")):
            tar.add(path, path.name)
    lab.put(f"{THERE}/all.tar", bundle.getvalue())
    lab.run(
        f"cd {THERE} && tar -xf all.tar && export DEBIAN_FRONTEND=noninteractive"
        " && dpkg --force-unsafe-io --force-confold -i *.deb && rm -r " + THERE,
        timeout=900,
    )
