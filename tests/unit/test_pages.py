"""The pages can be scanned: no long cells, a failure in four lines, and each test that they name exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = {"configuration.md", "evidence.md", "evidence-trixie.md"}
PAGES = [p for p in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]) if p.name not in GENERATED]
LONGEST_CELL, LONGEST_LINE = 120, 150
FAILURES, SAFETY, CHANGES = ROOT / "docs/failures.md", ROOT / "docs/safety.md", ROOT / "CHANGELOG.md"


def cells(page: Path) -> list[str]:
    rows = [line for line in page.read_text().splitlines() if line.startswith("|")]
    return [cell.strip() for row in rows for cell in re.split(r"(?<!\\)\|", row)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_cell_of_a_table_is_long(page: Path) -> None:
    assert not [cell for cell in cells(page) if len(cell) > LONGEST_CELL], "make it a section"


def sections() -> list[tuple[str, str]]:
    """Heading and text of each failure."""
    parts = re.split(r"^### (.+)$", FAILURES.read_text(), flags=re.M)
    return [
        (title, re.split(r"^## ", text, flags=re.M)[0]) for title, text in zip(parts[1::2], parts[2::2], strict=True)
    ]


@pytest.mark.parametrize(("title", "text"), sections(), ids=[title for title, _ in sections()])
def test_a_failure_has_what_is_seen_done_and_shown(title: str, text: str) -> None:
    said = re.findall(r"^- (You see|It does|You do|Shown by): \S", text, re.M)
    assert said == ["You see", "It does", "You do", "Shown by"]


def test_no_two_failures_have_one_title() -> None:
    titles = [title for title, _ in sections()]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("page", [FAILURES, SAFETY], ids=lambda page: page.name)
def test_the_tests_that_are_named_exist(page: Path) -> None:
    """`test_x` is a function, a file or a class' method; … stands for any letters."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    known = "\n".join(
        [*(str(f.relative_to(ROOT)) for f in files)]
        + [name for f in files for name in re.findall(r"^(?: *def|class) (\w+)", f.read_text(), re.M)]
    )
    named = [n for n in re.findall(r"`([^`\s]+)`", page.read_text()) if re.search(r"\btest_|^Test[A-Z]|…", n)]
    wanted = {name: re.escape(name.strip("…")).replace("…", r"\w*") for name in named}
    assert wanted
    assert not [name for name, pattern in wanted.items() if not re.search(pattern, known)]


def test_a_change_is_a_short_line_in_its_group() -> None:
    text = CHANGES.read_text()
    groups = re.findall(r"^### (\w+)$", text.split("\n## ")[1], re.M)
    assert groups == [g for g in ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security") if g in groups]
    assert not [line for line in text.splitlines() if line.startswith("- ") and len(line) > LONGEST_LINE]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md", "docs/boot.md"])
def test_the_paths_that_are_named_exist(page: str) -> None:
    """From the root, or from src/lunmirror; NAME stands for anything."""
    named = re.findall(r"`([\w./-]+/|[\w./-]+\.(?:py|md|toml|8|txt))`", (ROOT / page).read_text())
    files = {str(path.relative_to(ROOT)) for path in ROOT.glob("[!.]*/**/*")} | {p.name for p in ROOT.iterdir()}
    assert named
    wanted = [(name, re.compile(r"(.*/)?" + re.escape(name.strip("/")).replace("NAME", ".*"))) for name in named]
    assert not [
        name for name, pattern in wanted if not name.startswith("/") and not any(map(pattern.fullmatch, files))
    ]
