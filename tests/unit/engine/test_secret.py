"""What a process does that has come to know a secret."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import resource
from lunmirror.engine.secret import secret_in
limit = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (limit[1], limit[1]))
secret_in(b"s3cret")
print(resource.getrlimit(resource.RLIMIT_CORE) == (0, limit[1]))
"""


@pytest.mark.real
def test_it_leaves_no_core_file() -> None:
    """In a process of its own, so that ours keeps its limit."""
    env = {"PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=env)
    assert (done.stdout, done.stderr) == ("True\n", "")
