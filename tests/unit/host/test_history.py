"""The history: bounded, and no crash makes it unreadable."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lunmirror.host import history


def one(number: int, size: int = 10) -> dict[str, object]:
    return {"at": f"2026-01-01T00:00:{number % 60:02}Z", "number": number, "fill": "x" * size}


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    path = str(tmp_path / "deep" / "history.jsonl")
    assert history.entries(path) == []
    assert history.last(path) is None
    for number in range(3):
        history.add(one(number), path)
    assert [e["number"] for e in history.entries(path)] == [0, 1, 2]
    assert history.last(path)["number"] == 2
    assert os.stat(path).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("cut", [1, 5, 20, 60])
def test_a_torn_line_is_passed_over_and_hurts_no_later_one(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "history.jsonl"
    history.add(one(1), str(path))
    history.add(one(2), str(path))
    path.write_bytes(path.read_bytes()[:-cut])
    history.add(one(3), str(path))
    assert [e["number"] for e in history.entries(str(path))] in ([1, 3], [1, 2, 3])
    assert history.last(str(path))["number"] == 3


@pytest.mark.parametrize("rubbish", [b"\0" * 100, b"[]\n", b"{}\n", b'{"at": 3}\n', b"[" * 100000 + b"\n", b"\xff\n"])
def test_rubbish_is_passed_over(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(rubbish)
    history.add(one(1), str(path))
    assert [e["number"] for e in history.entries(str(path))] == [1]


def test_it_is_bounded_and_the_newest_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_BYTES", 10000)
    path = tmp_path / "history.jsonl"
    for number in range(300):
        history.add(one(number, 100), str(path))
        assert path.stat().st_size <= 10000 + 300
    kept = [e["number"] for e in history.entries(str(path))]
    assert kept == list(range(kept[0], 300))
    assert len(kept) > 20


def test_a_file_of_somebody_else_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text("")
    path.chmod(0o666)
    with pytest.raises(ValueError, match="not a file of ours"):
        history.add(one(1), str(path))
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        history.add(one(1), str(path))
    assert not (tmp_path / "elsewhere").exists()


def test_who_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INVOCATION_ID", "JOURNAL_STREAM", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    assert history.by_whom() in ("root", f"uid {os.geteuid()}")
    monkeypatch.setenv("SUDO_USER", "alice")
    assert history.by_whom() == "alice (sudo)"
    monkeypatch.setenv("INVOCATION_ID", "x")
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    assert history.by_whom() == "systemd"


def test_a_line_is_ascii_whatever_a_machine_says(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history.add({"at": "x", "said": "\udcff\u2028\n"}, str(path))
    assert path.read_bytes().count(b"\n") == 1
    assert json.loads(path.read_bytes())["said"] == "\udcff\u2028\n"


@pytest.mark.real
@pytest.mark.parametrize(
    "asked",
    [
        "assert history.last(path) is None",
        "try: history.add({'at': 'x'}, path)\nexcept (OSError, ValueError): pass\nelse: raise AssertionError",
    ],
)
def test_a_pipe_in_its_place_holds_nobody_up(tmp_path: Path, asked: str) -> None:
    path = str(tmp_path / "history.jsonl")
    os.mkfifo(path)
    code = (
        f"import sys; sys.path[:0] = [sys.argv[1]]; from lunmirror.host import history; path = sys.argv[2]\n{asked}"
    )
    src = str(Path(history.__file__).parents[2])
    subprocess.run([sys.executable, "-c", code, src, path], check=True, timeout=20)
