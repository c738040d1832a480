"""plan --out and apply --plan, with files: trusted, good for one time, refused with the difference."""

import json
import os
from pathlib import Path

import pytest

from apart import move
from lunmirror.cli import agreed
from lunmirror.config import sources
from lunmirror.engine.errors import LunmirrorError
from lunmirror.engine.model import Drift, Ref, Run, Step
from lunmirror.host import paths

LOGIN = Step(Ref("session", "filer1"), "log in", Run(("iscsiadm", "--login")), (Drift("k", "in", "out"),))


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    monkeypatch.setattr(paths, "MACHINE_ID", str(tmp_path / "machine-id"))
    move(monkeypatch, paths.STATE_DIR, tmp_path / "state")
    monkeypatch.setattr(sources, "read", lambda path: [(path, "version = 1\n")])


def test_a_plan_is_good_once(tmp_path: Path) -> None:
    file = str(tmp_path / "plan")
    agreed.write(file, [LOGIN], "c.toml")
    body = agreed.read(file, "c.toml")
    assert agreed.check(file, body, [LOGIN])(LOGIN)
    agreed.carried_out(body)
    with pytest.raises(agreed.Stale, match="nothing was done") as caught:
        agreed.read(file, "c.toml")
    assert caught.value.why == "it was carried out already"
    assert int(caught.value.exit) == 4


def test_the_difference_is_named(tmp_path: Path) -> None:
    file = str(tmp_path / "plan")
    agreed.write(file, [LOGIN], "c.toml")
    with pytest.raises(agreed.Stale) as caught:
        agreed.check(file, agreed.read(file, "c.toml"), [LOGIN, LOGIN._replace(title="log out")])
    assert "now there is also to do session filer1: log out" in caught.value.why


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "[" * 100000])
def test_what_is_no_plan_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "plan"
    file.write_text(content)
    with pytest.raises(agreed.Stale, match="nothing was done"):
        agreed.read(str(file), "c.toml")


@pytest.mark.parametrize("content", ["/dev/vg0/data /srv ext4 defaults 0 2\n", "{}", "[]", '{"steps": []}'])
def test_what_is_no_plan_is_not_written_over(tmp_path: Path, content: str) -> None:
    file = tmp_path / "fstab"
    file.write_text(content)
    with pytest.raises(LunmirrorError, match="is there already") as caught:
        agreed.write(str(file), [LOGIN], "c.toml")
    assert "another file" in caught.value.next
    assert file.read_text() == content


def test_what_is_no_file_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "pipe").symlink_to("/dev/null")
    os.mkfifo(tmp_path / "fifo")
    for name in ("pipe", "fifo", "."):
        with pytest.raises(LunmirrorError, match="is there already"):
            agreed.write(str(tmp_path / name), [LOGIN], "c.toml")
    assert (tmp_path / "pipe").is_symlink()
    assert (tmp_path / "fifo").is_fifo()


def test_an_older_plan_and_an_empty_file_are_written_over(tmp_path: Path) -> None:
    file = tmp_path / "plan"
    file.touch()
    for steps in ([], [LOGIN]):
        agreed.write(str(file), steps, "c.toml")
    assert agreed.check(str(file), agreed.read(str(file), "c.toml"), [LOGIN])(LOGIN)


def test_advice_names_no_file_that_is_no_plan(tmp_path: Path) -> None:
    """Whoever follows it must not lose what the file holds."""
    file = tmp_path / "fstab"
    file.write_text("/dev/vg0/data /srv ext4 defaults 0 2\n")
    for path in (file, tmp_path / "absent", tmp_path):
        with pytest.raises(LunmirrorError) as caught:
            agreed.read(str(path), "c.toml")
        assert "lunmirror plan --out FILE" in caught.value.next
        assert str(path) not in caught.value.next


def test_another_configuration_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(tmp_path / "plan")
    agreed.write(file, [LOGIN], "c.toml")
    monkeypatch.setattr(sources, "read", lambda path: [(path, "version = 1\n# another\n")])
    with pytest.raises(agreed.Stale) as caught:
        agreed.read(file, "c.toml")
    assert "the configuration is not the one" in caught.value.why


def test_a_plan_that_cannot_be_read_or_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LunmirrorError, match="cannot be read"):
        agreed.read(str(tmp_path / "nowhere"), "c.toml")
    with pytest.raises(LunmirrorError, match="cannot be written"):
        agreed.write(str(tmp_path / "nowhere" / "plan"), [LOGIN], "c.toml")


def test_a_plan_is_for_its_owner_alone(tmp_path: Path) -> None:
    agreed.write(str(tmp_path / "plan"), [LOGIN], "c.toml")
    assert (tmp_path / "plan").stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "plan").read_text())["steps"][0]["title"] == "log in"


@pytest.mark.parametrize("content", ["{", "[]", "null"])
def test_used_plans_that_cannot_be_read_let_none_be_used(tmp_path: Path, content: str) -> None:
    file = str(tmp_path / "plan")
    agreed.write(file, [LOGIN], "c.toml")
    agreed.carried_out(agreed.read(file, "c.toml"))
    (tmp_path / "state/plans.json").write_text(content)

    with pytest.raises(agreed.Stale) as caught:
        agreed.read(file, "c.toml")

    assert "whether it was carried out already is not known" in caught.value.why


def test_a_machine_that_is_not_known_is_not_the_same_one(tmp_path: Path) -> None:
    file = str(tmp_path / "plan")
    (tmp_path / "machine-id").unlink()
    agreed.write(file, [LOGIN], "c.toml")

    with pytest.raises(agreed.Stale) as caught:
        agreed.read(file, "c.toml")

    assert "another machine" in caught.value.why


def test_a_plan_that_cannot_be_noted_as_used_is_reported(tmp_path: Path) -> None:
    file = str(tmp_path / "plan")
    agreed.write(file, [LOGIN], "c.toml")
    body = agreed.read(file, "c.toml")
    (tmp_path / "state").write_text("a file in the place of the directory")

    assert "cannot be noted" in agreed.carried_out(body)
