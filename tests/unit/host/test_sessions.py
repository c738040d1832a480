"""Waiting for sessions: what counts as one that is up."""

import pytest

from lunmirror.engine.execute import Executor
from lunmirror.engine.model import AwaitSessions, Drift, Ref, Run, Step
from lunmirror.host import files, paths, sysfs
from lunmirror.host.protocol import Host, Ran

IQN = "iqn.2001-01.x:a"


def session(root, number: int, target: str = IQN, address: str = "192.0.2.1", state: str = "LOGGED_IN") -> None:
    here, there = root / f"session/session{number}", root / f"connection/connection{number}:0"
    here.mkdir(parents=True)
    there.mkdir(parents=True)
    for path, text in {
        here / "targetname": target,
        here / "state": state,
        there / "persistent_address": address,
        there / "persistent_port": "3260",
    }.items():
        path.write_text(f"{text}\n")


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "SYS_SESSIONS", f"{tmp_path}/session")
    monkeypatch.setattr(paths, "SYS_CONNECTIONS", f"{tmp_path}/connection")
    return tmp_path


def test_logged_in(root) -> None:
    wanted = ((IQN, "192.0.2.1", 3260), (IQN.upper(), "192.0.2.2", 3260))
    assert not sysfs.logged_in(files, wanted)
    session(root, 1)
    session(root, 2, address="192.0.2.2", state="FREE")
    assert not sysfs.logged_in(files, wanted)
    session(root, 12, address="192.0.2.2")
    assert sysfs.logged_in(files, wanted)


class Fake(Host):
    """A host where iscsid was faster: every login ends with 15."""

    def __init__(self, rc: int) -> None:
        self.rc, self.waited = rc, []

    def now(self) -> float:
        return 0.0

    def run(self, argv, deadline, stdin=b"") -> Ran:
        return Ran(argv, self.rc, "", "", 0.0)

    def run_together(self, runs):
        return tuple(Ran(argv, self.rc, "", "", 0.0) for argv, _ in runs)

    def await_sessions(self, wanted, deadline) -> None:
        self.waited.append((wanted, deadline))


def login(name: str, patience: float) -> Step:
    action = Run(("iscsiadm",), 1.0, ok=(0, 15), settles=AwaitSessions(((name, "a", 1),), patience))
    return Step(Ref("session", name), "log in", action, (Drift("k", "a", "b"),), together=True)


def test_logins_that_are_done_are_waited_for_all_at_once() -> None:
    host = Fake(15)

    outcomes = Executor(host).take((login("x", 10.0), login("y", 15.0)))

    assert [o.status for o in outcomes] == ["done", "done"]
    assert host.waited == [((("x", "a", 1), ("y", "a", 1)), 15.0)]


def test_one_login_is_waited_for_unless_it_failed() -> None:
    host = Fake(15)
    Executor(host).take((login("x", 10.0),))
    assert host.waited == [((("x", "a", 1),), 10.0)]
    host = Fake(8)
    assert Executor(host).take((login("x", 10.0), login("y", 10.0)))[0].status == "failed"
    assert host.waited == []
