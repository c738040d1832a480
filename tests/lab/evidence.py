"""docs/evidence.md, written by the lab tests themselves: a row for each test with its result, time and figures. It is of
Debian 12; that of another release has its name in the file's: docs/evidence-trixie.md.

Rows of tests that did not run this time stay as they were, with the commit they were run at: so the file can be made in
several runs, and shows honestly which row is how old.
"""

import fcntl
import re
import subprocess
from pathlib import Path

HEAD = """# Evidence from the lab

Written by `make test-lab` (tests/lab/evidence.py), never by hand. Each row is a test on a real kernel, real open-iscsi
and real LVM, in the virtual machine of contrib/lab (Debian's {release}), under emulation on two cores. `commit` is what was tested.

{versions}

| test | result | seconds | figures | commit |
|---|---|---|---|---|
"""
ROW = re.compile(r"^\| `([^`]+)` \|")


def commit() -> str:
    """The commit under test, with a + if the tree differs from it."""
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run(["git", "status", "--porcelain", "src"], capture_output=True, text=True).stdout.strip()
    return head + ("+" if changed else "")


def of_release(path: Path, release: str) -> Path:
    """The file for one release beside that of the first."""
    return path if release == "bookworm" else path.with_stem(f"{path.stem}-{release}")


def record(
    path: Path, release: str, versions: str, name: str, result: str, seconds: float, figures: list[str]
) -> None:
    """Put one row into the file, in the place of an older one of the same test."""
    path.parent.mkdir(exist_ok=True)
    with open(path, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        rows = {m[1]: line for line in file.read().splitlines() if (m := ROW.match(line))}
        told = "; ".join(figures).replace("|", "/")
        rows[name] = f"| `{name}` | {result} | {seconds:.0f} | {told} | {commit()} |"
        file.seek(0)
        file.truncate()
        file.write(
            HEAD.format(versions=versions, release=release) + "\n".join(rows[key] for key in sorted(rows)) + "\n"
        )
