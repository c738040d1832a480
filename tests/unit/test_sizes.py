"""A module has one subject, and can be read in one go; so can a list of tests."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SRC = TESTS.parent / "src/lunmirror"
MOST = 400


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda p: str(p.relative_to(SRC)))
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST


def test_names_of_tests_can_be_read_in_a_list() -> None:
    """Below 60 characters; what more there is to say stands in the docstring. The lab's names carry evidence, and stay."""
    files = [path for path in TESTS.rglob("test_*.py") if "lab" not in path.parts]
    names = [(path.name, name) for path in files for name in re.findall(r"^ *def (test_\w+)", path.read_text(), re.M)]
    assert not [one for one in names if len(one[1]) >= 60]
