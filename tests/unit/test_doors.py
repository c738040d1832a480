"""The doors to the real machine are locked in tests, and the marks open them."""

import os
import socket
import subprocess

import pytest


def test_no_program_is_started_by_accident() -> None:
    with pytest.raises(AssertionError, match="real machine"):
        subprocess.run(["true"], check=False)
    with pytest.raises(AssertionError, match="real machine"):
        os.posix_spawn("/bin/true", ["true"], {})


def test_no_connection_is_made_by_accident() -> None:
    with socket.socket() as connection, pytest.raises(AssertionError, match="real machine"):
        connection.connect(("127.0.0.1", 9))


@pytest.mark.real
def test_a_mark_opens_them() -> None:
    assert subprocess.run(["true"], check=False).returncode == 0
