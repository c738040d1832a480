"""Debian's own Ansible and Puppet over contrib's collection and class, with a program in lunmirror's place: it notes what it
is asked, and answers as told. What a pass does is proven elsewhere; here it is what each tool makes of its answers."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from chroots import Chroot

CONTRIB = Path(__file__).parents[2] / "contrib"
STEP = {"title": "mount vg0/testlv at /mnt/test", "how": "mount /mnt/test"}
FINDING = {
    "kind": "refused",
    "what": "group vg0 is another host's",
    "why": "by its mark",
    "next": "declare take_from",
}
# `check` refuses what has the word nonsense in it; `plan` and `apply` answer what lies in /answers.
PROGRAM = """#!/bin/sh
verb=$1; echo "$*" >> /asked
case $verb in
check) for file; do :; done; ! grep -q nonsense "$file" || { echo "$file:1: not valid" >&2; exit 78; } ;;
plan | apply) cat /answers/$verb.json; exit "$(cat /answers/$verb.rc)" ;;
esac
"""
PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  roles:
    - role: lunmirror.storage.lunmirror
      vars:
        lunmirror_install: false
        lunmirror_timer: false
        lunmirror_configuration: "{{ text }}"
        lunmirror_secrets: {filer1: very-secret-word}
"""
MANIFEST = """
class { 'lunmirror':
  configuration => "%s\\n",
  secrets       => { 'filer1' => 'very-secret-word' },
  install       => false,
  timer         => false,
}
"""


class Site:
    def __init__(self, system: Chroot) -> None:
        self.system = system
        self.write("/usr/bin/lunmirror", PROGRAM, 0o755)
        self.answer("plan", 2, steps=[STEP])
        self.answer("apply", 2, outcomes=[{"status": "done", "step": STEP, "error": ""}])

    def write(self, path: str, content: str, mode: int = 0o644) -> None:
        line = 'mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"'
        self.system.run("sh", "-c", line, "write", path, f"{mode:o}", stdin=content)

    def answer(self, verb: str, rc: int, **parts: object) -> None:
        words = {0: "converged", 2: "drift", 3: "degraded", 4: "refused"}
        document = {"exit": rc, "result": words[rc], "steps": [], "outcomes": [], "findings": [], **parts}
        self.write(f"/answers/{verb}.json", json.dumps(document))
        self.write(f"/answers/{verb}.rc", str(rc))

    def converged(self) -> None:
        self.answer("plan", 0)
        self.answer("apply", 0)

    @property
    def asked(self) -> list[str]:
        """Verbs since the last question."""
        done = self.system.run("sh", "-c", "cat /asked; rm -f /asked", check=False)
        return [line.split()[0] for line in done.stdout.splitlines() if line.split()[0] in ("check", "plan", "apply")]

    @property
    def configuration(self) -> str:
        return self.system.run("sh", "-c", "cat /etc/lunmirror/lunmirror.toml 2>/dev/null", check=False).stdout


@pytest.fixture
def ansible(system: Callable[..., Chroot]) -> tuple[Site, Callable[..., tuple[int, str, int]]]:
    site = Site(system("ansible-core", "python3-apt"))
    site.system.put(CONTRIB / "ansible" / "ansible_collections", "/collections/ansible_collections")
    site.write("/play.yml", PLAYBOOK)

    def play(text: str, *options: str) -> tuple[int, str, int]:
        """(exit code, output, tasks that changed something)."""
        env = {
            "ANSIBLE_COLLECTIONS_PATHS": "/collections",
            "ANSIBLE_COLLECTIONS_PATH": "/collections",
            "ANSIBLE_NOCOLOR": "1",
        }
        line = ("ansible-playbook", "-i", "localhost,", "-e", json.dumps({"text": text}), *options, "/play.yml")
        done = site.system.run(*line, env=env, check=False)
        changed = re.search(r"changed=(\d+)", done.stdout)
        return done.returncode, done.stdout, int(changed[1]) if changed else -1

    return site, play


def test_ansible_from_nothing_to_unchanged(ansible) -> None:
    site, play = ansible
    rc, said, changed = play("version = 1", "-vvv")
    assert (rc, changed > 0) == (0, True), said
    assert "very-secret-word" not in said
    assert site.asked == ["check", "apply"]
    assert site.configuration == "version = 1"
    assert site.system.run("stat", "-c", "%a", "/etc/lunmirror/secrets/filer1").stdout.strip() == "600"

    site.converged()
    rc, said, changed = play("version = 1")
    assert (rc, changed) == (0, 0), said
    assert site.asked == ["apply"]


