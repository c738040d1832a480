"""Our NamedTuple behaves as typing's, in everything that lunmirror asks of it."""

import copy
import pickle
import typing
from typing import Any

import pytest

from lunmirror import record


def define(base: Any) -> Any:
    class Point(base):
        """A point."""

        x: int
        y: int = 2
        name: str = ""

        @property
        def both(self) -> int:
            return self.x + self.y

        def __str__(self) -> str:
            return f"({self.x}, {self.y})"

    return Point


Ours, Theirs = define(record.NamedTuple), define(typing.NamedTuple)
Point = Ours  # by which pickle finds it
Ours.__qualname__ = "Point"

QUESTIONS = {
    "by position": lambda p: tuple(p(1, 3, "n")),
    "by name": lambda p: tuple(p(name="n", x=1)),
    "mixed": lambda p: tuple(p(1, name="n")),
    "fields": lambda p: (p(1).x, p(1).y, p(1).both),
    "repr": lambda p: repr(p(1, name="a'b")),
    "str": lambda p: str(p(1)),
    "as a dict": lambda p: p(1)._asdict(),
    "replaced": lambda p: tuple(p(1)._replace(y=9)),
    "made": lambda p: tuple(p._make([1, 2, "x"])),
    "equality": lambda p: (p(1) == p(1), p(1) == p(2), p(1) == (1, 2, ""), hash(p(1)) == hash((1, 2, ""))),
    "order": lambda p: sorted([p(2), p(1)]) == [p(1), p(2)],
    "unpacked": lambda p: [*p(1)],
    "about itself": lambda p: (p._fields, p._field_defaults, p.__match_args__, p.__doc__, list(p.__annotations__)),
    "is a tuple": lambda p: (isinstance(p(1), tuple), issubclass(p, tuple), len(p(1))),
    "copied": lambda p: (copy.copy(p(1)) == p(1), copy.deepcopy(p(1)) == p(1), type(copy.copy(p(1))) is p),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_it_answers_as_typings_does(question: str) -> None:
    assert QUESTIONS[question](Ours) == QUESTIONS[question](Theirs)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda p: p(),
        lambda p: p(y=1),
        lambda p: p(1, 2, "", 4),
        lambda p: p(1, x=1),
        lambda p: p(1, z=1),
        lambda p: p(1, 2, "", z=1),
        lambda p: p._make([]),
    ],
)
def test_what_does_not_fit_is_a_type_error(wrong: Any) -> None:
    for point in (Ours, Theirs):
        with pytest.raises(TypeError):
            wrong(point)


def test_it_cannot_be_changed() -> None:
    for point in (Ours, Theirs):
        with pytest.raises(AttributeError):
            point(1).x = 2
        with pytest.raises(AttributeError):
            point(1).other = 2


def test_it_survives_a_pickle() -> None:
    assert pickle.loads(pickle.dumps(Ours(1))) == Ours(1)


def test_it_can_be_matched() -> None:
    match Ours(1, 5):
        case Ours(x, y=5):
            assert x == 1
        case _:
            pytest.fail("it did not match")


def test_one_without_fields() -> None:
    class Nothing(record.NamedTuple):
        """Is all there is."""

    assert Nothing() == ()
    assert repr(Nothing()) == "Nothing()"
