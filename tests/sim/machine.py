"""SimHost: the simulated machine behind the host protocol, with faults at will."""

from collections.abc import Callable
from typing import NamedTuple

from lunmirror.engine.errors import HostError
from lunmirror.engine.model import ABSENT, Present, Seen, Unknown
from lunmirror.host.files import matches
from lunmirror.host.protocol import ActionFailed, Ran
from lunmirror.lvm.command import SETTINGS
from sim import iscsi, programs
from sim.disks import Harm
from sim.storage import Hang
from sim.sysfs import Tree, grow
from sim.world import World

GARBAGE = "\x00\x1b[31m}{ lorem \udcff ipsum 12/ab AA = \n: : :\n"
READ_TIME, CHANGE_TIME = 0.02, 0.1  # seconds


class Died(BaseException):
    """The process was killed. Nothing in lunmirror catches this."""


class Call(NamedTuple):
    """One call of the protocol, as the fault plans see it. `number` counts reads and changes each for themselves."""

    kind: str  # query read glob link directory reach | run write remove value directory-made await
    what: str
    number: int

    @property
    def changes(self) -> bool:
        return self.kind not in ("query", "read", "glob", "link", "directory", "reach")


Fault = Callable[[Call], str]


def no_fault(call: Call) -> str:
    return ""


