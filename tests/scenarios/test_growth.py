"""A pass with nothing to do over a thousand volumes: what each one more costs, and that it is no more than the last."""

import time

from sim.replay import Replay, recorded, run
from sim.wide import many

# Milliseconds of CPU for each volume more, where `python3 -c pass` takes 10 (`make bench` measures that beside it): a test
# has to hold on a busy machine too, and to fail where something grows with the square.
BOUND = 6.0
SMALL, LARGE = 250, 1000


def cost(count: int) -> float:
    """Seconds of CPU; the quicker of two, since other work only adds."""
    stage = many(count)
    tape = recorded(stage)
    found = []
    for _ in range(2):
        host = Replay(stage, tape)
        started = time.process_time()
        run(stage.desired, host)
        found.append(time.process_time() - started)
    return min(found)


def test_a_pass_grows_with_the_number_of_volumes() -> None:
    small, large = cost(SMALL), cost(LARGE)
    more = (large - small) / (LARGE - SMALL)
    assert more * 1000 < BOUND
    assert more < 2 * small / SMALL, "a volume costs more where there are more of them"
