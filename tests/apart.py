"""What a run keeps in /run and /var/lib lies elsewhere in a test: never in the directories of the machine that it runs on."""

from pathlib import Path

import pytest

from lunmirror.host import paths


def move(monkeypatch: pytest.MonkeyPatch, place: str, instead: Path) -> None:
    """Every path that lunmirror knows below `place` is below `instead`."""
    for name, value in list(vars(paths).items()):
        if isinstance(value, str) and f"{value}/".startswith(f"{place}/"):
            monkeypatch.setattr(paths, name, f"{instead}{value.removeprefix(place)}")
