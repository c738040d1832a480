"""`ansible-test sanity` of the collection, all of it, with the newest ansible-core that this Python takes."""

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

COLLECTIONS = Path(__file__).parents[2] / "contrib/ansible/ansible_collections"
# ansible-test fetches PyPA's get-pip.py from a host of its own, which may be out of reach, and takes what lies in its cache
# instead. This does the same with the pip that Python brings. ensurepip runs apart: it makes pip forget its configuration.
GET_PIP = """
import subprocess, sys
words = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
subprocess.run([sys.executable, "-m", "ensurepip"], check=True)
subprocess.run([sys.executable, "-m", "pip", "install", *words], check=True)
"""


def test_ansible_test_sanity(tmp_path: Path) -> None:
    collections, environment, home = tmp_path / "ansible_collections", tmp_path / "venv", tmp_path / "home"
    shutil.copytree(COLLECTIONS, collections)
    venv.create(environment, with_pip=True)
    subprocess.run([environment / "bin/pip", "install", "-q", "ansible-core"], check=True)
    cache = home / ".ansible/test/cache"
    cache.mkdir(parents=True)
    [setup] = environment.glob("lib/python*/site-packages/ansible_test/_internal/python_requirements.py")
    for version in re.findall(r"pip='([0-9.]+)'", setup.read_text()):
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP)
    settings = Path.home() / ".config/pip"
    if settings.exists():
        (home / ".config").mkdir()
        (home / ".config/pip").symlink_to(settings)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    done = subprocess.run(
        [environment / "bin/ansible-test", "sanity", "--python", version, "--color", "no"],
        cwd=collections / "lunmirror/storage",
        env=os.environ | {"HOME": str(home), "PATH": f"{environment}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-8000:]
    assert 'sanity test "validate-modules"' in done.stdout + done.stderr
