"""The compiled form: as good as the files, believed only without any doubt, and cheap."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lunmirror import config
from lunmirror.config import cache, compile
from lunmirror.engine.errors import ConfigError

EXAMPLES = Path(__file__).parents[3] / "etc" / "lunmirror" / "examples"
SRC = Path(__file__).parents[3] / "src"


@pytest.fixture
def compilations(monkeypatch):
    """Counts how often the heavy way was taken."""
    counted = []
    real = compile.compile

    def counting(sources):
        counted.append(sources)
        return real(sources)

    monkeypatch.setattr(compile, "compile", counting)
    return counted


def test_the_second_load_compiles_nothing(write, base, own_compiled, compilations):
    path = write(base)
    first = config.load(path)
    status = own_compiled.stat()
    assert config.load(path) == first
    assert len(compilations) == 1
    assert (own_compiled.stat().st_ino, own_compiled.stat().st_mtime_ns) == (status.st_ino, status.st_mtime_ns)
    assert status.st_mode & 0o777 == 0o600
    assert own_compiled.parent.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("umask", [0, 0o777])
def test_the_umask_does_not_matter(write, base, own_compiled, umask):
    path = write(base)
    own_compiled.parent.mkdir(mode=0o700)
    before = os.umask(umask)
    try:
        config.load(path)
    finally:
        os.umask(before)
    assert own_compiled.stat().st_mode & 0o777 == 0o600


def test_it_is_not_kept_where_that_is_not_wanted(write, base, own_compiled):
    path = write(base)
    config.load(path, remember=False)
    config.load(path, compiled="")
    assert not own_compiled.exists()


CHANGES = {
    "a byte of the file": lambda f: (f / "lunmirror.toml").write_text((f / "lunmirror.toml").read_text() + "\n"),
    "a new part": lambda f: (f / "conf.d" / "b.toml").write_text(""),
    "a part gone": lambda f: (f / "conf.d" / "a.toml").unlink(),
    "a part renamed": lambda f: (f / "conf.d" / "a.toml").rename(f / "conf.d" / "c.toml"),
    "a part changed": lambda f: (f / "conf.d" / "a.toml").write_text("#"),
    "a secret rewritten": lambda f: (f / "one").write_text("other secret"),
    "a secret opened": lambda f: (f / "one").chmod(0o400),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_noticed(write, base, directory, compilations, change):
    chap = '\n[servers.filer1.chap]\nusername = "c"\npassword_file = "./one"\n'
    path = write(base + chap)
    write("secret one", "one")
    write("", "conf.d/a.toml")
    config.load(path)
    config.load(path)
    assert len(compilations) == 1
    change(directory)
    config.load(path)
    assert len(compilations) == 2


def test_another_file_of_the_same_text_is_another_configuration(write, base, compilations):
    config.load(write(base))
    assert config.load(write(base, "other.toml")).source.endswith("other.toml")
    assert len(compilations) == 2


def test_a_secret_that_became_readable_is_an_error_at_once(write, base, directory):
    path = write(base + '\n[servers.filer1.chap]\nusername = "c"\npassword_file = "./one"\n')
    write("secret one", "one")
    config.load(path)
    (directory / "one").chmod(0o644)
    with pytest.raises(ConfigError):
        config.load(path)


def test_credentials_of_systemd_are_part_of_it(write, base, directory, compilations, monkeypatch):
    path = write(base + '\n[servers.filer1.chap]\nusername = "c"\npassword_file = "one"\n')
    write("secret one", "one")
    write("secret one", "credentials/one", mode=0o400)
    beside = config.load(path).servers["filer1"].chap.outgoing.password_file
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(directory / "credentials"))
    assert config.load(path).servers["filer1"].chap.outgoing.password_file != beside
    assert len(compilations) == 2


@pytest.mark.parametrize("version", ["0.0.0", "9.9.9"])
def test_another_version_compiles_again(write, base, compilations, monkeypatch, version):
    path = write(base)
    config.load(path)
    monkeypatch.setattr(cache, "__version__", version)
    config.load(path)
    assert len(compilations) == 2


@pytest.mark.parametrize(
    "module", ["config/schema/servers.py", "config/checks/disks.py", "config/compile.py", "engine/desired.py"]
)
def test_what_another_module_made_compiles_again(write, base, compilations, monkeypatch, module):
    """A setting is added to a table and to a tuple: neither needs a number of its own."""
    path = write(base)
    config.load(path)
    stat = os.stat

    def newer(file, **how):
        found = stat(file, **how)
        if not os.path.normpath(str(file)).endswith(f"lunmirror/{module}"):
            return found
        return SimpleNamespace(
            st_size=found.st_size, st_mtime_ns=found.st_mtime_ns, st_ctime_ns=found.st_ctime_ns + 1
        )

    monkeypatch.setattr(cache.os, "stat", newer)
    config.load(path)
    assert len(compilations) == 2


def spoil(kept, change):
    document = json.loads(kept.read_text())
    change(document)
    kept.write_text(json.dumps(document))


DOUBTS = {
    "writable by others": lambda kept: kept.chmod(0o622),
    "a directory writable by others": lambda kept: kept.parent.chmod(0o777),
    "empty": lambda kept: kept.write_text(""),
    "garbage": lambda kept: kept.write_bytes(b"\xff\x00"),
    "not JSON": lambda kept: kept.write_text("{"),
    "other JSON": lambda kept: kept.write_text("[1]"),
    "deep JSON": lambda kept: kept.write_text("[" * 100000),
    "torn": lambda kept: kept.write_text(kept.read_text()[:-5]),
    "a key missing": lambda kept: spoil(kept, lambda d: d.pop("passwords")),
    "a field missing": lambda kept: spoil(kept, lambda d: d["desired"].pop("disks")),
    "a field too many": lambda kept: spoil(kept, lambda d: d["desired"].update(more=1)),
    "a row of another shape": lambda kept: spoil(kept, lambda d: d["desired"]["disks"]["left"].extend([1] * 20)),
    "a row of another type": lambda kept: spoil(kept, lambda d: d["desired"]["servers"].update(filer1=5)),
}


@pytest.mark.parametrize("doubt", DOUBTS.values(), ids=DOUBTS)
def test_every_doubt_compiles_again(write, base, own_compiled, compilations, doubt):
    path = write(base)
    first = config.load(path)
    doubt(own_compiled)
    assert config.load(path) == first
    assert len(compilations) == 2


def test_links_are_not_followed(write, base, own_compiled, tmp_path, compilations):
    path = write(base)
    config.load(path)
    moved = tmp_path / "moved"
    own_compiled.rename(moved)
    own_compiled.symlink_to(moved)
    config.load(path)
    assert len(compilations) == 2
    assert not own_compiled.is_symlink()  # replaced, not written through


def test_a_linked_directory_is_not_followed(write, base, own_compiled, tmp_path, compilations):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    own_compiled.parent.symlink_to(elsewhere)
    path = write(base)
    config.load(path)
    config.load(path)
    assert len(compilations) == 2
    assert not list(elsewhere.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["file", "directory"])
def test_what_belongs_to_others_is_not_believed(write, base, own_compiled, compilations, what):
    path = write(base)
    config.load(path)
    os.chown(own_compiled if what == "file" else own_compiled.parent, 12345, -1)
    config.load(path)
    assert len(compilations) == 2


@pytest.mark.parametrize("blocked", ["file as directory", "no parent", "directory in place"])
def test_failing_to_write_it_is_no_error(write, base, own_compiled, tmp_path, blocked):
    path = write(base)
    if blocked == "file as directory":
        own_compiled.parent.write_text("")
    elif blocked == "directory in place":
        own_compiled.mkdir(parents=True)
        own_compiled.parent.chmod(0o700)
    place = str(tmp_path / "a" / "b" / "c.json") if blocked == "no parent" else None
    assert config.load(path, compiled=place) == config.load(path, compiled="")
    if blocked == "directory in place":
        assert [p.name for p in own_compiled.parent.iterdir()] == [own_compiled.name]


def test_a_temporary_file_left_by_a_killed_process_is_replaced(write, base, own_compiled):
    own_compiled.parent.mkdir(mode=0o700)
    left = own_compiled.with_name(f"{own_compiled.name}.{os.getpid()}")
    left.write_text("torn")
    config.load(write(base))
    assert [p.name for p in own_compiled.parent.iterdir()] == [own_compiled.name]


def test_it_holds_no_secret(write, base, own_compiled):
    path = write(base + '\n[servers.filer1.chap]\nusername = "c"\npassword_file = "./one"\n')
    write("correct horse", "one")
    config.load(path)
    assert "correct horse" not in own_compiled.read_text()


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.toml")), ids=lambda p: p.name)
def test_what_is_read_back_is_what_was_kept(write, example):
    path = write(example.read_text())
    for name in ("secrets/filer1", "secrets/filer2", "filer2-chap", "secrets/filer2-mutual"):
        write(f"secret of {name}", name)
    compiled = config.load(path)
    recalled = config.load(path)
    assert recalled == compiled
    assert repr(recalled) == repr(compiled)  # tuples are tuples, and named ones are named


CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from lunmirror import config
desired = config.load(sys.argv[2], compiled=sys.argv[3])
assert desired.volumes["vg0/testlv"].legs == ("left", "right")
print("\\n".join(sorted(sys.modules)))
"""
HEAVY = [
    "pydantic",
    "pydantic_core",
    "tomli",
    "tomllib",
    "dataclasses",
    "pathlib",
    "difflib",
    "ipaddress",
]
HEAVY += ["hashlib", "inspect", "subprocess", "logging", "structlog", "jinja2", "datetime", "tempfile", "random"]
HEAVY += [
    "lunmirror.config.schema",
    "lunmirror.config.compile",
    "lunmirror.config.units",
    "lunmirror.config.problems",
]


@pytest.mark.real
def test_a_run_with_unchanged_files_imports_nothing_heavy(write, base, own_compiled):
    path = write(base)
    config.load(path)
    child = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CHILD, str(SRC), path, str(own_compiled)],
        env={},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert child.returncode == 0, child.stderr
    assert not set(HEAVY) & set(child.stdout.split())
