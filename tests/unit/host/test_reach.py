"""Which portals answer, on the loopback: at once, in words, within the deadline, and without a byte."""

import socket
import time
from pathlib import Path

import pytest

from lunmirror.host import paths
from lunmirror.host.live import LiveHost

pytestmark = pytest.mark.real


@pytest.fixture
def server() -> socket.socket:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def port(server: socket.socket) -> int:
    return server.getsockname()[1]


def test_one_that_accepts_answers_and_hears_nothing(host: LiveHost, server: socket.socket) -> None:
    assert host.reach((("127.0.0.1", port(server)),), 2) == {("127.0.0.1", port(server)): ""}
    connection, _ = server.accept()
    with connection:
        assert connection.recv(1) == b""


def test_one_that_refuses_reports_so_at_once(host: LiveHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        number = port(gone)
    started = time.monotonic()
    assert host.reach((("127.0.0.1", number),), 5) == {("127.0.0.1", number): "connection refused"}
    assert time.monotonic() - started < 1


def test_silence_is_bounded_and_does_not_hide_the_others(host: LiveHost, server: socket.socket) -> None:
    silent = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = []
    for _ in range(8):  # a full backlog drops what comes, as a dead server does
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", port(silent)))
        waiting.append(one)
    started = time.monotonic()
    said = host.reach((("127.0.0.1", port(silent)), ("127.0.0.1", port(server))), 0.5)
    assert 0.4 < time.monotonic() - started < 1.5
    assert list(said.values()) == ["no answer within 0.5 s", ""]
    for one in (*waiting, silent):
        one.close()


def test_names_are_resolved_and_any_address_will_do(host: LiveHost, server: socket.socket) -> None:
    """localhost is ::1 too, where nobody listens."""
    assert host.reach((("localhost", port(server)),), 5) == {("localhost", port(server)): ""}


def test_a_name_without_an_address(host: LiveHost) -> None:
    [said] = host.reach((("no-such-host.invalid", 3260),), 5).values()
    assert "no-such-host.invalid" in said
    [said] = host.reach((("-x", 3260),), 5).values()  # no option of getent's
    assert "-x" in said


def test_a_resolver_that_hangs_does_not_hold_us(
    host: LiveHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "getent").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "getent").chmod(0o755)
    monkeypatch.setattr(paths, "PROGRAM_PATH", (str(tmp_path), *paths.PROGRAM_PATH))
    started = time.monotonic()
    [said] = host.reach((("filer1", 3260),), 0.3).values()
    assert time.monotonic() - started < 1.5
    assert said.startswith("the name filer1 cannot be resolved: getent (pid ")


def test_asking_twice_for_the_same_is_asking_once(host: LiveHost, server: socket.socket) -> None:
    endpoint = ("127.0.0.1", port(server))
    assert host.reach((endpoint, endpoint), 2) == {endpoint: ""}
    assert host.reach((), 2) == {}


def test_an_interface_is_gone_through(host: LiveHost, server: socket.socket) -> None:
    """The server listens on the loopback: through it there is an answer, through one that does not exist none."""
    there, gone = (f"127.0.0.1%{name}" for name in ("lo", "nosuch0"))
    said = host.reach(((there, port(server)), (gone, port(server))), 2)
    assert said == {(there, port(server)): "", (gone, port(server)): "there is no network interface nosuch0"}
