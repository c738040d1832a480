"""Everybody at once: passes of several people, of the unit and of a configuration management, `plan` and `status`
beside them, and open-iscsi's own tools on the same records. One pass at a time, no update lost, no session twice."""

import json
from datetime import datetime
from itertools import pairwise
from typing import Any

from kit import LAYOUTS, MOUNT, SERVERS, Lab
from test_boot import units_by_hand
from test_kill import leftovers

KEY = "node.session.queue_depth"  # a setting that lunmirror does not manage

# Runs in the machine: all that is to happen at the same time. What each said is printed at the end.
CROWD = r"""
import json, subprocess, sys, threading, time
targets, key, first = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
said, last, busy = [], {}, threading.Event()

def run(*argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    said.append({"argv": argv, "rc": done.returncode, "out": done.stdout, "err": done.stderr})
    return done.returncode

def passes(wait):
    for _ in range(3):
        run("lunmirror", "apply", "--lock-wait", wait)

def looks():
    while not busy.is_set():
        run("lunmirror", "plan", "--json")
        run("lunmirror", "status", "--json")

def updates(target):
    value = first
    while not busy.is_set():
        value += 1
        if run("iscsiadm", "-m", "node", "-T", target, "-o", "update", "-n", key, "-v", str(value)) == 0:
            last[target] = value
        time.sleep(0.05)

def logins(target):
    while not busy.is_set():
        run("iscsiadm", "-m", "node", "-T", target, "--login")
        time.sleep(0.2)

work = [threading.Thread(target=passes, args=(wait,)) for wait in ("0s", "0s", "120s", "120s")]
work.append(threading.Thread(target=run, args=("systemctl", "start", "lunmirror.service")))
beside = [threading.Thread(target=looks)]
beside += [threading.Thread(target=one, args=(target,)) for target in targets for one in (updates, logins)]
for thread in work + beside:
    thread.start()
for thread in work:
    thread.join()
busy.set()
for thread in beside:
    thread.join()
print(json.dumps({"said": said, "last": last}))
"""
DAMAGE = (
    "sed -i 's/^node.startup = .*/node.startup = manual/' $NODES/*/*/default",
    f"umount {MOUNT}; sed -i '\\:{MOUNT}:d' /etc/fstab; lvchange -an vg0/testlv",
    f"iscsiadm -m node -T {SERVERS['filer2'][2]} --logout",
)


def crowd(lab: Lab, first: int) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """What everybody said, and the last value that open-iscsi's own tool wrote to each record."""
    lab.put("/root/crowd.py", CROWD)
    targets = json.dumps([SERVERS[name][2] for name in ("filer1", "filer2")])
    told = json.loads(lab.run(["python3", "/root/crowd.py", targets, KEY, str(first)], timeout=560).stdout)
    for one in told["said"]:
        assert "Traceback" not in one["err"], one
        assert "internal error" not in one["err"], one
    return told["said"], told["last"]


def spans(lab: Lab, said: list[dict[str, Any]]) -> list[tuple[float, float, str]]:
    """When each pass changed something: from the beginning of its first step to the end of its last."""
    lines = [line for one in said if "apply" in one["argv"] for line in one["err"].splitlines()]
    lines += lab.run("journalctl -b -o cat -u lunmirror.service --no-pager", check=False).stdout.splitlines()
    times: dict[str, list[float]] = {}
    for entry in (json.loads(line) for line in lines if line.startswith("{")):
        if entry.get("verb") == "apply" and entry.get("outcome") in ("done", "failed"):
            end = datetime.fromisoformat(entry["timestamp"]).timestamp()
            times.setdefault(entry["run"], []).extend((end - entry["duration"], end))
    return sorted((min(found), max(found), run) for run, found in times.items())


def alone(lab: Lab, said: list[dict[str, Any]]) -> int:
    """No two passes changed anything at the same time; how many did."""
    found = spans(lab, said)
    for (_, end, one), (begin, _, other) in pairwise(found):
        assert begin >= end - 0.05, f"{one} and {other} at once: {found}"  # durations are rounded
    return len(found)


def codes(said: list[dict[str, Any]], *words: str) -> list[int]:
    return [one["rc"] for one in said if all(word in one["argv"] for word in words)]


def in_order(lab: Lab, last: dict[str, int]) -> None:
    """Whole records, with what others wrote to them; one session each; nothing left behind; nothing to do."""
    for path, text in lab.records().items():
        assert text.rstrip().endswith("# END RECORD"), path
        assert lab.run(["stat", "-c", "%a", path]).stdout.strip() == "600"
        for target, value in last.items():
            if target + "/" in path:
                assert f"{KEY} = {value}\n" in text, f"{target}: {value} was lost"
    targets = sorted(about["target"] for about in lab.sessions().values())
    assert targets == sorted(SERVERS[name][2] for name in ("filer1", "filer2"))
    assert leftovers(lab) == []
    assert lab.apply(expect=0).titles() == []
    assert lab.run(f"grep -c {MOUNT} /etc/fstab").stdout.strip() == "1"
    assert lab.run(f"findmnt -rno TARGET {MOUNT} | wc -l").stdout.strip() == "1"


def test_from_blank(lab: Lab) -> None:
    units_by_hand(lab)
    lab.configure(LAYOUTS["core"])
    said, last = crowd(lab, 40)
    lab.settle()
    applied = codes(said, "apply")
    assert 75 in applied, applied
    assert set(applied) <= {0, 1, 3, 75}, [
        one for one in said if one["rc"] not in (0, 1, 3, 75) and "apply" in one["argv"]
    ]
    assert set(codes(said, "plan")) <= {0, 1, 2, 3}
    lab.figure(
        f"{len(applied)} passes and the unit's, {applied.count(75)} of them turned away; {alone(lab, said)} changed something"
    )
    in_order(lab, last)
    assert lab.run("vgs --noheadings -o lv_count,pv_count vg0").stdout.split() == ["1", "2"]
    witness = lab.write_file()
    assert set(lab.on_each_leg().values()) == {witness}


def test_in_service_and_damaged(converged) -> None:
    lab = converged("core", LAYOUTS["core"])
    units_by_hand(lab)
    witness = lab.write_file()
    changed, written = 0, 0
    for number, damage in enumerate(DAMAGE):
        lab.run(damage, check=False, timeout=60)
        said, last = crowd(lab, 40 + 300 * number)
        assert set(codes(said, "apply")) <= {0, 1, 3, 75}, codes(said, "apply")
        assert all(last.values())
        assert len(last) == 2
        written += len([rc for rc in codes(said, "update") if rc == 0])
        changed += alone(lab, said)
        lab.settle()
        in_order(lab, last)
        assert lab.checksum(f"{MOUNT}/witness") == witness
    lab.figure(
        f"{changed} passes changed something, {written} updates of open-iscsi's own tool beside them, none lost"
    )
    assert set(lab.on_each_leg().values()) == {witness}
