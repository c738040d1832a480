"""docs/architecture.md names what is there, and every package."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src/lunmirror"
PAGE = (ROOT / "docs/architecture.md").read_text()
MAP = PAGE.split("## Where things are\n")[1].split("```")[1]


def places() -> dict[str, str]:
    """Package ("layers/node/") -> what is said of it, as the map has it."""
    found: dict[str, str] = {}
    for line in MAP.strip().splitlines():
        if line[0] != " ":
            name, _, said = line.partition(" ")
            found[name] = said
        else:
            found[name] += line
    return found


@pytest.mark.parametrize(("place", "said"), places().items(), ids=places())
def test_every_module_of_the_map_is_there(place: str, said: str) -> None:
    assert (SRC / place).is_dir()
    assert not [name for name in re.findall(r"\b(\w+\.(?:py|toml))\b", said) if not (SRC / place / name).is_file()]


def test_every_package_is_in_the_map() -> None:
    packages = {f"{path.parent.relative_to(SRC)}/" for path in SRC.glob("*/**/__init__.py")}
    assert packages | {"files/"} == set(places())


@pytest.mark.parametrize("path", sorted(SRC.glob("layers/*/plan.py")), ids=lambda path: path.parent.name)
def test_every_planner_has_the_shape(path: Path) -> None:
    """A table at the top; `plan`; and no function that passes parts of a context along."""
    tree = ast.parse(path.read_text())
    assert re.search(r"^\|-+\|-+\|", ast.get_docstring(tree) or "", re.M) or "\nVERDICTS = {\n" in path.read_text()
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert [arg.arg for arg in functions["plan"].args.args] == ["desired", "seen", "pending"]
    parts = {"ref", "key", "path", "server", "seen"}
    wide = {name: parts & {arg.arg for arg in f.args.args} for name, f in functions.items() if name != "plan"}
    assert not {name: found for name, found in wide.items() if len(found) > 1}


def test_every_path_in_the_text_is_there() -> None:
    named = re.findall(r"`((?:[\w.-]+/)*[\w.-]+(?:\.py|/))`", PAGE.replace(MAP, ""))
    assert len(named) > 10
    bases = (ROOT, SRC, ROOT / "docs", SRC / "layers/node")
    assert not [path for path in named if not any((base / path).exists() for base in bases)]


def test_every_layer_has_a_directory_of_tests() -> None:
    layers = {path.parent.name for path in SRC.glob("layers/*/plan.py")}
    assert layers == {path.name for path in (ROOT / "tests/unit/layers").iterdir() if any(path.glob("test_*.py"))}
