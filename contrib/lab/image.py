"""The lab's image: a Debian machine with a real kernel, open-iscsi, LVM and storage servers.

LAB=bookworm (Debian 12, the default) or LAB=trixie (Debian 13) chooses the release.

Built once into the cache, under the hash of everything that makes it (this file, guest/ and the release).
Nothing half-built is ever seen: the work is done in a temporary folder and renamed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
GUEST = HERE / "guest"
CACHE = Path(os.environ.get("LUNMIRROR_LAB_CACHE") or Path.home() / ".cache/lunmirror/lab")
RELEASES = {"bookworm": "3.11", "trixie": "3.13"}  # Debian's name: the version of its Python
ROOT_SIZE = "6G"
FILERS_SIZE = "40G"
SERVERS = ("filer1", "filer2", "filer3", "bystander")
STALE_SECONDS = 24 * 3600
HOST_PACKAGES = {  # program: Debian package
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "ssh-keygen": "openssh-client",
}


class LabError(Exception):
    """The lab itself failed, not what is under test."""


@dataclass(frozen=True)
class Image:
    """A built image. `root` and `filers` are raw, sparse and never written to again."""

    folder: Path
    release: str = "bookworm"

    @property
    def root(self):
        return self.folder / "root.raw"

    @property
    def filers(self):
        return self.folder / "filers.raw"

    @property
    def kernel(self):
        return self.folder / "vmlinuz"

    @property
    def initrd(self):
        return self.folder / "initrd"

    @property
    def key(self):
        return self.folder / "id_ed25519"


def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def release():
    """The release that LAB names."""
    wanted = os.environ.get("LAB") or "bookworm"
    if wanted not in RELEASES:
        raise LabError(f"LAB={wanted}: there is no such lab; choose from {', '.join(RELEASES)}")
    return wanted


def recipe_hash():
    total = hashlib.sha256(release().encode())
    for path in sorted([Path(__file__).resolve(), *filter(Path.is_file, GUEST.iterdir())]):
        total.update(f"{path.name}\0{path.stat().st_mode & 0o777:o}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]


@contextlib.contextmanager
def cache_lock():
    """One process at a time builds or probes; others wait for it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure():
    """The image of the current recipe, built first if need be (two to three minutes)."""
    with cache_lock():
        image = Image(CACHE / recipe_hash(), release())
        if not image.folder.exists():
            build(image)
        os.utime(image.folder)  # in use: see prune
        return image


def build(image):
    begun = time.monotonic()
    install_host_packages()
    temporary = Path(tempfile.mkdtemp(prefix="building-", dir=CACHE))
    try:
        fill(temporary, Image(temporary, image.release))
        temporary.chmod(0o755)
        temporary.rename(image.folder)
    except BaseException:
        as_root("rm", "-rf", temporary)
        raise
    prune(image)
    say(f"image built in {time.monotonic() - begun:.0f} s: {image.folder}")


def fill(work, image):
    tree, wheels = work / "tree", work / "wheels"
    call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lunmirror-lab", "-f", image.key)
    say("downloading lunmirror's dependencies")
    call(
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--only-binary=:all:",
        "--python-version",
        RELEASES[image.release],
        "--implementation",
        "cp",
        "--platform",
        "manylinux2014_x86_64",
        "--platform",
        "manylinux_2_17_x86_64",
        "-d",
        wheels,
        "-r",
        GUEST / "requirements.txt",
    )
    say(f"bootstrapping Debian's {image.release} (about two minutes)")
    settings = {"GUEST": GUEST, "WHEELS": wheels, "KEY": f"{image.key}.pub"}
    hook = " ".join(f"{name}='{value}'" for name, value in settings.items()) + f" '{GUEST}/customize.sh' \"$1\""
    lists = (GUEST / "packages.txt", GUEST / f"packages-{image.release}.txt")
    packages = ",".join(word for path in lists if path.exists() for word in path.read_text().split())
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale", "info")]
    as_root(
        "mmdebstrap",
        "--quiet",
        "--variant=apt",
        f"--include={packages}",
        *excluded,
        "--aptopt=APT::Install-Recommends false",
        f"--customize-hook={hook}",
        image.release,
        tree,
    )
    # mmdebstrap empties it at its end, and an empty one makes systemd's first boot preset (enable) every unit.
    as_root("tee", tree / "etc/machine-id", input="0123456789abcdef0123456789abcdef\n")
    say("making the disks")
    for name, target in (("vmlinuz", image.kernel), ("initrd.img", image.initrd)):
        found = sorted((tree / "boot").glob(f"{name}-*"))[-1]
        shutil.copyfile(found, target)
    shutil.copyfile(tree / "usr/local/lib/lunmirror-lab/packages", work / "packages")
    make_disk(image.root, ROOT_SIZE, "-d", tree)
    make_disk(image.filers, FILERS_SIZE, "-T", "filers")
    name_luns(image.filers)
    as_root("rm", "-rf", tree, wheels)


def make_disk(path, size, *options):
    call("truncate", "-s", size, path)
    command = [
        "env",
        f"MKE2FS_CONFIG={GUEST}/mke2fs.conf",
        "mke2fs",
        "-q",
        "-F",
        "-t",
        "ext4",
        "-E",
        "lazy_itable_init=1,lazy_journal_init=1",
        *options,
        path,
    ]
    as_root(*command)
    as_root("chmod", "a=r", path)


def name_luns(path):
    """Gives the preallocated files their place: /srv/filers/NAME/lun1.img."""
    script = "".join(f"mkdir {name}\nln lun{i} {name}/lun1.img\nunlink lun{i}\n" for i, name in enumerate(SERVERS))
    as_root("chmod", "u+w", path)
    as_root("debugfs", "-w", "-f", "-", path, input=script)
    as_root("chmod", "a=r", path)


def install_host_packages():
    missing = sorted(
        {package for program, package in HOST_PACKAGES.items() if not shutil.which(program, path=search_path())}
    )
    if missing:
        say(f"installing host packages: {' '.join(missing)}")
        as_root("apt-get", "update", "-qq")
        as_root(
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
            *missing,
        )


def search_path():
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def as_root(*words, input=None):
    if os.geteuid() == 0:
        call(*words, input=input)
    else:
        say(f"sudo {' '.join(map(str, words[:2]))} ...")
        call("sudo", *words, input=input)


def call(*words, input=None):
    """Runs a program of the host quietly; LabError with what it printed if it fails."""
    done = subprocess.run(
        [str(word) for word in words],
        input=input,
        text=True,
        env=os.environ | {"PATH": search_path()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        raise LabError(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


def prune(image):
    """Removes images and leftovers that nobody has used for a day."""
    for folder in CACHE.iterdir():
        if folder.is_dir() and folder != image.folder and time.time() - folder.stat().st_mtime > STALE_SECONDS:
            as_root("rm", "-rf", folder)


def versions(image):
    """Package versions in the guest, by name."""
    lines = (image.folder / "packages").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines)


if __name__ == "__main__":
    built = ensure()
    print(json.dumps({"image": str(built.folder), "open-iscsi": versions(built)["open-iscsi"]}))
