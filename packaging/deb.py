"""`make deb`: the packages for Debian 12 and 13, each built in a fresh system of its release, and looked at by lintian.

    packaging/deb.py [--suite SUITE] [--out DIRECTORY]

Debian 12's version has ~deb12 at its end, so that Debian 13's takes its place when the machine is upgraded.
"""

import argparse
import functools
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import chroots

ROOT = Path(__file__).resolve().parents[1]
SUFFIX = {"bookworm": "~deb12", "trixie": ""}
BUILD = "/build"
FOR_WHEELS = ("make", "python3", "python3-venv")  # what README names for `make install`


def main():
    parser = argparse.ArgumentParser(description="builds the Debian packages")
    parser.add_argument("--suite", choices=chroots.SUITES, action="append")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    asked = parser.parse_args()
    try:
        for suite in asked.suite or chroots.SUITES:
            begun = time.monotonic()
            package, said = build(suite, asked.out)
            print(said, end="")
            print(f"{package}  ({time.monotonic() - begun:.0f} s, lintian without errors)")
    except chroots.ChrootError as error:
        sys.exit(f"deb: {error}")


def build(suite, out):
    """The package in `out`, and what lintian says of it. Raises ChrootError if it cannot be built, or has errors."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lunmirror-") as work, chroots.fresh(suite, *needed(suite), "lintian") as system:
        tree = Path(work, "lunmirror")
        source(tree, suite)
        if suite == "bookworm":
            shutil.copytree(wheels(suite), tree / "wheels")
        system.put(tree, f"{BUILD}/lunmirror")
        # Not checked: build-essential, 300 MB of compiler of which nothing here needs anything.
        system.run("sh", "-c", f"cd {BUILD}/lunmirror && dpkg-buildpackage --build=binary --no-sign --no-check-builddeps")
        said = system.run("sh", "-c", f"cd {BUILD} && lintian --allow-root --fail-on error --tag-display-limit 0 *.changes", check=False)
        if said.returncode:
            raise chroots.ChrootError(f"lintian has errors:\n{said.stdout}")
        name = system.run("sh", "-c", f"cd {BUILD} && ls *.deb").stdout.strip()
        shutil.copyfile(system.path(f"{BUILD}/{name}"), out / name)
        return out / name, said.stdout


@functools.cache
def built(suite):
    """The package of this tree, from the cache if nothing that goes into it has changed."""
    total = hashlib.sha256()
    for name in sorted(listed()):
        if packed(name) and (ROOT / name).is_file():
            total.update(f"{name}\0".encode() + (ROOT / name).read_bytes() + b"\0")
    directory = chroots.CACHE / f"deb-{suite}-{total.hexdigest()[:16]}"
    found = list(directory.glob("*.deb"))
    return found[0] if found else build(suite, directory)[0]


def depends(package):
    """The packages that it depends on, without their versions."""
    said = subprocess.run(["dpkg-deb", "-f", package, "Depends"], check=True, capture_output=True, text=True).stdout
    return [re.match(r"[\w.+-]+", word.strip())[0] for word in said.split(",")]


def as_version(package, number, directory):
    """The same package as of another version, into `directory`: its program says so, too. For tests of upgrades."""
    tree = directory / number
    run("dpkg-deb", "-R", package, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {number}", control.read_text(), flags=re.M))
    (init,) = tree.rglob("lunmirror/__init__.py")
    init.write_text(re.sub('__version__ = ".*"', f'__version__ = "{number}"', init.read_text()))
    made = directory / f"lunmirror_{number}.deb"
    run("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, made)
    shutil.rmtree(tree)
    return made


def run(*words):
    subprocess.run(list(map(str, words)), check=True, capture_output=True)


def listed():
    """What belongs to this tree, as git has it."""
    asked = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True)
    if asked.returncode == 0:
        return asked.stdout.decode().split("\0")[:-1]
    return [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]


def packed(name):
    return not name.startswith(("tests/", ".git", "dist/"))


def source(tree, suite):
    """What git has of this tree, made ready for one release."""
    for name in listed():
        if not packed(name) or not ((ROOT / name).is_file() or (ROOT / name).is_symlink()):
            continue
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name, follow_symlinks=False)
    own = tree / "debian" / suite
    if own.is_dir():
        shutil.copytree(own, tree / "debian", dirs_exist_ok=True)
    shutil.rmtree(tree / "debian/bookworm")
    changelog = tree / "debian/changelog"
    changelog.write_text(re.sub(r"\(([^)]+)\)", rf"(\g<1>{SUFFIX[suite]})", changelog.read_text(), count=1))


def needed(suite):
    """What the release's control file wants for building."""
    own = ROOT / "debian" / suite / "control"
    control = (own if own.exists() else ROOT / "debian/control").read_text()
    wanted = re.search(r"^Build-Depends:((?:.|\n )*)", control, re.M)[1]
    names = [re.match(r"[\w.+-]+", word.strip())[0] for word in wanted.split(",")]
    names = ["debhelper" if name == "debhelper-compat" else name for name in names]
    return ["dh-python" if name == "dh-sequence-python3" else name for name in names]


def wheels(suite):
    """The pinned dependencies for that release's Python, in the cache: what `make wheels` fetches there."""
    lock = ROOT / "packaging/requirements.txt"
    directory = chroots.CACHE / f"wheels-{suite}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if not directory.exists():
        with chroots.fresh(suite, *FOR_WHEELS) as system:
            for name in ("Makefile", "packaging", "src", "contrib", "etc", "docs"):
                system.put(ROOT / name, f"{BUILD}/{name}")
            system.run("make", "-C", BUILD, "wheels", f"WHEELS={BUILD}/wheels", network=True)
            temporary = directory.with_name(f"{directory.name}.making")
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.copytree(system.path(f"{BUILD}/wheels"), temporary)
            temporary.rename(directory)
    return directory


if __name__ == "__main__":
    main()
