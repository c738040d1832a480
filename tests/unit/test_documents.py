"""The exit codes, verbs and options are told the same everywhere."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lunmirror import __version__
from lunmirror.cli import completion, manual
from lunmirror.cli.parser import VERBS, of_verb
from lunmirror.engine.exits import Exit
from lunmirror.host import paths

DOCS = Path(__file__).parents[2] / "docs"
TABLE = {int(code): code.meaning for code in Exit}


def man() -> str:
    """The manual page, without the escapes of roff."""
    return (DOCS / "lunmirror.8").read_text().replace("\\-", "-")


def section(name: str) -> str:
    return re.split(r"^\.SH ", man().split(f".SH {name}\n")[1], flags=re.M)[0]


def test_the_page_about_exit_codes_has_the_table() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (.*) \|$", (DOCS / "exit-codes.md").read_text(), re.M)
    assert {int(code): meaning for code, _, meaning in rows} == TABLE
    assert [name for _, name, _ in rows] == [code.name.lower() for code in Exit]


def test_the_manual_has_the_table() -> None:
    rows = re.findall(r"^\.TP\n\.B (\d+)\n(.*)$", section("EXIT STATUS"), re.M)
    assert {int(code): meaning for code, meaning in rows} == TABLE


def test_the_manual_is_the_generated_one() -> None:
    assert (DOCS / "lunmirror.8").read_text() == manual.page(), "run `make generate`"


@pytest.mark.parametrize("shell", completion.FILES)
def test_the_completion_is_the_generated_one(shell: str) -> None:
    shipped = (completion.DIRECTORY / completion.FILES[shell]).read_text()
    assert shipped == completion.script(shell), "run `make generate`"


@pytest.mark.parametrize("verb", VERBS)
def test_the_manual_has_every_verb_and_option(verb: str) -> None:
    own = section("VERBS").split(f"\n\\fB{verb}\\fR")[1].split("\n.IP\nExample: ")[0]
    named = set(re.findall(r"\\fB(--?[a-zA-Z-]+)\\fR", own + section("OPTIONS")))
    assert set(of_verb(verb).options) <= named


def test_the_manual_names_the_version_and_the_configuration() -> None:
    assert f'"lunmirror {__version__}"' in man()
    assert paths.CONFIG in man()
    assert paths.RUN_DIR in man()


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_the_manual_is_sound() -> None:
    page = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", str(DOCS / "lunmirror.8")], capture_output=True, text=True, check=True
    )
    assert page.stderr == ""
