"""The spec file makes a package. That is all that is known: there is no RPM system here to run it on."""

import tarfile
from pathlib import Path

from chroots import fresh

ROOT = Path(__file__).parents[2]
VERSION = "0.1.0"


def test_the_spec_file_builds(tmp_path: Path) -> None:
    tar = tmp_path / f"lunmirror-{VERSION}.tar.gz"
    with tarfile.open(tar, "w:gz") as archive:
        for name in ("src", "contrib", "etc", "docs", "packaging", "LICENSE", "README.md", "CHANGELOG.md"):
            archive.add(ROOT / name, f"lunmirror-{VERSION}/{name}")
    with fresh("trixie", "rpm", "python3") as system:
        system.put(tar, f"/root/rpmbuild/SOURCES/{tar.name}")
        system.put(ROOT / "packaging/lunmirror.spec", "/lunmirror.spec")

        system.run("rpmbuild", "-bb", "/lunmirror.spec")

        listed = system.run("sh", "-c", "rpm -qlp /root/rpmbuild/RPMS/noarch/*.rpm").stdout.splitlines()
        assert "/usr/bin/lunmirror" in listed
        assert "/usr/lib/systemd/system/lunmirror.service" in listed
        assert "/usr/share/lunmirror/examples/lunmirror.toml" in listed
        assert not [path for path in listed if "/local/" in path or "__pycache__" in path]
        assert not [path for path in listed if path.startswith("/usr/lib/systemd") and "open-iscsi" in path]
        scripts = system.run("sh", "-c", "rpm -qp --scripts /root/rpmbuild/RPMS/noarch/*.rpm").stdout
        assert "restart" not in scripts
