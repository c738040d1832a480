"""The kept code of the modules: used only while it is beyond doubt, and never missed when it is not there."""

import json
import marshal
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = """
import json, sys
sys.path.insert(0, {src!r})
from lunmirror.host import modules, paths
paths.MODULES = {place!r}
modules.use()
from tried import told
modules.keep()
import lunmirror.errors
print(json.dumps([lunmirror.errors.__file__, lunmirror.errors.LunmirrorError.__module__, sorted(modules._finder.found), told]))
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[[], tuple[str, list[str], str]]:
    """A program that imports two modules of a copy of lunmirror: the file of one, those that came from the kept file,
    and what the other says."""
    source = tmp_path / "src"
    package = source / "lunmirror"
    package.mkdir(parents=True)
    original = Path(__file__).parents[3] / "src" / "lunmirror"
    for name in (
        "__init__",
        "errors",
        "exits",
        "record",
        "host/__init__",
        "host/kept",
        "host/paths",
        "host/modules",
    ):
        target = package / f"{name}.py"
        target.parent.mkdir(exist_ok=True)
        target.write_text((original / f"{name}.py").read_text())
    (package / "said.py").write_text("WORD = 'one'\n")
    (source / "tried.py").write_text("from lunmirror import errors, said\ntold = said.WORD\n")

    def once() -> tuple[str, list[str], str]:
        program = PROGRAM.format(src=str(source), place=str(place(tmp_path)))
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        file, module, found, told = json.loads(done.stdout)
        assert (file, module) == (str(package / "errors.py"), "lunmirror.errors")
        assert done.stderr == ""
        return file, found, told

    return once


def place(tmp_path: Path) -> Path:
    return tmp_path / "run" / "modules"


ALL = ["lunmirror.errors", "lunmirror.exits", "lunmirror.said"]


@pytest.mark.real
def test_the_second_run_takes_them_from_the_file(run, tmp_path: Path) -> None:
    assert run()[1:] == ([], "one")
    kept = place(tmp_path).stat()
    assert kept.st_mode & 0o777 == 0o600
    assert place(tmp_path).parent.stat().st_mode & 0o777 == 0o700
    assert run()[1:] == (ALL, "one")
    assert place(tmp_path).stat().st_ino == kept.st_ino, "nothing new: nothing written"


@pytest.mark.real
def test_a_changed_source_is_noticed(run, tmp_path: Path) -> None:
    run()
    said = tmp_path / "src" / "lunmirror" / "said.py"
    stamp = said.stat()
    said.write_text("WORD = 'two'\n")  # of the same size
    os.utime(said, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 10**9))
    assert run()[1:] == (ALL[:2], "two")
    assert run()[1:] == (ALL, "two")


@pytest.mark.real
def test_a_source_of_the_same_size_and_time_is_noticed_too(run, tmp_path: Path) -> None:
    """A package brings the times that it was built with; what Python keeps beside the source goes with the old one."""
    run()
    said = tmp_path / "src" / "lunmirror" / "said.py"
    stamp = said.stat()
    said.write_text("WORD = 'two'\n")
    os.utime(said, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    for compiled in said.parent.glob("__pycache__/said.*"):
        compiled.unlink()
    assert run()[1:] == (ALL[:2], "two")
    assert run()[1:] == (ALL, "two")


@pytest.mark.real
@pytest.mark.parametrize("content", [b"", b"\0", b"nonsense", marshal.dumps(("3.11", 0)), marshal.dumps(7), None])
def test_a_file_that_is_no_such_thing_is_passed_over(run, tmp_path: Path, content: bytes | None) -> None:
    run()
    whole = place(tmp_path).read_bytes()
    place(tmp_path).write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert run()[1:] == ([], "one")
    assert run()[1:] == (ALL, "one")


@pytest.mark.real
def test_another_python_or_installation_is_passed_over(run, tmp_path: Path) -> None:
    run()
    (version, optimize, where, writer), entries = marshal.loads(place(tmp_path).read_bytes())
    for other in (
        (version + "x", optimize, where, writer),
        (version, 1, where, writer),
        (version, optimize, "/elsewhere", writer),
        (version, optimize, where, (1, 2, 3)),
        (version, optimize, where),
    ):
        place(tmp_path).write_bytes(marshal.dumps((other, entries)))
        assert run()[1:] == ([], "one")


@pytest.mark.real
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_others_may_write_is_not_believed(run, tmp_path: Path, what: str) -> None:
    run()
    path = place(tmp_path) if what == "file" else place(tmp_path).parent
    path.chmod(path.stat().st_mode | 0o020)
    assert run()[1:] == ([], "one")


@pytest.mark.real
def test_a_link_is_not_followed(run, tmp_path: Path) -> None:
    run()
    place(tmp_path).rename(tmp_path / "elsewhere")
    place(tmp_path).symlink_to(tmp_path / "elsewhere")
    assert run()[1:] == ([], "one")


@pytest.mark.real
def test_a_place_that_cannot_be_written_is_no_error(run, tmp_path: Path) -> None:
    place(tmp_path).parent.write_text("a file in the folder's place")
    assert run()[1:] == ([], "one")
    assert run()[1:] == ([], "one")
