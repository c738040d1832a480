"""`make install`, `make uninstall`, `make wheels`, and the tree inside the package for Debian 12. Standard library only.

All that can fail for want of something is done first, in a temporary directory: nothing under the prefix is touched before
the program has run from there.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(f"lunmirror needs Python 3.11 or newer, and this is {sys.version.split()[0]}; another one: make install PYTHON=python3.12")

import argparse
import compileall
import contextlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
sys.dont_write_bytecode = True  # not into the source tree, which may be somebody else's

from lunmirror import install  # noqa: E402
from lunmirror.engine import runlock  # noqa: E402
from lunmirror.engine.errors import LunmirrorError  # noqa: E402

PYVERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
LOCK = ROOT / "packaging/requirements.txt"
NAMES = ("prefix", "sysconfdir", "unitdir", "libdir", "libexecdir", "datadir", "mandir", "zshdir")
AT_RUN_TIME = {"iscsiadm": "open-iscsi", "lvm": "lvm2", "sg_persist": "sg3-utils"}  # program: Debian's package
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASS_SECONDS = 330.0  # the longest pass that lunmirror.service allows, and a little more


class Stop(Exception):
    """In words, for whoever typed make."""


def main():
    os.umask(0o022)
    asked = arguments()
    try:
        asked.does(asked)
    except (Stop, LunmirrorError) as why:
        sys.exit(f"lunmirror: {why}")
    except OSError as error:
        sys.exit(f"lunmirror: {error.strerror}: {error.filename}\n  next: see that it can be written, then run make again")


def arguments():
    parser = argparse.ArgumentParser(prog="install.py")
    verbs = parser.add_subparsers(required=True)
    for name, does in (("install", put), ("files", put_files), ("tree", put_tree), ("uninstall", take), ("wheels", fetch)):
        verb = verbs.add_parser(name)
        verb.set_defaults(does=does)
        verb.add_argument("--root", default="/")
        verb.add_argument("--wheels", default="")
        verb.add_argument("--packaged", action="store_true", help="a package keeps the list: no note of our own")
        verb.add_argument("--system", default="")
        verb.add_argument("--python", default=sys.executable)
        for given in NAMES:
            verb.add_argument(f"--{given}", default="")
    return parser.parse_args()


def layout(asked, kind=""):
    given = {name: getattr(asked, name) for name in NAMES if getattr(asked, name)}
    own = {"python": asked.python, "pyversion": PYVERSION} if kind == "private" else {}
    return install.layout(given | own, asked.system, kind=kind)


def put(asked):
    """Program, dependencies and files."""
    plan = layout(asked, "private")
    check_needs(asked, plan)
    with tempfile.TemporaryDirectory(prefix="lunmirror-") as work:
        lib = Path(work, "lib")
        dependencies(lib, asked.wheels, Path(work, "pip"))
        program(lib)
        try_out(lib, asked.python)
        with alone(asked.root):
            libdir = plan.names["libdir"]
            links = {plan.names["program"]: os.path.relpath(f"{libdir}/bin/lunmirror", os.path.dirname(plan.names["program"]))}
            install.lay(asked.root, note(plan), plan.files, links, [f"{libdir}/lib"])
            swap(lib, under(asked.root, libdir) / "lib", f"{libdir}/lib")
    reload(asked.root)
    print(f"installed: {plan.names['program']}, units in {plan.names['unitdir']}, examples in {plan.names['datadir']}/examples")
    missing = [package for program_, package in AT_RUN_TIME.items() if not shutil.which(program_, path=SEARCHED)]
    if missing and asked.root == "/":
        print(f"still missing on this machine: apt-get install {' '.join(missing)}")


def put_files(asked):
    """All but the program."""
    plan = layout(asked)
    install.lay(asked.root, "" if asked.packaged else note(plan), plan.files)


def put_tree(asked):
    """Program, dependencies and files for a package, which keeps its own list and compiles on the machine."""
    plan = layout(asked, "private")
    lib = under(asked.root, plan.names["libdir"]) / "lib"
    with tempfile.TemporaryDirectory(prefix="lunmirror-") as work:
        dependencies(lib, asked.wheels, Path(work, "pip"))
    program(lib)
    links = {plan.names["program"]: os.path.relpath(f"{plan.names['libdir']}/bin/lunmirror", os.path.dirname(plan.names["program"]))}
    install.lay(asked.root, "", plan.files, links)


def take(asked):
    """Undo what was noted."""
    plan = layout(asked, "private")
    install.check_disabled(asked.root, plan)
    with alone(asked.root):
        try:
            kept = install.remove(asked.root, note(plan))
        except FileNotFoundError:
            raise Stop(f"nothing was installed by make under {plan.names['prefix']}: there is no {note(plan)}") from None
    reload(asked.root)
    for path in kept:
        print(f"kept, since it was changed after the installation: {path}")
    print(f"removed; what stays as it is: {plan.names['confdir']} (your configuration), /var/lib/lunmirror (journals), and all storage")


def fetch(asked):
    """The directory for an installation without a network."""
    if not asked.wheels:
        raise Stop("say which directory: make wheels WHEELS=DIRECTORY")
    check_pip()
    with tempfile.TemporaryDirectory(prefix="lunmirror-") as work:
        pip(Path(work), "download", "--only-binary=:all:", "--require-hashes", "--requirement", LOCK, "--dest", asked.wheels)
    print(f"{asked.wheels} holds what make install WHEELS={asked.wheels} needs, for Python {PYVERSION} on {os.uname().machine}")


def note(plan):
    return f"{plan.names['datadir']}/{install.NOTE}"


def under(root, path):
    return Path(root, path.lstrip("/"))


def check_pip():
    if importlib.util.find_spec("ensurepip") is None:
        missing = ["python3-venv", *(p for program_, p in AT_RUN_TIME.items() if not shutil.which(program_, path=SEARCHED))]
        raise Stop(f"Python's venv and pip are missing; nothing was changed\n  next: apt-get install {' '.join(missing)}")


def check_needs(asked, plan):
    check_pip()
    if asked.wheels and not Path(asked.wheels).is_dir():
        raise Stop(f"WHEELS={asked.wheels} is no directory; nothing was changed\n  next: make wheels WHEELS=DIRECTORY, on a machine with a network")
    for name in ("prefix", "sysconfdir", "unitdir"):
        there = under(asked.root, plan.names[name])
        while not there.exists():
            there = there.parent
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise Stop(f"{there} cannot be written; nothing was changed\n  next: run it as root, or give another prefix")
    if not Path(asked.python).is_absolute():
        raise Stop(f"PYTHON is {asked.python!r}, and has to be an absolute path")


def dependencies(into, wheels, work):
    """Exactly the pinned files, each with its hash, into a directory that nothing but lunmirror's launcher looks at."""
    source = ("--no-index", "--find-links", os.path.abspath(wheels)) if wheels else ()
    into.mkdir(parents=True, exist_ok=True)
    pip(work, "install", "--target", into, "--no-deps", "--no-compile", "--only-binary=:all:", "--require-hashes", *source, "--requirement", LOCK)
    shutil.rmtree(into / "bin", ignore_errors=True)  # dependencies' own programs: nobody's here