class SimHost:
    """One process's view of the world. `fault(call)` says how a call goes wrong, '' if it does not:

    of reads:   fails, hangs, empty, garbage;
    of changes: before, after, during (the process dies there), fails, hangs (without effect), late (in effect, but it
                never says so).
    """

    def __init__(self, world: World, fault: Fault = no_fault) -> None:
        self.world, self.fault = world, fault
        self.answers: dict[tuple[str, ...], Ran] = {}
        self.found: dict[str, object] = {}
        self.in_vain: dict[tuple[str, str, int], float] = {}
        self.reads = self.changes = 0
        self.changed: list[Call] = []
        self.lines: list[tuple[str, ...]] = []  # every command line, asked or run
        self.flushed: list[str] = []
        self._tree: tuple[int, Tree] | None = None

    # Reading

    def _read(self, kind: str, what: str) -> str:
        self.reads += 1
        return self.fault(Call(kind, what, self.reads))

    @property
    def tree(self) -> Tree:
        if self._tree is None or self._tree[0] != self.world.version:
            self._tree = (self.world.version, grow(self.world))
        return self._tree[1]

    def query(self, argv: tuple[str, ...], deadline: float) -> Ran:
        assert deadline > 0
        if argv not in self.answers:
            self.answers[argv] = self._ask(argv, deadline)
        return self.answers[argv]

    def memoize(self, name: str, look: Callable[[], object]) -> object:
        if name not in self.found:
            self.found[name] = look()
        return self.found[name]

    def forget(self) -> None:
        self.answers.clear()
        self.found.clear()

    def _ask(self, argv: tuple[str, ...], deadline: float) -> Ran:
        self.lines.append(argv)
        fault = self._read("query", " ".join(argv))
        self.world.advance(READ_TIME)
        match fault:
            case "fails":
                return Ran(argv, 5, "", "  Input/output error\n", 0.1)
            case "hangs":
                return self._hung(argv, deadline)
            case "empty":
                return Ran(argv, 0, "", "", 0.1)
            case "garbage":
                return Ran(argv, 0, GARBAGE, "", 0.1)
        return self._answer(argv, deadline, b"", partly=False)

    def _answer(self, argv: tuple[str, ...], deadline: float, stdin: bytes, partly: bool) -> Ran:
        if any("\0" in word for word in argv):
            return Ran(argv, None, "", "", 0.0, f"{argv[0]} could not be started: embedded null byte")
        answer = programs.answer(self.world, argv, stdin, partly)
        if isinstance(answer, Hang):
            return self._hung(argv, deadline)
        return Ran(argv, answer[0], answer[1], answer[2], 0.1)

    def _hung(self, argv: tuple[str, ...], deadline: float) -> Ran:
        self.world.advance(deadline)
        return Ran(argv, None, "", "", deadline, f"{argv[0]} did not end within {deadline:g} s")

    def read(self, path: str) -> Seen:
        match self._read("read", path):
            case "fails" | "hangs":
                return Unknown(f"cannot read {path}: input/output error")
            case "empty":
                return Present(b"")
            case "garbage":
                return Present(GARBAGE.encode("utf-8", "surrogateescape"))
        tree = self.tree
        content = tree.files.get(self._resolved(path))
        if content is not None:
            return Present(content)
        return Unknown(f"cannot read {path}: it is a directory") if path in tree.directories else ABSENT

    def _resolved(self, path: str) -> str:
        return path

    def glob(self, pattern: str) -> tuple[str, ...]:
        match self._read("glob", pattern):
            case "fails" | "hangs":
                raise HostError(f"cannot list {pattern}")
            case "empty" | "garbage":
                return ()
        return self._glob(pattern)

    def _glob(self, pattern: str) -> tuple[str, ...]:
        directories = self.tree.directories
        found = [""]
        for part in pattern.split("/")[1:]:
            names = [
                (f"{path}/{name}")
                for path in found
                for name in directories.get(path or "/", ())
                if matches(name, part)
            ]
            found = names
        return tuple(sorted(found))

    def link(self, path: str) -> Seen:
        match self._read("link", path):
            case "fails" | "hangs":
                return Unknown(f"cannot resolve {path}: input/output error")
            case "empty":
                return ABSENT
            case "garbage":
                return Present(GARBAGE)
        tree = self.tree
        if path in tree.links:
            return Present(tree.links[path])
        return Present(path) if path in tree.files or path in tree.directories else ABSENT

    def directory(self, path: str) -> Seen:
        match self._read("directory", path):
            case "fails" | "hangs":
                return Unknown(f"cannot open the directory {path}: input/output error")
            case "empty":
                return Present(())
            case "garbage":
                return Present((".", "..x", GARBAGE.strip()))
        tree = self.tree
        if path in tree.directories:
            return Present(tuple(sorted(tree.directories[path])))
        return Unknown(f"cannot open the directory {path}: not a directory") if path in tree.files else ABSENT

    def reach(self, endpoints: tuple[tuple[str, int], ...], deadline: float) -> dict[tuple[str, int], str]:
        fault = self._read("reach", str(endpoints))
        if fault:
            self.world.advance(deadline)
            return dict.fromkeys(endpoints, f"no answer within {deadline:g} s")
        answers = {endpoint: self._silence(endpoint[0], deadline) for endpoint in endpoints}
        self.world.advance(deadline if any("within" in why for why in answers.values()) else READ_TIME)
        return answers

    def _silence(self, address: str, deadline: float) -> str:
        address, _, interface = address.partition("%")
        if interface and interface not in self.world.interfaces:
            return f"there is no network interface {interface}"
        server = next((s for s in self.world.servers.values() if address in s.addresses), None)
        state = server.at(address) if server and iscsi.carries(self.world, server, interface) else "cut"
        return {"up": "", "hung": "", "listening": "", "refusing": "connection refused"}.get(
            state, f"no answer within {deadline:g} s"
        )

    def waited(self, session: tuple[str, str, int]) -> float:
        return self.in_vain.get(session, 0.0)

    def now(self) -> float:
        return self.world.now

    def date(self) -> str:
        seconds = int(self.world.now)
        return f"2026-11-{1 + seconds // 86400:02d}T{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}Z"

    # Changing

    def _change(self, kind: str, what: str) -> str:
        """Counts the call; dies, fails or hangs as told. 'during', 'after' and 'late' are for the caller."""
        self.forget()
        self.changes += 1
        call = Call(kind, what, self.changes)
        self.changed.append(call)
        fault = self.fault(call)
        if fault == "before":
            raise Died
        self.world.advance(CHANGE_TIME)
        if fault in ("fails", "hangs") and kind != "run":
            raise ActionFailed(f"cannot {kind} {what}: input/output error")
        return fault

    @staticmethod
    def _end(fault: str) -> None:
        if fault in ("after", "during"):
            raise Died
        if fault == "late":
            raise ActionFailed("no answer came in time")

    def run(self, argv: tuple[str, ...], deadline: float, stdin: bytes = b"") -> Ran:
        plain = argv[:-2] if argv[-2:] == SETTINGS else argv  # as a plan shows it
        self.lines.append(plain)
        return self._run(argv, deadline, stdin, self._change("run", " ".join(plain)))

    def _run(self, argv: tuple[str, ...], deadline: float, stdin: bytes, fault: str) -> Ran:
        if fault == "fails":
            return Ran(argv, 5, "", "  Input/output error\n", 0.1)
        if fault == "hangs":
            return self._hung(argv, deadline)
        ran = self._answer(argv, deadline, stdin, partly=fault == "during")
        if fault == "late":
            return self._hung(argv, deadline)
        self._end(fault)
        return ran

    def run_together(self, runs: tuple[tuple[tuple[str, ...], float], ...]) -> tuple[Ran, ...]:
        self.lines += [argv for argv, _ in runs]
        fault = self._change("run", "; ".join(" ".join(argv) for argv, _ in runs))
        if fault == "during":
            self._answer(*runs[0], b"", False)
            raise Died
        return tuple(
            self._run(argv, deadline, b"", fault if (argv, deadline) == runs[-1] else "") for argv, deadline in runs
        )

    def write(
        self, path: str, content: bytes, before: bytes | None, mode: int, scratch: str = "", locked: bool = False
    ) -> None:
        fault = self._change("write", path)
        directory = scratch or path.rpartition("/")[0]
        if directory not in self.tree.directories or path.rpartition("/")[0] not in self.tree.directories:
            raise ActionFailed(f"cannot write {path}: no such directory")
        if directory.startswith(tuple(f"{root}/{inside}" for root in iscsi.ROOTS for inside in ("nodes", "ifaces"))):
            raise Harm(f"a temporary file in {directory}, which open-iscsi reads as a record")
        if fault == "during":
            self.world.files[f"{directory}/.lunmirror.tmp"] = content[: len(content) // 2]
            self.world.version += 1
            raise Died
        if self.world.files.get(path) != before:
            raise ActionFailed(f"{path} changed since it was observed")
        self.world.files.pop(f"{directory}/.lunmirror.tmp", None)
        self.world.files[path] = content
        self.world.version += 1
        self._end(fault)

    def no_room(self, directory: str) -> str:
        return ""

    def flush(self, path: str) -> None:
        """Files of this machine are on its disk as soon as they are written; that it was asked for is kept."""
        self.flushed.append(path)

    def remove(self, path: str, before: bytes, locked: bool = False) -> None:
        fault = self._change("remove", path)
        if self.world.files.get(path) != before:
            raise ActionFailed(f"{path} changed since it was observed")
        del self.world.files[path]
        self.world.version += 1
        self._end(fault)

    def write_value(self, path: str, value: str) -> None:
        fault = self._change("value", path)
        parts = path.split("/")
        if path.startswith("/sys/class/iscsi_session/") and parts[-1] == "recovery_tmo":
            session = next((s for s in self.world.sessions if f"session{s.sid}" == parts[-2]), None)
            if session is None:
                raise ActionFailed(f"cannot write {path}: no such file or directory")
            if session.state != "LOGGED_IN":
                raise ActionFailed(f"cannot write {path}: device or resource busy")
            session.recovery_tmo = -1 if value == "off" else int(value)
        elif path.startswith("/sys/class/iscsi_session/") and parts[-1] in ("timeout", "eh_timeout", "max_retries"):
            disks = {f"{s.sid}:0:0:{d.number}": d for s in self.world.sessions for d in s.disks}
            disk = disks.get(parts[-2])
            if disk is None or f"session{parts[-2].partition(':')[0]}" != parts[4]:
                raise ActionFailed(f"cannot write {path}: no such file or directory")
            if parts[-1] == "max_retries" and not -1 <= int(value) <= 5:
                raise ActionFailed(f"cannot write {path}: invalid argument")
            disk.patience[parts[-1]] = int(value)
        elif not (path.startswith("/sys/class/scsi_host/") and parts[-1] == "scan"):
            raise programs.Unheard(f"nobody taught the simulator to write {path}")
        self.world.version += 1
        self._end(fault)

    def make_directory(self, path: str, mode: int) -> None:
        fault = self._change("directory-made", path)
        at = path
        while at:
            self.world.directories.add(at)
            at = at.rpartition("/")[0]
        self.world.version += 1
        self._end(fault)

    def await_path(self, patterns: tuple[str, ...], deadline: float) -> None:
        fault = self._change("await", " ".join(patterns))
        end = self.world.now + deadline
        while not any(map(self._glob, patterns)):
            if self.world.now >= end:
                raise ActionFailed(f"{' or '.join(patterns)} did not appear within {deadline:g} s")
            self.world.advance(0.25)
        self._end(fault)

    def await_portals(self, endpoints: tuple[tuple[str, int], ...], deadline: float) -> None:
        fault = self._change("await", str(endpoints))
        end = self.world.now + deadline
        while self.world.now < end and any(self._silence(address, 1.0) for address, _ in endpoints):
            self.world.advance(2.0)
        self._end(fault)

    def await_sessions(self, wanted: tuple[tuple[str, str, int], ...], deadline: float) -> None:
        if not self._live(wanted):
            fault = self._change("await", str(wanted))
            end = self.world.now + deadline
            while self.world.now < end and not self._live(wanted):
                self.world.advance(0.5)
            self.in_vain |= {one: deadline for one in wanted if not self._live((one,))}
            self._end(fault)

    def _live(self, wanted: tuple[tuple[str, str, int], ...]) -> bool:
        live = {(s.target, s.address, s.port) for s in self.world.sessions if s.state == "LOGGED_IN"}
        return set(wanted) <= live
