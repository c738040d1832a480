"""Where a CHAP secret goes, by tracing whole runs: into the node record, and nowhere else. One way and both ways, with a
wrong secret, over `plan`, `apply` from blank to mounted and with nothing to do, and every verb that tells."""

import re

from kit import Lab, config
from test_chap import DIRECTORY, OURS, THEIRS, VOLUME, chap, guard, nowhere

WRONG = "mistyped-Kw2-two"
ALL = (*OURS.values(), *THEIRS.values(), WRONG)
TRACE = "/root/probe.trace"
# All that brings bytes out of a process, and what makes the files they go into. -y: descriptors by name. -v: the
# whole environment of a program, not the count of its words.
CALLS = "execve,execveat,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,sendmmsg,open,openat,creat,rename,link,symlink"
STRACE = (
    "strace",
    "-f",
    "--seccomp-bpf",
    "-qq",
    "-yy",
    "-v",
    "-s",
    "65536",
    "-e",
    f"trace={CALLS}",
    "-e",
    "signal=none",
)
RECORD = re.compile(r"write\(\d+</(?:etc|var/lib)/iscsi/(nodes/[^>]+/default|\.lunmirror\.tmp)>, ")
# iscsiadm tells iscsid what the record says, through a socket that takes root's word only (peer credentials).
TO_ISCSID = re.compile(r"(write|sendto|sendmsg)\(\d+<UNIX[^,]*, ")


def traced(lab: Lab, *words: str) -> tuple[int, str, list[str]]:
    """Runs a program: its exit code, all that it said, and the calls that carried a secret."""
    done = lab.run([*STRACE, "-o", TRACE, *words], check=False, timeout=400)
    wanted = " ".join(f"-e '{secret}'" for secret in ALL)
    calls = lab.run(f"grep -aF {wanted} {TRACE}; true").stdout.splitlines()
    shut = lab.run(f"grep -a 'O_CREAT' {TRACE} | grep -a 'iscsi.*lunmirror.tmp' | grep -avc ', 0600)'; true").stdout
    assert shut.strip() == "0", "the record's temporary file can be read by others"
    assert int(lab.run(f"grep -ac 'execve(' {TRACE}").stdout) > 0
    lab.run(f"rm {TRACE}")
    return done.rc, done.stdout + done.stderr, calls


def strays(calls: list[str]) -> list[str]:
    """Of the calls that carried a secret, those that may not."""
    return [call for call in calls if not RECORD.search(call) and not TO_ISCSID.search(call)]


def test_a_traced_run(lab: Lab) -> None:
    said = f"echo {WRONG}; echo {WRONG} >/root/probe.out; env S={WRONG} true; true; /bin/true {WRONG}"
    assert len(strays(traced(lab, "sh", "-c", said)[2])) >= 5, "the trace would show it"
    lab.run("rm /root/probe.out")
    guard(lab, "filer1")
    guard(lab, "filer2", mutual=True, declared=WRONG)
    servers = {"filer1": chap("filer1"), "filer2": chap("filer2", mutual=True)}
    lab.configure(config(volume=VOLUME, servers=servers))
    written = 0

    def run(*words: str, expect: tuple[int, ...]) -> str:
        nonlocal written
        rc, said, calls = traced(lab, "lunmirror", *words)
        assert rc in expect, f"{words}: exit {rc}\n{said}"
        assert not [secret for secret in ALL if secret in said], f"{words} says it"
        assert strays(calls) == [], f"{words}"
        written += len([call for call in calls if RECORD.search(call)])
        return said

    for words in (("check",), ("check", "--json"), ("explain", "servers.filer2.chap.mutual.password_file")):
        run(*words, expect=(0,))
    run("plan", "--log-level", "debug", expect=(2,))
    run("plan", "--json", expect=(2,))
    assert written == 0, "plan changes nothing"
    assert "authentication failed" in run("apply", "--log-level", "debug", expect=(1,))
    assert written >= 2, "the trace shows where a secret is written"
    nowhere(lab, *ALL[:2], WRONG)

    lab.put(f"{DIRECTORY}/filer2", OURS["filer2"] + "\n", 0o600)
    run("plan", expect=(2,))
    run("apply", "--json", "--log-level", "debug", expect=(0, 3))
    assert lab.mounted().split()[1] == "ext4"
    lab.settle()
    run("apply", expect=(0,))
    lab.run(f"sed -i 's/{THEIRS['filer2']}/another-by-hand/; s/{OURS['filer1']}/another-by-hand/' $NODES/*/*/default")
    assert "another-by-hand" not in run("plan", expect=(2,))
    assert "another-by-hand" not in run("plan", "--json", "--log-level", "debug", expect=(2,))
    assert "another-by-hand" not in run("apply", "--log-level", "debug", expect=(0,))
    for words in (("status",), ("status", "--json"), ("can-lose", "filer1"), ("can-lose", "filer2", "--json")):
        run(*words, expect=(0,))
    assert lab.apply(expect=0).titles() == []
    nowhere(lab, *ALL)
    for secret in ALL:
        assert lab.run(f"dmesg | grep -cF -e {secret}", check=False).stdout.strip() == "0"
    modes = lab.run(f"stat -c %a:%u {lab.record('left')} {lab.record('right')}").stdout.split()
    assert modes == ["600:0"] * 2
    lab.figure(f"{written} writes of a secret, each into a node record of mode 0600")


def test_no_core_file(lab: Lab) -> None:
    """Whoever holds a secret and crashes leaves no core file, nor do the programs that it starts."""
    guard(lab, "filer1")
    lab.configure(config(volume=VOLUME, servers={"filer1": chap("filer1")}))
    lab.run("mkdir /var/cores && chmod 777 /var/cores && echo /var/cores/core.%e > /proc/sys/kernel/core_pattern")
    lab.run("P=$(readlink -f $(command -v iscsiadm)); mv $P /root/iscsiadm.real")
    lab.put(
        "/usr/sbin/iscsiadm",
        f"#!/bin/sh\n# {lab.nodes}: lunmirror asks the program where its database is\n"
        'case "$*" in *--login*) ulimit -c >> /root/limits; sleep 3 ;; esac\nexec /root/iscsiadm.real "$@"\n',
        0o755,
    )
    # What it waits for is the login: by then the record has the secret, so lunmirror has read it.
    crash = (
        "for i in $(seq 300); do [ -s /root/limits ] && break; sleep 0.1; done; kill -SEGV $!; wait $!; ls /var/cores"
    )
    lab.run("ulimit -c unlimited; sh -c 'kill -SEGV $$'; [ -e /var/cores/core.sh ] && rm /var/cores/core.sh")

    left = lab.run(f"ulimit -c unlimited; lunmirror apply >/dev/null 2>&1 & {crash}", timeout=120)

    assert left.stdout.split() == []
    assert set(lab.get("/root/limits").decode().split()) == {"0"}
