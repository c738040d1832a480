"""Which sessions are to one server, and what they are called."""

import pytest

from lunmirror.engine.desired import Portal
from lunmirror.setup.sessions import Way, _servers, to_look_at

A, B = "iqn.2006-01.com.openfiler:one", "iqn.2006-01.com.openfiler:two"


def way(address: str, target: str = A, held: str = "x", luns: tuple[int, ...] = (1,)) -> Way:
    return Way("session1", target, Portal(address), dict.fromkeys(luns, ("sda", ("4096", held))))


def grouped(*ways: Way) -> list[list[str]]:
    return [[one.portal.address for one in server] for server in _servers(ways)]


@pytest.mark.parametrize(
    ("ways", "servers"),
    [
        ((way("10.0.0.2"), way("10.0.0.1", B)), [["10.0.0.1"], ["10.0.0.2"]]),
        ((way("10.0.0.10"), way("10.0.0.9", B)), [["10.0.0.9"], ["10.0.0.10"]]),
        ((way("10.0.0.1"), way("10.0.0.1", B)), [["10.0.0.1", "10.0.0.1"]]),
        ((way("10.0.0.1"), way("10.0.1.1")), [["10.0.0.1", "10.0.1.1"]]),  # two paths
        (
            (way("10.0.0.1"), way("10.0.1.1", held="y")),
            [["10.0.0.1"], ["10.0.1.1"]],
        ),  # a cloned server, the same name
        ((way("10.0.0.1"), way("10.0.1.1", A.upper().replace("IQN", "iqn"))), [["10.0.0.1", "10.0.1.1"]]),
        ((way("fd00::1"), way("fd00:0::1", B)), [["fd00::1", "fd00:0::1"]]),
        # the third joins what seemed to be two
        ((way("10.0.0.1"), way("10.0.1.1", B), way("10.0.1.1", A)), [["10.0.0.1", "10.0.1.1", "10.0.1.1"]]),
    ],
)
def test_sessions_to_one_server(ways: tuple[Way, ...], servers: list[list[str]]) -> None:
    assert grouped(*ways) == servers


def test_every_lun_is_a_disk_and_named_by_its_place() -> None:
    found = to_look_at(
        _servers([way("10.0.0.1", A, luns=(1, 3)), way("10.0.0.1", B), way("10.0.0.2", "iqn.2006-01.org.x:c")])
    )
    assert {d.name: (d.server, d.target, d.lun) for d in found.disks.values()} == {
        "filer1-t1-lun1": ("filer1", A, 1),
        "filer1-t1-lun3": ("filer1", A, 3),
        "filer1-t2-lun1": ("filer1", B, 1),
        "filer2-lun1": ("filer2", "iqn.2006-01.org.x:c", 1),
    }
    assert found.servers["filer1"].portals == (Portal("10.0.0.1"),)
