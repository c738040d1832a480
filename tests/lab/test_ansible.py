"""The Ansible collection with Debian's own ansible-core, against real storage servers: the playbook of docs/handoff.md, its
every word. What the collection makes of each answer of lunmirror's is in tests/install/test_handoff.py."""

import json
import re
import statistics

import deb
import debs
import pytest
from kit import CONFIG, DISKS, MOUNT, SERVERS, Lab
from managed import REFUSED, ROOT, SETUP, by_hand_only, converge, drift, examples, healed, precious, send, untouched
from test_chap import DIRECTORY, OURS, guard, nowhere

SECRET = OURS["filer1"]
SITE = "/root/site"
INVENTORY = "[storage_clients]\nlab ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n"
ANSIBLE = {"ANSIBLE_COLLECTIONS_PATH": "/root/ansible", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_GATHERING": "explicit"}
VAULT = "/root/probe-vault.json"  # a place that `nowhere` knows
APT = ("cache/apt", "lib/apt", "lib/dpkg", "log/dpkg.log")
# Ansible's own: its files, its semaphores in /dev/shm, and what apt and dpkg note when its module asks them to simulate.
OWN = ("/root/.ansible", "/root/ansible", SITE, "/dev/shm", *(f"/var/{name}" for name in APT))
BY_HAND = {"lunmirror_install": False, "lunmirror_timer": False}


# The same no-op by the plain modules of Debian's own `ansible`, as written well: discovery, which would make a record anew with
# the defaults, only where there is none; what no module looks after (settings of the record, of the live session) by command.
MODULES = """
- hosts: storage_clients
  vars:
    settings:
{settings}
  tasks:
{logins}
    - community.general.lvg: {{vg: vg0, pvs: [{disks}]}}
    - community.general.lvol: {{vg: vg0, lv: testlv, size: 64m, opts: --type raid1 -m 1}}
    - community.general.filesystem: {{dev: /dev/vg0/testlv, fstype: ext4}}
    - ansible.posix.mount: {{path: {mount}, src: "{source}", fstype: ext4, opts: "{options}", passno: "{passno}", state: mounted}}
"""
LOGIN = """
    - ansible.builtin.stat: {{path: "{record}"}}
      register: record
    - community.general.open_iscsi: {{portal: {address}, port: "3260", discover: true}}
      when: not record.stat.exists
    - community.general.open_iscsi: {{portal: {address}, target: "{iqn}", login: true}}
    - ansible.builtin.command: iscsiadm -m node -T {iqn} -p {address}
      register: shown
      changed_when: false
    - ansible.builtin.command: iscsiadm -m node -T {iqn} -p {address} -o update -n {{{{ item.key }}}} -v {{{{ item.value }}}}
      when: (item.key ~ " = " ~ item.value) not in shown.stdout_lines
      loop: "{{{{ settings | dict2items }}}}"
    - ansible.builtin.shell: cat $(dirname $(grep -lx {iqn} /sys/class/iscsi_session/*/targetname))/recovery_tmo
      register: live
      changed_when: false
      failed_when: live.stdout != settings["node.session.timeo.replacement_timeout"]
"""
SETTINGS = (
    "node.startup",
    "node.conn[0].startup",
    "node.session.timeo.replacement_timeout",
    "node.conn[0].timeo.noop_out_interval",
    "node.conn[0].timeo.noop_out_timeout",
)
TIMES = 50  # a pass of lunmirror's, the median of all, goes into one run of that playbook: what issue 16 asks for
# What a pass cannot do without (../contrib/lab/bench.py): Python's start, one read of LVM, one of device-mapper.
READS = "python3 -c pass; lvm fullreport --reportformat json > /dev/null; dmsetup status > /dev/null"
COLLECTIONS = "/usr/lib/python3/dist-packages/ansible_collections"
FILES = (
    *(f"community/general/plugins/modules/{name}.py" for name in ("open_iscsi", "lvg", "lvol", "filesystem")),
    "community/general/plugins/module_utils",
    "community/general/meta",
    "ansible/posix/plugins/modules/mount.py",
    "ansible/posix/plugins/module_utils",
    "ansible/posix/meta",
)


def play(lab: Lab, *options: str, text: str = SETUP, **variables: object) -> tuple[int, str, int]:
    """(exit code, what was printed, tasks that changed something)."""
    lab.put(f"{SITE}/lunmirror.toml", text)
    words = [
        "ansible-playbook",
        "-i",
        "inventory",
        "-e",
        f"@{VAULT}",
        "-e",
        json.dumps(variables),
        *options,
        "site.yml",
    ]
    done = lab.run(words, check=False, timeout=1800, env=ANSIBLE, cwd=SITE)
    changed = re.search(r"changed=(\d+)", done.stdout)
    return done.rc, done.stdout + done.stderr, int(changed[1]) if changed else -1


def message(said: str) -> str:
    """The message of the task that failed."""
    return json.loads(re.search(r'"msg": ("(?:[^"\\]|\\.)*")', said.split("FAILED!", 1)[1])[1])


@pytest.fixture
def blank(machine, request) -> Lab:
    """Ansible, the collection, the playbook and the package's file; a server that wants CHAP. No lunmirror."""
    if "ansible-blank" in machine.converged:
        machine.restore("ansible-blank")
        return Lab(machine)
    lab: Lab = request.getfixturevalue("lab")
    debs.install(lab, "ansible-core", "python3-apt")
    lab.run("rm /usr/local/sbin/lunmirror")
    guard(lab, "filer1")
    lab.run(f"rm -r {DIRECTORY}; rmdir --ignore-fail-on-non-empty /etc/lunmirror")
    lab.run("mkdir /root/.ansible")
    send(lab, ROOT / "contrib/ansible", "/root/ansible")
    lab.put("/root/lunmirror.deb", deb.built(lab.machine.image.release).read_bytes())
    lab.put(VAULT, json.dumps({"vault_filer1": SECRET, "lunmirror_package": "/root/lunmirror.deb"}), 0o600)
    lab.put(f"{SITE}/inventory", INVENTORY)
    lab.put(f"{SITE}/site.yml", examples("handoff.md", "Ansible", "yaml")[0])
    keep(lab, "ansible-blank")
    return lab


@pytest.fixture
def managed(machine, request) -> Lab:
    """The same, mounted and in sync by one play; from now on no pass but the play's."""
    if "ansible" in machine.converged:
        machine.restore("ansible")
        return Lab(machine)
    lab: Lab = request.getfixturevalue("blank")
    assert play(lab)[0] == 0
    kept(lab)
    return lab


def kept(lab: Lab) -> None:
    by_hand_only(lab)
    converge(lab)
    keep(lab, "ansible")


def keep(lab: Lab, name: str) -> None:
    lab.machine.snapshot(name)
    lab.machine.converged.add(name)


def test_blank_to_mounted_and_then_unchanged(blank: Lab) -> None:
    lab = blank
    with untouched(lab, *OWN):
        rc, said, changed = play(lab, "--check", "--diff")
    assert (rc, changed > 0) == (0, True), said
    assert lab.run("command -v lunmirror", check=False).rc != 0

    rc, said, changed = play(lab, "-vvv")
    assert (rc, changed > 0) == (0, True), said
    assert SECRET not in said
    nowhere(lab, SECRET)
    assert lab.mounted()
    assert lab.run(f"stat -c '%a %U' {DIRECTORY}/filer1 {CONFIG}").stdout.split("\n")[:2] == ["600 root"] * 2
    assert lab.run("systemctl is-active lunmirror.timer").stdout.strip() == "active"
    witness = lab.write_file()

    converge(lab)
    rc, said, changed = play(lab)  # beside the timer's passes
    assert (rc, changed) == (0, 0), said
    assert lab.checksum(f"{MOUNT}/witness") == witness
    kept(lab)


def test_drift_is_shown_and_a_lost_leg_healed(managed: Lab) -> None:
    lab = managed
    drift(lab)
    with untouched(lab, *OWN):
        rc, said, changed = play(lab, "--check", "--diff", **BY_HAND)
    assert (rc, changed) == (0, 1), said
    for words in ("/etc/fstab", "node.startup", "recovery_tmo"):
        assert words in said, said

    rc, said, changed = play(lab, **BY_HAND)
    assert (rc, changed) == (0, 1), said
    healed(lab)


def test_a_refusal_is_the_message_of_the_task(managed: Lab) -> None:
    lab = managed
    rc, said, _ = play(lab, text=SETUP + "\nnonsense = 1\n", **BY_HAND)
    assert rc == 2
    assert "nonsense" in said.split("FAILED!", 1)[1], said
    assert lab.get(CONFIG).decode() == SETUP.rstrip()

    data = precious(lab)
    rc, said, _ = play(lab, text=REFUSED, **BY_HAND)
    assert rc == 2
    for words in ("third", "ext4", "(next: "):
        assert words in message(said), said
    assert lab.backing("filer3", 2) == data
    assert lab.mounted()


def test_a_pass_beside_a_playbook_of_plain_modules(managed: Lab) -> None:
    """On a machine where both find nothing to do: processor time, and processes that were started."""
    lab = managed
    debs.send_files(lab, "ansible", COLLECTIONS, FILES, "/root/ansible/ansible_collections")
    fstab = next(line for line in lab.get("/etc/fstab").decode().splitlines() if line.split()[1:2] == [MOUNT])
    source, _, _, options, _, passno = fstab.split()
    ends = [(disk, *SERVERS[DISKS[disk]][::2]) for disk in ("left", "right")]
    record = dict(re.findall(r"^(\S+) = (\S+)$", lab.get(lab.record("left")).decode(), re.M))
    plain = MODULES.format(
        settings="".join(f'      {name}: "{record[name]}"\n' for name in SETTINGS),
        logins="".join(
            LOGIN.format(address=address, iqn=iqn, record=lab.record(disk)) for disk, address, iqn in ends
        ),
        disks=", ".join(f'"/dev/disk/by-path/ip-{address}:3260-iscsi-{iqn}-lun-1"' for _, address, iqn in ends),
        mount=MOUNT,
        source=source,
        options=options,
        passno=passno,
    )
    ours = "- hosts: storage_clients\n  tasks:\n    - lunmirror.storage.lunmirror:\n"

    def cost(*words: str, runs: int = 2) -> tuple[float, int, str]:
        """(seconds of the processor, processes, what was printed): the median of some runs, but for the first."""
        seen = []
        for _ in range(runs):
            begun = forks(lab)
            done = lab.run(list(words), timeout=600, env=ANSIBLE, cwd=SITE)
            seen.append((done.cpu, forks(lab) - begun, done.stdout))
        return sorted(seen[1:])[(runs - 1) // 2]

    figures = {"python": cost("python3", "-c", "pass", runs=6)[:2], "reads": cost("sh", "-c", READS, runs=6)[:2]}
    figures["pass"] = cost("lunmirror", "apply", "--detailed-exitcode", runs=6)[:2]
    for name, text in (("plain", plain), ("ours", ours), ("empty", "- hosts: storage_clients\n  tasks: []\n")):
        lab.put(f"{SITE}/{name}.yml", text)
        cpu, processes, said = cost("ansible-playbook", "-i", "inventory", f"{name}.yml")
        assert name == "empty" or re.search(r"changed=0 .*failed=0", said), said
        figures[name] = (cpu, processes)
        figures[f"pass after {name}"] = cost("lunmirror", "apply", "--detailed-exitcode", runs=6)[:2]
    passes = statistics.median(cpu for name, (cpu, _) in figures.items() if name.startswith("pass"))
    lab.figure(
        "nothing to do, seconds of the processor and processes: "
        + ", ".join(f"{name} {cpu:.2f} s, {processes}" for name, (cpu, processes) in figures.items())
        + "; the playbook of modules is "
        + ", ".join(
            f"{figures['plain'][0] / cpu:.0f} times {name}"
            for name, cpu in (("a pass", passes), ("ours", figures["ours"][0]), ("reads", figures["reads"][0]))
        )
    )
    assert figures["plain"][0] >= TIMES * passes, figures


def forks(lab: Lab) -> int:
    return int(re.search(r"^processes (\d+)", lab.get("/proc/stat").decode(), re.M)[1])
