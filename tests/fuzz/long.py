"""The long mode (`make fuzz`): each target in a process of its own, guided by coverage (atheris, libFuzzer).

    python tests/fuzz/long.py [TARGET ...]      RUNS: inputs for each parser (default 150000, in all more than a million),
                                                and a fiftieth of that for each world, a whole pass of which takes longer

Ends with 1 at the first input that raises, takes more than 5 s, or brings the process above 200 MB more than it
had; the input is left in fuzz-out/. A find belongs into corpus/ (parsers), beside the repair.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUT = ROOT / "fuzz-out"
RUNS = int(os.environ.get("RUNS", "150000"))
SECONDS, MEBIBYTES = 5, 200 + 150  # for one input; the program, the simulator and atheris have some 150 at rest
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]


def one(name: str) -> None:
    """Does not return."""
    import atheris

    with atheris.instrument_imports(include=["lunmirror"]):
        from fuzz.targets import PARSERS, TARGETS, WORLDS, corpus

    target = TARGETS[name]
    seeds = OUT / "seeds" / name.replace(" ", "-").replace(":", "")
    seeds.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(corpus(name)):
        (seeds / f"seed-{number}").write_bytes(data)
    longest = 30 if name in WORLDS else 4 * max(map(len, corpus(name)))
    options = (
        f"-runs={RUNS if name in PARSERS else max(RUNS // 50, 1)}",
        f"-timeout={SECONDS}",
        f"-rss_limit_mb={MEBIBYTES}",
        f"-max_len={longest}",
    )
    more = ("-print_final_stats=1", f"-artifact_prefix={OUT}/", "-verbosity=0")
    assert name in PARSERS or name in WORLDS
    atheris.Setup([sys.argv[0], *options, *more, str(seeds)], lambda data: target(bytes(data)))
    atheris.Fuzz()


def main() -> int:
    from fuzz.targets import TARGETS

    OUT.mkdir(exist_ok=True)
    names, total = sys.argv[1:] or list(TARGETS), 0
    for name in names:
        done = subprocess.run([sys.executable, __file__, "--one", name], capture_output=True, text=True)
        counted = [line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        total += int(counted[0]) if counted else 0
        print(f"{name}: {counted[0] if counted else 'no'} inputs, exit {done.returncode}", flush=True)
        if done.returncode:
            print(done.stderr[-6000:])
            return 1
    print(f"{total} inputs, {len(names)} targets: no traceback, no hang, no memory beyond 200 MB")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2])
    sys.exit(main())
