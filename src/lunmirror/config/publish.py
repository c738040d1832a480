"""The schema for others: the JSON Schema, as editors use it."""

import json
from typing import Any

from lunmirror.config.schema import Document


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the configuration (draft 2020-12), as editors use it."""
    schema = _tidy(Document.model_json_schema())
    schema["title"] = "lunmirror.toml"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def json_schema_text() -> str:
    """The same as the shipped file has it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(node: Any) -> Any:
    """Without null, which TOML does not have, and with every table closed to unknown names."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {name: _tidy(value) for name, value in node.items()}
    if "default" in node and node["default"] is None:
        del node["default"]
    if "patternProperties" in node:
        node["additionalProperties"] = False
    choices = [choice for choice in node.pop("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        return choices[0] | node
    return node | {"anyOf": choices} if choices else node
