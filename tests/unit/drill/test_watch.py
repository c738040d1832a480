"""What is noted of sessions and legs."""

import pytest

from lunmirror.drill.watch import GIVEN_UP, REBUILDING, UNKNOWN, WHOLE, Sample, samples, state_of
from lunmirror.lvm.read import DmLine


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("raid raid1 2 AA 131072/131072 idle 0 0 -", WHOLE),
        ("raid raid1 2 AD 131072/131072 idle 0 0 -", GIVEN_UP),
        ("raid raid1 2 DA 0/131072 idle 0 0 -", GIVEN_UP),
        ("raid raid1 2 Aa 1024/131072 recover 0 0 -", REBUILDING),
        ("raid raid1 2 AA 1024/131072 resync 0 0 -", REBUILDING),
        ("raid raid1 3 AAD 131072/131072 idle 0 0 -", GIVEN_UP),
        ("mirror 2 253:0 253:1 128/128 1 AA 1 core", WHOLE),
        ("mirror 2 253:0 253:1 12/128 1 AA 1 core", REBUILDING),
        ("mirror 2 253:0 253:1 128/128 1 AD 1 core", GIVEN_UP),
        ("linear", GIVEN_UP),
        ("raid raid1 nonsense", UNKNOWN),
        ("snapshot 1 2", UNKNOWN),
    ],
)
def test_states(line: str, state: str) -> None:
    target, *words = line.split()
    assert state_of(DmLine(target, tuple(words))) == state


def test_an_inactive_volume_is_unknown() -> None:
    assert state_of(None) == UNKNOWN


def test_a_log_is_read_line_by_line_and_half_a_line_left_out() -> None:
    log = b'[1.5, {"session1": "LOGGED_IN"}, {"v": "whole"}]\n[2.0, {"session1": "FAI'
    assert samples(log) == (Sample(1.5, {"session1": "LOGGED_IN"}, {"v": "whole"}),)
    assert samples(log)[0].connected == 1
