"""What was asked on the command line; refusals; and that no other verb pays for the drill."""

import ast
from pathlib import Path

import pytest

import lunmirror
from lunmirror.cli.commands import drill
from lunmirror.cli.parser import parse
from lunmirror.drill import verb
from lunmirror.engine.errors import UsageError
from unit.analysis.worlds import desired

SOURCE = Path(lunmirror.__file__).parent


def asked(*line: str) -> verb.Asked:
    return drill.asked(parse(["drill", *line]), desired(mount="/mnt"))


def test_as_it_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wish = asked("filer2", "--confirm")
    assert wish == verb.Asked("filer2", 35, 900, str(tmp_path / "lunmirror-drill-filer2.svg"), False)


def test_every_option(tmp_path: Path) -> None:
    line = ["filer2", "--confirm", "--seconds", "1m", "--timeout", "1m", "--picture", f"{tmp_path}/p.svg", "--json"]
    assert asked(*line) == verb.Asked("filer2", 60, 60, f"{tmp_path}/p.svg", True)


def test_nothing_begins_unconfirmed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must be confirmed") as ending:
        asked("filer2", "--picture", f"{tmp_path}/p.svg")
    assert "192.0.2.2:3260 for 35 s" in ending.value.why
    assert "vg0/lv" in ending.value.why
    assert "--confirm" in ending.value.next


@pytest.mark.parametrize("seconds", ["0", "301", "-5", "soon", "1h", ""])
def test_seconds_are_bounded(seconds: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--seconds"):
        asked("filer2", "--confirm", f"--seconds={seconds}", "--picture", f"{tmp_path}/p.svg")


def test_a_server_that_is_not_declared() -> None:
    with pytest.raises(UsageError, match="no server 'filer9'"):
        asked("filer9", "--confirm")


def test_a_plain_file_may_be_replaced_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "old.svg").write_text("old")
    (tmp_path / "link.svg").symlink_to("old.svg")
    (tmp_path / "dangling.svg").symlink_to("nowhere")
    assert asked("filer2", "--confirm", "--picture", f"{tmp_path}/old.svg").picture.endswith("old.svg")
    for name, what in (
        ("", "a directory"),
        ("link.svg", "symbolic link"),
        ("dangling.svg", "symbolic link"),
        ("no/p", "not there"),
    ):
        with pytest.raises(UsageError, match=what):
            asked("filer2", "--confirm", "--picture", f"{tmp_path}/{name}")


def test_no_other_verb_imports_it() -> None:
    """On import nothing does, and within functions only the command line's own."""
    for path in SOURCE.rglob("*.py"):
        if {"drill", "speed"} & set(path.parts) or path.name == "worker.py":
            continue
        tree = ast.parse(path.read_text())
        late = [
            n
            for n in ast.walk(tree)
            if isinstance(n, ast.FunctionDef) or (isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test))
        ]
        inner = {id(n) for part in late for n in ast.walk(part)}
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any("lunmirror.drill" in name or name == "lunmirror.host.worker" for name in names):
                assert path == SOURCE / "cli" / "commands" / "drill.py"
                assert id(node) in inner


def test_a_report_needs_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    from lunmirror.drill import picture, result
    from lunmirror.engine.model import ABSENT
    from lunmirror.host.protocol import ActionFailed
    from unit.drill.courses import course

    class Host:
        def read(self, path):
            return ABSENT

        def write(self, path, content, before, mode):
            assert content.startswith(b"<?xml")
            assert before is None
            raise ActionFailed("the file system is full")

    one = course()
    assert "file system is full" in verb._keep_picture("/p.svg", one, result.judge(one), Host())
    monkeypatch.setattr(picture, "draw", lambda course, result: 1 / 0)
    assert "ZeroDivisionError" in verb._keep_picture("/p.svg", one, result.judge(one), Host())