def test_ansible_in_check_mode_only_shows_the_plan(ansible) -> None:
    site, play = ansible
    site.converged()
    play("version = 1")
    site.answer("plan", 2, steps=[STEP])
    assert site.asked

    rc, said, changed = play("version = 1", "--check", "--diff")

    assert (rc, changed, site.asked) == (0, 1, ["plan"]), said
    assert STEP["how"] in said


def test_ansible_puts_nothing_invalid_in_place(ansible) -> None:
    site, play = ansible
    site.converged()
    play("version = 1")
    rc, said, _ = play("nonsense")
    assert (rc, "not valid" in said, site.configuration) == (2, True, "version = 1"), said

    site.answer("apply", 4, findings=[FINDING])
    rc, said, _ = play("version = 1")
    assert rc == 2
    assert "group vg0 is another host's (why: by its mark) (next: declare take_from)" in said
    site.answer("apply", 3)
    assert play("version = 1")[0] == 0


VENV = {
    "lunmirror_venv": "/opt/lunmirror",
    "lunmirror_pip_arguments": "--no-index --find-links /wheels",
}
INSTALL = "- {hosts: localhost, connection: local, gather_facts: false, tasks: [{include_role: "
INSTALL += "{name: lunmirror.storage.lunmirror, tasks_from: install}}]}\n"


def test_ansible_installs_into_a_venv(system: Callable[..., Chroot], wheels: Path, tmp_path: Path) -> None:
    fresh = system("ansible-core", "python3-apt", "python3-setuptools", "python3-venv")
    fresh.put(CONTRIB / "ansible" / "ansible_collections", "/collections/ansible_collections")
    fresh.put(wheels, "/wheels")
    words = ["wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(CONTRIB.parent)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    fresh.put(wheel, f"/{wheel.name}")
    fresh.run("sh", "-c", "cat > /play.yml", stdin=INSTALL)
    given = json.dumps(VENV | {"lunmirror_package": f"/{wheel.name}"})

    def play(*options: str) -> tuple[int, str]:
        """(tasks that changed something, output)."""
        env = {"ANSIBLE_COLLECTIONS_PATHS": "/collections", "ANSIBLE_COLLECTIONS_PATH": "/collections"}
        done = fresh.run("ansible-playbook", "-i", "localhost,", "-e", given, *options, "/play.yml", env=env)
        return int(re.search(r"changed=(\d+)", done.stdout)[1]), done.stdout

    changed, said = play("--check")
    assert changed, said
    assert fresh.run("test", "-e", "/opt/lunmirror", check=False).returncode == 1
    changed, said = play()
    assert changed == 3, said
    assert fresh.run("lunmirror", "--version").stdout.startswith("lunmirror ")
    unit = fresh.run("cat", "/usr/local/lib/systemd/system/lunmirror.service").stdout
    assert "\nExecStart=/usr/local/bin/lunmirror apply --unit\n" in unit
    changed, said = play()
    assert changed == 0, said


@pytest.fixture
def puppet(system: Callable[..., Chroot]) -> tuple[Site, Callable[..., tuple[int, str]]]:
    site = Site(system("puppet-agent"))
    site.system.put(CONTRIB / "puppet" / "lunmirror", "/modules/lunmirror")
    site.answer("apply", 0)  # without --detailed-exitcode a change is no other code

    def apply(text: str, *options: str) -> tuple[int, str]:
        """(exit code: 0 unchanged, 2 changed, 4 failed, 6 both; output)."""
        site.write("/site.pp", MANIFEST % text)
        line = (
            "puppet",
            "apply",
            "--modulepath",
            "/modules",
            "--detailed-exitcodes",
            "--color=false",
            *options,
            "/site.pp",
        )
        done = site.system.run(*line, check=False)
        return done.returncode, done.stdout

    return site, apply


def test_puppet(puppet) -> None:
    site, apply = puppet
    rc, said = apply("version = 1", "--debug")
    assert rc == 2, said
    assert "very-secret-word" not in said
    assert site.asked == ["check", "plan", "apply"]
    assert site.configuration == "version = 1\n"

    site.converged()
    rc, said = apply("version = 1")
    assert (rc, site.asked) == (0, ["plan"]), said

    site.answer("plan", 2, steps=[STEP])
    rc, said = apply("version = 1", "--noop")
    assert (rc, site.asked) == (0, ["plan"]), said
    assert "noop" in said

    rc, said = apply("nonsense")
    assert rc in (4, 6), said
    assert site.configuration == "version = 1\n"
    assert "apply" not in site.asked

    site.answer("apply", 4, findings=[FINDING])
    rc, said = apply("version = 1")
    assert rc in (4, 6), said
