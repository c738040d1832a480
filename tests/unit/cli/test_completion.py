"""Completion by real shells: what they offer, and that nothing in a configuration can do harm or make noise."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lunmirror.cli import names
from lunmirror.cli.completion import script
from lunmirror.cli.parser import VERBS, of_verb

SOURCE = Path(__file__).parents[3] / "src"
CONFIG = """
[servers.filer1]
portals = 7
[servers.filer2]
[groups.vg0.volumes.data]
[groups.vg0.volumes.swap]
[groups.vg1]
volumes = "unfinished"
"""
EVIL = """
[servers.good]
[servers."$(touch pwned)"]
[servers."`touch pwned`"]
[servers."a;touch pwned"]
[servers."-rf"]
[servers."a b"]
"""

Complete = Callable[..., list[str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory with a program `lunmirror` and two configurations."""
    program = tmp_path / "bin" / "lunmirror"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={SOURCE} exec {sys.executable} -m lunmirror "$@"\n')
    program.chmod(0o755)
    (tmp_path / "lunmirror.toml").write_text(CONFIG)
    (tmp_path / "evil.toml").write_text(EVIL)
    return tmp_path


def run(home: Path, shell: str, *argv: str, text: str = "") -> list[str]:
    """What a shell prints, line by line; it prints no error."""
    where = {"PATH": f"{home}/bin:/usr/bin:/bin", "HOME": str(home), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [shell, *argv], input=text, capture_output=True, text=True, env=where, cwd=home, timeout=60, check=False
    )
    assert done.stderr == ""
    assert not (home / "pwned").exists()
    return done.stdout.split("\n")


def by_bash(home: Path, line: str) -> list[str]:
    """As readline splits it: at white space, and around each `=`."""
    words = line.replace("=", " = ").split(" ") if "=" in line else line.split(" ")
    words = [word for word in words[:-1] if word] + words[-1:]
    asked = f"""{script("bash")}
COMP_WORDS=({" ".join(f"'{word}'" for word in words)}) COMP_CWORD={len(words) - 1}
_lunmirror lunmirror
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    return run(home, "bash", "--norc", "-u", text=asked)


def by_fish(home: Path, line: str) -> list[str]:
    asked = f"{script('fish')}\ncomplete -C '{line}'\n"
    found = [offer.split("\t")[0] for offer in run(home, "fish", "--no-config", text=asked)]
    return [offer.split("=", 1)[1] if offer.startswith("--") and "=" in line else offer for offer in found]


ZSH = """
autoload -Uz compinit; compinit -u -d $HOME/dump
functions[_lunmirror]=$(< $HOME/_lunmirror)
compdef _lunmirror lunmirror
# What would be inserted, in place of a menu.
compadd () {
    local -a offers; local had
    builtin compadd -O offers "$@"
    print -rl -- $offers >> $HOME/offers
    builtin compadd "$@"
}
"""


def by_zsh(home: Path, line: str) -> list[str]:
    """In a terminal of its own (zpty): zsh completes nowhere else."""
    (home / "_lunmirror").write_text(script("zsh"))
    (home / ".zshrc").write_text("PS1='READY> '\n" + ZSH + "bindkey '^I' complete-word\n")
    (home / "offers").write_text("")
    asked = f"""
zmodload zsh/zpty
zpty shell zsh -d -i
zpty -r shell seen '*READY> *' || exit 1
zpty -w -n shell '{line}'$'\\t'
repeat 100; do sleep 0.05; [[ -s $HOME/offers ]] && break; done
sleep 0.3
zpty -d shell
"""
    run(home, "zsh", "-f", text=asked)
    return (home / "offers").read_text().split("\n")


SHELLS = {"bash": by_bash, "fish": by_fish, "zsh": by_zsh}


@pytest.fixture(params=SHELLS)
def complete(request: pytest.FixtureRequest, home: Path) -> Complete:
    shell = request.param
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    return lambda line: sorted(set(filter(None, SHELLS[shell](home, line))))


pytestmark = pytest.mark.real


def test_verbs(complete: Complete) -> None:
    assert complete("lunmirror ") == sorted(VERBS)


def test_one_verb(complete: Complete) -> None:
    assert complete("lunmirror cho") == ["choose"]


def test_options_of_the_verb_and_of_no_other(complete: Complete) -> None:
    found = complete("lunmirror apply --")
    long = [name for name in of_verb("apply").options if name.startswith("--")]
    assert [name.rstrip("=") for name in found] == sorted(long)


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("lunmirror --config lunmirror.toml can-lose ", ["filer1", "filer2"]),
        ("lunmirror can-lose --config lunmirror.toml filer", ["filer1", "filer2"]),
        ("lunmirror choose --config lunmirror.toml ", ["vg0/data", "vg0/swap"]),
        ("lunmirror choose --config lunmirror.toml vg0/data --keep ", ["filer1", "filer2"]),
        ("lunmirror choose --config lunmirror.toml vg0/data --keep=filer2", ["filer2"]),
        ("lunmirror status --wait ", ["synced"]),
        ("lunmirror --log-level e", ["error"]),
        ("lunmirror explain stall", ["stall_budget"]),
        ("lunmirror completion ", ["bash", "fish", "servers", "volumes", "zsh"]),
        ("lunmirror can-lose --config evil.toml ", ["good"]),
    ],
)
def test_values(complete: Complete, line: str, offers: list[str]) -> None:
    assert complete(line) == offers


def test_without_a_configuration_nothing_is_offered(complete: Complete) -> None:
    offers = complete("lunmirror can-lose --config nowhere.toml ")
    assert [offer for offer in offers if not offer.startswith("-")] == []  # zsh then offers the options


def test_files(complete: Complete) -> None:
    assert "lunmirror.toml" in complete("lunmirror --config lun")


# Names


@pytest.mark.parametrize("path", ["nowhere.toml", "bin", "/dev/null", "/proc/self/mem"])
def test_names_are_no_error(home: Path, path: str) -> None:
    assert run(home, "lunmirror", "completion", "volumes", "--config", path) == [""]


def test_names_need_neither_root_nor_a_valid_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    path = tmp_path / "c.toml"
    path.write_text(CONFIG)
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_text("[groups.vg2.volumes.more]\n")
    (tmp_path / "conf.d" / "b.toml").write_text("broken [")
    assert names.of("servers", str(path)) == ["filer1", "filer2"]
    assert names.of("volumes", str(path)) == ["vg0/data", "vg0/swap", "vg2/more"]


def test_names_are_quick(home: Path) -> None:
    """Neither the validator nor the log is imported for them."""
    body = "import sys; from lunmirror.cli.main import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", body, "completion", "servers", "--config", str(home / "lunmirror.toml")],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(SOURCE)},
    )
    assert done.stdout == "filer1\nfiler2\n"
    assert {"pydantic", "structlog", "jinja2", "tomli"}.isdisjoint(done.stderr.split())
