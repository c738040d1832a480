"""NamedTuple, quick to define. For every reader and type checker it is typing.NamedTuple.

typing's own takes 0.11 ms to define, since it compiles a constructor for each class and checks each annotation; this
takes 0.015 ms, and a run from cron defines about seventy (docs/performance.md). A test holds the two to the same
behaviour. Instances take about twice as long to make, which nobody notices at some hundred of them.
"""

from operator import itemgetter

TYPE_CHECKING = False  # a type checker takes this name for true

if TYPE_CHECKING:
    from typing import NamedTuple
else:

    class _Definition(type):
        def __new__(meta, name, bases, space):
            fields = tuple(space.get("__annotations__", ()))
            space["__slots__"] = ()
            space["__match_args__"] = space["_fields"] = fields
            space["_field_defaults"] = {f: space[f] for f in fields if f in space}
            for number, field in enumerate(fields):
                space[field] = property(itemgetter(number))
            return super().__new__(meta, name, bases, space)

    class NamedTuple(tuple, metaclass=_Definition):
        def __new__(cls, *values, **named):
            fields = cls._fields
            if named or len(values) != len(fields):
                values += tuple(cls._rest(fields[len(values) :], named))
                if named or len(values) != len(fields):
                    wrong = ", ".join(named) or f"{len(values)} values"
                    raise TypeError(f"{cls.__name__} has the fields {', '.join(fields)}; not {wrong}")
            return tuple.__new__(cls, values)

        @classmethod
        def _rest(cls, fields, named):
            for field in fields:
                if field in named:
                    yield named.pop(field)
                elif field in cls._field_defaults:
                    yield cls._field_defaults[field]
                else:
                    raise TypeError(f"{cls.__name__} needs {field}")

        @classmethod
        def _make(cls, values):
            return cls(*values)

        def _replace(self, **changes):
            return type(self)(**self._asdict() | changes)

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __getnewargs__(self):
            return tuple(self)

        def __repr__(self):
            inside = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({inside})"


__all__ = ["NamedTuple"]
