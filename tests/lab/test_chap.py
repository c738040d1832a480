"""Item 6: CHAP against the real servers, and no secret where anybody but root could read it."""

import json
import re
from collections.abc import Callable

import pytest
import world
from kit import SERVERS, Lab, config

from lunmirror.layers.node.settings import AUTHMETHOD, PASSWORD, PASSWORD_IN, USERNAME, USERNAME_IN

VOLUME = 'size = "48MiB"\nfilesystem = "ext4"\nmount = "/mnt/test"'
DIRECTORY = "/etc/lunmirror/secrets"
OURS = {"filer1": "outgoing-Xq7-one", "filer2": "outgoing-Xq7-two"}
THEIRS = {"filer1": "incoming-Zp4-one", "filer2": "incoming-Zp4-two"}
PUBLIC = ("/run", "/tmp", "/var", "/etc", "/root", "/home", "/dev/shm")


def chap(server: str, mutual: bool = False) -> str:
    """The TOML of one server."""
    back = f', mutual = {{ username = "{server}", password_file = "secrets/{server}-mutual" }}' if mutual else ""
    return f'chap = {{ username = "client-of-{server}", password_file = "secrets/{server}"{back} }}'


def guard(lab: Lab, server: str, mutual: bool = False, secret: str = "", declared: str = "") -> None:
    """The server wants CHAP; our side has the password files. `declared`: what our file says, if not the truth."""
    secret = secret or OURS[server]
    back = [server, THEIRS[server]] if mutual else []
    lab.run(["filer", "chap", server, f"client-of-{server}", secret, *back], timeout=120)
    lab.put(f"{DIRECTORY}/{server}", (declared or secret) + "\n", 0o600)
    lab.put(f"{DIRECTORY}/{server}-mutual", THEIRS[server] + "\n", 0o600)


def toml(*servers: str, mutual: bool = False) -> str:
    return config(volume=VOLUME, servers={server: chap(server, mutual) for server in servers})


def holders(lab: Lab, secret: str, readable: str) -> set[str]:
    """The files under PUBLIC that hold the secret, in /proc's command lines too; `readable` narrows find."""
    places = " ".join(PUBLIC)
    found = lab.run(
        f"find {places} -xdev -type f {readable} -size -4096 -print0 2>/dev/null | xargs -0 -r grep -laF -e '{secret}';"
        f" find /run /dev/shm -type f {readable} -size -4096 -print0 | xargs -0 -r grep -laF -e '{secret}'; true",
        timeout=180,
    ).stdout.split()
    return set(found)


def nowhere(lab: Lab, *secrets: str) -> None:
    """In no file but the password files, the node records and the server's own settings; in none that others may
    read; not in the journal."""
    for secret in secrets:
        mine = {
            p for p in holders(lab, secret, "") if not p.startswith((f"{DIRECTORY}/", f"{lab.nodes}/", "/root/probe"))
        }
        assert mine == set(), f"{secret} lies about"
        assert holders(lab, secret, "-perm -o=r") == set()
        assert lab.run(f"journalctl -q -o cat | grep -cF -e '{secret}'", check=False).stdout.strip() == "0"
        assert secret not in lab.run("cat /run/lunmirror/*", check=False).stdout


def silent(lab: Lab, *secrets: str, verbs: tuple[tuple[str, ...], ...]) -> None:
    """None of the secrets is in any argument, nor in anything that these verbs say."""
    for verb in verbs:
        trace = "/root/probe.trace"
        strace = [
            "strace",
            "-f",
            "--seccomp-bpf",
            "-qq",
            "-s",
            "65536",
            "-e",
            "trace=execve,execveat",
            "-e",
            "signal=none",
            "-o",
            trace,
        ]
        done = lab.run([*strace, "lunmirror", *verb, "--log-level", "debug"], check=False, timeout=300)
        argv = lab.get(trace).decode(errors="replace")
        lab.run(f"rm {trace}")
        assert argv.count("execve(") > 0
        for secret in secrets:
            assert secret not in argv, f"{verb}: in the arguments of a program"
            assert secret not in done.stdout, f"{verb}: in the report"
            assert secret not in done.stderr, f"{verb}: in the log"


def test_one_way_and_a_wrong_secret(lab: Lab) -> None:
    """filer1 takes our secret; filer2 does not: its neighbour's work is done all the same."""
    guard(lab, "filer1")
    guard(lab, "filer2", declared="mistyped-Kw2-two")
    lab.configure(toml("filer1", "filer2"))
    silent(lab, OURS["filer1"], "mistyped-Kw2-two", verbs=(("plan",), ("plan", "--json")))
    ran = lab.apply(expect=1)

    states = {about["target"]: about["state"] for about in lab.sessions().values()}
    assert states.get(SERVERS["filer1"][2]) == "LOGGED_IN"
    assert f"{PASSWORD} = {OURS['filer1']}\n" in lab.get(lab.record("left")).decode()
    assert f"{AUTHMETHOD} = CHAP\n" in lab.get(lab.record("left")).decode()
    failed = [o for o in ran.report["outcomes"] if o["status"] == "failed"]
    assert [o["step"]["resource"] for o in failed] == [{"layer": "session", "name": "filer2"}]
    assert "authentication failed" in failed[0]["error"]
    assert "[servers.filer2.chap]" in failed[0]["error"]
    assert SERVERS["filer2"][2] in failed[0]["step"]["title"]
    assert states.get(SERVERS["filer2"][2]) is None, "no half-made session is left behind"
    for secret in (*OURS.values(), "mistyped-Kw2-two"):
        assert secret not in ran.stdout + ran.stderr
    nowhere(lab, OURS["filer1"], "mistyped-Kw2-two")

    # The secret put right, the next pass goes on to the end.
    lab.put(f"{DIRECTORY}/filer2", OURS["filer2"] + "\n", 0o600)
    lab.settle()
    assert lab.mounted().split()[1] == "ext4"
    assert set(lab.sessions()) == {lab.sid("left"), lab.sid("right")}
    silent(lab, *OURS.values(), verbs=(("apply",), ("status", "--json")))
    nowhere(lab, *OURS.values())


@pytest.fixture
def mutual(converged: Callable[..., Lab]) -> Lab:
    def both(lab: Lab) -> None:
        for server in ("filer1", "filer2"):
            guard(lab, server, mutual=True)

    return converged("mutual-chap", toml("filer1", "filer2", mutual=True), both)


def test_mutual(mutual: Lab) -> None:
    assert len(mutual.sessions()) == 2
    for disk, server in (("left", "filer1"), ("right", "filer2")):
        text = mutual.get(mutual.record(disk)).decode()
        assert f"{PASSWORD_IN} = {THEIRS[server]}\n" in text
        session = f"/sys/class/iscsi_session/{mutual.sid(disk)}"
        assert mutual.run(f"cat {session}/username_in").stdout.strip() == server
    mutual.run(f"rm {mutual.record('left')}")
    silent(mutual, *OURS.values(), *THEIRS.values(), verbs=(("plan",), ("apply", "--json")))
    nowhere(mutual, *OURS.values(), *THEIRS.values())
    modes = mutual.run(f"stat -c %a {mutual.record('left')} {DIRECTORY}/filer1").stdout.split()
    assert modes == ["600", "600"]
    assert mutual.apply(expect=0).titles() == []


def test_a_server_that_cannot_prove_itself(lab: Lab) -> None:
    """Mutual CHAP is for this: whoever answers at filer2's address does not know filer2's secret."""
    guard(lab, "filer1", mutual=True)
    guard(lab, "filer2", mutual=True)
    lab.put(f"{DIRECTORY}/filer2-mutual", "another-Hh3-secret\n", 0o600)
    lab.configure(toml("filer1", "filer2", mutual=True))
    before = lab.backing("filer2")
    ran = lab.apply(expect=1)
    world.told(ran, "filer2")
    failed = [o for o in ran.report["outcomes"] if o["status"] == "failed"]
    assert [o["step"]["resource"]["name"] for o in failed] == ["filer2"]
    assert "failed authentication" in failed[0]["error"]
    assert "[servers.filer2.chap]" in failed[0]["error"]
    assert {about["target"] for about in lab.sessions().values()} == {SERVERS["filer1"][2]}
    assert lab.backing("filer2") == before


def test_every_chap_key(mutual: Lab) -> None:
    """Item 3 for these keys: changed by hand, put back, and not shown."""
    path = mutual.record("left")
    before = mutual.get(path).decode()
    for key in (AUTHMETHOD, USERNAME, PASSWORD, USERNAME_IN, PASSWORD_IN):
        value = "None" if key == AUTHMETHOD else "by-hand-Rr5"
        mutual.put(path, re.sub(rf"(?m)^{re.escape(key)} = .*$", f"{key} = {value}", before), 0o600)
        ran = mutual.apply(expect=0)
        assert [o["step"]["resource"] for o in ran.report["outcomes"]] == [{"layer": "node", "name": "filer1"}]
        assert mutual.get(path).decode() == before
        said = json.dumps([ran.report, ran.log])
        assert not any(secret in said for secret in (*OURS.values(), *THEIRS.values()))
        assert "by-hand-Rr5" not in said or key in (USERNAME, USERNAME_IN), "a secret of before is one too"


def test_equal_secrets_both_ways(lab: Lab) -> None:
    """open-iscsi #259: such logins fail and say nothing. Known before any login is tried."""
    guard(lab, "filer1", mutual=True)
    lab.put(f"{DIRECTORY}/filer1-mutual", OURS["filer1"] + "\n", 0o600)
    lab.configure(toml("filer1", mutual=True))
    before = world.take(lab)
    ran = lab.apply()
    assert ran.rc in (1, 78), str(ran)
    world.told(ran, "filer1", "same secret")
    assert OURS["filer1"] not in ran.stdout + ran.stderr
    assert {
        n for n in world.changed(before, world.take(lab)) if n.startswith("session") and SERVERS["filer1"][2] in n
    } == set()