def pip(work, verb, *words):
    subprocess.run([sys.executable, "-m", "venv", work], check=True)
    own = [work / "bin/python", "-m", "pip", verb, "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
    done = subprocess.run([*own, *words], env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"})
    if done.returncode:
        raise Stop(
            "the dependencies cannot be had (above is why); nothing was changed\n"
            "  next: give it a network, or a directory of wheels that was filled with one: make wheels WHEELS=DIRECTORY"
        )


def program(lib):
    shutil.copytree(ROOT / "src/lunmirror", lib / "lunmirror", ignore=shutil.ignore_patterns("__pycache__"))


def try_out(lib, python):
    """It starts, and understands the shipped example, with this Python and nothing but these directories."""
    start = f"import sys; sys.path.insert(0, {str(lib)!r}); from lunmirror.cli.main import main; sys.exit(main(sys.argv[1:]))"
    example = lib / "lunmirror/files/etc/lunmirror.toml"
    done = subprocess.run([python, "-ISB", "-c", start, "--config", example, "check"], capture_output=True, text=True)
    if done.returncode:
        raise Stop(f"the program does not start; nothing was changed\n{done.stdout}{done.stderr}")


def swap(new, there, path):
    """`new` becomes the tree that `there` was."""
    fresh, old = there.with_name("lib.new"), there.with_name("lib.old")
    for left in (fresh, old):
        shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(new, fresh)
    compileall.compile_dir(fresh, quiet=2, stripdir=str(fresh), prependdir=path)
    if there.exists():
        there.rename(old)
    fresh.rename(there)
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def alone(root):
    """No pass is running meanwhile, and none begins: it imports as it goes along."""
    if root != "/" or os.geteuid() != 0:
        yield
        return
    with runlock.held("install", PASS_SECONDS):
        yield


def reload(root):
    if root == "/" and Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "daemon-reload"], check=False)
        subprocess.run(["journalctl", "--update-catalog"], check=False)


if __name__ == "__main__":
    main()
