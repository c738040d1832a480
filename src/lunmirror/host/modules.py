"""The compiled code of lunmirror's modules, kept together in one file, since a run from cron pays for every import.

Python finds and checks each module with some ten system calls and much code of its own in between. Of a hundred
modules, from one file, that is less than half (docs/performance.md). What is kept is what Python keeps beside the
source (PEP 3147), and it is believed on stricter terms: the source has the size and time that it was compiled from, and
nothing was done to the file since (its ctime): unlike Python's, what is kept here does not go with a package that is
replaced, and packages come with whatever times they were built with.
Besides, the file is one that nobody else can have written (kept.py), and this Python's, for this very installation.
Any doubt means importing as ever, and a file that cannot be written is no error.

Imports nothing but what Python itself has loaded already.
"""

import marshal
import os
import sys
from _frozen_importlib import ModuleSpec

from lunmirror.host import kept, paths

TYPE_CHECKING = False  # a type checker takes this name for true
if TYPE_CHECKING:
    from types import CodeType, ModuleType

PACKAGE = __name__.partition(".")[0]

# module -> source file, its stamp, whether it is a package, its code marshalled
Stamp = tuple[int, int, int]  # size, mtime and ctime (ns)
Entries = dict[str, tuple[str, Stamp, bool, bytes]]


class Finder:
    """Finds modules in the kept file, for the import statement (importlib.abc.MetaPathFinder) and loads them
    (importlib.abc.Loader). What it does not know, or no longer believes, the next finder looks for."""

    def __init__(self, entries: Entries) -> None:
        self.entries = entries
        self.early = frozenset(sys.modules)  # imported before there was a finder, in every run
        self.found: set[str] = set()

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        entry = self.entries.get(name)
        if entry is None or entry[1] != _stamp(entry[0]):
            return None
        self.found.add(name)
        spec = ModuleSpec(name, self, origin=entry[0], is_package=entry[2])
        if entry[2]:
            spec.submodule_search_locations = [os.path.dirname(entry[0])]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: "ModuleType") -> None:
        file, *_, code = self.entries[module.__name__]
        # Not by the spec's has_location: that works out where Python would keep the code, which costs a twentieth of all.
        module.__file__ = file
        exec(marshal.loads(code), module.__dict__)

    def get_code(self, name: str) -> "CodeType":
        return marshal.loads(self.entries[name][3])

    def missed(self) -> Entries:
        """What this run imported in the ordinary way."""
        names = [n for n in sys.modules if n.startswith(f"{PACKAGE}.") and n not in self.found | self.early]
        return {name: entry for name in names if (entry := _entry(name))}


_finder: Finder | None = None


def use() -> None:
    """From here on import lunmirror's modules out of the kept file, if there is one to be believed."""
    global _finder
    try:
        known, entries = marshal.loads(kept.read(paths.MODULES))
        if known != _this():
            entries = {}
    except (OSError, ValueError, TypeError, EOFError, SystemError, MemoryError):  # marshal's for what is none of it
        entries = {}
    _finder = Finder(entries)
    sys.meta_path.insert(0, _finder)


def keep() -> None:
    """Keep what had to be imported in the ordinary way, for the next run, if that is possible. Nothing without `use`,
    and nothing to do as a rule."""
    if _finder is None or not (missed := _finder.missed()):
        return
    try:
        kept.write(paths.MODULES, marshal.dumps((_this(), _finder.entries | missed)))
    except (OSError, ValueError):
        return


def _this() -> tuple[str, int, str, Stamp | None]:
    """The Python and the installation that the kept code is for, and which version of this module wrote it: another
    may have laid out the entries differently."""
    return sys.version, sys.flags.optimize, os.path.abspath(__file__), _stamp(__file__)


def _stamp(file: str) -> Stamp | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _entry(name: str) -> tuple[str, Stamp, bool, bytes] | None:
    """None for what has no source file, or whose code cannot be had."""
    spec = sys.modules[name].__spec__
    if spec is None or spec.origin is None or spec.loader is None:
        return None
    stamp = _stamp(spec.origin)  # before the code: if the file is replaced in between, the entry is out of date
    try:
        code = spec.loader.get_code(name)  # type: ignore[attr-defined]
    except (ImportError, OSError, AttributeError, SyntaxError):
        return None
    if stamp is None or code is None:
        return None
    return spec.origin, stamp, spec.submodule_search_locations is not None, marshal.dumps(code)
