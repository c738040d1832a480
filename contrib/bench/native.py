#!/usr/bin/env python3
"""What a pass with nothing to do costs on this machine: CPU (user and system) of `lunmirror apply`, beside `python3 -c pass`.

  native.py [--runs N]

The simulated machine (tests/sim) is brought to the declared state; what a further pass asks of it is recorded, and a
program that is lunmirror, but for a host that answers from the record, is run N times. Programs that a real pass starts
(one of LVM, one of device-mapper) are not part of it. The first quartile is given, since other work only adds.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from lunmirror import config  # noqa: E402
from lunmirror.engine import reconcile  # noqa: E402
from sim.machine import SimHost  # noqa: E402
from sim.stage import converged, text  # noqa: E402

BOUND_MS = 70.0  # where `python3 -c pass` takes YARDSTICK_MS (issue 13)
YARDSTICK_MS = 10.0
ASKED = ("query", "read", "glob", "link", "directory", "reach", "now", "date")

# The whole program; only the host and what needs root are replaced. Imports nothing that lunmirror does not.
PROGRAM = """
import marshal, os, sys
sys.path.insert(0, {src!r})
from lunmirror.host import paths
for name in ("RUN_DIR", "COMPILED", "FLAPPING", "RUN_LOCK", "STUCK"):
    setattr(paths, name, getattr(paths, name).replace("/run/lunmirror", {run!r}))
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
class Replay(live.LiveHost):
    def memoize(self, name, look): return look()
for name in {asked!r}:
    def ask(self, *asked, name=name):
        return known(TAPE[repr((name, asked))])
    setattr(Replay, name, ask)
live.LiveHost = Replay
os.environ.pop("LUNMIRROR_DEBUG", None)
main()
"""


class Recorder(SimHost):
    """Notes every answer."""

    tape: dict[str, tuple[str, Any]]


def _record(name: str) -> Any:
    real = getattr(SimHost, name)

    def ask(self: Recorder, *asked: Any) -> Any:
        answer = real(self, *asked)
        kind = type(answer).__name__
        known = kind in ("Ran", "Present", "Absent", "Unknown")
        self.tape[repr((name, asked))] = (kind, _plain(tuple(answer))) if known else ("", _plain(answer))
        return answer

    return ask


def _plain(value: Any) -> Any:
    """As marshal keeps it."""
    if isinstance(value, tuple):
        return tuple(_plain(one) for one in value)
    return dict(value) if isinstance(value, dict) else value


for asked in ASKED:
    setattr(Recorder, asked, _record(asked))


def cost(argv: list[str]) -> float:
    """Milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0 or done.stderr:
        raise SystemExit(f"native.py: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return ((after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)) * 1000


def measure(runs: int, directory: Path) -> tuple[float, float]:
    """(a no-op pass, `python3 -c pass`), in milliseconds."""
    toml = text()
    stage = converged(toml)
    host = Recorder(stage.world)
    host.tape = {}
    report = reconcile.run_pass("apply", "run", config.compile_texts([("lunmirror.toml", toml)]), host)
    assert not report.steps, report
    import marshal

    (directory / "tape").write_bytes(marshal.dumps(host.tape))
    (directory / "lunmirror.toml").write_text(toml)
    (directory / "lunmirror.toml").chmod(0o600)
    source = PROGRAM.format(src=str(ROOT / "src"), run=str(directory / "run"), tape=str(directory / "tape"), asked=ASKED)
    (directory / "program.py").write_text(source)
    program = [sys.executable, str(directory / "program.py"), "apply", "--config", str(directory / "lunmirror.toml")]
    cost(program)  # compiles the configuration and the modules
    pairs = [(cost(program), cost([sys.executable, "-c", "pass"])) for _ in range(runs)]
    first, second = (statistics.quantiles(column, n=4)[0] for column in zip(*pairs, strict=True))
    return first, second


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=40)
    with tempfile.TemporaryDirectory() as directory:
        own, bare = measure(parser.parse_args().runs, Path(directory))
    bound = BOUND_MS / YARDSTICK_MS
    print(f"a pass with nothing to do: {own:.1f} ms CPU; python3 -c pass: {bare:.1f} ms; {own / bare:.1f} times, bound {bound:.1f}")
    return int(own / bare > bound)


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main())
