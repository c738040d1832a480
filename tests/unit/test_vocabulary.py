"""One word for one thing: CONTRIBUTING.md has the glossary, and these are the words that it replaced."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What must not come back -> what to write.
REPLACED = {
    r"persons?": "administrator",
    r"folders?": "directory",
    r"two histories|histories": "split brain",
    r"mend(s|ed|ing)?|heal(s|ed|ing)?": "repair",
    r"tell(s|ing)?|told|foretold": "report, show, distinguish",
    r"look(s|ed|ing)? after": "manage",
    r"anew": "again",
    r"strangers?|anothers|strayed|homonyms?": "unrelated, misplaced, foreign",
    r"contested": "flapping",
    r"testimony|accus(e[sd]?|ation|ations)": "superblocks, marked failed",
    r"pass_through": "enforce",
    r"in IPv6 clothes|nothing to do for nobody|nobody would bring|see what is said": "plain English",
}

# Files that name these words and do not use them.
EXCEPTIONS = {
    "CONTRIBUTING.md": "its glossary lists what is not written",
    "docs/evidence.md": "names of tests and of commits, as they were when they ran",
}


def lines() -> Iterator[tuple[str, int, str]]:
    kinds = ((ROOT / "src", "*.py"), (ROOT / "src", "*.j2"), (ROOT / "docs", "*.md"), (ROOT, "*.md"))
    for base, kind in kinds:
        for path in sorted(base.glob(kind) if base == ROOT else base.rglob(kind)):
            name = str(path.relative_to(ROOT))
            if name in EXCEPTIONS:
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                yield name, number, line


@pytest.mark.parametrize("word", REPLACED)
def test_no_replaced_word_comes_back(word: str) -> None:
    found = re.compile(rf"(?<![A-Za-z])({word})(?![A-Za-z])", re.IGNORECASE)
    wrong = [f"{name}:{n}: {line.strip()[:120]}" for name, n, line in lines() if found.search(line)]
    assert not wrong, f"write {REPLACED[word]}:\n" + "\n".join(wrong)
