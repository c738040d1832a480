"""What is fuzzed: everything that lunmirror reads. A target takes bytes and returns, or raises what it found.

Parsers are given the bytes. The targets of `WORLDS` walk a whole pass on the simulated machine, where one answer is not
what it was: the bytes say which, and how it is edited; so every parser is met with what stands behind it: planners,
gate, renderings. Never a traceback, never a control character on a terminal; and what `apply` does under a lie harms
nothing (the simulator raises Harm).
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

from lunmirror import config
from lunmirror.analysis import copying
from lunmirror.analysis.verdict import judge
from lunmirror.engine import journal
from lunmirror.engine.desired import Desired
from lunmirror.engine.errors import ConfigError, LunmirrorError
from lunmirror.engine.execute import Executor
from lunmirror.engine.model import ABSENT, Present, Report, Seen, Unknown
from lunmirror.engine.reconcile import run_pass
from lunmirror.host.mountinfo import parse as mountinfo
from lunmirror.host.protocol import Ran
from lunmirror.layers.mount import fstab
from lunmirror.layers.node.record import changed, encode, overlong, settings_of, tear
from lunmirror.layers.session import since
from lunmirror.layers.volume import superblock
from lunmirror.lvm import read as lvm
from lunmirror.report import as_json, brief, status, table, verdict
from lunmirror.report.style import Style
from sim.machine import SimHost
from sim.stage import Stage, compiled, text
from sim.stories import STORIES

CORPUS = Path(__file__).parent / "corpus"
TELLS = ("plan", "apply")

# What edits put in: the words and marks that the readers look for, and what breaks careless ones.
PIECES = (
    *(
        b"\0",
        b"\n",
        b"\r",
        b"\t",
        b" ",
        b'"',
        b"'",
        b"\\",
        b"=",
        b":",
        b",",
        b"/",
        b"-",
        b"%s",
        b"{",
        b"}",
        b"[",
        b"]",
    ),
    *(b"\x1b[31m", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\xc2\xb2", b"\xd9\xa1", b"\xe2\x80\xae", b"\\u0000"),
    *(
        b"-1",
        b"0",
        b"1",
        b"9" * 20,
        b"9" * 5000,
        b"1e999",
        b"NaN",
        b"null",
        b"true",
        b"0x1f",
        b"18446744073709551616",
    ),
    *(b"AA", b"AD", b"Aa", b"DA", b"12/64", b"0/0", b"idle", b"recover", b"raid", b"mirror", b"linear", b"error"),
    *(b"partial", b"refresh needed", b"[unknown]", b"../..", b"/dev/sda", b"/dev/null", b"-lun-1", b"LOGGED_IN"),
    *(b"FAILED", b"running", b"transport-offline", b"lunmirror.unformatted", b"# END RECORD", b"node.startup"),
)


def edited(true: bytes, recipe: bytes) -> bytes:
    """`true` after the edits of a recipe: each is five bytes long: what to do, where (two bytes), with what, how
    much."""
    content = bytearray(true)
    for at in range(0, len(recipe) - 4, 5):
        what, high, low, which, many = recipe[at : at + 5]
        start = (high << 8 | low) % (len(content) + 1)
        piece = PIECES[which % len(PIECES)]
        match what % 8:
            case 0:
                content[start : start + many] = b""
            case 1:
                content[start:start] = piece
            case 2:
                content[start : start + len(piece)] = piece
            case 3:
                content[start : start + 1] = bytes((many,))
            case 4:
                content[start:start] = content[start : start + many]
            case 5:
                del content[start:]
            case 6:
                content[start:start] = piece * (many % 16)
            case 7:  # a whole field
                end = next((n for n in range(start, len(content)) if content[n] in b' "\n,:'), len(content))
                content[start:end] = piece
    return bytes(content)


# Parsers


def is_seen(seen: Seen) -> None:
    assert seen is ABSENT or isinstance(seen, Present | Unknown)
    if isinstance(seen, Unknown):
        assert isinstance(seen.reason, str)


def toml(data: bytes) -> None:
    try:
        desired = config.compile_texts([("/nowhere/lunmirror.toml", data.decode("utf-8", "replace"))])
    except ConfigError as error:
        said = error.problems
    else:
        assert isinstance(desired, Desired)
        json.dumps(desired)
        return
    assert said
    for problem in said:
        for part in (problem.where, problem.what, problem.why, problem.next):
            assert all(line.isprintable() for line in part.split("\n"))


def record(data: bytes) -> None:
    assert isinstance(overlong(data), str)
    if not tear(data):
        before = settings_of(data)
        lines = changed(data, {"node.startup": "automatic", "node.conn[0].startup": "automatic"})
        after = settings_of(b"".join(encode(line.text) + b"\n" for line in lines))
        both = {"node.startup": "automatic", "node.conn[0].startup": "automatic"}
        assert after == before | both, "another setting was changed"


def fullreport(data: bytes) -> None:
    answer = data.decode("utf-8", "surrogateescape")
    is_seen(lvm._parse(Ran(("lvm",), 0, answer, "", 0.1), {}))


def mounts(data: bytes) -> None:
    is_seen(mountinfo(data))


def fstab_lines(data: bytes) -> None:
    volume = compiled(text()).volumes["vg0/testlv"]
    lines = fstab.entries(data)
    for line in fstab.about(lines, volume, ()):
        str(line)
        fstab.says(line, volume, 30)
    ours = fstab.declared(volume, 30)
    added = fstab.put(data, ours, None)
    assert added.startswith(data)
    assert fstab.entries(added)[-1].raw == ours
    if lines:
        put = fstab.put(data, ours, lines[0].number)
        first, *others = (one.raw for one in fstab.entries(put))
        assert others == [one.raw for one in lines[1:]]
        assert first == ours or first.startswith(ours + b" #")


def journals(data: bytes) -> None:
    is_seen(journal.parse(Present(data)))


def superblocks(data: bytes) -> None:
    is_seen(superblock.parse(data, len(data)))
    is_seen(superblock.parse(b"DmRd" + data, len(data) + 4))


# Whole passes


class Liar(SimHost):
    """Answers truly, but for one question: that answer is edited. Numbers wrap around what is asked."""

    def __init__(self, stage: Stage, at: int, recipe: bytes) -> None:
        super().__init__(stage.world)
        self.at, self.recipe = at, recipe

    def _lies(self) -> bool:
        return self.reads == self.at

    def _ask(self, argv: tuple[str, ...], deadline: float) -> Ran:
        ran = super()._ask(argv, deadline)
        if not self._lies():
            return ran
        out, err = (edited(said.encode("utf-8", "surrogateescape"), self.recipe) for said in (ran.out, ran.err))
        return ran._replace(out=out.decode("utf-8", "surrogateescape"), err=err.decode("utf-8", "surrogateescape"))

    def read(self, path: str) -> Seen:
        seen = super().read(path)
        if self._lies() and isinstance(seen, Present):
            return Present(edited(seen.facts, self.recipe))
        return seen

    def directory(self, path: str) -> Seen:
        seen = super().directory(path)
        if self._lies() and isinstance(seen, Present):
            names = edited("\n".join(seen.facts).encode(), self.recipe).decode("utf-8", "surrogateescape")
            return Present(tuple(sorted({n for n in names.split("\n") if n and "/" not in n and "\0" not in n})))
        return seen

    def link(self, path: str) -> Seen:
        seen = super().link(path)
        if self._lies() and isinstance(seen, Present):
            return Present(edited(seen.facts.encode(), self.recipe).decode("utf-8", "surrogateescape"))
        return seen


def told(report: Report, stage: Stage, host: SimHost) -> None:
    """Every way to show it works, and shows nothing that moves a cursor."""
    desired = stage.desired
    readings = copying.read(report, desired, host)
    speeds = {v: s for v, r in readings.items() if (s := copying.speed(r, r, desired_size(desired, v)))}
    beside = status.Beside(speeds, since.of_blocked(report, host))
    texts = [
        table.render(report, desired),
        brief.render(judge(report, desired, beside.errors), report, desired, Style(columns=80), speeds, True),
        "\n".join(status.tree(report, desired, beside)),
        brief.findings(report.findings, Style()),
        *(verdict.render(s, verdict.verdict(s, report, desired, {})[1]) for s in desired.servers),
    ]
    for shown in texts:
        shown.encode()
        strange = [c for c in shown if not (c.isprintable() or c in "\n\t")]
        assert not strange, strange
    for document in (as_json.render(report), status.render_json(report, desired, beside)):
        json.loads(document.encode("utf-8", "backslashreplace"))


def desired_size(desired: Desired, volume: str) -> int:
    return 64 << 20


@cache
def _story(name: str) -> Stage:
    return STORIES[name]()


@cache
def _questions(name: str, verb: str) -> int:
    """How many answers a pass gets."""
    stage = _story(name).clone()
    host = SimHost(stage.world)
    run_pass(verb, "run", stage.desired, host, Executor(host) if verb == "apply" else None)
    return host.reads


def world(name: str, verb: str) -> Callable[[bytes], None]:
    def one(data: bytes) -> None:
        stage = _story(name).clone()
        host = Liar(stage, 1 + int.from_bytes(data[:2]) % _questions(name, verb), data[2:])
        executor = Executor(host) if verb == "apply" else None
        try:
            report = run_pass(verb, "run", stage.desired, host, executor)
        except LunmirrorError:
            return
        finally:
            stage.check()
        assert verb == "apply" or not host.changed, "plan changed something"
        told(report, stage, host)

    return one


PARSERS: dict[str, Callable[[bytes], None]] = {
    "toml": toml,
    "record": record,
    "fullreport": fullreport,
    "mountinfo": mounts,
    "fstab": fstab_lines,
    "journal": journals,
    "superblock": superblocks,
}
IN_TROUBLE = ("blank raid1 ext4 on partitions", "repair", "drifted", "crashed", "inactive", "mirror made linear")
WORLDS = {f"{verb}: {name}": world(name, verb) for name in IN_TROUBLE for verb in TELLS}
TARGETS = PARSERS | WORLDS


def corpus(name: str) -> list[bytes]:
    """The seeds and the finds of a parser; what was ever wrong stays here."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]
