"""Files that cannot be used: each fault has its sentence, and nothing is parsed."""

import os
import re

import pytest

from lunmirror import config
from lunmirror.config import passwords, sources
from lunmirror.engine.errors import ConfigError
from lunmirror.host import paths


def told(path):
    with pytest.raises(ConfigError) as caught:
        config.load(str(path))
    return caught.value.problems


def test_no_file(directory):
    (found,) = told(directory / "none.toml")
    assert found.where == str(directory / "none.toml")
    assert "no configuration" in found.what


def test_no_file_names_an_example_that_is_there_and_valid(directory, monkeypatch, tmp_path):
    """Where a package lays it; else the one that the program itself brings."""
    for laid in (False, True):
        shipped = tmp_path / "lunmirror.toml"
        monkeypatch.setattr(paths, "EXAMPLES", (str(shipped),))
        if laid:
            shipped.write_text("version = 1\n")
        (found,) = told(directory / "none.toml")
        (example,) = re.findall(r"the example (\S+)", found.next)
        assert (example == str(shipped)) == laid
        if not laid:
            assert config.load(example)


def test_no_directory(tmp_path):
    assert "no configuration" in told(tmp_path / "a" / "b" / "c.toml")[0].what


def test_a_directory(directory):
    assert "a directory" in told(directory)[0].what


def test_a_path_with_nul(directory):
    assert "cannot be read" in told(f"{directory}/a\0b")[0].what


def test_a_file_as_directory(write, base):
    assert "cannot be read" in told(write(base) + "/x.toml")[0].what


def test_a_fifo_is_not_waited_for(directory):
    os.mkfifo(directory / "f.toml")
    assert "not a regular file" in told(directory / "f.toml")[0].what


def test_a_device():
    assert "not a regular file" in told("/dev/zero")[0].what


def test_not_utf8(write):
    path = write(b"version = 1\n# gr\xfc\xdfe\n")
    (found,) = told(path)
    assert (found.where, found.what) == (f"{path}:2", "the file is not UTF-8")
    assert "0xfc" in found.why


def test_too_large(write):
    assert "1 MiB" in told(write(b"#" * (sources.MOST_BYTES + 1)))[0].what
    assert config.load(write(b"version = 1\n#" + b"x" * (sources.MOST_BYTES - 13)))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("version = 1\n[policy\n", 2, "column"),
        ("version = \n", 1, "column"),
        ('version = 1\nx = "', 2, "end of the file"),
        ("version = 1\nversion = 1\n", 2, "first on line 1"),
        ("a\x00b = 1", 1, "column"),
        ("\ufeffversion = 1", 1, "byte-order"),
    ],
)
def test_not_toml(write, text, line, words):
    path = write(text)
    (found,) = told(path)
    assert found.where == f"{path}:{line}"
    assert found.what == "the file is not TOML"
    assert words in found.why


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000,
        "a = " + "{a = " * 5000,
        ".".join("a" * 5000) + " = 1",
        "[" + ".".join("a" * 5000) + "]",
        "a = " + "9" * 5000,
        "a = 2024-02-30",
        "a = [" + "[1]," * 10000 + "]",
    ],
)
def test_monsters(write, text):
    assert told(write(text))


def test_every_unusable_part_is_reported(write, base, directory):
    path = write(base)
    write(b"\xff", "conf.d/a.toml")
    (directory / "conf.d" / "b.toml").mkdir()
    (directory / "conf.d" / "c.toml").symlink_to("nowhere")
    assert [os.path.basename(p.where).partition(":")[0] for p in told(path)] == ["a.toml", "b.toml", "c.toml"]


def test_every_part_that_is_not_toml_is_reported(write, base):
    path = write(base)
    write("x", "conf.d/a.toml")
    write("[", "conf.d/b.toml")
    assert len(told(path)) == 2


def test_conf_d_is_a_file(write, base):
    path = write(base)
    write("", "conf.d")
    assert "must be a directory" in told(path)[0].what


def test_too_many_parts(write, base):
    path = write(base)
    for number in range(sources.MOST_FILES + 1):
        write("", f"conf.d/{number}.toml")
    assert "at most 256" in told(path)[0].what


# Trust: as root, only what root alone can write is a configuration


