"""What a comment, a message or a page cites is there: the file in the repository, and the place in it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXTS = sorted(
    path
    for top in ("src", "contrib", "docs", "tests", "packaging", "debian", "etc")
    for path in (ROOT / top).rglob("*")
    if path.is_file() and path.suffix not in {".pyc", ".svg", ".png"} and "recordings" not in path.parts
) + sorted([*ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml"])
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CITED = re.compile(r"\bdocs/[\w./-]+\.md\b(?:#[\w-]+)?")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings; and those that are written out."""
    text = page.read_text()
    headings = re.findall(r"^#{1,6} (.+)$", text, re.M)
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in headings}
    return slugs | set(re.findall(r'<a id="([\w-]+)">', text))


def missing(target: Path, anchor: str) -> str:
    if not target.exists():
        return f"{target} is not there"
    return f"{target.name} has no #{anchor}" if anchor and anchor not in anchors(target) else ""


def read(path: Path) -> str:
    return path.read_bytes().decode(errors="replace")


def cited(path: Path) -> Iterator[tuple[Path, str]]:
    for name in CITED.findall(read(path)):
        file, _, anchor = name.partition("#")
        yield ROOT / file, anchor


def linked(page: Path) -> Iterator[tuple[Path, str]]:
    for name in LINK.findall(page.read_text()):
        file, _, anchor = name.partition("#")
        if "://" not in file:
            yield (page.parent / file if file else page), anchor


def test_what_is_cited_is_there() -> None:
    wrong = {
        f"{path.relative_to(ROOT)}: {reason}" for path in TEXTS for cite in cited(path) if (reason := missing(*cite))
    }
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page: Path) -> None:
    assert not {reason for link in linked(page) if (reason := missing(*link))}


def test_nothing_rests_on_notes_outside_the_repository() -> None:
    outside = re.compile(r"shared[ ]facts|/work/[s]hared|lab-[f]indings")
    assert not {str(path.relative_to(ROOT)) for path in TEXTS if outside.search(read(path))}


def test_a_long_page_of_facts_is_cited_with_the_place_in_it() -> None:
    bare = re.compile(r"docs/facts/(?:lvm|open-iscsi|kernel|lab)\.md(?!#)")
    assert not {str(p.relative_to(ROOT)) for p in TEXTS if p.suffix == ".py" and bare.search(read(p))}


def test_the_index_has_every_page() -> None:
    index = ROOT / "docs/index.md"
    pages = {path for path in (ROOT / "docs").rglob("*") if path.suffix in {".md", ".8"} and path != index}
    assert not pages - {target.resolve() for target, _ in linked(index)}, "add it to docs/index.md"


def test_an_anchor_that_is_not_there_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text('# Facts\n\n## Hung I/O\n\n<a id="own"></a>\n')
    assert anchors(page) == {"facts", "hung-io", "own"}
    assert missing(page, "other")
    assert missing(tmp_path / "none.md", "")
