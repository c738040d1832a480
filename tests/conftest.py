"""No test reaches the machine that it runs on by accident: not its programs, not its network.

A test that means to is marked `real` (harmless processes, loopback) or `lab` (the lab machine).
"""

import os
import socket
import subprocess
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no fault of what is tested. The same code gets the same examples, so that a change answers for what
# it broke alone; --hypothesis-profile=random looks for what nobody has seen yet.
settings.register_profile("random", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("shared", settings.get_profile("random"), derandomize=True)
settings.load_profile("shared")

DOORS = (
    (os, "posix_spawn"),
    (os, "posix_spawnp"),
    (os, "fork"),
    (os, "system"),
    (subprocess.Popen, "_execute_child"),
    (socket.socket, "connect"),
    (socket.socket, "connect_ex"),
)


@pytest.fixture(autouse=True)
def _locked_doors(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("real") or request.node.get_closest_marker("lab"):
        return
    for owner, name in DOORS:
        monkeypatch.setattr(owner, name, _refuse(name))


def _refuse(name: str) -> Any:
    def refuse(*args: object, **kwargs: object) -> NoReturn:
        raise AssertionError(f"this test reached the real machine through {name}; is it missing a mark?")

    return refuse
