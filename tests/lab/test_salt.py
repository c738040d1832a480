"""Salt itself, masterless, against real storage servers: the state of docs/handoff.md. No Debian has Salt: it comes from PyPI,
is put together in a system of the machine's release, and is sent as a whole."""

import json
import shutil
from pathlib import Path
from typing import Any

import chroots
from kit import CONFIG, MOUNT, Lab
from managed import REFUSED, ROOT, SETUP, drift, examples, healed, precious, untouched
from test_chap import OURS, guard

VERSION = "3008.4"
# Not timelib: it has to be compiled, and only Salt's own templates about time use it.
BUILD = f"""
python3 -m venv /opt/salt; fetch="/opt/salt/bin/pip install -q --disable-pip-version-check"
$fetch --no-deps salt=={VERSION}
/opt/salt/bin/python -c "import importlib.metadata as m
for r in m.requires('salt'): 'timelib' in r or 'extra ==' in r or print(r)" > /needed
$fetch -r /needed; tar -C / -czf /salt.tgz opt/salt
"""
FILES = "/srv/salt"
# Salt's own, its semaphores in /dev/shm among it.
OWN = (
    "/dev/shm",
    "/opt/salt",
    "/var/cache/salt",
    "/var/log/salt",
    "/etc/salt",
    "/run/salt",
    "/var/run/salt",
    "/root/.salt",
)


def salt(release: str) -> Path:
    """/opt/salt as a tar, made once for each release."""
    kept = chroots.CACHE / f"wheels-{release}-salt-{VERSION}.tgz"
    if not kept.exists():
        with chroots.fresh(release, "make", "python3", "python3-venv") as system:
            system.run("sh", "-ec", BUILD, network=True, timeout=1800)
            shutil.copyfile(system.path("/salt.tgz"), kept.with_suffix(".new"))
        kept.with_suffix(".new").rename(kept)
    return kept


def call(lab: Lab, *words: str, text: str = SETUP) -> dict[str, Any]:
    """What each state came to, by its name."""
    lab.put(f"{FILES}/lunmirror.toml", text)
    line = ["/opt/salt/bin/salt-call", "--local", "--out=json", "--log-level=error", *words]
    done = lab.run(line, check=False, timeout=1800)
    assert OURS["filer1"] not in done.stdout + done.stderr
    answer = json.loads(done.stdout)["local"]
    assert isinstance(answer, dict), done.stdout + done.stderr
    return {about["name"]: about for about in answer.values()}


def test_salt_from_blank_to_a_refusal(lab: Lab) -> None:
    guard(lab, "filer1")
    lab.put("/root/salt.tgz", salt(lab.machine.image.release).read_bytes())
    lab.run("tar -C / -xzf /root/salt.tgz; rm /root/salt.tgz", timeout=300)
    lab.put(f"{FILES}/_states/lunmirror.py", (ROOT / "contrib/salt/_states/lunmirror.py").read_bytes())
    lab.put(f"{FILES}/mirrors.sls", examples("handoff.md", "Salt", "yaml")[0])
    lab.put(f"{FILES}/top.sls", "base: {'*': [mirrors]}\n")
    lab.run(["/opt/salt/bin/salt-call", "--local", "saltutil.sync_states"], timeout=300)

    done = call(lab, "state.apply")
    assert {name: one["result"] for name, one in done.items()} == {CONFIG: True, "mirrors": True}, done
    assert any("mount vg0/testlv" in title for title in done["mirrors"]["changes"])
    assert lab.mounted()
    lab.settle()
    witness = lab.write_file()
    done = call(lab, "state.apply")
    assert {name: (one["result"], one["changes"]) for name, one in done.items()} == {
        CONFIG: (True, {}),
        "mirrors": (True, {}),
    }

    drift(lab)
    with untouched(lab, *OWN, FILES):
        done = call(lab, "state.apply", "test=True")
    assert (done["mirrors"]["result"], "/etc/fstab" in str(done["mirrors"]["changes"])) == (None, True), done
    assert call(lab, "state.apply")["mirrors"]["result"] is True
    healed(lab)

    done = call(lab, "state.apply", text=SETUP + "\nnonsense = 1\n")
    assert (done[CONFIG]["result"], "nonsense" in done[CONFIG]["comment"]) == (False, True), done
    assert done["mirrors"]["result"] is False  # it requires the file
    assert lab.get(CONFIG).decode() == SETUP
    data = precious(lab)
    done = call(lab, "state.apply", text=REFUSED)
    assert done["mirrors"]["result"] is False, done
    for words in ("third", "ext4", "next: "):
        assert words in done["mirrors"]["comment"], done
    assert lab.backing("filer3", 2) == data
    assert lab.checksum(f"{MOUNT}/witness") == witness
