"""Nothing here may reach the host: the compiled form and all files live under tmp_path."""

import os
from pathlib import Path

import pytest

from lunmirror.host import paths

BASE = """\
version = 1

[policy]
stall_budget = "15s"
boot_wait = "30s"

[servers.filer1]
portals = ["192.168.1.115"]

[servers.filer2]
portals = ["192.168.1.120"]

[disks.left]
server = "filer1"
target = "iqn.2006-01.com.openfiler:linuxtest1lv"
lun = 1

[disks.right]
server = "filer2"
target = "iqn.2006-01.com.openfiler:linuxtest1lv-2"
lun = 1

[groups.vg0]
disks = ["left", "right"]

[groups.vg0.volumes.testlv]
size = "512MiB"
type = "raid1"
filesystem = "ext4"
mount = "/mnt/test"
"""


@pytest.fixture(autouse=True)
def own_compiled(tmp_path, monkeypatch):
    """The compiled form in a directory of the test's own; no systemd credentials from outside."""
    place = tmp_path / "run" / "desired.json"
    monkeypatch.setattr(paths, "COMPILED", str(place))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return place


@pytest.fixture
def base():
    return BASE


@pytest.fixture
def directory(tmp_path):
    """A configuration directory that root would trust."""
    made = tmp_path / "etc"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def write(directory):
    """Write a file into the directory; answer with its path."""

    def write_file(content: str | bytes, name: str = "lunmirror.toml", mode: int = 0o600) -> str:
        path = Path(directory, name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return str(path)

    return write_file
