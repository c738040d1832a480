import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"


@pytest.fixture(scope="session")
def valid():
    """valid(document, "status"): it is what docs/schemas says, also once it was written and read."""
    validators = {
        path.name.split(".")[0]: jsonschema.Draft202012Validator(json.loads(path.read_text()))
        for path in SCHEMAS.glob("*.schema.json")
    }

    def check(document: Any, name: str) -> Any:
        written = json.loads(json.dumps(document))
        validators[name].validate(written)
        return written

    return check
