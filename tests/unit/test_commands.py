"""Each command of the pages for watchers and for configuration management is run by a test, which is named here."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = (
    "lunmirror",
    "jq",
    "ansible",
    "puppet",
    "salt",
    "promtool",
    "systemctl",
    "printf",
    "export",
    "contrib/shell",
    "$ ",
)
# A command: the test, and the words by which it runs it; where it takes the block or the line of the page itself, what finds it.
RUN = {
    "watch.md": {
        "jq '.volumes[] | {volume, state, words}' /run/lunmirror/status.json": (
            "lab/test_watch.py",
            '"The status file"',
        ),
        "lunmirror can-lose filer1": ("lab/test_reporting.py", '"can-lose", server'),
        "$ lunmirror-check": ("lab/test_watch.py", '"/usr/local/bin/lunmirror-check"'),
        "printf '#!/bin/sh\\nexec /usr/bin/lunmirror-check --checkmk\\n' > /usr/lib/check_mk_agent/local/lunmirror": (
            "lab/test_watch.py",
            "`(printf .*)`",
        ),
        "lunmirror metrics": ("lab/test_watch.py", '"lunmirror metrics"'),
        "promtool test rules alerts_test.yml": ("install/test_watching.py", "promtool test rules alerts_test.yml"),
        "systemctl enable --now lunmirror-notify.timer": (
            "lab/test_watch.py",
            "systemctl enable -q --now lunmirror.timer lunmirror-notify",
        ),
        "lunmirror maintenance": ("lab/test_maintenance.py", '"maintenance"'),
        "lunmirror notify --test": ("lab/test_watch.py", '"notify", "--test"'),
    },
    "handoff.md": {
        "lunmirror check NEW.toml": ("lab/test_plain.py", '"lunmirror-deploy"'),
        "lunmirror plan --json": ("lab/test_ansible.py", '"--check", "--diff"'),
        "lunmirror apply --json --detailed-exitcode --lock-wait 120s": ("lab/test_ansible.py", "play(lab)"),
        "export ANSIBLE_COLLECTIONS_PATH=/path/to/lunmirror/contrib/ansible": (
            "lab/test_ansible.py",
            "ANSIBLE_COLLECTIONS_PATH",
        ),
        "ansible-playbook -i inventory site.yml --check --diff": ("lab/test_ansible.py", '"--check", "--diff"'),
        "ansible-playbook -i inventory site.yml": ("lab/test_ansible.py", "play(lab, **BY_HAND)"),
        "lunmirror plan --config NEW.toml": ("lab/test_plain.py", '"plan", "--config", NEW'),
        "puppet apply --modulepath contrib/puppet --noop --debug site.pp": (
            "lab/test_puppet.py",
            '"--noop", "--debug"',
        ),
        "puppet apply --modulepath contrib/puppet site.pp": ("lab/test_puppet.py", "apply(lab, timer=False)"),
        "salt-call --local state.apply test=True": ("lab/test_salt.py", '"state.apply", "test=True"'),
        "salt-call --local state.apply": ("lab/test_salt.py", 'call(lab, "state.apply")'),
        "salt-call --local saltutil.sync_states": ("lab/test_salt.py", '"saltutil.sync_states"'),
        "contrib/shell/lunmirror-deploy NEW.toml": ("lab/test_plain.py", '"lunmirror-deploy"'),
        "lunmirror check": ("lab/test_salt.py", '"Salt"'),
    },
}


def commands(page: Path) -> set[str]:
    """Of blocks without a language each line; of the text each word in code that begins with a program and goes on."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.M | re.S)
    lines = [line for language, block in fenced if not language for line in block.splitlines()]
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    inline = [code for code in re.findall(r"`([^`\n]+)`", text) if " " in code]
    return {line for line in [*lines, *inline] if line.startswith(PROGRAMS)}


@pytest.mark.parametrize("page", RUN)
def test_each_command_is_run_by_a_test(page: str) -> None:
    found = commands(ROOT / "docs" / page)
    named = RUN[page].keys() - {"lunmirror check"}  # it stands in a block of YAML
    assert found == named
    for command, (test, words) in RUN[page].items():
        assert words in (ROOT / "tests" / test).read_text(), command
