"""A module has one subject, and can be read in one go."""

from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src/lunmirror"
MOST = 400


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda p: str(p.relative_to(SRC)))
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST
