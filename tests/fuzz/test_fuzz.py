"""A minute of fuzzing at each `make test`; `make fuzz` goes on for a million inputs and more (long.py)."""

import resource

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.targets import PARSERS, TARGETS, WORLDS, corpus, edited

RECIPES = st.binary(max_size=30)
MOST_MEMORY = 200 << 10  # KiB more than at the start
AT_REST = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def quick(examples: int) -> settings:
    """The deadline (ms) is what says that something hangs."""
    return settings(max_examples=examples, deadline=2000, suppress_health_check=list(HealthCheck), database=None)


@pytest.mark.parametrize("name", PARSERS)
def test_the_corpus(name: str) -> None:
    assert corpus(name), "no seeds"
    for data in corpus(name):
        PARSERS[name](data)


@pytest.mark.parametrize("name", PARSERS)
def test_any_parser(name: str) -> None:
    target, seeds = PARSERS[name], corpus(name)

    @given(st.binary(max_size=200) | st.builds(edited, st.sampled_from(seeds), RECIPES))
    @quick(60 if name == "toml" else 1000)
    def spoilt(data: bytes) -> None:
        target(data)

    spoilt()


@pytest.mark.parametrize("name", WORLDS)
def test_any_answer_of_the_machine(name: str) -> None:
    target = WORLDS[name]

    @given(st.builds(lambda at, recipe: at.to_bytes(2) + recipe, st.integers(0, 65535), RECIPES))
    @quick(200)
    def spoilt(data: bytes) -> None:
        target(data)

    spoilt()


def test_it_took_no_memory_to_speak_of() -> None:
    """After all the others of this file: what they made the process grow by, together."""
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - AT_REST < MOST_MEMORY


def test_a_target_can_fail() -> None:
    """The edits reach what they are for: a target that would let this pass proves nothing."""

    @given(st.builds(edited, st.just(b"status: AA 64/64 idle"), RECIPES))
    @quick(2000)
    def careless(data: bytes) -> None:
        int(data.partition(b"AA ")[2].partition(b"/")[0] or b"0")

    with pytest.raises((ValueError, ExceptionGroup)):
        careless()
    assert set(TARGETS) == set(PARSERS) | set(WORLDS)
