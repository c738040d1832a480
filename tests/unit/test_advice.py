"""Advice never names a command that destroys our own data: every text of the program, and the failures that are told of."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.advice import destroys

ROOT = Path(__file__).parents[2]
# (file, words): why it is no such advice. `dmsetup remove` is not among the forbidden words: it ends a table, no data.
ALLOWED = {
    ("config/mkfs.py", "`man mkfs.{}`"): "a page to read",
    ("config/schema/storage.py", "mkfs -"): "the reference: how a label comes into a file system",
}


def texts(path: Path) -> Iterator[str]:
    """Every sentence in a module: strings with a space that are no docstring, with {} for what is filled in."""
    tree = ast.parse(path.read_text())
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if id(node) in told:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


@pytest.mark.parametrize("path", sorted((ROOT / "src/lunmirror").rglob("*.py")), ids=lambda p: p.stem)
def test_no_text_reports_to_destroy(path: Path) -> None:
    name = str(path.relative_to(ROOT / "src/lunmirror"))
    for text in texts(path):
        if " " in text:
            words = destroys(text)
            assert not words or (name, words) in ALLOWED, f"{name}: {text!r}"


def test_nobody_who_looks_up_a_failure_is_reported_to_destroy() -> None:
    advice = re.findall(r"^- You do: (.+)$", (ROOT / "docs/failures.md").read_text(), re.M)
    assert len(advice) > 50
    assert not [line for line in advice if destroys(line)]
    assert not destroys((ROOT / "docs/exit-codes.md").read_text())


@pytest.mark.parametrize(
    "text",
    [
        "if it is to be re-created, blank, `rm /var/lib/lunmirror/volumes/x.json`",
        "free it yourself (`vgreduce`, then `pvremove`)",
        "wipe it yourself: `wipefs -a /dev/sdb`, and zeros over what is left",
        "look at it, remove it (rm -r /run/lunmirror), and run again",
        "`vgreduce --removemissing --force vg0`",
        "`lvconvert -y --repair vg0/testlv`",
        "`lvchange --addtag lunmirror.unformatted vg0/testlv`",
        "`mkfs.ext4 /dev/vg0/testlv`, then run again",
        "dd if=/dev/zero of=/dev/sdb",
    ],
)
def test_what_destroys_is_known(text: str) -> None:
    assert destroys(text)


@pytest.mark.parametrize(
    "text",
    [
        "mkfs.ext4 refuses less",
        "lunmirror removes what lvcreate left",
        "`lvchange --deltag lunmirror.unformatted vg0/testlv`",
        "`iscsiadm -m node -T iqn.2006-01.com.x:y -p 1.2.3.4:3260 -o delete`",  # a record: re-created if it is declared
        "`vgcfgrestore --list vg0` shows what can be brought back",
        "`lvconvert -m 0 vg0/testlv /dev/sdb`",  # takes out a leg that is not good; LVM keeps the one that is
    ],
)
def test_what_does_not_is_not(text: str) -> None:
    assert not destroys(text)
