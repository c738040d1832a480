"""Fresh Debian systems as directories: for building packages, and for trying every way in (tests/install).

A system is a pile of layers in the cache, each made once by mmdebstrap or apt-get under the hash of its recipe; what is
done in one goes into a layer of its own that is thrown away. Needs root, through sudo where it must. Standard library.
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
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lunmirror/chroots"
SUITES = ("bookworm", "trixie")
STALE_SECONDS = 24 * 3600
RECIPE = "3"  # raise it when what stands here makes other systems
APT = 'APT::Install-Recommends "false";\nAPT::Keep-Downloaded-Packages "true";\nBinary::apt::APT::Keep-Downloaded-Packages "true";\n'

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBCONF_NOWARNINGS": "yes",
    "PIP_CERT": "/run/host/ca-certificates.crt",
}
# $1: layers, $2: upper, $3: work, $4: directory; then what to run. proc and sys as on any machine; of /dev what is harmless.
INSIDE = """
set -e
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"
cd "$4"
mount -t proc proc proc
mount --bind /sys sys; mount -o remount,ro,bind sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm run/lock run/host
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts; ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd
[ ! -e "$5" ] || { mkdir -p "$5/partial"; mount --bind "$5" var/cache/apt/archives; }
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp /etc/ssl/certs/ca-certificates.crt run/host/
[ -z "$5" ] || cp /etc/resolv.conf etc/resolv.conf
[ ! -e /sys/class/net/lo ] || ip link set lo up 2>/dev/null || :
shift 5
exec chroot . "$@"
"""


class ChrootError(Exception):
    """The system could not be made, or a command in it failed."""


class Chroot:
    """One system that may be changed at will, gone at the end."""

    def __init__(self, layers, work):
        self.layers, self.work = layers, Path(work)
        for name in ("upper", "work", "root"):
            (self.work / name).mkdir()

    def run(self, *words, network=False, check=True, env=None, stdin=None, timeout=900):
        """A command in it, as root: subprocess.CompletedProcess, both outputs in stdout. Without a network there is not
        even the loopback of the machine, but one of its own."""
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *([] if network else ["--net"])]
        archives = str(CACHE / f"archives-{suite_of(self.layers)}") if network else ""
        if archives:
            Path(archives).mkdir(parents=True, exist_ok=True)
        setting = ["env", "-i", *(f"{name}={value}" for name, value in {**ENVIRONMENT, **(env or {})}.items())]
        places = [":".join(map(str, self.layers)), self.work / "upper", self.work / "work", self.work / "root", archives]
        command = [*sudo(), *unshare, "sh", "-c", INSIDE, "inside", *map(str, places), *setting, *map(str, words)]
        done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=timeout, stdin=None if stdin is not None else subprocess.DEVNULL)
        if check and done.returncode:
            raise ChrootError(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout[-6000:]}")
        return done

    def path(self, inside):
        """Where a file is to be seen from outside: the uppermost layer that has it. FileNotFoundError if none does."""
        for layer in (self.work / "upper", *self.layers):
            there = layer / inside.lstrip("/")
            if os.path.lexists(there):
                return there
        raise FileNotFoundError(inside)

    def put(self, source, inside):
        """A file or a directory of this machine, under a path of the system's own; its parent is made."""
        there = self.work / "upper" / inside.lstrip("/")
        call("mkdir", "-p", there.parent)
        call("cp", "-a", "--no-preserve=ownership", source, there)


def sudo():
    return [] if os.geteuid() == 0 else ["sudo"]


def call(*words):
    done = subprocess.run([*sudo(), *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise ChrootError(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout[-4000:]}")


def say(text):
    print(f"chroots: {text}", file=sys.stderr, flush=True)


def suite_of(layers):
    return layers[-1].name.split("-")[0]


@contextlib.contextmanager
def fresh(suite, *packages):
    """A system of that release with those packages, as installed just now."""
    with scratch(ready(suite, *packages)) as system:
        yield system


@contextlib.contextmanager
def scratch(layers):
    """The same over given layers, uppermost first."""
    work = tempfile.mkdtemp(prefix="scratch-", dir=CACHE)
    try:
        yield Chroot(layers, work)
    finally:
        call("rm", "-rf", work)


def ready(suite, *packages):
    """Its layers, uppermost first; made if they are not there."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"lock-{suite}", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        base = CACHE / f"{suite}-{digest(suite)}"
        layers = [base]
        if not base.exists():
            make(base, lambda temporary: bootstrap(suite, temporary))
        if packages:
            layer = CACHE / f"{suite}-{digest(suite, *sorted(packages))}"
            layers = [layer, base]
            if not layer.exists():
                make(layer, lambda temporary: install(base, temporary, packages))
        for layer in layers:
            call("touch", layer)  # in use: see prune
        prune(suite)
        return layers


def digest(*recipe):
    return hashlib.sha256(json.dumps([RECIPE, *recipe]).encode()).hexdigest()[:12]


def make(layer, fill):
    """Nothing half-made is ever seen."""
    temporary = layer.with_name(f"{layer.name}.making")
    call("rm", "-rf", temporary)
    begun = time.monotonic()
    fill(temporary)
    call("mv", temporary, layer)
    say(f"{layer.name}: {time.monotonic() - begun:.0f} s")


def bootstrap(suite, tree):
    if not shutil.which("mmdebstrap"):
        say("installing mmdebstrap")
        call("apt-get", "update", "-qq")
        call("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "--no-install-recommends", "mmdebstrap")
    say(f"bootstrapping {suite}")
    settings = f'printf %s \'{APT}\' > "$1/etc/apt/apt.conf.d/90chroots"; echo force-unsafe-io > "$1/etc/dpkg/dpkg.cfg.d/90chroots"'
    call("mmdebstrap", "--quiet", "--variant=minbase", "--skip=cleanup/apt", f"--customize-hook={settings}", suite, tree)


def install(base, layer, packages):
    say(f"{suite_of([base])}: installing {' '.join(packages)}")
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=CACHE) as work:
        system = Chroot([base], work)
        system.run("sh", "-c", f"apt-get update -qq && apt-get install -y -qq {' '.join(packages)}", network=True, timeout=1800)
        call("mv", system.work / "upper", layer)
        call("rm", "-rf", system.work / "work", system.work / "root")


def prune(suite):
    kinds = (f"{suite}-*", f"deb-{suite}-*", f"wheels-{suite}-*", "scratch-*")
    for layer in (found for kind in kinds for found in CACHE.glob(kind)):
        if time.time() - layer.stat().st_mtime > STALE_SECONDS:
            call("rm", "-rf", layer)
