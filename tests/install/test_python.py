"""The unit tests with another Python, and with the distribution's own versions of what lunmirror uses: as the package for
Debian 13 runs."""

from pathlib import Path

import pytest
from chroots import fresh

ROOT = Path(__file__).parents[2]
USED = ("pydantic", "structlog", "jinja2", "tomli", "setuptools", "pip")
TESTED_WITH = ("pytest", "pytest-xdist", "hypothesis", "jsonschema", "prometheus-client")
# Programs that unit tests ask: systemd-analyze, groff, git and make; shells for completion.
PROGRAMS = ("python3", "python3-venv", "make", "git", "groff", "bash", "zsh", "fish", "systemd", "procps")


@pytest.mark.core
def test_units_pass_on_debian_13() -> None:
    packages = (*PROGRAMS, *(f"python3-{name}" for name in (*USED, *TESTED_WITH)))
    with fresh("trixie", *packages) as system:
        for name in ("src", "tests", "contrib", "etc", "docs", "packaging", "debian"):
            system.put(ROOT / name, f"/lunmirror/{name}")
        for file in (*ROOT.glob("*.md"), ROOT / "pyproject.toml", ROOT / "Makefile", ROOT / "LICENSE"):
            system.put(file, f"/lunmirror/{file.name}")

        said = system.run(
            "sh",
            "-c",
            "cd /lunmirror && PYTHONDONTWRITEBYTECODE=1 python3 -m pytest -q -n auto -p no:cacheprovider ${TESTS:-tests/unit tests/contract}",
            check=False,
        ).stdout

    assert " passed" in said.splitlines()[-1], said[-6000:]
    assert " failed" not in said.splitlines()[-1], said[-6000:]
