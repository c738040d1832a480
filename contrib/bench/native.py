#!/usr/bin/env python3
"""What a pass with nothing to do costs on this machine: CPU (user and system) of `lunmirror apply`, beside `python3 -c pass`;
and what each volume more costs, up to a thousand.

  native.py [--runs N]

The simulated machine (tests/sim) is brought to the declared state; what a further pass asks of it is recorded, and a
program that is lunmirror, but for a host that answers from the record, is run N times. Programs that a real pass starts
(one of LVM, one of device-mapper) are not part of it. The first quartile is given, since other work only adds. The bounds
are those of issue 13, for a machine where `python3 -c pass` takes 10 ms; elsewhere they are scaled by that.
"""

import argparse
import marshal
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from sim.replay import ASKED, recorded  # noqa: E402
from sim.stage import Stage, converged, text  # noqa: E402
from sim.wide import many, toml_of  # noqa: E402

YARDSTICK_MS = 10.0  # `python3 -c pass`, where the bounds hold as they stand
BOUND_MS = 70.0
MORE_MS = 2.0  # for each volume more
MOST_MIB = 150  # of memory, at the most volumes
GROWTH = (1, 100, 1000)  # volumes

# The whole program; only the host and what needs root are replaced. Imports nothing that lunmirror does not.
PROGRAM = """
import marshal, os, sys
sys.path.insert(0, {src!r})
from lunmirror.host import paths
for name, value in list(vars(paths).items()):
    if isinstance(value, str) and value.startswith("/run/lunmirror"):
        setattr(paths, name, value.replace("/run/lunmirror", {run!r}))
paths.HISTORY = {run!r} + ".history"  # what a pass writes for real is never this machine's own
paths.DM_CONTROL = {run!r} + ".control"
from lunmirror.engine import model
from lunmirror.cli import needs
from lunmirror.cli.main import main
from lunmirror.host import live, protocol
needs.check_machine = needs.check_modules = lambda *_: None
TAPE = marshal.load(open({tape!r}, "rb"))
def known(answer):
    kind, rest = answer
    return protocol.Ran(*rest) if kind == "Ran" else rest if kind == "" else getattr(model, kind)(*rest)
class Replay(live.LiveHost): pass
for name in {asked!r}:
    def ask(self, *asked, name=name):
        return known(TAPE[repr((name, asked))])
    setattr(Replay, name, ask)
live.LiveHost = Replay
os.environ.pop("LUNMIRROR_DEBUG", None)
main()
"""


class Cost(NamedTuple):
    """Of one run: CPU in milliseconds, memory in MiB."""

    cpu: float
    memory: float


def _plain(value: Any) -> Any:
    """As marshal keeps it."""
    if isinstance(value, tuple):
        return tuple(_plain(one) for one in value)
    return dict(value) if isinstance(value, dict) else value


def _taped(key: Any, answer: Any) -> tuple[str, Any]:
    kind = type(answer).__name__
    known = kind in ("Ran", "Present", "Absent", "Unknown")
    return repr(key), (kind, _plain(tuple(answer))) if known else ("", _plain(answer))


def cost(argv: list[str]) -> Cost:
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(argv, stdout=said, stderr=said)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            said.seek(0)
            raise SystemExit(f"native.py: exit {child.returncode}\n{said.read().decode()}")
    return Cost((used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss / 1024)


def prepared(stage: Stage, toml: str, directory: Path) -> list[str]:
    """The command line of a pass with nothing to do over this machine, run once: that compiles what can be compiled."""
    (directory / "tape").write_bytes(
        marshal.dumps(dict(_taped(key, answer) for key, answer in recorded(stage).items()))
    )
    (directory / "lunmirror.toml").write_text(toml)
    (directory / "lunmirror.toml").chmod(0o600)
    source = PROGRAM.format(
        src=str(ROOT / "src"), run=str(directory / "run"), tape=str(directory / "tape"), asked=ASKED
    )
    (directory / "program.py").write_text(source)
    program = [sys.executable, str(directory / "program.py"), "apply", "--config", str(directory / "lunmirror.toml")]
    cost(program)
    return program


def quartile(values: list[float]) -> float:
    return statistics.quantiles(values, n=4)[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=40)
    runs = parser.parse_args().runs
    bare = [sys.executable, "-c", "pass"]
    with tempfile.TemporaryDirectory() as directory:
        program = prepared(converged(text()), text(), Path(directory))
        pairs = [(cost(program).cpu, cost(bare).cpu) for _ in range(runs)]
    own, yardstick = (quartile(list(column)) for column in zip(*pairs, strict=True))
    bound = BOUND_MS / YARDSTICK_MS
    print(
        f"a pass with nothing to do: {own:.1f} ms CPU; python3 -c pass: {yardstick:.1f} ms; {own / yardstick:.1f} times, bound {bound:.1f}"
    )
    return int(own / yardstick > bound) | growth(max(4, runs // 10), yardstick)


def growth(runs: int, yardstick: float) -> int:
    """One group over two disks, with more and more volumes."""
    failed, before = 0, (0, 0.0)
    bound = MORE_MS * yardstick / YARDSTICK_MS
    for count in GROWTH:
        with tempfile.TemporaryDirectory() as directory:
            program = prepared(many(count), toml_of(count), Path(directory))
            found = [cost(program) for _ in range(runs)]
        cpu, memory = quartile([one.cpu for one in found]), max(one.memory for one in found)
        line = f"{count:5} volumes: {cpu:7.1f} ms CPU, {memory:4.0f} MiB"
        if before[0]:
            more = (cpu - before[1]) / (count - before[0])
            failed |= more > bound
            line += f"; for each volume more {more:.2f} ms, bound {bound:.2f} ms"
        print(line)
        before = (count, cpu)
    return int(failed or memory > MOST_MIB)


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main())
