"""What passes tell each other about flapping settings: believed only if nobody else can have written it."""

import os
from pathlib import Path

import pytest

from lunmirror.host import handover, paths


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "run" / "flapping.json"
    monkeypatch.setattr(paths, "FLAPPING", str(path))
    return path


def test_what_is_reported_is_known_to_the_next(file: Path) -> None:
    assert handover.flapping() == {}
    handover.leave(paths.FLAPPING, {}, {"a": 1})
    assert handover.flapping() == {"a": 1}
    assert file.stat().st_mode & 0o777 == 0o600
    handover.leave(paths.FLAPPING, {"a": 1}, {})
    assert not file.exists()


def test_with_nothing_to_tell_nothing_is_written(file: Path) -> None:
    handover.leave(paths.FLAPPING, {}, {})
    assert not file.parent.exists()
    handover.leave(paths.FLAPPING, {}, {"a": 2})
    before = file.stat()
    handover.leave(paths.FLAPPING, {"a": 2}, {"a": 2})
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b"{", b"\xff", b"[" * 100_000, b'{"a": "2", "b": 1e400, "c": true}']
)
def test_what_cannot_be_believed_is_nothing(file: Path, content: bytes) -> None:
    file.parent.mkdir(mode=0o700)
    file.write_bytes(content)
    file.chmod(0o600)
    assert handover.flapping() == {}


def test_a_file_of_others_is_not_read(file: Path) -> None:
    handover.leave(paths.FLAPPING, {}, {"a": 2})
    os.chmod(file, 0o622)
    assert handover.flapping() == {}