@pytest.fixture
def as_root(monkeypatch):
    """Run the checks as root; the files of a test that is not root count as root's."""
    if os.geteuid() == 0:
        return
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    real = {name: getattr(os, name) for name in ("stat", "lstat", "fstat")}

    def roots(status):
        return os.stat_result((*status[:4], 0 if status.st_uid == os.getuid() else status.st_uid, *status[5:]))

    for name, function in real.items():
        monkeypatch.setattr(os, name, lambda *a, _f=function, **k: roots(_f(*a, **k)))


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("name", ["lunmirror.toml", "conf.d/a.toml", ".", "conf.d"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_what_others_may_write_is_not_trusted(write, base, directory, name, mode):
    path = write(base)
    write("", "conf.d/a.toml")
    assert config.load(path)
    target = directory / name
    os.chmod(target, target.stat().st_mode | mode)
    (found,) = told(path)
    assert found.where == os.path.normpath(target)
    assert "others than root may write" in found.why


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", ["lunmirror.toml", "conf.d/a.toml", ".", "conf.d"])
def test_what_belongs_to_others_is_not_trusted(write, base, directory, name):
    path = write(base)
    write("", "conf.d/a.toml")
    os.chown(directory / name, 12345, -1)
    (found,) = told(path)
    assert "belongs to user 12345" in found.why


@pytest.mark.usefixtures("as_root")
def test_the_directory_behind_a_link_must_be_trusted_too(write, base, tmp_path):
    loose = tmp_path / "loose"
    loose.mkdir(mode=0o700)
    (loose / "real.toml").write_text(base)
    os.chmod(loose / "real.toml", 0o600)
    link = os.path.dirname(write(base)) + "/link.toml"
    os.symlink(loose / "real.toml", link)
    assert config.load(link)
    loose.chmod(0o777)
    assert told(link)[0].where == str(loose)


@pytest.mark.usefixtures("as_root")
def test_so_must_the_directory_behind_a_link_in_conf_d(write, base, tmp_path):
    loose = tmp_path / "loose"
    loose.mkdir(mode=0o777)
    loose.chmod(0o777)
    (loose / "part.toml").write_text("")
    os.chmod(loose / "part.toml", 0o600)
    path = write(base)
    write("", "conf.d/own.toml")
    os.symlink(loose / "part.toml", os.path.dirname(path) + "/conf.d/part.toml")
    assert told(path)[0].where == str(loose)
    loose.chmod(0o755)
    assert config.load(path)


def test_others_than_root_may_look_at_what_they_can_read(write, base, monkeypatch):
    path = write(base, mode=0o666)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert config.load(path, compiled="")


# Password files


def test_a_secret(write):
    assert config.read_secret(write("correct horse\n", "s")) == "correct horse"
    assert config.read_secret(write("correct horse", "s")) == "correct horse"
    assert config.read_secret(write("x" * 255 + "\n", "s")) == "x" * 255


@pytest.mark.parametrize(
    "content", ["", "\n", "two\nlines", "a\tb", " x", "x ", "x" * 256, "x" * 300, b"\xff", "a\0b", "a\x1bb", "x\n\n"]
)
def test_secrets_refused(write, content):
    path = write(content, "s")
    with pytest.raises(ConfigError) as caught:
        config.read_secret(path)
    assert path in str(caught.value)
    assert caught.value.problems[0].next.startswith(f"edit {path}: the secret alone, on one line")
    assert "xx" not in str(caught.value).replace(path, "")  # pytest names the directory after the secret
    assert "lines" not in str(caught.value)


def test_files_that_hold_no_secret(write, directory):
    link = directory / "link"
    link.symlink_to(write("secret", "s"))
    os.mkfifo(directory / "fifo", 0o600)
    for path, why in (
        (link, "symbolic link"),
        (directory / "fifo", "regular file"),
        (directory, "regular file"),
        (directory / "none", "does not exist"),
        (f"{directory}/a\0b", ""),
        (write("secret", "open", 0o640), "mode 0640"),
    ):
        with pytest.raises(ConfigError) as caught:
            config.read_secret(str(path))
        assert why in caught.value.problems[0].why


@pytest.mark.usefixtures("as_root")
def test_a_secret_in_a_directory_of_others(write, directory):
    path = write("secret", "open/s")
    (directory / "open").chmod(0o777)
    assert "directory is not trusted" in passwords.fault(path)
    with pytest.raises(ConfigError):
        config.read_secret(path)


@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize("content", ["two\nlines", "x\n\n", " x", "a\tb", b"\xff"])
def test_check_finds_what_apply_would_refuse(write, base, content, mutual):
    """Each rule of a secret, also of the one that no other is compared with."""
    write(content, "wrong")
    write("correct horse\n", "sound")
    own, more = ("sound", '\nmutual = { username = "f", password_file = "wrong" }') if mutual else ("wrong", "")
    chap = f'[servers.filer1.chap]\nusername = "c"\npassword_file = "{own}"{more}\n'
    path = write(base.replace("[servers.filer2]", f"{chap}\n[servers.filer2]"))
    with pytest.raises(ConfigError) as caught:
        config.load(path, compiled="")
    assert [p.where.rpartition(": ")[2] for p in caught.value.problems] == [
        f"servers.filer1.chap.{'mutual.' if mutual else ''}password_file"
    ]
    assert "lines" not in str(caught.value).replace("more than one line", "")
