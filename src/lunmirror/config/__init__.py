"""The configuration: TOML in, the desired state out. Everything heavy is imported only when it is needed."""

from __future__ import annotations

import os
from typing import Any

from lunmirror.config import cache, passwords, sources
from lunmirror.engine.desired import Desired
from lunmirror.host import paths

read_secret = passwords.read_secret

__all__ = ["check_candidate", "compile_texts", "explain", "json_schema", "last", "load", "read_secret"]


def load(path: str = paths.CONFIG, *, compiled: str | None = None, remember: bool = True) -> Desired:
    """The desired state that the configuration at `path` (and conf.d beside it) declares.

    compiled: where the compiled form is kept (None: paths.COMPILED; "": nowhere).
    remember: whether it may be written again when it is out of date.
    Raises ConfigError with every problem found.
    """
    place = paths.COMPILED if compiled is None else compiled
    texts = sources.read(path)
    desired = cache.recall(place, texts) if place else None
    return desired or _compile(texts, place if remember else "")


def check_candidate(file: str, path: str = paths.CONFIG) -> Desired:
    """What would be declared if `file` were put in the place of `path`: with its conf.d, and its password files. Raises
    ConfigError with every problem found."""
    from lunmirror.config.compile import compile

    return compile(sources.read_candidate(file, path), os.path.abspath(path))


def last(place: str) -> Desired | None:
    """What was compiled last, whatever the files say now; None if that is not known."""
    return cache.last(place)


def compile_texts(texts: list[tuple[str, str]]) -> Desired:
    """The desired state that these (path, text) pairs declare; the first is the main file. Raises ConfigError."""
    from lunmirror.config.compile import compile

    return compile(texts)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the configuration, for editors."""
    from lunmirror.config import publish

    return publish.json_schema()


def explain(key: str, desired: Desired | None = None) -> Any:
    """What is known about one key: an explanation.Explanation, whose str() is for people.

    With a desired state, also how the values in force were derived.
    Raises UsageError for a key that does not exist.
    """
    from lunmirror.config import explanation

    return explanation.explain(key, desired)


def search(words: str) -> list[Any]:
    """Keys in whose name this stands, else keys that speak of it, as `explain` has them; of "" all."""
    from lunmirror.config import explanation

    return explanation.search(words)


def _compile(texts: list[tuple[str, str]], place: str) -> Desired:
    desired = compile_texts(texts)
    if place:
        cache.keep(place, texts, desired)
    return desired
