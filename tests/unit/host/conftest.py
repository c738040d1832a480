"""A live host whose own directories are in tmp_path."""

from pathlib import Path

import pytest

from lunmirror.host import paths
from lunmirror.host.live import LiveHost


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def _own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(paths, "ISCSI_LOCK_DIR", str(tmp_path / "iscsi-lock"))
    monkeypatch.setattr(paths, "FSTAB", str(tmp_path / "fstab"))


@pytest.fixture
def host(notes: list[str], monkeypatch: pytest.MonkeyPatch) -> LiveHost:
    monkeypatch.chdir("/")  # undone afterwards: the host itself goes there for good
    return LiveHost(notes.append)
