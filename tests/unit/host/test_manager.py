"""What systemd tells us by the environment, and what we tell it."""

import os
import socket
from pathlib import Path

import pytest

from lunmirror.host import manager


def test_only_the_stream_that_systemd_names_is_its_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(tmp_path / "journal", "w") as journal, open(tmp_path / "other", "w") as other:
        state = os.fstat(journal.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{state.st_dev}:{state.st_ino}")
        assert manager.is_journal(journal)
        assert not manager.is_journal(other)
        assert not manager.is_journal(None)
    assert not manager.is_journal(journal)  # closed
    monkeypatch.setenv("JOURNAL_STREAM", "rubbish")
    with open(tmp_path / "journal") as journal:
        assert not manager.is_journal(journal)
        monkeypatch.delenv("JOURNAL_STREAM")
        assert not manager.is_journal(journal)


@pytest.mark.parametrize("abstract", [False, True])
def test_the_status_line_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    place = f"@lunmirror-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(5)
        systemd.bind(f"\0{place[1:]}" if abstract else place)
        monkeypatch.setenv("NOTIFY_SOCKET", place)
        manager.status("wait for\nfiler2, at most 30 s")
        assert systemd.recv(1000) == b"STATUS=wait for filer2, at most 30 s"


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    manager.status("x")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    manager.status("x")
