"""A file that is to become the configuration is judged as if it were in its place."""

import json
from pathlib import Path

import pytest

from lunmirror import config
from lunmirror.cli.main import main
from lunmirror.engine.errors import ConfigError

CHAP = '\n[servers.filer1.chap]\nusername = "client1"\npassword_file = "secrets/filer1"\n'


def secret(directory: Path) -> None:
    (directory / "secrets").mkdir(mode=0o700)
    (directory / "secrets" / "filer1").write_text("a-long-enough-secret\n")
    (directory / "secrets" / "filer1").chmod(0o600)


def test_password_files_are_looked_for_at_its_place(base, write, directory, tmp_path) -> None:
    target = write(base)
    secret(directory)
    candidate = tmp_path / "tmp" / "candidate.toml"
    candidate.parent.mkdir(mode=0o777)
    candidate.write_text(base + CHAP)

    desired = config.check_candidate(str(candidate), target)

    assert desired.servers["filer1"].chap.outgoing.password_file == str(directory / "secrets" / "filer1")
    assert desired.source == target
    with pytest.raises(ConfigError):
        config.load(str(candidate), compiled="")


def test_the_files_of_conf_d_there_count(base, write, tmp_path) -> None:
    target = write(base)
    write('[servers.filer3]\nportals = ["192.168.1.125"]\n', "conf.d/10-more.toml")
    candidate = tmp_path / "candidate.toml"
    candidate.write_text(base)
    assert "filer3" in config.check_candidate(str(candidate), target).servers
    candidate.write_text(base + '[servers.filer3]\nportals = ["192.168.1.126"]\n')
    with pytest.raises(ConfigError, match="10-more"):
        config.check_candidate(str(candidate), target)


def test_the_verb(base, write, tmp_path, capsys) -> None:
    target = write(base)
    candidate = tmp_path / "candidate.toml"
    candidate.write_text(base)
    assert main(["check", str(candidate), "--config", target, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["config"] == str(candidate)
    candidate.write_text(base.replace("stall_budget", "stal_budget"))
    assert main(["check", str(candidate), "--config", target]) == 78
    assert f"{candidate}:4" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "none"), "--config", target]) == 78
