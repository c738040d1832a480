"""Exit codes, documents and metrics are a contract. docs/schemas/contract.txt lists what its version 1 promises; whoever changes
or takes away a line there breaks what others have built, and counts `schema` up. What is new is added there.

To write it anew: `LUNMIRROR_RENDER=1 pytest tests/unit/watch/test_promises.py`."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lunmirror.engine.exits import Exit
from lunmirror.report import as_json
from lunmirror.watch import document, events, metrics

DOCS = Path(__file__).parents[3] / "docs"
CONTRACT = DOCS / "schemas" / "contract.txt"
VERSIONS = {"event": events.SCHEMA, "report": as_json.SCHEMA, "status": document.SCHEMA}


def shape(schema: dict[str, Any], top: dict[str, Any], where: str) -> Iterator[str]:
    """A line for each place of a document: its path, and what may stand there."""
    if "$ref" in schema:
        schema = top["$defs"][schema["$ref"].rpartition("/")[2]]
    for at, one in enumerate(schema.get("anyOf", ())):
        yield from shape(one, top, f"{where} ({at + 1})")
    if "type" in schema:
        yield f"{where}: {schema['type']}"
    for value in schema.get("enum", [schema["const"]] if "const" in schema else ()):
        yield f"{where} = {json.dumps(value)}"
    for key, one in schema.get("properties", {}).items():
        always = "" if key in schema.get("required", ()) else "?"
        yield from shape(one, top, f"{where}.{key}{always}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from shape(schema[key], top, f"{where}{'[]' if key == 'items' else '.*'}")


def tables() -> dict[str, str]:
    """Metric -> its labels, of the table in docs/watch.md."""
    return dict(re.findall(r"^\| `(lunmirror_\w+)` \| ([\w, ]*) \|", (DOCS / "watch.md").read_text(), re.M))


def lines() -> list[str]:
    found = [f"version {version}" for version in sorted(set(VERSIONS.values()))]
    found += [f"exit {int(code)} {code.name.lower()}" for code in Exit]
    for name in VERSIONS:
        schema = json.loads((DOCS / "schemas" / f"{name}.schema.json").read_text())
        found += shape(schema, schema, name)
    labels = tables()
    return [*found, *(f"metric {name} {kind} {labels[name]}".strip() for name, (kind, _) in metrics.METRICS.items())]


def test_what_version_1_promises_is_kept() -> None:
    text = "\n".join(lines()) + "\n"
    if os.environ.get("LUNMIRROR_RENDER"):
        CONTRACT.write_text(text)
    promised = CONTRACT.read_text()
    gone = set(promised.splitlines()) - set(text.splitlines())
    assert not gone, "this breaks what others have built: count `schema` up"
    assert text == promised, "what is new is promised from now on: write the file anew"


def test_each_document_states_the_version() -> None:
    for name, version in VERSIONS.items():
        schema = json.loads((DOCS / "schemas" / f"{name}.schema.json").read_text())
        stated = {line.split(".")[1] for line in shape(schema, schema, name) if ".schema" in line}
        assert stated == {f"schema = {version}"}, name
