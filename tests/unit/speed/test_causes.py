"""What holds a leg back, by its figures."""

import pytest

from lunmirror.speed.causes import Queue, Reading, limits
from lunmirror.speed.reading import Measured, Rate
from lunmirror.speed.wire import Route

MB = 1_000_000


def leg(one: float, several: float, speed: int | None = 1000, mtu: int = 1500, latency: float = 0.0005, **more):
    route = Route("filer1", "p", "x", "eth0", ("eth0",), True, speed, mtu)
    measured = Measured(Rate(int(one * MB), 1.0), Rate(int(several * MB), 1.0), latency)
    return Reading("vg0/lv", "leg on filer1", "filer1", "left", measured, (route,), **more)


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (leg(117, 117), "the link is full (1000 Mbit/s on eth0)"),
        (leg(11.7, 11.7, speed=100), "slow for storage"),
        (leg(40, 80), "8 at once get 2.0 times as much"),
        (leg(20, 20, queues=(Queue("sda", 1, "none"),)), "sda takes 1 commands at once (queue_depth)"),
        (leg(20, 20, latency=0.02), "a small read takes 20.0 ms"),
        (leg(20, 20, queues=(Queue("sda", 32, "bfq"),)), "the scheduler bfq"),
        (leg(20, 20), "not shown here"),
        (leg(20, 20, speed=None), "not shown here"),
    ],
)
def test_the_cause_is_named(reading: Reading, words: str) -> None:
    assert words in limits((reading,))[0]


def test_a_slow_leg_is_held_against_the_fastest() -> None:
    slow = leg(20, 20)._replace(what="leg on filer2")
    assert "slow: 19.1 MiB/s, the fastest leg has 111.6 MiB/s" in limits((leg(117, 117), slow))[1]


def test_the_share_is_of_what_the_frames_can_carry() -> None:
    assert leg(1, 117.7).share == pytest.approx(1.0, abs=0.01)
    assert leg(1, 123.7, mtu=9000).share == pytest.approx(1.0, abs=0.01)
    assert leg(1, 117, speed=None).share is None


def test_two_links_are_added_and_none_is_guessed() -> None:
    one = leg(1, 200)
    other = one.routes[0]._replace(interface="eth1")
    assert one._replace(routes=(*one.routes, other)).link == 2000
    assert one._replace(routes=(*one.routes, one.routes[0])).link == 1000
    assert one._replace(routes=(*one.routes, other._replace(speed=None))).link is None


def test_what_was_not_measured_has_no_cause() -> None:
    assert limits((leg(1, 1)._replace(measured=None, why="FAILED"),)) == ()
